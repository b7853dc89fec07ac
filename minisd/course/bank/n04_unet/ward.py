"""Look at saved runs: their losses beside the healthy ones, and what they draw."""

import csv
from pathlib import Path

import numpy as np
from matplotlib.image import imread

from .... import plot


def read_losses(folder):
    """{run: {"step", "raw", "slow": arrays}} from a folder's losses.csv."""
    found = {}
    with open(Path(folder) / "losses.csv", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["run"], []).append(
                [float(row[k]) for k in ("step", "raw", "slow")]
            )
    return {
        run: dict(zip(("step", "raw", "slow"), np.array(rows).T)) for run, rows in found.items()
    }


def show_runs(folder, runs):
    """One row a run: the two losses over the healthy ones, and two times sixteen samples."""
    losses = read_losses(folder)
    figure = plot.NotebookFigure(
        figsize=(9.2, 1.55 * len(runs) + 0.5), dpi=100, layout="constrained"
    )
    axes = figure.subplots(len(runs), 3, squeeze=False, width_ratios=(1.15, 1.6, 1.6))
    for row, run in zip(axes, runs):
        mine, healthy = losses[run], losses["healthy"]
        row[0].plot(healthy["step"], healthy["raw"], color="#BBBBBB", linewidth=5, label="healthy")
        row[0].plot(mine["step"], mine["raw"], color=plot.BLUE, label="raw weights")
        row[0].plot(mine["step"], mine["slow"], "--", color=plot.VERMILION, label="slow copy")
        row[0].set(yscale="log", ylim=(0.012, 1.3), yticks=[0.03, 0.1, 0.3, 1])
        row[0].set_yticklabels(["0.03", "0.1", "0.3", "1"], fontsize=8)
        row[0].yaxis.minorticks_off()
        row[0].tick_params(axis="x", labelsize=8)
        row[0].set_title(run, fontsize=9, loc="left", weight="bold")
        row[0].spines[["top", "right"]].set_visible(False)
        for axis, weights in zip(row[1:], ("raw", "slow")):
            picture = imread(Path(folder) / f"{run.replace(' ', '-')}-{weights}.png")
            axis.imshow(picture, interpolation="nearest")
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
    axes[0, 1].set_title("drawn with the raw weights", fontsize=9)
    axes[0, 2].set_title("drawn with the slow copy", fontsize=9)
    axes[-1, 0].set_xlabel("step", fontsize=8)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=3, frameon=False, fontsize=8)
    return figure
