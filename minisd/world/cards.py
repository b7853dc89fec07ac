"""Rewrite what datasets/ holds: the prompt lists, the checker's figures and the pictures.

python -m minisd.world.cards datasets
"""

import argparse
import json
from pathlib import Path

import torch
from matplotlib.figure import Figure

from . import garbage
from .prompt_lists import prompts
from .render import coverage, render
from .sampling import sample_scenes
from .scene import BACKGROUNDS, COLORS, SHAPES
from .validate import measure_accepted, measure_doubt, measure_garbage, measure_wrong

# Machado, Oliveira and Fernandes 2009, severity 1.0: linear RGB as a deuteranope sees it.
DEUTERANOPIA = torch.tensor(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]
)
LUMINANCE = torch.tensor([0.2126, 0.7152, 0.0722])  # of linear RGB, ITU-R BT.709
HARD = ("average of two", "fused pair", "half shape")  # the kinds that only the shape gives away


def see_without_green(colors: torch.Tensor) -> torch.Tensor:
    """Turn sRGB colors into what a deuteranope sees. (..., 3) in [0, 1] -> (..., 3)"""
    seen = (to_linear(colors) @ DEUTERANOPIA.T).clamp(0, 1)
    return torch.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)


def to_linear(colors: torch.Tensor) -> torch.Tensor:
    """Undo sRGB's gamma. (..., 3) in [0, 1] -> (..., 3)"""
    return torch.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)


def measure_palette() -> dict:
    """Least RGB distances that the checker, and color-blind readers, rely on."""
    palette, ground = (torch.tensor(list(c.values())) / 255 for c in (COLORS, BACKGROUNDS))
    brown = torch.tensor(garbage.BROWNS) / 255
    everything = torch.cat([palette, ground])
    middles = (palette[:, None] + everything[None])[
        ~torch.eye(len(palette), len(everything), dtype=torch.bool)
    ] / 2
    blind = see_without_green(palette)
    return {
        "between two colors": torch.pdist(palette).min().item(),
        "color to background": torch.cdist(palette, ground).min().item(),
        "color to brown": torch.cdist(palette, brown).min().item(),
        "color to a half-way mixture": torch.cdist(palette, middles).min().item(),
        "between two colors, deuteranopia": torch.pdist(blind).min().item(),
        "luminance": dict(zip(COLORS, (to_linear(palette) @ LUMINANCE).tolist(), strict=True)),
    }


