"""Draw scenes from signed distances: anti-aliased at any size, with no drawing library.

The signed distance of a point to a shape is negative inside and positive outside. A pixel whose
distance is d pixels is covered to about clip(1/2 - d, 0, 1): that is all the anti-aliasing.
"""

import torch

from .scene import BACKGROUNDS, COLORS, MAX_COUNT, SHAPES, Scenes

# Thickness and proportions, chosen so that shapes look alike in weight and keep their features
# at an extent of 8 pixels.
SQUARE_SIDE = 0.88
CROSS_ARM = 0.34
RING_HOLE = 0.5


def signed_distance(shape: str, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Distance to a shape that fills the box [-1, 1] x [-1, 1], y downward.

    (..., H, W), (..., H, W) -> (..., H, W)
    """
    if shape == "circle":
        return (x * x + y * y).sqrt() - 1
    if shape == "square":
        return torch.maximum(x.abs(), y.abs()) - SQUARE_SIDE
    if shape == "triangle":  # base 2, height 1.8
        side = (x.abs() - (y + 0.9) / 1.8) * 0.8742  # 1.8 / sqrt(1 + 1.8^2): unit normal
        return torch.maximum(side, y - 0.9)
    if shape == "cross":
        x, y = x.abs(), y.abs()
        long, short = torch.maximum(x, y), torch.minimum(x, y)
        return torch.maximum(long - 1, short - CROSS_ARM)
    if shape == "ring":
        distance = (x * x + y * y).sqrt()
        return torch.maximum(distance - 1, RING_HOLE - distance)
    if shape == "heart":  # two circles of radius 1/2, and the tangents that meet at (0, 1)
        x, up = x.abs(), -y
        lobe = ((x - 0.5) ** 2 + (up - 0.4) ** 2).sqrt() - 0.5
        side = 0.7737 * x - 0.6335 * (up + 1)
        cap = 0.6335 * (x - 0.5) + 0.7737 * (up - 0.4)  # through the lobe's center
        body = torch.maximum(torch.maximum(side, cap), up - 0.4)
        return torch.minimum(lobe, body)
    raise ValueError(f"unknown shape {shape!r}; there are {', '.join(SHAPES)}")


def coverage(shape: str, x, y, radius, size: int) -> torch.Tensor:
    """Share of each pixel that the shape covers. (N,), (N,), (N,) -> (N, size, size) in [0, 1]

    x, y and radius are fractions of the side.
    """
    pixels = (torch.arange(size, dtype=torch.float32) + 0.5) / size
    across = (pixels - x[:, None]) / radius[:, None]  # (N, W)
    down = (pixels - y[:, None]) / radius[:, None]  # (N, H)
    across, down = across[:, None, :], down[:, :, None]
    distance = signed_distance(shape, *torch.broadcast_tensors(across, down))
    return (0.5 - distance * (radius * size)[:, None, None]).clamp_(0, 1)


def render(scenes: Scenes, size: int = 32) -> torch.Tensor:
    """Draw scenes. Scenes -> uint8 (N, size, size, 3)"""
    if size < 8:
        raise ValueError(f"a picture needs a size of at least 8 pixels, not {size}")
    chunk = max(1, 2**19 // size**2)  # bounds the memory: pictures a chunk
    parts = [_render(scenes[i : i + chunk], size) for i in range(0, len(scenes), chunk)]
    return torch.cat(parts) if parts else torch.zeros(0, size, size, 3, dtype=torch.uint8)


def _render(scenes: Scenes, size: int) -> torch.Tensor:
    colors = torch.tensor(list(COLORS.values()), dtype=torch.float32)
    backgrounds = torch.tensor(list(BACKGROUNDS.values()), dtype=torch.float32)
    ground = backgrounds[scenes.background]  # (N, 3)
    picture = ground[:, :, None, None].repeat(1, 1, size, size)  # (N, 3, H, W)
    for slot in range(MAX_COUNT):
        for index, shape in enumerate(SHAPES):
            rows = ((scenes.shape[:, slot] == index) & (scenes.count > slot)).nonzero()[:, 0]
            place = (values[rows, slot] for values in (scenes.x, scenes.y, scenes.radius))
            cover = coverage(shape, *place, size)
            paint = colors[scenes.color[rows, slot]] - ground[rows]  # objects never overlap
            picture[rows] += cover[:, None] * paint[:, :, None, None]
    return picture.permute(0, 2, 3, 1).round().to(torch.uint8).contiguous()
