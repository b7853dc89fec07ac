"""What notebook 09 shows: figures, and draws that would stand in the way of its ideas."""

import math

import torch
from matplotlib.ticker import FormatStrFormatter, LogLocator

from .... import plot
from ....noise import randn
from ....pipeline import to_uint8
from ....samplers import guide

# Share of pictures that obey on GenEval's six tasks, and the published mean. The first three
# models: Ghosh et al. 2023; SD3 (8 billion parameters): Esser et al. 2024.
GENEVAL_TASKS = (
    "single_object", "two_objects", "counting", "colors", "position", "color_attribution",
)  # fmt: skip
GENEVAL = {
    "SD 1.5": ((0.97, 0.38, 0.35, 0.76, 0.04, 0.06), 0.43),
    "SD 2.1": ((0.98, 0.51, 0.44, 0.85, 0.07, 0.17), 0.50),
    "SDXL": ((0.98, 0.74, 0.39, 0.85, 0.15, 0.23), 0.55),
    "SD3": ((0.99, 0.94, 0.72, 0.89, 0.33, 0.60), 0.74),
}


def world_of(num_prompts, alike, chance, generator, pictures=4):
    """Pictures right or wrong by chance; a share `alike` of the prompts succeeds or fails as one.

    -> bool (num_prompts, pictures)
    """
    right = torch.rand(num_prompts, pictures, generator=generator) < chance
    one = torch.rand(num_prompts, 1, generator=generator) < alike
    return torch.where(one, right[:, :1], right)


def geneval_table(ours):
    """Our shares, {category: share}, beside those of real models on GenEval's tasks, as text."""
    names = [*GENEVAL, "ours, 32px"]
    columns = [shares for shares, _ in GENEVAL.values()] + [[ours[t] for t in GENEVAL_TASKS]]
    lines = [" " * 18 + "".join(f"{name:>12}" for name in names)]
    rows = [*zip(GENEVAL_TASKS, zip(*columns)), ("mean", [sum(c) / len(c) for c in columns])]
    for task, shares in rows:
        label = task.replace("_", " ")
        lines.append(f"{label:18}" + "".join(f"{share:12.2f}" for share in shares))
    return "\n".join(lines)


def frontier_and_frechet(tables):
    """Obedience against diversity, one dot a guidance; and the Frechet distance of N pictures."""
    figure = plot.NotebookFigure(figsize=(9.0, 3.4), dpi=100, layout="constrained")
    left, right = figure.subplots(1, 2)
    rows = tables["frontier"]
    x, y = ([row[name] for row in rows] for name in ("diversity", "obedience"))
    left.plot(x, y, "-o", color=plot.BLUE, markersize=4)
    left.vlines(x, *zip(*(row["interval"] for row in rows)), color=plot.BLUE, linewidth=0.8)
    for row in rows:
        place = (row["diversity"], row["obedience"])
        left.annotate(f"{row['guidance']:g}", place, (5, 5), textcoords="offset points", fontsize=8)
    left.axvline(1, color=plot.GRAY, linestyle="--", linewidth=1)
    left.set(xlabel="diversity (true pictures of these prompts: 1)", ylabel="share that obeys",
             ylim=(-0.03, 1.03), title="the number at a dot: guidance")  # fmt: skip
    curves = tables["frechet"]
    styles = ("true", plot.BLACK, "-", "o"), ("drawn", plot.VERMILION, "--", "s")
    for name, color, line, mark in styles:
        right.plot(curves["pictures"], curves[name], line, marker=mark, color=color, label=name)
    right.set(xscale="log", yscale="log", xlabel="pictures in the set", ylabel="Fréchet distance",
              title="distance from 2,000 true pictures")  # fmt: skip
    right.set_xticks(curves["pictures"], [str(n) for n in curves["pictures"]])
    right.minorticks_off()
    right.yaxis.set_major_locator(LogLocator(subs=(1, 3)))
    right.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    right.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def neighbors(images, *sets):
    """The picture of each set that is nearest to each image. uint8 (N, H, W, 3) -> rows in one"""
    rows = [images]
    for others in sets:
        flat = (x.float().flatten(1) for x in (images, others))
        rows.append(others[torch.cdist(*flat).argmin(dim=1)])
    return torch.cat(rows)


