"""Captions: true sentences about scenes, with paraphrases and with things left unsaid.

    caption = [prefix] (thing | thing "and" thing | thing relation thing | number things)
              [on|with a COLOR background]
    thing = a|an|one [size] [color] shape

Attributes are left out at random, so that a model learns what each word means on its own; what
is said is always true. Half of the captions are FULL and half BRIEF: full ones teach the words,
brief ones what to do where nothing is said. Of two objects either may come first: "X left of Y"
is "Y right of X".
"""

from dataclasses import dataclass

import torch

from .scene import BACKGROUNDS, COLORS, INVERSE, RELATIONS, SHAPES, SIZES, Scene, Scenes

SIZE_WORDS = {"small": ("small", "tiny"), "large": ("large", "big")}
RELATION_WORDS = {
    "left of": ("left of", "to the left of"),
    "right of": ("right of", "to the right of"),
    "above": ("above", "over"),
    "below": ("below", "under"),
}
COUNT_WORDS = {2: ("two", "2"), 3: ("three", "3"), 4: ("four", "4")}
PLURALS = {shape: shape + ("es" if shape.endswith("s") else "s") for shape in SHAPES}
PREFIXES = ("a picture of", "a drawing of")
BACKGROUND_WORDS = ("on a", "with a")
ARTICLES = ("a", "an", "one")


@dataclass(frozen=True)
class Mentions:
    """Probability that a caption says a thing (each object's own color and size by themselves)."""

    color: float = 0.9
    size: float = 0.7
    relation: float = 0.9  # learned last, and only from captions that say it
    background: float = 0.5
    prefix: float = 0.15


FULL = Mentions()
BRIEF = Mentions(color=0.7, size=0.15, relation=0.3, background=0.1)


def vocabulary() -> list[str]:
    """All words that captions can use, sorted."""
    tables = (SIZE_WORDS, RELATION_WORDS, COUNT_WORDS)
    phrases = [phrase for table in tables for words in table.values() for phrase in words]
    phrases += [*SHAPES, *PLURALS.values(), *COLORS, *BACKGROUNDS, *PREFIXES, *ARTICLES]
    phrases += [*BACKGROUND_WORDS, "background", "and"]
    return sorted({word for phrase in phrases for word in phrase.split()})


def caption(scene: Scene, generator=None, mentions: Mentions | None = None) -> str:
    """Describe one scene truly, in lower-case words and at most 20 of them.

    `mentions` says how much is said; None: FULL or BRIEF, by chance.
    """
    dice = torch.rand(NUM_DICE, generator=generator).tolist()
    things = [(thing.shape, thing.color, thing.size) for thing in scene.objects]
    return describe(things, scene.relation, scene.background, iter(dice).__next__, mentions)


def captions(scenes: Scenes, generator=None, mentions: Mentions | None = None) -> list[str]:
    """Describe many scenes: the same as caption of each, but quicker."""
    dice = torch.rand(len(scenes), NUM_DICE, generator=generator).tolist()
    colors, sizes, backgrounds = tuple(COLORS), tuple(SIZES), tuple(BACKGROUNDS)
    columns = (scenes.count, scenes.shape, scenes.color, scenes.size)
    columns += (scenes.relation, scenes.background)
    lines = []
    for rolled, row in zip(dice, zip(*(c.tolist() for c in columns), strict=True), strict=True):
        count, shape, color, size, relation, background = row
        things = [(SHAPES[shape[i]], colors[color[i]], sizes[size[i]]) for i in range(count)]
        relation = RELATIONS[relation] if relation >= 0 else None
        roll = iter(rolled).__next__
        lines.append(describe(things, relation, backgrounds[background], roll, mentions))
    return lines


NUM_DICE = 18  # how many random numbers a caption may use: one for each choice below


def describe(things, relation, background, roll, mentions: Mentions | None) -> str:
    """Say (shape, color, size) things in words; roll() gives a random number in [0, 1).

    relation is that of the first thing to the second, or None for identical things.
    """
    if mentions is None:
        mentions = _choose((FULL, BRIEF), roll())
    prefix = _choose(PREFIXES, roll()) + " " if roll() < mentions.prefix else ""
    place = ""
    if roll() < mentions.background:
        place = f" {_choose(BACKGROUND_WORDS, roll())} {background} background"

    if relation is None:  # all alike
        words = _attributes(*things[0][1:], roll, mentions)
        if len(things) == 1:
            return prefix + _article(words, things[0][0], roll()) + place
        number = _choose(COUNT_WORDS[len(things)], roll())
        return prefix + " ".join([number, *words, PLURALS[things[0][0]]]) + place

    if roll() < 0.5:
        things, relation = things[::-1], INVERSE[relation]
    first, second = (
        _article(_attributes(color, size, roll, mentions), shape, roll())
        for shape, color, size in things
    )
    said = roll() < mentions.relation
    link = _choose(RELATION_WORDS[relation], roll()) if said else "and"
    return f"{prefix}{first} {link} {second}{place}"


def _choose(options: tuple, random: float):
    return options[int(random * len(options))]


def _attributes(color: str, size: str, roll, mentions: Mentions) -> list[str]:
    words = [_choose(SIZE_WORDS[size], roll())] if roll() < mentions.size else []
    return words + ([color] if roll() < mentions.color else [])


def _article(words: list[str], shape: str, random: float) -> str:
    words = [*words, shape]
    vowel = words[0][0] in "aeiou"
    return " ".join(["one" if random < 0.2 else "an" if vowel else "a", *words])
