"""What notebook 07 shows: the lines that would stand in the way of its ideas."""

import csv
import json
import math

import torch

from .... import plot
from ....attention import Transformer2DModel
from ....schedule import snr
from ..n04_unet.weights import hooked, silence
from .left_right import RECIPES, say, worth_of_the_sentence

LOOSE = 0.06  # a learner's machine and random numbers are not ours: the band is wider by this


@torch.no_grad()
def rebuild(unet, block):
    """Put the class `block` into every place where words meet pixels, with the old weights."""
    for part in unet.modules():
        if isinstance(part, Transformer2DModel):
            old = part.transformer_blocks[0]
            dim, heads = old.attn1.to_q.in_features, old.attn1.num_heads
            new = block(dim, heads, old.attn2.to_k.in_features)
            new.load_state_dict(old.state_dict())
            part.transformer_blocks[0] = new.to(old.attn1.to_q.weight)


def blocks_of(unet):
    """The blocks where words meet pixels, in the order in which the network lists them."""
    parts = [part for part in unet.modules() if isinstance(part, Transformer2DModel)]
    return [part.transformer_blocks[0] for part in parts]


def deafened(unet):
    """For the length of a `with`: nothing that a prompt says is heard in this UNet."""
    return hooked({block.attn2: silence for block in blocks_of(unet)})


def read_json(path):
    """A table that one of the course's commands wrote."""
    return json.loads(path.read_text(encoding="utf-8"))


def band_of(runs, name="right captions"):
    """Steps, and between which losses the runs lie there, a little wider. -> three lists"""
    steps = next(iter(runs.values()))["step"]
    columns = [*zip(*(run[name] for run in runs.values()))]
    low = [min(column) * (1 - LOOSE) for column in columns]
    return steps, low, [max(column) * (1 + LOOSE) for column in columns]


def training_figure(mine, runs):
    """Left: my loss over the band of other runs. Right: the loss by what the captions say."""
    figure = plot.NotebookFigure(figsize=(9, 3.3), dpi=100, layout="constrained")
    left, right = figure.subplots(1, 2)
    steps, low, high = band_of(runs)
    left.fill_between(steps, low, high, color="#D9D9D9", label="band of other seeds")
    left.plot(mine["step"], mine["right captions"], "o-", color=plot.BLUE, label="yours")
    left.set(xlabel="step", ylabel="loss, held-back pictures", title="are you on track?")
    styles = zip(plot.LINES, ("right captions", "no captions", "wrong captions"))
    for (color, style), name in styles:
        right.plot(mine["step"][1:], mine[name][1:], color=color, linestyle=style, label=name)
    right.set(xlabel="step", title="does it listen?")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=9)
    return figure


def order_of_learning(path):
    """Of each column of a scores.csv: (name, mean over the run, minute at which it reached half).

    Sorted by the mean, the largest first; fields that are empty or nan are left out; the minute
    is None where half was not reached.
    """
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    found = []
    for name in rows[0]:
        if name in ("minute", "step", "overall"):
            continue
        pairs = [(float(row["minute"]), float(row[name] or "nan")) for row in rows]
        pairs = [(minute, score) for minute, score in pairs if not math.isnan(score)]
        mean = sum(score for _, score in pairs) / len(pairs) if pairs else math.nan
        half = [minute for minute, score in pairs if score >= 0.5]
        found.append((name, mean, half[0] if half else None))
    return sorted(found, key=lambda entry: -entry[1] if not math.isnan(entry[1]) else 1)


def relation_by_reader(path):
    """The mean of `relation` over the milestones with each text encoder, nan left out.

    -> {what the column `reader` says: mean}, in the file's order
    """
    found = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            score = float(row["relation"])
            found.setdefault(row["reader"], []).extend([] if math.isnan(score) else [score])
    return {reader: sum(scores) / len(scores) for reader, scores in found.items()}


def leak_figure(picture, means, factor):
    """A picture, one noisy copy, and what remains of 20,000 copies: (title, (3, H, W)) pairs."""
    titles, pictures = zip(("the picture", picture), *means)
    figure = plot.NotebookFigure(figsize=(8, 2.9), dpi=100, layout="constrained")
    for axes, title, image in zip(figure.subplots(1, len(titles)), titles, pictures):
        axes.imshow(plot.to_uint8(image[None].clamp(-1, 1))[0], interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        axes.set_title(title, fontsize=9)
    figure.supxlabel(f"means are shown {factor:.0f} times as strong", fontsize=9)
    return figure


def sentence_is_worth(distance, num_numbers):
    """What a sentence saves of the loss at each t: {name: (1000,)}, a mean over the numbers of a
    picture. The best possible networks, no training.
    """
    worth = {}
    for name, recipe in (
        ("epsilon, SD's schedule", "epsilon, Stable Diffusion's schedule"),
        ("v, zero SNR", "v, zero terminal SNR"),
    ):
        schedule, error = RECIPES[recipe]
        ratio = snr(schedule.alphas_cumprod.cpu())
        saved = worth_of_the_sentence(ratio, distance) / num_numbers
        worth[name] = saved * (ratio if error == "epsilon" else ratio + 1)
    return worth


def sides_figure(live, saved):
    """Share of pictures that obey the sentence, and the noise; beside them what was drawn last.

    {recipe: looks} of this notebook's runs as dots, the saved runs of several seeds as lines.
    """
    figure = plot.NotebookFigure(figsize=(11, 4.6), dpi=100, layout="constrained")
    curves, drawn = figure.subfigures(1, 2, width_ratios=(7, 4))
    panels = curves.subplots(1, 2, sharey=True)
    fields = (("obeys sentence", "obeys_sentence"), ("obeys noise", "obeys_noise"))
    for (color, style), (name, runs) in zip(plot.LINES, saved.items()):
        for axes, (column, field) in zip(panels, fields):
            for run in runs.values():
                line = axes.plot(run["step"], run[column], color=color, linestyle=style, alpha=0.7)
            line[0].set_label(name)
            for look in live.get(name, []):
                axes.plot(look.step, getattr(look, field), "o", color=color)
    for axes, title in zip(panels, ("stands as the sentence says", "stands as the noise leaned")):
        axes.axhline(0.5, color=plot.GRAY, linewidth=0.8)
        axes.set(xlabel="step", ylim=(0.35, 1.03))
        axes.set_title(title, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("share of 256 pictures")
    handles, labels = panels[0].get_legend_handles_labels()
    curves.legend(handles, labels, loc="outside lower center", frameon=False, fontsize=8)

    tiles = drawn.subplots(2 * len(live), 3).reshape(len(live), 6)
    for row, (name, looks) in zip(tiles, live.items()):
        for axes, image, words in zip(row, looks[-1].pictures, looks[-1].sentences):
            axes.imshow(plot.to_uint8(image[None].clamp(-1, 1))[0], interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.set_xlabel(say(words), fontsize=8, labelpad=2)
        row[1].set_title(name.split(",")[0], fontsize=10)
    return figure
