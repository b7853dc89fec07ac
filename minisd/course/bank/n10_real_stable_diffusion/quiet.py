"""Mistakes that load without a word: the model draws, and draws something else."""

import copy
from dataclasses import replace

import torch

from ....attention import SpatialAttention

QUIET = (
    "as it should be",
    "keys and values exchanged",
    "one head in place of four",
    "another model's latent scale",
    "decoder's attention never loaded",
)


def spoiled(pipe, what):
    """A copy of the pipeline with one of the QUIET mistakes in it."""
    if what not in QUIET:
        raise ValueError(f"expected one of {', '.join(QUIET)}; got {what!r}")
    ill = copy.deepcopy(pipe)
    if what == "keys and values exchanged":
        for name, layer in ill.unet.named_modules():
            if name.endswith("attn2"):
                layer.to_k, layer.to_v = layer.to_v, layer.to_k
    elif what == "one head in place of four":
        for name, layer in ill.unet.named_modules():
            if name.endswith(("attn1", "attn2")):
                layer.num_heads = 1
    elif what == "another model's latent scale":
        ill.vae.config = replace(ill.vae.config, scaling_factor=0.18215)
    elif what == "decoder's attention never loaded":
        born = ill.vae.decoder.mid_block.attentions[0]
        norm = born.group_norm
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            fresh = SpatialAttention(norm.num_channels, norm.num_groups, norm.eps)
        ill.vae.decoder.mid_block.attentions[0] = fresh.to(pipe.device, pipe.dtype)
    return ill