def word_strip(pictures, words, maps, timesteps):
    """The guess of the picture over time, and under it one row of maps a word.

    uint8 (T, H, W, 3), names of the rows, (rows, T, h, w), (T,) -> a matplotlib figure
    """
    size = (1.15 * len(timesteps) + 0.6, 1.15 * (len(words) + 1) + 0.2)
    figure = plot.NotebookFigure(figsize=size, dpi=90, layout="constrained")
    axes = figure.subplots(len(words) + 1, len(timesteps))
    for column, (picture, timestep) in enumerate(zip(pictures, timesteps)):
        axes[0, column].imshow(picture, interpolation="nearest")
        axes[0, column].set_title(f"t = {timestep:g}", fontsize=9)
        for row in range(len(words)):
            axes[row + 1, column].imshow(maps[row][column], cmap="cividis", vmin=0, vmax=1)
    for row, label in enumerate(["guess", *words]):
        axes[row, 0].set_ylabel(label, fontsize=10)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    return figure


def two_bars(labels, left, right, titles):
    """Two rows of bars over the same labels, each with its own scale. (N,), (N,)"""
    figure = plot.NotebookFigure(figsize=(7.6, 3.0), dpi=90, layout="constrained")
    styles = zip(figure.subplots(2, 1, sharex=True), (left, right), titles,
                 ((plot.BLUE, ""), (plot.ORANGE, "//")))  # fmt: skip
    for axis, values, title, (color, hatch) in styles:
        axis.bar(range(len(labels)), values, color=color, hatch=hatch, edgecolor="white")
        axis.set_title(title, fontsize=9, loc="left")
        axis.set_xticks(range(len(labels)), labels, fontsize=9)
        axis.set_yticks([])
        axis.spines[["top", "right", "left"]].set_visible(False)
    return figure


def without_each(prompt):
    """The prompt, and the prompt without its first, second, ... word."""
    words = prompt.split()
    return [prompt] + [" ".join(words[:i] + words[i + 1 :]) for i in range(len(words))]


@torch.no_grad()
def draw_from(pipe, noise, context, guidance_scale=4.0, num_inference_steps=20):
    """Draw from given noise and given text vectors. (B, c, h, w), (B, S, D) -> uint8"""

    def predict(latents, timestep, context):
        return pipe.unet(latents, timestep, context).float()

    empty = pipe.encode_prompts([""] * len(noise))
    denoise = guide(predict, context, empty, guidance_scale)
    *_, last = pipe.walk("ddim", denoise, noise.to(pipe.device), num_inference_steps, None)
    return to_uint8(pipe.decode(last.latents).cpu())


def noise_of(pipe, seed):
    """The noise that a seed stands for, for one picture. -> (1, c, h, w) on the CPU"""
    side, channels = pipe.unet.config.sample_size, pipe.unet.config.in_channels
    return randn((1, channels, side, side), torch.Generator().manual_seed(seed))


def road(pipe, walk, seeds, fractions, prompt):
    """Pictures on the way from one noise to another. walk(a, b, fraction) -> uint8 (N, H, W, 3)"""
    a, b = (noise_of(pipe, seed) for seed in seeds)
    noise = torch.cat([walk(a, b, fraction) for fraction in fractions])
    return draw_from(pipe, noise, pipe.encode_prompts([prompt] * len(fractions)))


def prompt_road(pipe, seed, fractions, prompts):
    """The same between the text vectors of two prompts, on a straight line, from one noise."""
    a, b = pipe.encode_prompts(prompts)[:, None]
    context = torch.cat([torch.lerp(a, b, fraction) for fraction in fractions])
    return draw_from(pipe, noise_of(pipe, seed).repeat(len(fractions), 1, 1, 1), context)


def attention_shares(calls, places):
    """Which share of all attention each place of the prompt gets, a mean over a picture's way.

    calls: weights (2B, K, L, S), B = 1, of every step; places: tokens -> a list of shares
    """
    mean = torch.stack([call.chunk(2)[1].mean(dim=(0, 1, 2)) for call in calls]).mean(dim=0)  # (S,)
    return [mean[place].item() for place in places]


def side_of(call):
    """Height (and width) of the map that a call's weights make. (2B, K, L, S) -> number"""
    return math.isqrt(call.shape[2])
