"""The formulas of notebook 01."""

import torch

from minisd.attention import scaled_dot_product_attention
from minisd.course.bank.n01_attention.softmax import softmax

from .draw import one_based


def scores_of_softmax(draw):
    """S scores, one of the weights, and an offset that changes nothing."""
    scores = draw.normal(5)
    symbols = {"s": one_based(scores), "S": 5, "j": 2, "m": draw.normal()}
    return symbols, {"w_j": softmax(scores)[1]}


def dot_products(draw, channels=4):
    """Three queries, five keys and values, and the numbers of one query, key and channel."""
    q, k, v = draw.normal(3, channels), draw.normal(5, channels), draw.normal(5, 2)
    symbols = {"q": one_based(q), "k": one_based(k), "v": one_based(v), "S": 5, "E": channels}
    return q, k, v, {**symbols, "i": 2, "j": 3, "c": 2}


def scores(draw):
    """The package says no scores; the weights of one-hot values tell them up to a constant."""
    q, k, _, symbols = dot_products(draw)
    weights = scaled_dot_product_attention(q, k, torch.eye(5).double())
    lost = torch.logsumexp(q @ k.T / 2, dim=-1)  # what the softmax takes off each row
    return symbols, {"s_{ij}": (weights.log() + lost[:, None])[1, 2]}


def scores_of_a_head(draw):
    """The same for head n = 1 of two, its channels 5 to 8."""
    q, k = draw.normal(3, 8), draw.normal(5, 8)
    weights = scaled_dot_product_attention(q[:, 4:], k[:, 4:], torch.eye(5).double())
    lost = torch.logsumexp(q[:, 4:] @ k[:, 4:].T / 2, dim=-1)
    symbols = {"q": one_based(q), "k": one_based(k), "i": 2, "j": 3, "n": 1, "E": 4}
    return symbols, {"s_{nij}": (weights.log() + lost[:, None])[1, 2]}


def answers(draw):
    """The mixture of values of query i, and those of all queries."""
    q, k, v, symbols = dot_products(draw)
    weights = scaled_dot_product_attention(q, k, torch.eye(5).double())
    mixed = scaled_dot_product_attention(q, k, v)
    symbols |= {"w": one_based(weights), "Q": q, "K": k, "V": v}
    symbols[r"\mathrm{softmax}"] = lambda scores: scores.softmax(dim=-1)
    return symbols, {"o_{ic}": mixed[1, 1], "O": mixed}


def masked_weights(draw):
    """Weights where query i may look at keys 2, 3 and 4 only, and query j never at key i."""
    q, k, _, symbols = dot_products(draw)
    mask = torch.tensor([[1, 1, 1, 1, 1], [0, 1, 1, 1, 0], [1, 0, 0, 1, 1]]).bool()
    weights = scaled_dot_product_attention(q, k, torch.eye(5).double(), mask)
    symbols |= {"s": one_based(q @ k.T / 2), "a": one_based(mask.double())}
    return symbols, {"w_{ij}": weights[1, 2]}


FORMULAS = {
    "1.1": scores_of_softmax,
    "1.2": scores_of_softmax,
    "1.3": scores,
    "1.4": answers,
    "1.5": masked_weights,
    "1.6": scores_of_a_head,
}
