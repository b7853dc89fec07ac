"""Look at patients: what they draw, their scores, and the experiments that one may order."""

import csv
from pathlib import Path

import numpy as np
from matplotlib.image import imread

from .... import plot
from .patients import EXPERIMENTS

CATEGORIES = (
    "single_object", "two_objects", "counting", "colors", "position", "color_attribution", "size",
)  # fmt: skip
ROWS = {  # experiment: what is written beside its rows, from the top
    "drawn": ("",),
    "guidance": ("guidance 0", "1", "4", "12"),
    "steps": ("5 steps", "20", "50"),
    "reconstruction": ("true pictures", "after encoder\nand decoder"),
    "last words": ("a prompt", "its last words\nexchanged"),
}


def read_scores(folder):
    """{run: {category: share}} from a folder's scores.csv, the ceiling among them."""
    with open(Path(folder) / "scores.csv", newline="", encoding="utf-8") as file:
        return {
            row.pop("run"): {name: float(row[name]) for name in row if name != "weights"}
            for row in csv.DictReader(file)
        }


def picture_of(folder, run, experiment):
    """The tiled pictures of one run and experiment, gray between them. -> (H', W', 3) in [0, 1]"""
    picture = imread(Path(folder) / f"{run} {experiment}.png".replace(" ", "-"))[..., :3].copy()
    step = (len(picture) + 1) // max(2, len(ROWS[experiment]))  # "drawn" has two rows, unnamed
    picture[step - 1 :: step], picture[:, step - 1 :: step] = 0.8, 0.8
    return (picture * 31).round() / 31  # as the eye sees it, in half the bytes of a notebook


def show_patients(folder, runs):
    """One row a run: its scores over the healthy ones, and four pictures each of four prompts."""
    scores = read_scores(folder)
    size = (8.6, 1.62 * len(runs) + 0.5)
    figure = plot.NotebookFigure(figsize=size, dpi=70, layout="constrained")
    axes = figure.subplots(len(runs), 2, squeeze=False, width_ratios=(1, 1.75))
    names = [name.replace("_", " ") for name in CATEGORIES]
    for row, run in zip(axes, runs):
        mine, healthy = ([scores[of][name] for name in CATEGORIES] for of in (run, "healthy"))
        places = np.arange(len(CATEGORIES))[::-1]
        row[0].barh(places, healthy, 0.8, color="#CCCCCC", label="healthy")
        row[0].barh(places, mine, 0.4, color=plot.BLUE, label="this one")
        row[0].set_yticks(places, names, fontsize=9)
        row[0].set(xlim=(0, 1.02), xticks=[])
        row[0].spines[["top", "right"]].set_visible(False)
        row[0].set_title(run, fontsize=10, loc="left", weight="bold")
        show(row[1], picture_of(folder, run, "drawn"))
    axes[-1, 0].set_xticks([0, 0.5, 1], ["0", "0.5", "1"], fontsize=8)
    axes[-1, 0].set_xlabel("share of prompts obeyed", fontsize=8)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=2, frameon=False, fontsize=8)
    return figure


def show_experiment(folder, patient, experiment):
    """What came of one experiment on a patient, and beside it of the same on a healthy one."""
    if experiment not in EXPERIMENTS:
        raise ValueError(f"expected one of {', '.join(EXPERIMENTS)}; got {experiment!r}")
    labels = ROWS[experiment]
    figure = plot.NotebookFigure(
        figsize=(8.6, 1.0 * len(labels) + 0.5), dpi=90, layout="constrained"
    )
    for axis, run in zip(figure.subplots(1, 2), (patient, "healthy")):
        picture = picture_of(folder, run, experiment)
        show(axis, picture)
        middles = (np.arange(len(labels)) + 0.5) * len(picture) / len(labels)
        axis.set_yticks(middles, labels, fontsize=8)
        axis.tick_params(axis="y", length=0)
        axis.set_title(run, fontsize=9, weight="bold")
        if experiment == "reconstruction":
            ceiling = read_scores(folder)[run]["ceiling"]
            axis.set_xlabel(f"{ceiling:.0%} of such pictures obey: the ceiling", fontsize=8)
    return figure


def show(axis, picture):
    """Pixels as they are, without a frame."""
    axis.imshow(picture, interpolation="nearest")
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
