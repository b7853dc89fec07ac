"""The captioned world: pictures of shapes whose content is known exactly."""

from .caption import BRIEF, FULL, Mentions, caption, captions, vocabulary
from .matching import Verdict, obeys
from .parsing import Spec, Wanted, parse
from .prompt_lists import prompts
from .render import render
from .sampling import sample_scenes
from .scene import (
    BACKGROUNDS,
    COLORS,
    RELATIONS,
    SHAPES,
    SIZES,
    Object,
    Scene,
    Scenes,
    compositions,
    contains_held_out,
)

__all__ = [
    "BACKGROUNDS",
    "COLORS",
    "RELATIONS",
    "SHAPES",
    "SIZES",
    "Mentions",
    "BRIEF",
    "FULL",
    "Object",
    "Scene",
    "Scenes",
    "Spec",
    "Verdict",
    "Wanted",
    "caption",
    "captions",
    "compositions",
    "contains_held_out",
    "obeys",
    "parse",
    "prompts",
    "render",
    "sample_scenes",
    "vocabulary",
]
