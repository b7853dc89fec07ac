"""The text encoder: CLIP's causal transformer. Radford et al. 2021, section 2.4.

Attribute names are transformers' state-dict keys.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from .attention import scaled_dot_product_attention, sharpen
from .config import config_dict, read_config


def quick_gelu(x):
    """x * sigmoid(1.702 x): OpenAI's fast stand-in for GELU, as their weights expect. (B, S, D)"""
    return x * torch.sigmoid(1.702 * x)


ACTIVATIONS = {"quick_gelu": quick_gelu, "gelu": F.gelu}


@dataclass(frozen=True)
class TextConfig:
    """The text encoder's shape, in the keys and defaults of transformers' config.json."""

    vocab_size: int = 49408
    max_position_embeddings: int = 77  # tokens a prompt may have, start and end included
    hidden_size: int = 512
    intermediate_size: int = 2048
    num_hidden_layers: int = 12
    num_attention_heads: int = 8
    hidden_act: str = "quick_gelu"  # "gelu" in SD 2's OpenCLIP
    layer_norm_eps: float = 1e-5

    def __post_init__(self):
        if self.hidden_act not in ACTIVATIONS:
            raise ValueError(f"hidden_act must be one of {[*ACTIVATIONS]}, got {self.hidden_act!r}")

    @classmethod
    def from_json(cls, path):
        """Read transformers' text_encoder/config.json."""
        return read_config(cls, path)

    def to_dict(self):
        """Return the dict that transformers' text_encoder/config.json holds."""
        return config_dict(
            self,
            architectures=["CLIPTextModel"],
            model_type="clip_text_model",
            bos_token_id=self.vocab_size - 2,  # CLIP's vocabulary ends with start and end
            eos_token_id=self.vocab_size - 1,
        )


class CLIPEmbeddings(nn.Module):
    """Each token's own vector plus its place's vector. (B, S) integers -> (B, S, D)"""

    def __init__(self, config):
        super().__init__()
        self.token_embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.position_embedding = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        # Both at one scale, so that neither drowns the other: only the position tells "red circle,
        # blue square" from "blue circle, red square".
        for embedding in (self.token_embedding, self.position_embedding):
            nn.init.normal_(embedding.weight, std=0.5)

    def forward(self, token_ids):
        return (
            self.token_embedding(token_ids) + self.position_embedding.weight[: token_ids.shape[1]]
        )


class CLIPAttention(nn.Module):
    """Causal self-attention of K heads. (B, S, D) -> (B, S, D)"""

    def __init__(self, config):
        super().__init__()
        dim = config.hidden_size
        self.num_heads = config.num_attention_heads
        self.q_proj = nn.Linear(dim, dim)
        self.k_proj = nn.Linear(dim, dim)
        self.v_proj = nn.Linear(dim, dim)
        self.out_proj = nn.Linear(dim, dim)
        sharpen(self.q_proj, self.k_proj, self.v_proj)

    def forward(self, x, mask):
        q, k, v = (
            rearrange(project(x), "b s (k e) -> b k s e", k=self.num_heads)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        heads = scaled_dot_product_attention(q, k, v, mask)  # (B, K, S, E)
        return self.out_proj(rearrange(heads, "b k s e -> b s (k e)"))


class CLIPMLP(nn.Module):
    """Each token by itself: widen, bend, narrow. (B, S, D) -> (B, S, D)"""

    def __init__(self, config):
        super().__init__()
        self.activation = ACTIVATIONS[config.hidden_act]
        self.fc1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.fc2 = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, x):
        return self.fc2(self.activation(self.fc1(x)))


class CLIPEncoderLayer(nn.Module):
    """Look back, then think. Normalised before each step ("pre-LN"). (B, S, D) -> (B, S, D)"""

    def __init__(self, config):
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)
        self.self_attn = CLIPAttention(config)
        self.layer_norm2 = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)
        self.mlp = CLIPMLP(config)

    def forward(self, x, mask):
        x = x + self.self_attn(self.layer_norm1(x), mask)
        return x + self.mlp(self.layer_norm2(x))


class CLIPEncoder(nn.Module):
    """All layers, under the key `encoder.layers.N`. (B, S, D) -> (B, S, D)"""

    def __init__(self, config):
        super().__init__()
        self.layers = nn.ModuleList(
            CLIPEncoderLayer(config) for _ in range(config.num_hidden_layers)
        )

    def forward(self, x, mask):
        for layer in self.layers:
            x = layer(x, mask)
        return x


class CLIPTextModel(nn.Module):
    """Turn token ids into one vector per token, for the UNet to look at.

    (B, S) integers -> (B, S, D), after the final norm. A token sees itself and those before it;
    padding takes part like any other token, as in Stable Diffusion.
    """

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.embeddings = CLIPEmbeddings(config)
        self.encoder = CLIPEncoder(config)
        self.final_layer_norm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)

    def forward(self, token_ids):
        if token_ids.shape[1] > self.config.max_position_embeddings:
            raise ValueError(
                f"a prompt has at most {self.config.max_position_embeddings} tokens, got "
                f"{token_ids.shape[1]}: let the tokenizer truncate it"
            )
        S = token_ids.shape[1]
        mask = torch.ones(S, S, dtype=torch.bool, device=token_ids.device).tril()
        return self.final_layer_norm(self.encoder(self.embeddings(token_ids), mask))
