"""The formulas of notebook 09."""

from dataclasses import replace

import torch

from minisd.course.bank.n09_text_to_image.machine import Toy, text_to_image
from minisd.course.bank.n09_text_to_image.memorization_ratio import memorization_ratio
from minisd.course.bank.n09_text_to_image.obedience import obedience
from minisd.course.bank.n09_text_to_image.slerp import slerp
from minisd.course.bank.n09_text_to_image.word_heatmap import word_heatmap
from minisd.course.tables import frechet_distance

from .draw import one_based


def finished_picture(draw):
    """No steps: what the decoder gets is the seed's own noise. Some of it is cut off at 0 or 1."""

    def decode(latents):
        return 1.3 * torch.sin(3 * latents)

    scale = draw.share(low=0.3).item()
    machine = replace(
        Toy(channels=3, downscale=1).machine, timesteps=(), scale=scale, decode=decode
    )
    image = text_to_image(machine, ["a ring"], "", 2.0, [draw.seed], 4, 6).double()
    noise = torch.randn(3, 4, 6, generator=torch.Generator().manual_seed(draw.seed))
    return {"z": noise[None].double(), "s": scale, "D": decode}, {"x": image}


def score(draw):
    """Two categories of unlike size, four pictures a prompt."""
    correct = draw.share(5, 4, low=0.0, high=1.0) < 0.6
    rows = {1: correct[:2].double().mean(1), 2: correct[2:].double().mean(1)}
    symbols = {
        "C": 2,
        "P": lambda c: len(rows[int(c)]),
        "m": lambda c, p: rows[int(c)][int(p) - 1],
    }
    return symbols, {"S": obedience(correct, ["a"] * 2 + ["b"] * 3)[0]}


def frechet(draw):
    """Clouds of one dimension."""
    a, b = 2 + 3 * draw.normal(9, 1), draw.normal(7, 1)
    symbols = {r"\mu": a.mean(), r"\sigma": a.std(), "m": b.mean(), r"\tau": b.std()}
    return symbols, {"F": frechet_distance(a, b)}


def ratio(draw):
    """Three drawn pictures, four of either set."""
    x, y, z = draw.normal(3, 5), draw.normal(4, 5), draw.normal(4, 5)
    symbols = {"x": one_based(x), "y": one_based(y), "z": one_based(z)}
    symbols |= {"range i": (1, 2, 3), "range j": (1, 2, 3, 4)}
    return symbols, {"r": memorization_ratio(x, y, z)}


def heatmap(draw):
    """Two heads, six places, five words; one place and the mean that its map begins with."""
    weights = draw.share(2, 2, 6, 5, low=0.0, high=1.0)
    means = weights[1].mean(dim=0)[:, 2]
    symbols = {"K": 2, "w": one_based(weights[1]), "l": 4, "s": 3, "h": one_based(means)}
    symbols["range j"] = range(1, 7)
    return symbols, {"h_l": means[3], "H_l": word_heatmap(weights, 2, 2, 3).flatten()[3]}


def arc(draw):
    """One pair of noises that are neither equal nor at a right angle."""
    a, b, fraction = draw.normal(5), draw.normal(5), draw.share().item()
    cosine = torch.cosine_similarity(a, b, dim=0)
    symbols = {"a": a, "b": b, "f": fraction, r"\theta": cosine.acos()}
    return symbols, {"c": cosine, "n_f": slerp(a[None], b[None], fraction)[0]}


FORMULAS = {
    "9.1": finished_picture,
    "9.2": score,
    "9.3": frechet,
    "9.4": ratio,
    "9.5": heatmap,
    "9.6": arc,
}
NOT_EVALUATED = {}
EQUIVALENT_EDITS = {}
