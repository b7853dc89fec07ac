"""What notebook 01 shows and measures: the lines that would stand in the way of its ideas."""

import math

import torch
from einops import rearrange

from .... import plot, world
from ....pipeline import from_uint8


def heat_maps(tables, titles, marks=None):
    """Tables side by side: dark is 0, bright a table's largest weight. [(H, W) or (H, W, 3), ...]

    `marks` sets a white cross into each at (row, column), or none where it is None. Returns a
    matplotlib figure.
    """
    rows = math.ceil(len(tables) / 6)
    columns = math.ceil(len(tables) / rows)
    size = 1.25 * columns, 1.55 * rows
    figure = plot.NotebookFigure(figsize=size, dpi=110, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).flat
    for ax in axes[len(tables) :]:
        ax.remove()
    marks = marks or [None] * len(tables)
    for ax, values, title, mark in zip(axes, tables, titles, marks):
        ax.imshow(values, cmap="viridis", vmin=0, interpolation="nearest")
        ax.set(xticks=[], yticks=[])
        ax.set_title(title, fontsize=9)
        if mark:
            ax.plot(mark[1], mark[0], "+", color="white", markersize=9, markeredgewidth=2)
    return figure


def arrows(query, keys, weights, colors):
    """A query and the keys it asks, as arrows in the plane. (2,), (S, 2), (S,), S colors."""
    figure = plot.NotebookFigure(figsize=(4.4, 2.6), dpi=110, layout="constrained")
    axes = figure.subplots()
    for (x, y), weight, color in zip(keys.tolist(), weights.tolist(), colors, strict=True):
        arrow = {"arrowstyle": "->", "color": color, "lw": 1.6}
        axes.annotate("", (x, y), (0, 0), arrowprops=arrow)
        axes.text(
            1.15 * x,
            1.15 * y - (0.15 if y < 0 else 0.05),
            f"key, weight {weight:.2f}",
            fontsize=9,
            color=color,
        )
    x, y = query.tolist()
    axes.annotate("", (x, y), (0, 0), arrowprops={"arrowstyle": "->", "lw": 3})
    axes.text(x, y + 0.1, "query", fontsize=10, weight="bold")
    reach = 0.4 + max(keys.abs().max().item(), query.abs().max().item())
    axes.set(xlim=(-reach, reach + 0.7), ylim=(-0.5, reach - 0.2), aspect="equal")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def inputs_of(layer, call):
    """Run call() and return what `layer` was given meanwhile: one tuple of tensors a time."""
    given = []
    hook = layer.register_forward_hook(lambda layer, inputs, output: given.append(inputs))
    try:
        with torch.no_grad():
            call()
    finally:
        hook.remove()
    return given


@torch.no_grad()
def weights_of(layer, x, context, num_heads):
    """Who listens to whom in one call of a layer. (B, L, D), (B, S, Dc) -> (B, K, L, S)"""
    q, k = (
        rearrange(y, "b n (k e) -> b k n e", k=num_heads)
        for y in (layer.to_q(x), layer.to_k(context))
    )
    return (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(dim=-1).cpu()


@torch.no_grad()
def rebuild(unet, attention, num_heads):
    """Put the class `attention` into every place where a network attends, with the old weights."""
    for block in [part for part in unet.modules() if hasattr(part, "attn2")]:
        for name in ("attn1", "attn2"):
            old = getattr(block, name)
            new = attention(old.to_q.in_features, num_heads, old.to_k.in_features)
            new.load_state_dict(old.state_dict())
            setattr(block, name, new.to(old.to_q.weight))


def color_listening(pipe, layer, timestep, num_scenes=64, seed=0):
    """How much the places of an object listen to color words: (its own, the other object's).

    True scenes of two objects of different colors are noised to `timestep` and shown to the
    network once; what `layer` weighs is averaged over heads, the places inside an object's
    circle, objects and scenes.
    """
    generator = torch.Generator().manual_seed(seed)
    scenes = world.sample_scenes(8 * num_scenes, generator)
    two = (scenes.relation >= 0) & (scenes.color[:, 0] != scenes.color[:, 1])
    scenes = scenes[two.nonzero()[:num_scenes, 0]]
    captions = world.captions(scenes, generator, world.Mentions(color=1.0))

    latents = pipe.encode(from_uint8(world.render(scenes)))
    noise = torch.randn(latents.shape, generator=generator).to(latents)
    kept = pipe.schedule.alpha_bar(timestep)
    noisy = kept.sqrt() * latents + (1 - kept).sqrt() * noise
    context = pipe.encode_prompts(captions)
    given = inputs_of(layer, lambda: pipe.unet(noisy, timestep, context))[0]
    weights = weights_of(layer, *given, pipe.unet.config.num_heads[0]).mean(1)  # (N, L, S)

    color_tokens = pipe.tokenizer(list(world.COLORS))[:, 1]  # each color is one token
    center = (torch.arange(latents.shape[-1]) + 0.5) / latents.shape[-1]
    heard = torch.zeros(2, 2)  # object, whose word
    for thing in (0, 1):
        across = center - scenes.x[:, thing, None, None]
        down = center[:, None] - scenes.y[:, thing, None, None]
        inside = across**2 + down**2 < scenes.radius[:, thing, None, None] ** 2
        inside = inside.flatten(1) / inside.sum((1, 2))[:, None]  # (N, L)
        for owner in (0, 1):
            word = pipe.tokenizer(captions) == color_tokens[scenes.color[:, owner], None]
            shares = torch.einsum("nl,nls,ns->n", inside, weights, word.float())
            heard[thing, owner] = shares.mean()
    return heard.diagonal().mean().item(), heard.flip(1).diagonal().mean().item()


def kept_for_backward(function, *arguments):
    """MiB that autograd puts aside for the backward pass during one call."""
    sizes = []

    def pack(tensor):
        sizes.append(tensor.nbytes)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        function(*arguments)
    return sum(sizes) / 2**20
