"""One layer of the text encoder as notebook 06 builds it, its mask inside."""

import torch
from einops import rearrange
from torch import nn

from ....attention import scaled_dot_product_attention


class EncoderLayer(nn.Module):
    """Look back, then think: each on a branch that begins with a norm. (B, S, D) -> (B, S, D)

    Radford et al. 2021, section 2.4. The names are transformers'.
    """

    def __init__(self, dim, num_heads, mlp_dim):
        super().__init__()
        self.num_heads = num_heads
        self.layer_norm1 = nn.LayerNorm(dim)
        names = "q_proj", "k_proj", "v_proj", "out_proj"
        self.self_attn = nn.ModuleDict({name: nn.Linear(dim, dim) for name in names})
        self.layer_norm2 = nn.LayerNorm(dim)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(dim, mlp_dim), "fc2": nn.Linear(mlp_dim, dim)})

    def forward(self, hidden):
        S = hidden.shape[1]
        causal = torch.ones(S, S, dtype=torch.bool, device=hidden.device).tril()
        x = self.layer_norm1(hidden)
        q, k, v = (
            rearrange(self.self_attn[name](x), "b s (k e) -> b k s e", k=self.num_heads)
            for name in ("q_proj", "k_proj", "v_proj")
        )
        heads = scaled_dot_product_attention(q, k, v, causal)  # (B, K, S, E)
        hidden = hidden + self.self_attn["out_proj"](rearrange(heads, "b k s e -> b s (k e)"))
        x = self.mlp["fc1"](self.layer_norm2(hidden))  # (B, S, mlp_dim)
        return hidden + self.mlp["fc2"](x * torch.sigmoid(1.702 * x))
