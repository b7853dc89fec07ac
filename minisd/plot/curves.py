"""Numbers drawn: curves, losses, scores."""

import csv
from itertools import cycle
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from .figure import BLACK, BLUE, GRAY, LINES, ORANGE, SKY, new_axes

LABEL_BOX = {"facecolor": "white", "edgecolor": "none", "pad": 1}


def curve(x, ys: dict, xlabel: str = "", ylabel: str = "", title: str = "") -> Figure:
    """Named lines over one axis, each named beside the plot. x (N,), ys {name: (N,)}."""
    figure, axes = new_axes(xlabel, ylabel, title)
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
    figure, axes = new_axes("step", "loss", title)
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
    figure, axes = new_axes("minutes of training", "share of pictures", title)
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
    figure, axes = new_axes("", "share of pictures that obey", title, size=(8.4, 3.6))
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
