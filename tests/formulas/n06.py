"""The formulas of notebook 06."""

import torch
import torch.nn.functional as F

from minisd.attention import scaled_dot_product_attention
from minisd.course.bank.n06_text_encoder.contrastive import contrastive_loss
from minisd.text_encoder import CLIPEmbeddings, CLIPEncoderLayer, TextConfig, quick_gelu

from .draw import one_based

CONFIG = TextConfig(7, 5, 8, 12, 1, 2)


def embedded(draw):
    """Place 3 of a prompt of five tokens."""
    torch.manual_seed(draw.seed)
    parts, ids = CLIPEmbeddings(CONFIG).double(), torch.tensor([4, 1, 6, 0, 2])
    symbols = {
        "e": lambda n: parts.token_embedding.weight[int(n)],
        "p": one_based(parts.position_embedding.weight),
        "n": one_based(ids), "i": 3, "j": 2,
    }  # fmt: skip
    return symbols, {"h_i": parts(ids[None])[0, 2]}


def causal_weights(draw):
    """How much place 4 of five looks at place 2."""
    q, k = draw.normal(5, 4), draw.normal(5, 4)
    mask = torch.ones(5, 5).tril().bool()
    weights = scaled_dot_product_attention(q, k, torch.eye(5).double(), mask)
    return {"s": one_based(q @ k.T / 2), "i": 4, "j": 2}, {"w_{ij}": weights[3, 1]}


def layer(draw):
    """One layer of the package's encoder, every weight random."""
    torch.manual_seed(draw.seed)
    parts, h = CLIPEncoderLayer(CONFIG).double(), draw.normal(5, 8)
    for weight in parts.parameters():
        torch.nn.init.normal_(weight)
    mask = torch.ones(5, 5).tril().bool()
    hidden = []
    hook = parts.layer_norm2.register_forward_hook(lambda norm, given, out: hidden.append(given[0]))
    y = parts(h[None], mask)[0]
    hook.remove()
    symbols = {
        "h": h, "z": hidden[0][0], "N_1": parts.layer_norm1, "N_2": parts.layer_norm2,
        "A": lambda x: parts.self_attn(x[None], mask)[0], "F": parts.mlp,
    }  # fmt: skip
    return symbols, {"z": hidden[0][0], "y": y}


def bend(draw):
    """Quick GELU of one number."""
    x = draw.normal()
    return {"x": x}, {"g(x)": quick_gelu(x)}


def matching(draw):
    """CLIP's loss of four pairs."""
    images, texts, scale = draw.normal(4, 6), draw.normal(4, 6), draw.normal()
    cosines = F.normalize(images, dim=-1) @ F.normalize(texts, dim=-1).T
    symbols = {"c": one_based(cosines), "B": 4, r"\tau": scale.exp()}
    return symbols, {"L": contrastive_loss(images, texts, scale)}


FORMULAS = {
    "6.1": embedded,
    "6.2": causal_weights,
    "6.3": layer,
    "6.4": bend,
    "6.5": matching,
}
NOT_EVALUATED = {}
EQUIVALENT_EDITS = {  # the diagonal has equal indices
    "6.5": ["_{ii} number 1 becomes _{ii}", "_{ii} number 3 becomes _{ii}"],
}
