"""Decide from pixels alone whether a picture obeys a prompt, and say why not.

Border vote for the background -> connected patches -> each patch explained by redrawing every
shape (fitting) -> refused if nothing explains it -> strict match with the parsed prompt. No
network, nothing learned: the same verdict on every machine, and a reason for each.

Strict: exactly the stated objects and no other, with every stated color, size, relation and
background; what the prompt leaves unsaid is free.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch.nn import functional as F

from .components import CONTRAST, crop, find_background, find_patches
from .fitting import fit_shapes
from .matching import Verdict, count_objects, obeys
from .parsing import Spec, parse
from .scene import BACKGROUNDS, COLORS, MAX_COUNT, SHAPES, Object

SIDE = 32  # pixels: larger pictures are averaged down
WINDOW = 24  # pixels around a patch; the largest object covers 16
CHUNK = 512  # pictures at once: bounds the memory

# Refusals, set on drawn pictures: true ones (clean, blurred, noisy) on one side, garbage on the
# other. datasets/world/README.md shows how well they part.
MAX_RESIDUAL = 0.10  # share of a patch's energy that its best shape leaves unexplained
MAX_RATIO = 0.55  # ... and of what the second best shape leaves: an average of two fits both
MAX_COLOR_ERROR = 0.22  # RGB distance; half-way mixtures lie >= .27 from every color
RADII = (0.10, 0.168, 0.187, 0.28)  # small up to the second, large from the third
MIN_BORDER = 0.6  # share of border pixels that must agree on the background


@dataclass(frozen=True)
class Reading:
    """What is in one picture. `refused` holds a reason for each patch that is no object."""

    objects: tuple[Object, ...]
    refused: tuple[str, ...]
    background: str | None  # None: the border is not plainly white, gray or black


def check(image, prompt: str) -> Verdict:
    """Judge one picture. uint8 (H, W, 3), torch or numpy, 32 x 32 pixels or a multiple.

    Raises ValueError for a prompt outside the caption grammar or a picture of another kind.
    """
    return check_all(torch.as_tensor(image)[None], [prompt])[0]


def check_all(images, prompts: Sequence[str]) -> list[Verdict]:
    """Judge many pictures at once, which is far quicker. uint8 (N, H, W, 3), N prompts."""
    if len(images) != len(prompts):
        raise ValueError(f"one prompt a picture: got {len(images)} and {len(prompts)} prompts")
    specs = {prompt: parse(prompt) for prompt in set(prompts)}
    return [
        judge(reading, specs[prompt]) for reading, prompt in zip(read(images), prompts, strict=True)
    ]


def judge(reading: Reading, spec: Spec) -> Verdict:
    """Compare what was read from a picture with what a prompt asks for."""
    if reading.background is None:
        return Verdict(False, "the background is not plainly white, gray or black")
    found = len(reading.objects) + len(reading.refused)
    if reading.refused and found == len(spec.objects):
        return Verdict(False, reading.refused[0])
    if found != len(spec.objects):
        return Verdict(False, f"expected {count_objects(len(spec.objects))}, found {found}")
    return obeys(reading.objects, reading.background, spec)


def read(images) -> list[Reading]:
    """Read what pictures show. uint8 (N, H, W, 3), torch or numpy -> a Reading each"""
    images = torch.as_tensor(images).cpu()
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[-1] != 3:
        raise ValueError(
            "expected pictures as uint8 of shape (N, H, W, 3), "
            f"got {images.dtype} of shape {tuple(images.shape)}"
        )
    height, width = images.shape[1:3]
    if height != width or height % SIDE or height == 0:
        raise ValueError(f"expected {SIDE} x {SIDE} pixels or a multiple, got {height} x {width}")
    with torch.no_grad(), torch.autocast("cpu", enabled=False):  # a verdict needs float32
        parts = [_read(images[i : i + CHUNK]) for i in range(0, len(images), CHUNK)]
    return [reading for part in parts for reading in part]


@dataclass(frozen=True)
class Evidence:
    """What the pixels say about M patches: the best shape and color, and the doubt about them."""

    shape: torch.Tensor  # (M,) index into SHAPES
    color: torch.Tensor  # (M,) index into COLORS
    x: torch.Tensor  # (M,) fractions of the side, as in Scenes
    y: torch.Tensor  # (M,)
    radius: torch.Tensor  # (M,)
    color_error: torch.Tensor  # (M,) RGB distance to that color
    doubt: torch.Tensor  # (M,) about the shape; refused above 1


def _read(images: torch.Tensor) -> list[Reading]:
    difference, ground, backgrounds = look(images)
    owner, pixels = find_patches(difference.norm(dim=1))
    crowd = torch.bincount(owner, minlength=len(images))
    refused = [["an object too many"] * (n if n > MAX_COUNT else 0) for n in crowd.tolist()]
    few = (crowd <= MAX_COUNT)[owner]  # more cannot be right, whatever they are
    owner, pixels = owner[few], pixels[few]

    objects = [[] for _ in range(len(images))]
    things = _name(explain(difference, ground, owner, pixels))
    for picture, thing in zip(owner.tolist(), things, strict=True):
        (objects if isinstance(thing, Object) else refused)[picture].append(thing)
    return [
        Reading(tuple(o), tuple(r), b)
        for o, r, b in zip(objects, refused, backgrounds, strict=True)
    ]


def look(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, list[str | None]]:
    """Subtract the background. uint8 (N, H, W, 3) ->

    difference (N, 3, SIDE, SIDE), background color (N, 3), its name or None if it is not plain.
    """
    pictures = images.permute(0, 3, 1, 2).float() / 255
    pictures = F.avg_pool2d(pictures, images.shape[1] // SIDE)
    ground, named, share = find_background(pictures)
    exact = torch.tensor(list(BACKGROUNDS.values()))[named] / 255
    plain = ((ground - exact).norm(dim=1) < CONTRAST) & (share >= MIN_BORDER)
    names = [
        tuple(BACKGROUNDS)[index] if is_plain else None
        for index, is_plain in zip(named.tolist(), plain.tolist(), strict=True)
    ]
    return pictures - ground[:, :, None, None], ground, names


def explain(difference, ground, owner, pixels) -> Evidence:
    """Weigh the shapes and colors for each patch. owner (M,): the patch's picture"""
    patches, left, top = crop(difference[owner], pixels, WINDOW)
    fit = fit_shapes(patches)
    residual, order = fit.residual.sort(1)
    best, rows = order[:, 0], torch.arange(len(owner))
    palette = torch.tensor(list(COLORS.values())) / 255
    error, color = torch.cdist(fit.color[rows, best] + ground[owner], palette).min(1)
    ratio = residual[:, 0] / residual[:, 1].clamp(min=1e-8)
    return Evidence(
        shape=best,
        color=color,
        x=(fit.x[rows, best] * WINDOW + left) / SIDE,
        y=(fit.y[rows, best] * WINDOW + top) / SIDE,
        radius=fit.radius[rows, best] * WINDOW / SIDE,
        color_error=error,
        doubt=torch.maximum(residual[:, 0] / MAX_RESIDUAL, ratio / MAX_RATIO),
    )


def _name(evidence: Evidence) -> list[Object | str]:
    """Turn each patch into an object, or into the reason why it is none."""
    things = []
    columns = (getattr(evidence, field.name).tolist() for field in fields(evidence))
    for number, tint, x, y, radius, color_error, doubt in zip(*columns, strict=True):
        shape, color = SHAPES[number], tuple(COLORS)[tint]
        if doubt > 1:
            things.append("an object has no clear shape")
        elif color_error > MAX_COLOR_ERROR:
            things.append(f"the {shape} has no clear color")
        elif not RADII[0] <= radius <= RADII[3]:
            things.append(f"the {shape} is far too {'small' if radius < RADII[0] else 'large'}")
        else:
            size = "small" if radius < RADII[1] else "large" if radius > RADII[2] else "medium"
            things.append(Object(shape, color, size, x, y, radius))
    return things
