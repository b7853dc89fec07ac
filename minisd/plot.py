"""Look at tensors: grids, strips and curves. Every function returns a matplotlib figure.

The figures are made without pyplot: nothing is kept open, no window is needed, and a notebook
shows one as the last line of its cell. Colors are Okabe and Ito's palette (2008), which
color-blind readers tell apart; line style, marker or hatch repeats what the color says.
"""

import csv
import math
import textwrap
from io import BytesIO
from itertools import cycle
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, BLACK, GRAY = "#CC79A7", "#56B4E9", "#000000", "#767676"
LINES = [  # color and line style change together
    (BLUE, "-"), (VERMILION, "--"), (GREEN, "-."), (ORANGE, ":"),
    (PURPLE, "-"), (SKY, "--"), (BLACK, "-"),
]  # fmt: skip
LABEL_BOX = {"facecolor": "white", "edgecolor": "none", "pad": 1}
CELL = 1.35  # inches a picture takes in a grid or strip


class NotebookFigure(Figure):
    """A figure that Jupyter shows although pyplot has never heard of it."""

    def _repr_png_(self) -> bytes:
        buffer = BytesIO()
        self.savefig(buffer, format="png", facecolor="white", bbox_inches="tight")
        return buffer.getvalue()


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


def curve(x, ys: dict, xlabel: str = "", ylabel: str = "", title: str = "") -> Figure:
    """Named lines over one axis, each named beside the plot. x (N,), ys {name: (N,)}."""
    figure, axes = _axes(xlabel, ylabel, title)
    for (name, y), (color, style) in zip(ys.items(), cycle(LINES)):
        axes.plot(x, y, color=color, linestyle=style, label=name)
    figure.legend(loc="outside right center", frameon=False)
    return figure


def loss_curve(steps, losses, title: str = "") -> Figure:
    """Training loss: every value pale, and the running mean of the last 5% of them on top."""
    steps, losses = np.asarray(steps), np.asarray(losses, dtype=float)
    if len(steps) != len(losses) or not len(losses):
        raise ValueError(f"expected a step for each loss, got {len(steps)} and {len(losses)}")
    window = max(1, len(losses) // 20)
    sums = np.cumsum(np.concatenate([[0.0], losses]))
    start = np.maximum(np.arange(1, len(losses) + 1) - window, 0)  # shorter at the beginning
    mean = (sums[1:] - sums[start]) / (np.arange(1, len(losses) + 1) - start)
    figure, axes = _axes("step", "loss", title)
    axes.plot(steps, losses, color=SKY, linewidth=0.8, alpha=0.6, label="each step")
    axes.plot(steps, mean, color=BLUE, label=f"mean of the last {window}")
    low, high = min(losses.min(), mean.min()), np.quantile(losses, 0.99)
    if np.isfinite([low, high]).all() and low < high:  # the first losses would squash the rest
        margin = 0.05 * (high - low)
        axes.set_ylim(low - margin, high + margin)
    axes.legend(frameon=False)
    return figure


def score_curves(rows, title: str = "") -> Figure:
    """What is learned when: the columns of a scores.csv over training minutes.

    `rows` is the file's path, or its rows as dictionaries. Empty fields and nan leave a gap.
    """
    if isinstance(rows, (str, Path)):
        with open(rows, newline="") as file:
            rows = list(csv.DictReader(file))
    if not rows:
        raise ValueError("expected at least one row of scores, got none")
    names = [name for name in rows[0] if name not in ("minute", "step")]
    values = {name: [float(row[name] or "nan") for row in rows] for name in names}
    minutes = [float(row["minute"]) for row in rows]
    figure, axes = _axes("minutes of training", "share of pictures", title)
    for name, (color, style) in zip(names, cycle(LINES)):
        bold = {"color": BLACK, "linestyle": "-", "linewidth": 2.6} if name == "overall" else {}
        axes.plot(
            minutes, values[name], label=name, marker="o", markersize=3,
            **{"color": color, "linestyle": style} | bold,
        )  # fmt: skip
    axes.set_ylim(-0.02, 1.02)
    figure.legend(loc="outside right center", frameon=False)
    return figure


def obedience_bars(result: dict, title: str = "") -> Figure:
    """The table of `evaluate` as bars: seen beside held-out, 95% intervals, the VAE's ceiling."""
    names = [*result["seen"]["categories"], "overall"]
    figure, axes = _axes("", "share of pictures that obey", title, size=(8.4, 3.6))
    for offset, split, color, hatch in ((-0.2, "seen", BLUE, ""), (0.2, "held_out", ORANGE, "//")):
        part = result[split]
        scores = [c["score"] for c in part["categories"].values()] + [part["overall"]]
        intervals = [c["interval"] for c in part["categories"].values()]
        low, high = np.array([*intervals, part["overall_interval"]]).T
        x = np.arange(len(names)) + offset
        axes.bar(x, scores, 0.38, color=color, hatch=hatch, edgecolor="white",
                 label=split.replace("_", "-"))  # fmt: skip
        axes.vlines(x, low, high, color=BLACK, linewidth=1.4)
        for center, score in zip(x, scores):  # at the foot: the top is the intervals' place
            axes.text(center, 0.03, f"{score:.2f}", ha="center", fontsize=7, bbox=LABEL_BOX)
    axes.axhline(result["vae_ceiling"], color=GRAY, linestyle="--", linewidth=1,
                 label=f"VAE ceiling {result['vae_ceiling']:.3f}")  # fmt: skip
    axes.axvline(len(names) - 1.5, color=GRAY, linewidth=0.6)
    axes.set_xticks(range(len(names)), [name.replace("_", "\n") for name in names])
    axes.tick_params(axis="x", length=0)
    axes.set_ylim(0, 1.1)
    axes.set_yticks(np.linspace(0, 1, 6))
    figure.legend(loc="outside upper right", ncols=3, frameon=False)
    return figure


def _columns(num_images: int, columns: int | None) -> int:
    if columns is None:
        return math.ceil(math.sqrt(num_images))
    if columns < 1:
        raise ValueError(f"expected columns of at least 1, got {columns}")
    return min(columns, num_images)


def _axes(xlabel, ylabel, title, size=(6.4, 3.6)):
    figure = NotebookFigure(figsize=size, dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#E5E5E5", linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes


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
