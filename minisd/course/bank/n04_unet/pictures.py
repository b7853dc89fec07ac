"""The smallest pictures that are worth drawing: one shape on white or black, 16 x 16 pixels."""

import torch

from ....world import COLORS
from ....world.render import coverage

SHAPES = ("circle", "square")


def draw_shapes(num_images, generator=None, size=16):
    """Draw random pictures: a circle or a square in one of eight colors.

    -> (num_images, 3, size, size) in [-1, 1]. Places and radii are uniform, the background is
    white or black.
    """
    place = torch.rand(num_images, 3, generator=generator)
    radius = 0.2 + 0.12 * place[:, 0]  # fractions of the side
    x, y = (0.04 + radius + (0.92 - 2 * radius) * place[:, i] for i in (1, 2))
    colors = torch.tensor(list(COLORS.values())) / 127.5 - 1
    color = colors[torch.randint(len(colors), (num_images,), generator=generator)]  # (N, 3)
    white = torch.randint(2, (num_images, 1, 1, 1), generator=generator) * 2.0 - 1
    kind = torch.randint(len(SHAPES), (num_images,), generator=generator)
    drawn = torch.stack([coverage(name, x, y, radius, size) for name in SHAPES])  # (2, N, H, W)
    inside = drawn[kind, torch.arange(num_images)][:, None]  # (N, 1, H, W)
    return inside * color[:, :, None, None] + (1 - inside) * white
