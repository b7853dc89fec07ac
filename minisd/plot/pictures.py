"""Pictures laid out: a tile, a grid with captions, a strip over time."""

import math
import textwrap

import numpy as np
import torch
from einops import rearrange
from matplotlib.figure import Figure

from .figure import NotebookFigure

CELL = 1.35  # inches a picture takes in a grid or strip


def to_uint8(images) -> np.ndarray:
    """Pictures in either of the course's two forms -> uint8 (N, H, W, 3).

    uint8 (N, H, W, 3) passes through; float (N, C, H, W) with C of 1 or 3 is read as pixels in
    [-1, 1] (values outside are cut off, as a screen would). Arrays and tensors alike.
    """
    images = images.detach().cpu() if isinstance(images, torch.Tensor) else np.asarray(images)
    pixels = torch.as_tensor(images)
    if pixels.ndim == 4 and pixels.dtype == torch.uint8 and pixels.shape[-1] == 3:
        return pixels.numpy()
    if pixels.ndim == 4 and pixels.is_floating_point() and pixels.shape[1] in (1, 3):
        pixels = ((pixels.float() + 1) * 127.5).clamp(0, 255).round().to(torch.uint8)
        return rearrange(pixels.expand(-1, 3, -1, -1), "n c h w -> n h w c").contiguous().numpy()
    raise ValueError(
        f"expected uint8 (N, H, W, 3) or float (N, 1 or 3, H, W) in [-1, 1], got {pixels.dtype} "
        f"{tuple(pixels.shape)}; one picture needs a batch axis: images[None]"
    )


def tile(images, columns: int | None = None, gap: int = 0) -> np.ndarray:
    """Lay N pictures out row by row as one picture. (N, H, W, 3) -> uint8 (H', W', 3).

    `columns` defaults to the square closest above N; `gap` white pixels lie between pictures;
    places left over in the last row are white. One picture comes back as it is.
    """
    images = to_uint8(images)
    num_images, height, width, _ = images.shape
    if num_images == 0:
        raise ValueError("expected at least one picture to tile, got none")
    columns = _columns(num_images, columns)
    rows = math.ceil(num_images / columns)
    canvas = np.full(
        (rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, dtype=np.uint8
    )
    for i, image in enumerate(images):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        canvas[top : top + height, left : left + width] = image
    return canvas


def image_grid(images, captions=None, columns: int | None = None, title: str = "") -> Figure:
    """Pictures in rows, captions below, as large squares however few their pixels. (N, H, W, 3)"""
    images = to_uint8(images)
    if captions is not None and len(captions) != len(images):
        raise ValueError(f"expected one caption a picture, got {len(captions)} for {len(images)}")
    columns = _columns(len(images), columns)
    size = max(CELL, 1.7) if captions is not None else CELL
    wrapped = [textwrap.fill(str(text), width=int(size * 14)) for text in captions or []]
    text_lines = max((text.count("\n") + 1 for text in wrapped), default=0)
    rows = math.ceil(len(images) / columns)
    figure, axes = _picture_axes(rows, columns, size, size + 0.17 * text_lines, title)
    for i, image in enumerate(images):
        _show(axes.flat[i], image)
        if wrapped:
            axes.flat[i].set_xlabel(wrapped[i], fontsize=8, labelpad=4)
    return figure


def noising_strip(images, timesteps, title: str = "") -> Figure:
    """One picture at growing noise levels, left to right: x_t under its t. (N, ...), (N,)."""
    return _strip({"": images}, [f"t = {float(t):.4g}" for t in timesteps], title)


def denoising_strip(denoised, timesteps, noisy=None, title: str = "") -> Figure:
    """How a sampler gets from noise to a picture, one column a step. (N, ...), (N,).

    `denoised` is the network's guess of the clean picture at each step; `noisy`, if given, is the
    state x_t it was guessed from, drawn above it. Pictures, not latents: decode them first.
    """
    rows = {} if noisy is None else {"$x_t$": noisy}
    return _strip(
        rows | {"guess of $x_0$": denoised}, [f"t = {float(t):.4g}" for t in timesteps], title
    )


def attention_maps(image, words, maps, title: str = "") -> Figure:
    """A picture, and beside it how much each place of it looks at each word: bright is much.

    uint8 (H, W, 3), S words, (S, h, w) -> one panel a word, all on one scale from 0.
    """
    maps = torch.as_tensor(maps).detach().cpu().float().numpy()
    if maps.ndim != 3 or len(maps) != len(words):
        raise ValueError(
            f"expected one map a word: (S, h, w) for {len(words)} words, got {maps.shape}"
        )
    figure, axes = _picture_axes(1, len(words) + 1, CELL, CELL + 0.2, title)
    _show(axes[0, 0], to_uint8(image[None])[0])
    axes[0, 0].set_xlabel("picture", fontsize=9)
    for ax, word, values in zip(axes[0, 1:], words, maps):
        ax.imshow(values, cmap="cividis", vmin=0, vmax=maps.max())
        ax.set_xlabel(word, fontsize=9)
    return figure


def _columns(num_images: int, columns: int | None) -> int:
    if columns is None:
        return math.ceil(math.sqrt(num_images))
    if columns < 1:
        raise ValueError(f"expected columns of at least 1, got {columns}")
    return min(columns, num_images)


def _picture_axes(rows, columns, width, height, title):
    size = (columns * width + 0.1, rows * height + (0.4 if title else 0.1))
    figure = NotebookFigure(figsize=size, dpi=120, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    figure.suptitle(title, fontsize=10) if title else None
    return figure, axes


def _show(axes, image) -> None:
    axes.imshow(image, interpolation="nearest")  # 32 pixels are to be seen, not smoothed away
    axes.spines[:].set(visible=True, color="#BBBBBB", linewidth=0.6)


def _strip(rows: dict, labels: list[str], title: str) -> Figure:
    figure, axes = _picture_axes(len(rows), len(labels), CELL, CELL, title)
    for i, (name, images) in enumerate(rows.items()):
        images = to_uint8(images)
        if len(images) != len(labels):
            raise ValueError(
                f"expected one timestep a picture, got {len(labels)} for {len(images)}"
            )
        for ax, image in zip(axes[i], images):
            _show(ax, image)
        axes[i, 0].set_ylabel(name, fontsize=9)
    for ax, label in zip(axes[-1], labels):
        ax.set_xlabel(label, fontsize=9)
    return figure
