"""The timestep as a vector, so that one network can serve every noise level."""

import math

import torch
from torch import nn


def timestep_embedding(timesteps, dim, max_period=10000):
    """Write each timestep as `dim` waves of falling frequency, cosines first, then sines.

    (B,) -> (B, dim), float32. Ho et al. 2020, appendix B, after Vaswani et al. 2017, section 3.5.
    Timesteps may be fractional. `dim` must be even.
    """
    if dim % 2:
        raise ValueError(f"a timestep embedding has pairs of waves: dim must be even, got {dim}")
    half = torch.arange(dim // 2, device=timesteps.device, dtype=torch.float32)
    frequencies = torch.exp(-math.log(max_period) * half / (dim // 2))  # (dim / 2,)
    angles = timesteps[:, None].float() * frequencies  # (B, dim / 2)
    return torch.cat([angles.cos(), angles.sin()], dim=-1)  # (B, dim)


class TimestepEmbedding(nn.Module):
    """Let a small network read those waves. (B, dim) -> (B, hidden)"""

    def __init__(self, dim, hidden):
        super().__init__()
        self.linear_1 = nn.Linear(dim, hidden)
        self.linear_2 = nn.Linear(hidden, hidden)

    def forward(self, waves):
        return self.linear_2(nn.functional.silu(self.linear_1(waves)))
