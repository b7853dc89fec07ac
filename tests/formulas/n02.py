"""The formulas of notebook 02."""

import torch

from minisd.course.bank.n02_forward_noise.forward_step import forward_step
from minisd.course.bank.n02_forward_noise.tools import cosine_curve
from minisd.schedule import add_noise, make_betas, snr, training_target

from .draw import one_based


def betas_of(kind):
    """One beta of a schedule between two ends."""

    def entry(draw):
        T, t, ends = 7, 3, (0.01 + draw.share() / 10, 0.3 + draw.share() / 10)
        symbols = {"t": t, "T": T, r"\beta_1": ends[0], r"\beta_T": ends[1]}
        return symbols, {r"\beta_t": make_betas(kind, T, *map(float, ends))[t - 1]}

    return entry


def cosine_betas(draw):
    """Two betas of the cosine schedule, of which the last is capped."""
    t = [4, 10][draw.seed % 2]
    symbols = {"t": t, "f": lambda t: cosine_curve(10)[int(t)]}
    return symbols, {r"\beta_t": make_betas("squaredcos_cap_v2", 10, 0.1, 0.1)[t - 1]}


def alphas_cumprod(draw):
    """Three steps of a schedule."""
    betas = make_betas("linear", 5, 0.05, float(draw.share()))
    return {r"\beta": one_based(betas), "t": 3}, {r"\bar\alpha_t": (1 - betas).cumprod(0)[2]}


def noisy(draw):
    """A picture of four pixels, noise, and the level of timestep 1 of three (t - 1: 0)."""
    levels = draw.share(3)
    symbols = {
        "x_0": draw.normal(4), r"\epsilon": draw.normal(4),
        r"\bar\alpha_t": levels[1], r"\bar\alpha_{t-1}": levels[0], r"\alpha_t": levels[2],
    }  # fmt: skip
    t = torch.tensor([1])
    return symbols, (symbols["x_0"][None], symbols[r"\epsilon"][None], t, levels)


def jump(draw):
    """q's mean and variance, without noise and without picture; and x_t, all by add_noise."""
    symbols, (x_0, noise, t, levels) = noisy(draw)
    nothing, one = torch.zeros_like(x_0), torch.ones_like(x_0)
    mean, deviation = (add_noise(*pair, t, levels)[0] for pair in ((x_0, nothing), (nothing, one)))
    symbols["I"] = one[0]
    x_t = add_noise(x_0, noise, t, levels)[0]
    return symbols, {r"q(x_t \mid x_0)": (mean, deviation**2), "x_t": x_t}


def ratio(draw):
    """Signal to noise by snr."""
    symbols, (_, _, _, levels) = noisy(draw)
    return symbols, {r"\mathrm{snr}(t)": snr(levels)[1]}


def nearer(draw):
    """How seldom the noise between two faded pictures reaches past the middle."""
    symbols, (_, _, t, levels) = noisy(draw)
    a, b, nothing = draw.normal(1, 4), draw.normal(1, 4), torch.zeros(1, 4).double()
    apart = (add_noise(a, nothing, t, levels) - add_noise(b, nothing, t, levels)).norm()
    deviation = add_noise(nothing, torch.ones(1, 4).double(), t, levels)[0, 0]
    symbols = {
        "a": a[0], "b": b[0], r"\mathrm{snr}(t)": snr(levels)[1], r"\Phi": torch.special.ndtr,
        r"\mathrm{snr}(t-1)": snr(levels)[0],
    }  # fmt: skip
    return symbols, {r"P(\text{right})": torch.special.ndtr(apart / 2 / deviation)}


def sigma(draw):
    """The other alphabet's name of a noise level."""
    symbols, (_, _, _, levels) = noisy(draw)
    return symbols, {r"\sigma_t": snr(levels)[1] ** -0.5}


def velocity(draw):
    """v by training_target."""
    symbols, arguments = noisy(draw)
    return symbols, {"v": training_target(*arguments, "v_prediction")[0]}


def small_step(draw):
    """One step of the forward process."""
    beta, x, noise = draw.share(), draw.normal(1, 1, 2, 2), draw.normal(1, 1, 2, 2)
    symbols = {r"\beta_t": beta, "x_{t-1}": x.flatten(), r"\epsilon": noise.flatten()}
    symbols |= {r"\beta_{t-1}": beta / 2, "x_t": 2 * x.flatten()}  # known, but not the right ones
    return symbols, {"x_t": forward_step(x, noise, beta[None]).flatten()}


FORMULAS = {
    "2.1": alphas_cumprod,
    "2.2": betas_of("linear"),
    "2.3": betas_of("scaled_linear"),
    "2.4": lambda draw: ({"t": 3, "T": 10}, {"f(t)": cosine_curve(10)[3]}),
    "2.5": cosine_betas,
    "2.6": small_step,
    "2.7": jump,
    "2.8": ratio,
    "2.9": nearer,
    "2.10": velocity,
    "2.11": sigma,
}
