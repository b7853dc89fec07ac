"""The fixed prompts that models are scored on: 100 a category, seen and held-out.

`prompts(split)` makes the lists that datasets/prompts/*.json hold, always the same ones: Python
promises that random.random() of a seed never changes.
"""

import random
from collections import Counter
from dataclasses import dataclass

from .caption import Mentions, describe
from .held_out import HELD_OUT_COLORS, HELD_OUT_COUNTS, HELD_OUT_RELATIONS
from .parsing import Spec, parse
from .scene import BACKGROUNDS, COLORS, RELATIONS, SHAPES, SIZES, compositions

PROMPTS_A_CATEGORY = 100


@dataclass(frozen=True)
class Category:
    """How the prompts of a category are drawn."""

    kinds: tuple[str, ...]  # "one", "two" different shapes, or "identical" ones
    mentions: tuple[Mentions, ...]  # what is said; one of these a prompt
    held_out: tuple[tuple, ...] = HELD_OUT_COLORS  # held-out prompts state some of these
    colors: tuple[int, ...] = (0, 1, 2)  # how many different colors may be named


def _say(color: float = 0, size: float = 0, relation: float = 0, background: float = 0):
    return Mentions(color, size, relation, background)


CATEGORIES = {
    "single_object": Category(("one",), (_say(), _say(1, 1, 0, 1), _say(1, 1, 0, 1))),
    "two_objects": Category(("two",), (_say(0.5),), colors=(0, 1)),
    "counting": Category(("identical",), (_say(0.5),), HELD_OUT_COUNTS),
    "colors": Category(("one",), (_say(1, 0, 0, 0.3),)),
    "position": Category(("two",), (_say(0.5, 0, 1),), HELD_OUT_RELATIONS),
    "color_attribution": Category(("two",), (_say(1),), colors=(2,)),
    "size": Category(("one", "two"), (_say(0.7, 1),)),
}


def prompts(split: str) -> dict[str, list[str]]:
    """The fixed prompts of a split, "seen" or "held_out": category -> 100 distinct prompts.

    A seen prompt states no held-out composition; a held-out one states at least one, of its
    category's own kind and of no other, all of them about equally often.
    """
    if split not in ("seen", "held_out"):
        raise ValueError(f'split is "seen" or "held_out", not {split!r}')
    return {name: _draw_category(name, split) for name in CATEGORIES}


def _draw_category(name: str, split: str) -> list[str]:
    category = CATEGORIES[name]
    rng = random.Random(f"{name}, {split}")  # each list is its own: editing one keeps the others
    quota = -(-PROMPTS_A_CATEGORY // len(category.held_out))
    chosen, used = {}, Counter()
    while len(chosen) < PROMPTS_A_CATEGORY:
        prompt = _draw_prompt(category, rng.random)
        spec = parse(prompt)
        stated = compositions(spec)
        if prompt in chosen or _count_colors(spec) not in category.colors:
            continue
        if split == "seen" and stated:
            continue
        if split == "held_out":
            if not stated or not set(stated) <= set(category.held_out):
                continue
            if used[stated[0]] == quota:
                continue
            used[stated[0]] += 1
        chosen[prompt] = True
    return list(chosen)


def _draw_prompt(category: Category, roll) -> str:
    """Draw one prompt; roll() gives a random number in [0, 1)."""

    def choose(options):
        return tuple(options)[int(roll() * len(options))]

    kind, mentions = choose(category.kinds), choose(category.mentions)
    things = [(choose(SHAPES), choose(COLORS), choose(SIZES))]
    relation = None
    if kind == "identical":
        things = things * choose((2, 3, 4))
    elif kind == "two":
        others = [shape for shape in SHAPES if shape != things[0][0]]
        things.append((choose(others), choose(COLORS), choose(SIZES)))
        relation = choose(RELATIONS)
    return describe(things, relation, choose(BACKGROUNDS), roll, mentions)


def _count_colors(spec: Spec) -> int:
    return len({thing.color for thing in spec.objects} - {None})
