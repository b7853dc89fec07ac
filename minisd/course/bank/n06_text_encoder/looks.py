"""What notebook 06 shows and measures: the lines that would stand in the way of its ideas."""

import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange

from .... import plot
from ....pipeline import TextToImagePipeline
from ....tokenizer import END_OF_WORD, CLIPTokenizer, bpe


def tables(values, titles, rows=None, columns=None, lowest=0.0):
    """Tables side by side, each with its own colors from `lowest` (dark) to its largest.

    [(H, W), ...]; `rows` and `columns` name the lines and columns of every table. Returns a
    matplotlib figure.
    """
    height, width = values[0].shape
    size = 1.0 + len(values) * (0.9 + 0.19 * width), 0.7 + 0.19 * height + (0.8 if columns else 0)
    figure = plot.NotebookFigure(figsize=size, dpi=110, layout="constrained")
    axes = figure.subplots(1, len(values), squeeze=False)[0]
    for ax, table, title in zip(axes, values, titles, strict=True):
        shown = ax.imshow(torch.as_tensor(table).cpu(), cmap="viridis", vmin=lowest)
        figure.colorbar(shown, ax=ax, shrink=0.8).ax.tick_params(labelsize=8)
        ax.set_title(title, fontsize=10)
        ax.set(xticks=[], yticks=[])
        if columns is not None:
            ax.set_xticks(range(width), columns, rotation=90, fontsize=8)
    if rows is not None:
        axes[0].set_yticks(range(height), rows, fontsize=8)
    return figure


def spelled(text, merges):
    """A text in pieces after so many merges, "|" between them."""
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    words = (bpe(word, ranks) for word in text.split())
    return "  ".join("|".join(word).replace(END_OF_WORD, "") for word in words)


def shares_of_places(pipe, prompt, generator=None):
    """Draw one picture, and record how much of its attention goes to each place of the prompt.

    Returns (image, shares): uint8 (H, W, 3); (S,), a mean over pixels, heads, layers and steps.
    """
    weights = []

    def record(layer, inputs, output):
        x, context = (part[-1:] for part in inputs)  # of guidance's two prompts, the real one
        q, k = (
            rearrange(y, "b n (k e) -> b k n e", k=layer.num_heads)
            for y in (layer.to_q(x), layer.to_k(context))
        )
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        weights.append(scores.softmax(dim=-1).mean((0, 1, 2)).cpu())  # (S,)

    layers = [module for name, module in pipe.unet.named_modules() if name.endswith("attn2")]
    hooks = [layer.register_forward_hook(record) for layer in layers]
    try:
        image = pipe(prompt, generator=generator)[0]
    finally:
        for hook in hooks:
            hook.remove()
    return image, torch.stack(weights).mean(0)


def summed(shares, num_words):
    """The shares of start, words, end and padding, rounded. (S,) -> {name: number}"""
    end = 1 + num_words
    parts = shares[:1], shares[1:end], shares[end : end + 1], shares[end + 1 :]
    names = "start", "words", "end", "padding"
    return {name: round(part.sum().item(), 2) for name, part in zip(names, parts)}


def named_places(prompt, num_places):
    """What stands at each place of a prompt of whole words: start, words, end, pad, pad, ..."""
    names = ["start", *prompt.split(), "end"]
    return names + ["pad"] * (num_places - len(names))


def bars(values, labels, ylabel):
    """One bar a value, its label below. (N,) -> a matplotlib figure"""
    figure, axes = plot.new_axes("", ylabel, "", size=(8, 2.6))
    axes.bar(range(len(values)), values, color=plot.BLUE)
    axes.set_xticks(range(len(values)), labels, rotation=60, ha="right", fontsize=8)
    return figure


def cosines(a, b):
    """The cosine of the angle between all pairs of rows. (N, D), (M, D) -> (N, M)"""
    return F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).T


def nearest(features, phrases, first):
    """[(phrase, its nearest other phrase)] of the `first` phrases, by cosine. (N, D), N phrases"""
    table = cosines(features, features).fill_diagonal_(-2)
    best = table.argmax(dim=1).tolist()
    return [(phrases[i], phrases[best[i]]) for i in range(first)]


def unlike(a, b):
    """How far two sets of vectors lie apart, whatever their order: for each vector of one set the
    nearest of the other, as a share of its length; the mean. (S, D), (S, D) -> number
    """
    distances = torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
    return (distances.min(dim=1).values / a.norm(dim=1)).mean().item()


def padded_with(pipe, pad_token):
    """The same pipeline, its prompts filled up with another token."""
    old = pipe.tokenizer
    tokenizer = CLIPTokenizer(old.vocab, old.merges, old.model_max_length, pad_token)
    return TextToImagePipeline(pipe.unet, pipe.vae, pipe.text_encoder, tokenizer, pipe.schedule)


def order_scores(path):
    """Print what `python -m minisd.course.order` saved. -> [(one object, as asked, as the twin)]"""
    saved, rows = json.loads(Path(path).read_text(encoding="utf-8")), []
    print(f"after {saved['steps']:,} more steps{'one object':>14}{'as asked':>11}{'as twin':>10}")
    for name, shares in saved["arms"].items():
        rows.append([*shares.values()][:3])
        print(f"{name:24}" + "".join(f"{share:11.2f}" for share in rows[-1]))
    return rows
