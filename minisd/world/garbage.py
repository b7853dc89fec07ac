"""Pictures that look like success and are not: what a checker must refuse.

Each kind is made from scenes of one object; its true shape, color and place are kept as far as
the kind allows, so that a careless checker would accept it. The kinds are those that half-trained
generative models really draw.
"""

import math

import torch
from torch.nn import functional as F

from .render import coverage
from .sampling import sample_scenes
from .scene import BACKGROUNDS, COLORS, SHAPES, Scenes

KINDS = (
    "half shape",
    "fused pair",
    "blob",
    "noise",
    "two-colored",
    "brown",
    "mid-palette",
    "half-transparent",
    "average of two",
)
BROWNS = ((139, 69, 19), (101, 67, 33), (150, 90, 40), (120, 72, 0))


def one_object(n: int, generator=None) -> Scenes:
    """Draw n scenes of a single object each, held-out compositions included."""
    scenes = sample_scenes(4 * n + 64, generator, "any")
    return scenes[(scenes.count == 1).nonzero()[:n, 0]]


def draw_garbage(kind: str, scenes: Scenes, generator=None, size: int = 32) -> torch.Tensor:
    """Draw one garbage picture a scene of one object. Scenes -> uint8 (N, size, size, 3)"""
    n = len(scenes)
    x, y, radius = scenes.x[:, 0], scenes.y[:, 0], scenes.radius[:, 0]
    shape = scenes.shape[:, 0]
    palette = torch.tensor(list(COLORS.values())) / 255
    ground = (torch.tensor(list(BACKGROUNDS.values())) / 255)[scenes.background]
    paint = palette[scenes.color[:, 0]]
    cover = _cover(shape, x, y, radius, size)

    def uniform(low=0.0, high=1.0):
        return low + (high - low) * torch.rand(n, generator=generator)

    other = (shape + torch.randint(1, len(SHAPES), (n,), generator=generator)) % len(SHAPES)
    pixels = (torch.arange(size) + 0.5) / size
    right = pixels[None, None, :] - x[:, None, None]
    down = pixels[None, :, None] - y[:, None, None]

    if kind == "half shape":
        side = torch.randint(4, (n,), generator=generator)
        upper_half = (shape == SHAPES.index("triangle")) & (side == 0)
        side[upper_half] = 1  # the upper half of a triangle is a triangle
        signs = torch.tensor([[0, 1], [0, -1], [1, 0], [-1, 0]])[side].float()
        inside = -(signs[:, 0, None, None] * right + signs[:, 1, None, None] * down) * size
        cover = cover * (inside + 0.5).clamp(0, 1)
    elif kind == "fused pair":
        angle, gap = uniform(0, 2 * math.pi), uniform(0.7, 1.3) * radius
        shift_x, shift_y = gap * angle.cos() / 2, gap * angle.sin() / 2
        first = _cover(shape, x + shift_x, y + shift_y, radius, size)
        cover = torch.maximum(first, _cover(other, x - shift_x, y - shift_y, radius, size))
    elif kind == "blob":
        angle, distance = torch.atan2(down, right), (right**2 + down**2).sqrt()
        edge = torch.ones(())
        for waves in (2, 3, 4, 5):
            phase, height = uniform(0, 2 * math.pi), uniform(0.05, 0.25)
            edge = edge + (waves * angle + phase[:, None, None]).cos() * height[:, None, None]
        cover = (0.5 - (distance - radius[:, None, None] * edge) * size).clamp(0, 1)
    elif kind == "brown":
        chosen = torch.randint(len(BROWNS), (n,), generator=generator)
        paint = (torch.tensor(BROWNS) / 255)[chosen]
    elif kind == "mid-palette":
        shift = torch.randint(1, len(palette), (n,), generator=generator)
        paint = (paint + palette[(scenes.color[:, 0] + shift) % len(palette)]) / 2
    elif kind == "half-transparent":
        cover = cover * uniform(0.4, 0.6)[:, None, None]
    elif kind == "average of two":
        cover = (cover + _cover(other, x, y, radius, size)) / 2
    elif kind not in ("noise", "two-colored"):
        raise ValueError(f"unknown kind of garbage {kind!r}; there are {', '.join(KINDS)}")

    difference = paint - ground
    picture = ground[:, :, None, None] + cover[:, None] * difference[:, :, None, None]
    if kind == "two-colored":  # the right half takes the next color of the palette
        second = palette[(scenes.color[:, 0] + 1) % len(palette)] - paint
        cover = cover * (right > 0)
        picture = picture + cover[:, None] * second[:, :, None, None]
    if kind == "noise":  # random pixels where the object should be
        noise = torch.rand(n, 3, size, size, generator=generator)
        picture = torch.lerp(picture, noise, (cover[:, None] > 0.5).float())
    return (picture.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def soften(pictures: torch.Tensor, blur=0.0, noise=0.0, generator=None) -> torch.Tensor:
    """Blur by a Gaussian of `blur` pixels, then add noise (sides of the RGB cube).

    uint8 (N, H, W, 3) -> the same. What a good autoencoder does to a picture, roughly.
    """
    reach = int(4 * blur + 1)
    taps = torch.exp(-(torch.arange(-reach, reach + 1) ** 2) / (2 * max(blur, 1e-3) ** 2))
    taps = taps / taps.sum()
    flat = pictures.permute(0, 3, 1, 2).flatten(0, 1)[:, None].float()  # (N * 3, 1, H, W)
    flat = F.pad(flat, (reach,) * 4, mode="replicate")
    flat = F.conv2d(F.conv2d(flat, taps[None, None, None, :]), taps[None, None, :, None])
    soft = flat.view(len(pictures), 3, *pictures.shape[1:3]).permute(0, 2, 3, 1)
    soft = soft + 255 * noise * torch.randn(soft.shape, generator=generator)
    return soft.clamp(0, 255).round().to(torch.uint8)


def _cover(shape, x, y, radius, size: int) -> torch.Tensor:
    """Coverage of shapes given by their numbers. (N,) each -> (N, size, size)"""
    cover = torch.zeros(len(shape), size, size)
    for index, name in enumerate(SHAPES):
        rows = shape == index
        cover[rows] = coverage(name, x[rows], y[rows], radius[rows], size)
    return cover
