"""Attention: every query asks all keys, and gets a weighted mean of their values.

Vaswani et al. 2017, "Attention Is All You Need", section 3.2. The modules carry the names of
diffusers, so that Stable Diffusion's weights fit without renaming.
"""

import math

import torch.nn.functional as F
from einops import rearrange
from torch import nn


def scaled_dot_product_attention(q, k, v, mask=None):
    """Share out one unit of attention per query over the keys. Vaswani et al. 2017, equation 1.

    (..., L, E), (..., S, E), (..., S, V) -> (..., L, V). `mask` is boolean, (..., L, S), True
    where a query may look at a key; a query that may look nowhere gives nan.
    """
    if q.is_cuda:  # the same sum, in one kernel that never writes out the L x S table
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])  # (..., L, S)
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return scores.softmax(dim=-1) @ v  # (..., L, V)


def sharpen(*projections):
    """Start queries, keys and values larger than PyTorch does (Glorot and Bengio 2010).

    With PyTorch's own start all scores lie near 0, so that every query takes about the mean of all
    words.
    """
    for projection in projections:
        nn.init.xavier_uniform_(projection.weight)


class Attention(nn.Module):
    """Attention of K heads side by side: self-attention, or cross-attention to a `context`.

    (B, L, D), (B, S, context_dim) or None -> (B, L, D). `bias` is that of q, k and v.
    """

    def __init__(self, dim, num_heads, context_dim=None, bias=False):
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"{num_heads} heads cannot share a width of {dim} equally")
        self.num_heads = num_heads
        self.to_q = nn.Linear(dim, dim, bias=bias)
        self.to_k = nn.Linear(context_dim or dim, dim, bias=bias)
        self.to_v = nn.Linear(context_dim or dim, dim, bias=bias)
        self.to_out = nn.Sequential(nn.Linear(dim, dim))
        sharpen(self.to_q, self.to_k, self.to_v)

    def forward(self, x, context=None):
        context = x if context is None else context
        q, k, v = (
            rearrange(y, "b n (k e) -> b k n e", k=self.num_heads)
            for y in (self.to_q(x), self.to_k(context), self.to_v(context))
        )
        heads = scaled_dot_product_attention(q, k, v)  # (B, K, L, E)
        return self.to_out(rearrange(heads, "b k l e -> b l (k e)"))


class SpatialAttention(nn.Module):
    """Every pixel looks at every pixel, in one head; the result is added to the picture.

    (B, C, H, W) -> (B, C, H, W). The VAE uses it at its lowest resolution.
    """

    def __init__(self, channels, num_groups, eps):
        super().__init__()
        self.group_norm = nn.GroupNorm(num_groups, channels, eps)
        self.to_q = nn.Linear(channels, channels)
        self.to_k = nn.Linear(channels, channels)
        self.to_v = nn.Linear(channels, channels)
        self.to_out = nn.Sequential(nn.Linear(channels, channels))

    def forward(self, x):
        tokens = rearrange(self.group_norm(x), "b c h w -> b (h w) c")
        out = scaled_dot_product_attention(self.to_q(tokens), self.to_k(tokens), self.to_v(tokens))
        return x + rearrange(self.to_out(out), "b (h w) c -> b c h w", h=x.shape[2])


class GEGLU(nn.Module):
    """A gated layer: one half of the channels, times GELU of the other half. Shazeer 2020.

    (..., D) -> (..., hidden)
    """

    def __init__(self, dim, hidden):
        super().__init__()
        self.proj = nn.Linear(dim, 2 * hidden)

    def forward(self, x):
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * F.gelu(gate)


class FeedForward(nn.Module):
    """Each token by itself: widen four times with a gate, and back. (B, L, D) -> (B, L, D)"""

    def __init__(self, dim):
        super().__init__()
        # Index 1 is dropout in diffusers, without weights; it keeps the last layer's name net.2.
        self.net = nn.Sequential(GEGLU(dim, 4 * dim), nn.Identity(), nn.Linear(4 * dim, dim))

    def forward(self, x):
        return self.net(x)


class BasicTransformerBlock(nn.Module):
    """The picture looks at itself, then at the prompt, then each pixel thinks alone.

    (B, L, D), (B, S, context_dim) -> (B, L, D)
    """

    def __init__(self, dim, num_heads, context_dim):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attn1 = Attention(dim, num_heads)
        self.norm2 = nn.LayerNorm(dim)
        self.attn2 = Attention(dim, num_heads, context_dim)
        self.norm3 = nn.LayerNorm(dim)
        self.ff = FeedForward(dim)

    def forward(self, x, context):
        x = x + self.attn1(self.norm1(x))
        x = x + self.attn2(self.norm2(x), context)
        return x + self.ff(self.norm3(x))


class Transformer2DModel(nn.Module):
    """Where the prompt enters the picture: pixels become tokens, and look at the words.

    (B, C, h, w), (B, S, context_dim) -> (B, C, h, w). Rombach et al. 2022, section 3.3.
    """

    def __init__(self, channels, num_heads, context_dim, num_groups, use_linear_projection=False):
        super().__init__()
        self.norm = nn.GroupNorm(num_groups, channels, eps=1e-6)  # 1e-6 here, 1e-5 in the resnets
        # SD 1 projects by 1x1 convolutions, SD 2 by linear layers: the same sum, other key shapes.
        self.linear = use_linear_projection
        project = nn.Linear if self.linear else _conv1x1
        self.proj_in = project(channels, channels)
        self.transformer_blocks = nn.ModuleList(
            [BasicTransformerBlock(channels, num_heads, context_dim)]
        )
        self.proj_out = project(channels, channels)

    def forward(self, x, context):
        y = self.norm(x)
        y = y if self.linear else self.proj_in(y)
        y = rearrange(y, "b c h w -> b (h w) c")
        y = self.proj_in(y) if self.linear else y
        for block in self.transformer_blocks:
            y = block(y, context)
        y = self.proj_out(y) if self.linear else y
        y = rearrange(y, "b (h w) c -> b c h w", h=x.shape[2])
        y = y if self.linear else self.proj_out(y)
        return x + y


def _conv1x1(channels_in, channels_out):
    return nn.Conv2d(channels_in, channels_out, kernel_size=1)
