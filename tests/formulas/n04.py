"""The formulas of notebook 04."""

import torch

from minisd.course.bank.n04_unet.ema_update import ema_update
from minisd.course.bank.n04_unet.group_norm import group_norm
from minisd.embeddings import timestep_embedding
from minisd.resnet import ResnetBlock2D

from .draw import one_based


def waves(draw):
    """Channel i of d, and its partner d / 2 later."""
    t, d, i, m = 3.7, 8, 2, 100.0
    embedding = timestep_embedding(torch.tensor([t]), d, m)[0]
    frequency = timestep_embedding(torch.tensor([1.0]), d, m)[0, i].double().arccos()
    symbols = {"t": t, "d": d, "i": i, "m": m, r"\omega_i": frequency, r"\omega_j": 2.0}
    names = r"\omega_i", "e_i", "e_{i+d/2}"
    return symbols, dict(zip(names, (frequency, embedding[i], embedding[i + d // 2])))


def normalized(draw):
    """One group of six numbers."""
    x, weight, bias, eps = draw.normal(6), draw.share(1), draw.normal(1), 0.1
    y = group_norm(x.reshape(1, 1, 2, 3), 1, weight, bias, eps).flatten()
    symbols = {
        "x": one_based(x), "N": 6, "i": 2, r"\mu": x.mean(), "v": x.var(correction=0),
        r"\delta": eps, "w": weight, "b": bias,
    }  # fmt: skip
    return symbols, {r"\mu": x.mean(), "v": x.var(correction=0), "y_i": y[1]}


def residual(draw):
    """A block that knows the time, and its three parts."""
    torch.manual_seed(draw.seed)
    block = ResnetBlock2D(4, 4, 2, 1e-5, time_channels=3).double().requires_grad_(False)
    x, u, silu = draw.normal(1, 4, 3, 2), draw.normal(1, 3), torch.nn.functional.silu
    y = block(x, u)
    symbols = {
        "x": x, "u": u, "f": lambda x: block(x, u) - x,
        "f_1": lambda x: block.conv1(silu(block.norm1(x))),
        "f_2": lambda x: block.conv2(silu(block.norm2(x))),
        "f_t": lambda u: block.time_emb_proj(silu(u))[:, :, None, None],
    }  # fmt: skip
    return symbols, {"f(x)": y - x, "y": y}


def receptive_field(draw):
    """Count the pixels that one output of three convolutions has a slope to."""
    sizes, strides = (3, 5, 3), (1, 2, 1)
    x = torch.zeros(1, 1, 40, requires_grad=True)
    y = x
    for size, stride in zip(sizes, strides):
        y = torch.conv1d(y, torch.ones(1, 1, size), stride=stride)
    y[0, 0, 3].backward()
    apart = torch.tensor([1, 1, 2])  # pixels between the neighbors that a layer reads
    symbols = {"n": 3, "k": one_based(torch.tensor(sizes)), "s": one_based(apart)}
    return symbols, {"r": int((x.grad != 0).sum())}


def moving_average(draw):
    """One update of a slow copy that has one number."""
    slow, fast = torch.nn.Linear(1, 1, bias=False), torch.nn.Linear(1, 1, bias=False)
    before, new, decay = slow.weight.item(), fast.weight.item(), float(draw.share())
    with torch.no_grad():
        ema_update(slow, fast, decay)
    symbols = {"s_{n-1}": before, r"\theta_n": new, r"\theta_{n-1}": before, "d": decay}
    return symbols, {"s_n": slow.weight.item()}


FORMULAS = {
    "4.1": waves,
    "4.2": normalized,
    "4.3": residual,
    "4.4": receptive_field,
    "4.5": moving_average,
}
