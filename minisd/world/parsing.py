"""Read a prompt back into what it asks for. Every caption can be read; other text is refused."""

from dataclasses import dataclass

from .caption import (
    ARTICLES,
    BACKGROUND_WORDS,
    COUNT_WORDS,
    PLURALS,
    PREFIXES,
    RELATION_WORDS,
    SIZE_WORDS,
)
from .scene import BACKGROUNDS, COLORS, SHAPES

SIZE_OF = {word: size for size, words in SIZE_WORDS.items() for word in words}
RELATION_OF = {words: name for name, phrases in RELATION_WORDS.items() for words in phrases}
COUNT_OF = {word: count for count, words in COUNT_WORDS.items() for word in words}
SHAPE_OF_PLURAL = {plural: shape for shape, plural in PLURALS.items()}


@dataclass(frozen=True)
class Wanted:
    """One object as a prompt asks for it; None = left unsaid, anything goes."""

    shape: str
    color: str | None = None
    size: str | None = None


@dataclass(frozen=True)
class Spec:
    """What a prompt asks for: exactly these objects, and nothing else."""

    objects: tuple[Wanted, ...]
    relation: str | None = None  # of the first object to the second
    background: str | None = None


def parse(prompt: str) -> Spec:
    """Read a prompt of the caption grammar (upper case, commas and spaces do not matter).

    Raises ValueError with one sentence that names what it cannot read.
    """
    text = " ".join(prompt.lower().replace(",", " ").rstrip(" .").split())
    if not text:
        raise ValueError("the prompt is empty: there is nothing to read")
    for prefix in PREFIXES:
        text = text.removeprefix(prefix + " ")

    background = None
    for words in BACKGROUND_WORDS:
        body, found, rest = text.partition(f" {words} ")
        if found:
            color = rest.removesuffix(" background")
            if color not in BACKGROUNDS or color == rest:
                raise ValueError(
                    f'cannot read "{words} {rest}" in the prompt {prompt!r}: '
                    f"the backgrounds are {', '.join(BACKGROUNDS)}"
                )
            text, background = body, color
            break

    links = sorted([*RELATION_OF, "and"], key=len, reverse=True)  # "to the left of" first
    for link in links:
        first, found, second = text.partition(f" {link} ")
        if found:
            things = (_read_thing(first, prompt), _read_thing(second, prompt))
            return Spec(things, RELATION_OF.get(link), background)

    number, _, rest = text.partition(" ")
    if number in COUNT_OF:
        *words, plural = rest.split() or [""]
        if plural not in SHAPE_OF_PLURAL:
            raise ValueError(
                f'expected a shape such as "circles" after "{number}" in the prompt '
                f"{prompt!r}, found {plural!r}"
            )
        thing = _read_thing(" ".join([*words, SHAPE_OF_PLURAL[plural]]), prompt)
        return Spec((thing,) * COUNT_OF[number], None, background)
    return Spec((_read_thing(text, prompt),), None, background)


def _read_thing(text: str, prompt: str) -> Wanted:
    """Read "a small red circle": the shape comes last, size and color once at most before it."""
    words = text.split()
    if len(words) > 1 and words[0] in ARTICLES:
        words = words[1:]
    *attributes, shape = words
    if shape not in SHAPES:
        raise ValueError(
            f"cannot read {shape!r} as a shape in the prompt {prompt!r}: "
            f"the shapes are {', '.join(SHAPES)}"
        )
    color = size = None
    for word in attributes:
        if word in COLORS and color is None:
            color = word
        elif word in SIZE_OF and size is None:
            size = SIZE_OF[word]
        else:
            raise ValueError(f"cannot read the word {word!r} in the prompt {prompt!r}")
    return Wanted(shape, color, size)
