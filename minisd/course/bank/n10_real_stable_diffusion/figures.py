"""The figures of notebook 10: shares, levels, and one mark for each key."""

from .... import plot
from .parts import KINDS, count_by, kind_of, level_of, work_by_level

LOOKS = {  # kind of layer: color, hatch of a bar, marker of a point
    "convolutions": (plot.BLUE, "", "o"),
    "feed-forward": (plot.ORANGE, "//", "s"),
    "self-attention": (plot.GREEN, "..", "^"),
    "cross-attention": (plot.VERMILION, "xx", "v"),
}


def part_shares(models):
    """Bars cut by part. {model's name: {part: number of parameters}}"""
    figure, axes = plot.new_axes("share of the model's parameters", "", "", size=(7, 2.2))
    axes.grid(False)
    styles = [(plot.BLUE, ""), (plot.ORANGE, "//"), (plot.GREEN, "..")]
    for row, parts in enumerate(models.values()):
        left = 0.0
        for (part, number), (color, hatch) in zip(parts.items(), styles):
            share = number / sum(parts.values())
            axes.barh(row, share, left=left, color=color, hatch=hatch, edgecolor="white",
                      label=None if row else part)  # fmt: skip
            axes.text(left + share / 2, row, f"{share:.0%}", ha="center", va="center", fontsize=9,
                      bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5})  # fmt: skip
            left += share
    axes.set_yticks(range(len(models)), models)
    axes.set_xlim(0, 1)
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    return figure


def levels(unet):
    """Parameters by level and kind of layer, and the work of one evaluation. A UNet on "meta"."""
    config = unet.config
    widths = config.block_out_channels
    num_levels = len(widths)
    sits = count_by(unet, kind_of, lambda key: level_of(key, num_levels))
    work = work_by_level(unet)
    figure = plot.NotebookFigure(figsize=(9, 3.6), dpi=100, layout="constrained")
    left, right = figure.subplots(1, 2)
    others = [kind for kind in KINDS if kind not in LOOKS]
    below = [0.0] * num_levels
    rows = [([kind], *look[:2], kind) for kind, look in LOOKS.items()]
    for kinds, color, hatch, name in [*rows, (others, plot.GRAY, "", "all others")]:
        heights = [sum(sits[k, level] for k in kinds) / 1e6 for level in range(num_levels)]
        left.bar(range(num_levels), heights, bottom=below, color=color, hatch=hatch,
                 edgecolor="white", label=name)  # fmt: skip
        below = [a + b for a, b in zip(below, heights)]
    right.bar(range(num_levels), [work[level] / 1e9 for level in range(num_levels)],
              color=plot.SKY, edgecolor="white")  # fmt: skip
    left.set(title="parameters", ylabel="millions")
    right.set(title="work of one evaluation", ylabel="billion operations")
    sides = [config.sample_size // 2**level for level in range(num_levels)]
    ticks = [f"{side} × {side}\n{width} ch." for side, width in zip(sides, widths)]
    for axes in (left, right):
        axes.set_xticks(range(num_levels), ticks, fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
    left.legend(frameon=False, fontsize=9)
    return figure


def picture_table(rows, columns):
    """Pictures in a table: a name before each row, a prompt over each column.

    {name: uint8 (N, H, W, 3)}, N prompts
    """
    figure = plot.NotebookFigure(figsize=(6.6, 1.25 * len(rows) + 0.3), dpi=90)
    axes = figure.subplots(len(rows), len(columns), squeeze=False)
    figure.subplots_adjust(left=0.36, right=1, top=0.94, bottom=0, wspace=0.04, hspace=0.06)
    for line, (name, pictures) in zip(axes, rows.items()):
        line[0].text(-0.12, 0.5, name, transform=line[0].transAxes, ha="right", va="center")
        for ax, picture in zip(line, pictures):
            ax.imshow(picture, interpolation="nearest")
            ax.set_axis_off()
    for ax, prompt in zip(axes[0], columns):
        ax.set_title(prompt, fontsize=8)
    return figure


def keys_side_by_side(ours, theirs):
    """One mark for each key that both state dicts have: its numbers in one and in the other."""
    xlabel, ylabel = "numbers in the shipped model", "numbers in Stable Diffusion 1.5"
    figure, axes = plot.new_axes(xlabel, ylabel, "one mark for each key", (6.4, 4))
    shared = [key for key in theirs if key in ours]
    for kind, (color, _, marker) in (LOOKS | {"time": (plot.BLACK, "", "D")}).items():
        keys = [key for key in shared if kind_of(key) == kind]
        x, y = ([state[key].numel() for key in keys] for state in (ours, theirs))
        axes.scatter(x, y, s=22, marker=marker, facecolors="none", edgecolors=color, label=kind)
    others = [key for key in shared if kind_of(key) not in {*LOOKS, "time"}]
    x, y = ([state[key].numel() for key in others] for state in (ours, theirs))
    axes.scatter(x, y, s=22, marker="x", color=plot.GRAY, linewidths=1, label="all others")
    axes.plot([3, 1e6], [3, 1e6], color=plot.GRAY, linewidth=1)
    axes.set(xscale="log", yscale="log")
    axes.legend(frameon=False, fontsize=9)
    return figure
