"""Where the parameters and the work of a UNet sit: by kind of layer, by resolution."""

from collections import Counter

import torch
from torch.utils.flop_counter import FlopCounterMode

KINDS = {  # kind: the parts of a key that tell it
    "time": ("time_embedding", "time_emb_proj"),
    "cross-attention": ("attn2",),
    "self-attention": ("attn1",),
    "feed-forward": ("ff",),
    "projections in and out": ("proj_in", "proj_out"),
    "norms": ("norm", "norm1", "norm2", "norm3", "conv_norm_out"),
}


def kind_of(key):
    """What kind of layer a key belongs to: one of KINDS, or else "convolutions"."""
    parts = set(key.split("."))
    return next((kind for kind, names in KINDS.items() if parts & set(names)), "convolutions")


def level_of(key, num_levels):
    """The level of the U in which a key stands: 0 is the finest. None: it has no resolution."""
    place, *rest = key.split(".")
    if place == "time_embedding":
        return None
    if place in ("conv_in", "conv_norm_out", "conv_out"):
        return 0
    if place == "down_blocks":
        return int(rest[0])
    deepest = num_levels - 1
    return deepest - int(rest[0]) if place == "up_blocks" else deepest  # "mid_block"


def count_by(module, *namers):
    """Parameters of a module by what each namer says of their keys: {(name, ...): number}."""
    counts = Counter()
    for key, tensor in module.state_dict().items():
        counts[tuple(namer(key) for namer in namers)] += tensor.numel()
    return counts


def work_by_level(unet):
    """Floating-point operations of one evaluation by level of the U. `unet` lies on "meta"."""
    config = unet.config
    size, words = config.sample_size, 77
    with FlopCounterMode(display=False) as counter, torch.device("meta"), torch.no_grad():
        latents = torch.zeros(1, config.in_channels, size, size)
        unet(latents, torch.tensor(500), torch.zeros(1, words, config.cross_attention_dim))
    work = Counter()
    counted = counter.get_flop_counts()
    inside = {name.partition(".")[2]: sum(ops.values()) for name, ops in counted.items()}
    for name, flops in inside.items():
        above = [".".join(name.split(".")[:n]) for n in range(1, name.count(".") + 1)]
        if name and not any(part in inside for part in above):  # or it would count twice
            work[level_of(name, len(config.block_out_channels))] += flops
    assert sum(work.values()) == counter.get_total_flops()
    return work
