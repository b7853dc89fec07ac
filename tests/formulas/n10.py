"""Formulas of notebook 10, real Stable Diffusion: sizes."""

import torch
from torch import nn

from minisd.attention import Attention
from minisd.sizes import SIZES


def layer_sizes(draw):
    """A linear layer and a convolution, built and counted."""
    a, b, k = 3 + draw.seed, 7 - draw.seed, 3 + 2 * draw.seed
    layers = nn.Linear(a, b), nn.Conv2d(a, b, k)
    counts = [sum(p.numel() for p in layer.parameters()) for layer in layers]
    return {"a": a, "b": b, "k": k}, dict(zip("PR", counts))


def latent_sizes(draw):
    """How much smaller a latent is, its tokens, and the scores that its attention computes."""
    size = SIZES[("sd15", "shapes64", "shapes32")[draw.seed]]
    picture = torch.empty(3, size.image_size, size.image_size)
    latent = torch.empty(4, size.unet.sample_size, size.unet.sample_size)
    tokens = latent.flatten(1).shape[1]
    if draw.seed:  # at full size the table of scores would fill a gigabyte
        num_scores = scores_computed(tokens, size.unet.attention_head_dim)
    else:
        num_scores = size.unet.attention_head_dim * tokens**2
    symbols = {"H": picture.shape[1], "W": picture.shape[2], "h": latent.shape[1],
               "w": latent.shape[2], "K": size.unet.attention_head_dim, "L": tokens}  # fmt: skip
    return symbols, {"r": picture.numel() / latent.numel(), "L": tokens, "n": num_scores}


def scores_computed(tokens, num_heads):
    """Count the numbers that a softmax gets in the package's attention."""
    seen = []
    original = torch.Tensor.softmax
    torch.Tensor.softmax = lambda scores, dim: seen.append(scores.numel()) or original(scores, dim)
    try:
        Attention(4 * num_heads, num_heads)(torch.randn(1, tokens, 4 * num_heads))
    finally:
        torch.Tensor.softmax = original
    return sum(seen)


FORMULAS = {"10.1": layer_sizes, "10.2": latent_sizes}
NOT_EVALUATED = {}
EQUIVALENT_EDITS = {}
