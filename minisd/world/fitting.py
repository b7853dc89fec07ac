"""Explain a patch of color as one drawn shape: redraw every candidate and compare.

A patch is p = background + a (color - background), a being the coverage of its pixels; blur and
anti-aliasing change a, never the line between the two colors. The center of mass and the second
moment of a give each shape's place and radius, so it can be drawn again, and least squares gives
the color that explains the pixels best. What no redrawn shape explains is no object: half a
shape, two shapes fused, a blob. A half-transparent one gives a color half way to the background.
"""

from dataclasses import dataclass
from functools import cache

import torch
from torch.nn import functional as F

from .render import coverage
from .scene import SHAPES

BLURS = (0.0, 0.5, 0.8)  # pixels: candidates for a picture's softness
PIXEL_VARIANCE = 1 / 12  # of a box: what averaging over a pixel adds to the second moment


@dataclass(frozen=True)
class Fit:
    """How well each of M patches is explained by each of the shapes."""

    residual: torch.Tensor  # (M, shapes) share of the patch's energy left unexplained, 0..1
    color: torch.Tensor  # (M, shapes, 3) relative to the background, in sides of the RGB cube
    x: torch.Tensor  # (M, shapes) fractions of the patch's side
    y: torch.Tensor  # (M, shapes)
    radius: torch.Tensor  # (M, shapes)


@cache
def _moments() -> tuple[torch.Tensor, torch.Tensor]:
    """Center of mass below the box center, and spread, of each shape at radius 1: (shapes,) x 2"""
    half, size, ones = torch.tensor([0.5]), 256, torch.ones(1)
    down = (torch.arange(size) + 0.5) / size * 2 - 1
    offsets, spreads = [], []
    for shape in SHAPES:
        cover = coverage(shape, half, half, 0.5 * ones, size)[0]
        mass = cover.sum()
        offset = (cover.sum(1) * down).sum() / mass
        about = (cover.sum(1) * (down - offset) ** 2).sum() + (cover.sum(0) * down**2).sum()
        offsets.append(offset)
        spreads.append((about / mass).sqrt())
    return torch.stack(offsets), torch.stack(spreads)


def fit_shapes(patches: torch.Tensor) -> Fit:
    """Fit every shape to every patch. (M, 3, H, W) differences from the background -> Fit

    Pixels that do not belong to the patch must be 0.
    """
    count, _, _, size = patches.shape
    direction = (patches * patches.norm(dim=1, keepdim=True)).sum((2, 3))
    direction = F.normalize(direction, dim=1)
    mass = (patches * direction[:, :, None, None]).sum(1).clamp(min=0)  # (M, H, W)
    mass = mass / mass.sum((1, 2), keepdim=True).clamp(min=1e-8)
    pixels = (torch.arange(size) + 0.5) / size
    x, y = (mass.sum(1) * pixels).sum(1), (mass.sum(2) * pixels).sum(1)  # (M,)
    variance = (mass.sum(1) * (pixels - x[:, None]) ** 2).sum(1)
    variance = variance + (mass.sum(2) * (pixels - y[:, None]) ** 2).sum(1)

    energy = patches.square().sum((1, 2, 3)).clamp(min=1e-8)
    offsets, spreads = _moments()
    shapes = []
    for shape, offset, spread in zip(SHAPES, offsets, spreads, strict=True):
        tries = []
        for blur in BLURS:
            softness = 2 * (PIXEL_VARIANCE + blur**2) / size**2  # along both axes
            radius = (variance - softness).clamp(min=0.02**2).sqrt() / spread
            top = y - offset * radius
            drawn = _blur(coverage(shape, x, top, radius, size), blur)
            overlap = torch.einsum("mchw,mhw->mc", patches, drawn)
            power = drawn.square().sum((1, 2)).clamp(min=1e-8)
            explained = overlap.square().sum(1) / (power * energy)
            tries.append((1 - explained, overlap / power[:, None], x, top, radius))
        residuals, *values = (torch.stack(column) for column in zip(*tries, strict=True))
        best = residuals.argmin(0)
        rows = torch.arange(count)
        shapes.append([column[best, rows] for column in (residuals, *values)])
    return Fit(*(torch.stack(column, dim=1) for column in zip(*shapes, strict=True)))


def _blur(pictures: torch.Tensor, sigma: float) -> torch.Tensor:
    """Gaussian blur of sigma pixels, as two products with a band matrix. (M, H, W) -> same"""
    if sigma == 0:
        return pictures
    pixels = torch.arange(pictures.shape[-1], dtype=torch.float32)
    weights = torch.exp(-((pixels[:, None] - pixels) ** 2) / (2 * sigma**2))
    weights = weights / weights.sum(1, keepdim=True)
    return weights @ pictures @ weights.T
