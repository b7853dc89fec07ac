"""Random scenes, all at once: first what is shown, then where, redrawing only what fails."""

from dataclasses import fields

import torch

from .scene import (
    BACKGROUNDS,
    COLORS,
    MAX_COUNT,
    RELATIONS,
    SHAPES,
    SIZES,
    Scenes,
    contains_held_out,
)

KINDS = {"one object": 0.25, "two different": 0.45, "identical": 0.30}  # shares of the scenes
EDGE = 0.02  # free rim, so that the border shows the background
GAP = 0.09  # between the boxes around two objects: blurred objects must not touch
STEEPNESS = 1.6  # a relation's axis beats the other by this factor: no diagonal cases


def sample_scenes(n: int, generator=None, split: str = "seen") -> Scenes:
    """Draw n random scenes: one object, two of different shapes, or 2-4 identical ones.

    split "seen": no scene contains a held-out composition; "held_out": every one contains at
    least one; "any": no restriction. Held-out scenes differ from seen ones in nothing else.
    """
    if split not in ("seen", "held_out", "any"):
        raise ValueError(f'split is "seen", "held_out" or "any", not {split!r}')
    shares = torch.tensor(list(KINDS.values())).cumsum(0)[:-1]
    kind = torch.bucketize(torch.rand(n, generator=generator), shares)

    scenes = _draw_contents(kind, generator)
    while split != "any":
        wrong = (contains_held_out(scenes) != (split == "held_out")).nonzero()[:, 0]
        if len(wrong) == 0:
            break
        _put(scenes, wrong, _draw_contents(kind[wrong], generator))

    missing = torch.arange(n)
    while len(missing):
        layout, valid = _draw_layouts(scenes[missing], generator)
        first_valid = valid.float().argmax(1)
        for name, tries in layout.items():
            getattr(scenes, name)[missing] = tries[torch.arange(len(missing)), first_valid]
        missing = missing[~valid.any(1)]
    filled = torch.arange(MAX_COUNT) < scenes.count[:, None]
    for name in ("shape", "color", "size", "x", "y", "radius"):
        getattr(scenes, name).mul_(filled)
    return scenes


def _put(scenes: Scenes, where: torch.Tensor, new: Scenes) -> None:
    for field in fields(scenes):
        getattr(scenes, field.name)[where] = getattr(new, field.name)


def _draw_contents(kind: torch.Tensor, generator) -> Scenes:
    """Draw shapes, colors, sizes, backgrounds and relations; no positions yet. (N,) -> Scenes"""
    n = len(kind)

    def draw(high, *shape):
        return torch.randint(high, shape, generator=generator)

    two, identical = kind == 1, kind == 2
    shape = draw(len(SHAPES), n, 1).expand(n, MAX_COUNT).clone()
    shape[:, 1] += torch.where(two, draw(len(SHAPES) - 1, n) + 1, 0)  # never the first one's
    color = draw(len(COLORS), n, MAX_COUNT)
    size = draw(len(SIZES), n, MAX_COUNT)
    color = torch.where(identical[:, None], color[:, :1], color)
    size = torch.where(identical[:, None], size[:, :1], size)
    count = 1 + two + identical * (1 + draw(MAX_COUNT - 1, n))
    size[count > 2] = 0  # three large ones do not fit
    positions = (torch.zeros(n, MAX_COUNT) for _ in range(3))
    relation = torch.where(two, draw(len(RELATIONS), n), -1)
    background = draw(len(BACKGROUNDS), n)
    return Scenes(count, shape % len(SHAPES), color, size, *positions, background, relation)


def _draw_layouts(scenes: Scenes, generator) -> tuple[dict, torch.Tensor]:
    """Try several layouts a scene: {x, y, radius: (N, tries, 4)} and which are valid (N, tries).

    Four objects fit in about one try of a hundred: the fewer scenes are left, the more tries.
    """
    n = len(scenes)
    tries = min(max(100_000 // n, 2), 256)

    def uniform(*shape):
        return torch.rand(shape, generator=generator)

    low, high = torch.tensor(list(SIZES.values()))[scenes.size].unbind(-1)  # (N, 4) each
    spread = uniform(n, tries, MAX_COUNT)
    alike = (scenes.relation < 0)[:, None, None]
    spread = torch.where(alike, spread[..., :1], spread)
    radius = low[:, None] + (high - low)[:, None] * spread  # (N, tries, 4)
    x, y = (
        EDGE + radius + (1 - 2 * EDGE - 2 * radius) * uniform(n, tries, MAX_COUNT) for _ in range(2)
    )

    # Two objects: along the relation's axis share out the free space, so that every try fits.
    pair = scenes.count == 2
    relation = torch.where(
        scenes.relation < 0, torch.randint(4, (n,), generator=generator), scenes.relation
    )
    for axis, along in ((0, x), (1, y)):
        for swapped in (0, 1):  # left of, right of, above, below
            rows = (pair & (relation == 2 * axis + swapped)).nonzero()[:, 0]
            near, far = (1, 0) if swapped else (0, 1)
            radii = radius[rows]
            free = 1 - 2 * EDGE - GAP - 2 * radii[..., 0] - 2 * radii[..., 1]
            cuts = uniform(len(rows), tries, 2).sort(-1).values * free[..., None]
            along[rows, :, near] = EDGE + radii[..., near] + cuts[..., 0]
            along[rows, :, far] = 1 - EDGE - radii[..., far] - free + cuts[..., 1]

    valid = torch.ones(n, tries, dtype=torch.bool)
    for i in range(MAX_COUNT):
        for j in range(i):
            distance = torch.maximum((x[..., i] - x[..., j]).abs(), (y[..., i] - y[..., j]).abs())
            apart = distance >= radius[..., i] + radius[..., j] + GAP - 1e-6
            valid &= apart | (scenes.count <= i)[:, None]
    across, down = (x[..., 0] - x[..., 1]).abs(), (y[..., 0] - y[..., 1]).abs()
    steep = torch.where(
        (relation < 2)[:, None], across >= STEEPNESS * down, down >= STEEPNESS * across
    )
    valid &= steep | ~pair[:, None]
    return {"x": x, "y": y, "radius": radius}, valid