def measure_roc(n: int, generator) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Doubts about true pictures (blur 0.7, noise 0.03), and about the hard kinds of garbage."""
    scenes = garbage.one_object(n, generator)
    true = measure_doubt(garbage.soften(render(scenes, 32), 0.7, 0.03, generator))
    doubts = {}
    for kind in HARD:
        pictures = garbage.draw_garbage(kind, scenes, generator)
        doubts[kind] = measure_doubt(pictures)
        doubts[f"{kind}, blur 0.7"] = measure_doubt(garbage.soften(pictures, 0.7))
    return true, doubts


def plot_roc(true: torch.Tensor, doubts: dict[str, torch.Tensor]) -> Figure:
    """Draw true pictures accepted against garbage accepted, as the limit on doubt moves."""
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    limits = torch.cat([torch.linspace(0, 3, 600), torch.tensor([1e9])])
    accepted = (true[:, None] <= limits).float().mean(0)
    styles = zip(HARD, ("#D55E00", "#0072B2", "#009E73"), strict=True)
    for kind, color in styles:
        for suffix, line in (("", "-"), (", blur 0.7", "--")):
            wrong = (doubts[kind + suffix][:, None] <= limits).float().mean(0)
            axes.plot(wrong, accepted, line, color=color, label=kind + suffix)
            here = (doubts[kind + suffix] <= 1).float().mean(), (true <= 1).float().mean()
            axes.plot(*here, "o", color=color)
    axes.set(xlabel="garbage accepted", ylabel="true pictures accepted", xlim=(-0.01, 0.4))
    axes.set(ylim=(0.8, 1.005), title="Shapes: true (blur 0.7, noise 0.03) against garbage")
    axes.legend(loc="lower right", title="dots: the checker's own limit")
    axes.grid(alpha=0.3)
    return figure


def plot_palette() -> Figure:
    """Draw every color on every background, as most readers and as a deuteranope see it."""
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    palette, ground = (torch.tensor(list(c.values())) / 255 for c in (COLORS, BACKGROUNDS))
    half = torch.tensor([0.5])
    tiles = [coverage(SHAPES[i % len(SHAPES)], half, half, half * 0.8, 64)[0] for i in range(8)]
    cover = torch.stack(tiles)[:, None, :, :, None]  # (colors, 1, H, W, 1)
    picture = ground[None, :, None, None] + cover * (
        palette[:, None, None, None] - ground[None, :, None, None]
    )
    picture = picture.permute(1, 2, 0, 3, 4).reshape(3 * 64, 8 * 64, 3)
    for axes, title, image in zip(
        figure.subplots(1, 2),
        ("the palette", "with deuteranopia (simulated)"),
        (picture, see_without_green(picture)),
        strict=True,
    ):
        axes.imshow(image.clamp(0, 1).numpy())
        axes.set_title(title)
        axes.set_xticks(range(32, 512, 64), COLORS, rotation=45)
        axes.set_yticks(range(32, 192, 64), BACKGROUNDS)
    return figure


def plot_garbage(generator, columns: int = 12) -> Figure:
    """Draw the scenes of one row as every kind of garbage."""
    scenes = garbage.one_object(columns, generator)
    rows = {"true": render(scenes, 32), "true, blur 0.7": garbage.soften(render(scenes, 32), 0.7)}
    rows |= {kind: garbage.draw_garbage(kind, scenes, generator) for kind in garbage.KINDS}
    figure = Figure(figsize=(8.5, 0.62 * len(rows)), layout="constrained")
    for axes, (kind, pictures) in zip(figure.subplots(len(rows), 1), rows.items(), strict=True):
        axes.imshow(pictures.permute(1, 0, 2, 3).reshape(32, -1, 3).numpy())
        axes.set_ylabel(kind, rotation=0, ha="right", va="center", fontsize=8)
        axes.set_xticks([])
        axes.set_yticks([])
    return figure


def plot_scenes(generator, columns: int = 8, rows: int = 4) -> Figure:
    """Draw random training scenes."""
    pictures = render(sample_scenes(rows * columns, generator), 64)
    pictures = torch.nn.functional.pad(pictures, (0, 0, 2, 2, 2, 2), value=200)
    grid = pictures.unflatten(0, (rows, columns)).permute(0, 2, 1, 3, 4)  # rows H columns W 3
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    axes.imshow(grid.flatten(2, 3).flatten(0, 1).numpy())
    axes.axis("off")
    return figure


def main() -> None:
    """Measure, then write everything below the folder."""
    parser = argparse.ArgumentParser(prog="python -m minisd.world.cards", description=__doc__)
    parser.add_argument("folder", type=Path, help="usually datasets")
    parser.add_argument("--num", type=int, default=7000, help="pictures a measurement")
    parser.add_argument("--seed", type=int, default=2024)
    options = parser.parse_args()
    generator = torch.Generator().manual_seed(options.seed)
    n, world = options.num, options.folder / "world"
    world.mkdir(parents=True, exist_ok=True)
    (options.folder / "prompts").mkdir(exist_ok=True)

    for split in ("seen", "held_out"):
        text = json.dumps(prompts(split), indent=1) + "\n"
        (options.folder / "prompts" / f"{split}.json").write_text(text)
    true, doubts = measure_roc(n, generator)
    numbers = {
        "pictures a measurement": n,
        "seed": options.seed,
        "palette": measure_palette(),
        "true pictures accepted": measure_accepted(n, generator),
        "wrong prompts believed, of": measure_wrong(n, generator),
        "wrong prompts believed, of (blur 0.7)": measure_wrong(n, generator, 0.7),
        "garbage accepted": measure_garbage(n, generator),
        "garbage accepted (blur 0.7)": measure_garbage(n, generator, 0.7),
        "area under the ROC curve": {
            kind: area_under_roc(true, values) for kind, values in doubts.items()
        },
    }
    (world / "checker.json").write_text(json.dumps(numbers, indent=1) + "\n")
    plot_roc(true, doubts).savefig(world / "checker_roc.png", dpi=100)
    plot_palette().savefig(world / "palette.png", dpi=100)
    plot_garbage(torch.Generator().manual_seed(0)).savefig(world / "garbage.png", dpi=100)
    plot_scenes(torch.Generator().manual_seed(0)).savefig(world / "scenes.png", dpi=100)
    print(json.dumps(numbers, indent=1))


def area_under_roc(true: torch.Tensor, garbage_: torch.Tensor) -> float:
    """Chance that a true picture raises less doubt than a garbage one; ties count half."""
    ordered = torch.sort(garbage_).values
    below = torch.searchsorted(ordered, true)
    up_to = torch.searchsorted(ordered, true, right=True)
    return (1 - (below + up_to).float().mean() / (2 * len(ordered))).item()


if __name__ == "__main__":
    main()
