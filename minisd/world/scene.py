"""Scenes: what is in a picture, as tensors. Everything else (pixels, words) is made from them.

Coordinates are fractions of the side, x to the right and y downward, (0, 0) the top left corner.
"""

from dataclasses import dataclass, fields

import torch

from .held_out import HELD_OUT_COLORS, HELD_OUT_COUNTS, HELD_OUT_RELATIONS

SHAPES = ("circle", "square", "triangle", "cross", "ring", "heart")

# Found by random search: any two colors, any background and brown lie >= .47 apart in RGB (sides
# of length 1), and every half-and-half mixture of two colors, or of a color and a background,
# >= .27 from all of them. So a mixture is never taken for a color.
COLORS = {
    "red": (240, 12, 50),
    "orange": (255, 144, 0),
    "yellow": (240, 255, 86),
    "green": (0, 125, 67),
    "cyan": (110, 246, 255),
    "blue": (0, 90, 241),
    "purple": (94, 0, 186),
    "pink": (242, 73, 197),
}
BACKGROUNDS = {"white": (255, 255, 255), "gray": (128, 128, 128), "black": (0, 0, 0)}
SIZES = {"small": (0.125, 0.15), "large": (0.205, 0.24)}  # radius: half the extent
RELATIONS = ("left of", "right of", "above", "below")
INVERSE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}

MAX_COUNT = 4


@dataclass(frozen=True)
class Object:
    """One thing in a picture: names, and its place and radius as fractions of the side."""

    shape: str
    color: str
    size: str
    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class Scene:
    """The whole truth about one picture."""

    objects: tuple[Object, ...]
    background: str
    relation: str | None  # of the first object to the second; None unless two shapes differ


@dataclass(frozen=True)
class Scenes:
    """N scenes as tensors; names are indices into the tables above. Slots beyond count hold 0."""

    count: torch.Tensor  # (N,) 1..4
    shape: torch.Tensor  # (N, 4)
    color: torch.Tensor  # (N, 4)
    size: torch.Tensor  # (N, 4)
    x: torch.Tensor  # (N, 4) centers of the boxes
    y: torch.Tensor  # (N, 4)
    radius: torch.Tensor  # (N, 4)
    background: torch.Tensor  # (N,)
    relation: torch.Tensor  # (N,) of object 0 to object 1; -1 unless two shapes differ

    def __len__(self) -> int:
        return len(self.count)

    def __getitem__(self, index) -> "Scene | Scenes":
        """One Scene for an integer, Scenes for a slice, a list or a tensor."""
        if not isinstance(index, int):
            return Scenes(*(getattr(self, field.name)[index] for field in fields(self)))
        rows = {field.name: getattr(self, field.name)[index].tolist() for field in fields(self)}
        columns = ("shape", "color", "size", "x", "y", "radius")
        objects = []
        for shape, color, size, x, y, radius in zip(*(rows[name] for name in columns), strict=True):
            names = (SHAPES[shape], tuple(COLORS)[color], tuple(SIZES)[size])
            objects.append(Object(*names, x, y, radius))
        relation = RELATIONS[rows["relation"]] if rows["relation"] >= 0 else None
        background = tuple(BACKGROUNDS)[rows["background"]]
        return Scene(tuple(objects[: rows["count"]]), background, relation)


def compositions(scene) -> list[tuple]:
    """Name the held-out facts in a Scene (whatever its caption says) or in what a Spec states."""
    shapes = [thing.shape for thing in scene.objects]
    found = [(thing.shape, thing.color) for thing in scene.objects]
    found += [(shape, shapes.count(shape)) for shape in shapes]
    if scene.relation is not None:
        found += [
            (shapes[0], scene.relation, shapes[1]),
            (shapes[1], INVERSE[scene.relation], shapes[0]),
        ]
    held_out = HELD_OUT_COLORS + HELD_OUT_COUNTS + HELD_OUT_RELATIONS
    return [fact for fact in dict.fromkeys(found) if fact in held_out]


def contains_held_out(scenes: Scenes) -> torch.Tensor:
    """Say for each scene whether it contains a held-out composition. Scenes -> (N,) bool."""
    colors = torch.zeros(len(SHAPES), len(COLORS), dtype=torch.bool)
    counts = torch.zeros(len(SHAPES), MAX_COUNT + 1, dtype=torch.bool)
    relations = torch.zeros(len(SHAPES), len(RELATIONS), len(SHAPES), dtype=torch.bool)
    for shape, color in HELD_OUT_COLORS:
        colors[SHAPES.index(shape), tuple(COLORS).index(color)] = True
    for shape, count in HELD_OUT_COUNTS:
        counts[SHAPES.index(shape), count] = True
    for first, relation, second in HELD_OUT_RELATIONS:
        a, b = SHAPES.index(first), SHAPES.index(second)
        relations[a, RELATIONS.index(relation), b] = True
        relations[b, RELATIONS.index(INVERSE[relation]), a] = True

    filled = torch.arange(MAX_COUNT) < scenes.count[:, None]
    same = (scenes.shape[:, :, None] == scenes.shape[:, None, :]) & filled[:, None, :]
    found = colors[scenes.shape, scenes.color] | counts[scenes.shape, same.sum(-1)]
    related = relations[scenes.shape[:, 0], scenes.relation, scenes.shape[:, 1]]
    return (found & filled).any(1) | (related & (scenes.relation >= 0))
