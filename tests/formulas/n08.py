"""The formulas of notebook 08."""

import math

import torch

from minisd.course.bank.n08_guidance_and_samplers.convergence_order import convergence_order
from minisd.course.bank.n08_guidance_and_samplers.ddim_step import ddim_step
from minisd.course.bank.n08_guidance_and_samplers.dpm_solver_pp_2m import dpm_solver_pp_2m
from minisd.course.bank.n08_guidance_and_samplers.euler import euler
from minisd.course.bank.n08_guidance_and_samplers.heun import heun
from minisd.course.bank.n08_guidance_and_samplers.mixture import (
    CENTERS,
    exact_end,
    karras,
    mixture_denoiser,
)
from minisd.course.bank.n08_guidance_and_samplers.rescale import rescaled_guide
from minisd.course.bank.n08_guidance_and_samplers.roads import (
    density,
    louder_density,
    noisy_step,
)
from minisd.samplers import guide
from minisd.samplers.flow import shift_sigmas
from minisd.samplers.steps import start_from
from minisd.schedule import add_noise

from .draw import one_based


def two_answers(draw):
    """A network that answers with what its context says, for one picture."""
    answers = draw.normal(2, 1, 5)  # the prompt's and the negative's
    symbols = {"o_p": answers[0, 0], "o_n": answers[1, 0], "s": 3.5}
    return answers[:, :, None], symbols, lambda latents, timestep, context: context[:, 0]


def guided(draw):
    """The guided answer."""
    (positive, negative), symbols, network = two_answers(draw)
    answer = guide(network, positive, negative, 3.5)(torch.zeros(1, 5), 0)
    return symbols, {r"\tilde o": answer[0]}


def rescaled(draw):
    """The guided answer, shrunk."""
    (positive, negative), symbols, network = two_answers(draw)
    far = guide(network, positive, negative, 3.5)(torch.zeros(1, 5), 0)[0]
    answer = rescaled_guide(network, positive, negative, 3.5, 0.6)(torch.zeros(1, 5), 0)[0]
    widths = {r"\sigma_p": positive.std(), r"\tilde\sigma": far.std()}
    return {r"\phi": 0.6, r"\tilde o": far, **widths}, {"o'": answer}


def sharpened(draw):
    """What guidance is said to draw from, at one place."""
    x, wanted = draw.normal(1, 1), CENTERS[1:2]
    symbols = {"p(x)": density(x), r"p(x \mid c)": density(x, centers=wanted), "s": 1.7}
    return symbols, {"p_s(x)": louder_density(x, wanted, 1.7)}


def without_shrinking(draw):
    """A noisy picture whose picture keeps its size."""
    table, x_0, epsilon = draw.share(3), draw.normal(1, 4), draw.normal(1, 4)
    x_t = add_noise(x_0, epsilon, torch.tensor([1]), table)
    unit = add_noise(0 * x_0, epsilon, torch.tensor([1]), table) / table[1] ** 0.5
    symbols = {"x_t": x_t, r"\bar\alpha_t": table[1], "x_0": x_0, r"\epsilon": epsilon}
    sigma = (unit / epsilon).mean()
    return {**symbols, r"\sigma": sigma}, {"x": x_t / table[1] ** 0.5, r"\sigma": sigma}


def slope_of_the_road(draw):
    """The derivative of the exact road, against autograd's score and the denoiser's guess."""
    sigma = float(draw.share(low=0.5, high=2.0))
    x = (2 * draw.normal(1, 1)).requires_grad_()
    score = torch.autograd.grad(density(x, sigma).log().sum(), x)[0]
    x = x.detach()
    ends = [exact_end(x, sigma, sigma + step) for step in (-1e-4, 1e-4)]
    guess = mixture_denoiser()(x / (sigma**2 + 1) ** 0.5, sigma)
    symbols = {r"\sigma": sigma, r"\nabla\log p_\sigma(x)": score, "x": x, r"\hat x_0": guess}
    return symbols, {r"\frac{dx}{d\sigma}": (ends[1] - ends[0]) / 2e-4}


def step_of(draw):
    """A place, a guess, and falling levels: sigma(i), and i = 2."""
    sigmas = torch.sort(draw.share(4, low=0.2, high=6.0), descending=True).values
    symbols = {"x_i": draw.normal(3), r"\hat x_0": draw.normal(3), r"\sigma": one_based(sigmas)}
    return {**symbols, "i": 2}, sigmas.tolist()


def step_with_noise(draw):
    """One step of the road with noise."""
    symbols, sigmas = step_of(draw)
    noise = draw.normal(3)
    moved = noisy_step(symbols["x_i"], symbols[r"\hat x_0"], sigmas[1], sigmas[2], noise)
    return {**symbols, "z": noise}, {"x_{i+1}": moved}


def implicit(draw, eta=0.6):
    """A step from timestep 2 to 0, its levels and its parts."""
    table = torch.sort(draw.share(3), descending=True).values
    x_t, x_0, z = draw.normal(3, 4)
    symbols = {
        "x_t": x_t, r"\hat x_0": x_0, "z": z, r"\eta": eta,
        r"\bar\alpha_t": table[2], r"\bar\alpha_{t'}": table[0],
    }  # fmt: skip
    epsilon = (x_t - table[2] ** 0.5 * x_0) / (1 - table[2]) ** 0.5
    return table, symbols, epsilon


def implicit_step(draw):
    """Where the step ends, and the old noise."""
    table, symbols, epsilon = implicit(draw)
    x_t, x_0, z = symbols["x_t"], symbols[r"\hat x_0"], symbols["z"]
    v = ddim_step(0 * x_t, 0 * x_t, 2, 0, table, 0.6, torch.ones(4)).mean() ** 2
    moved = ddim_step(x_t, x_0, 2, 0, table, 0.6, z)
    symbols = {**symbols, "v": v, r"\hat\epsilon": epsilon}
    return symbols, {"x_{t'}": moved, r"\hat\epsilon": epsilon}


def fresh_variance(draw):
    """The variance of what a step adds afresh."""
    table, symbols, _ = implicit(draw)
    zeros = torch.zeros(1, dtype=torch.float64)
    return symbols, {"v": ddim_step(zeros, zeros, 2, 0, table, 0.6, zeros + 1) ** 2}


def euler_step(draw):
    """One straight step."""
    symbols, sigmas = step_of(draw)
    guess = symbols[r"\hat x_0"]
    end = euler(lambda latents, sigma: guess, symbols["x_i"] / sigmas[1], sigmas[1:3])
    return symbols, {"x_{i+1}": end}


def ddim_is_euler(draw):
    """DDIM's step in Euler's coordinate."""
    table, symbols, epsilon = implicit(draw, eta=0.0)
    x_t, x_0 = symbols["x_t"], symbols[r"\hat x_0"]
    moved = ddim_step(x_t, x_0, 2, 0, table, 0.0, 0 * x_t)
    sigmas = ((1 - table) / table) ** 0.5
    symbols |= {"x_{t'}": moved, r"\hat\epsilon": epsilon, "x_i": x_t / table[2] ** 0.5}
    symbols |= {r"\sigma": lambda i: {2: sigmas[2], 3: sigmas[0]}[int(i)], "i": 2}
    return symbols, {r"\frac{x_{t'}}{\sqrt{\bar\alpha_{t'}}}": moved / table[0] ** 0.5}


def heun_step(draw):
    """One step with a look ahead."""
    symbols, sigmas = step_of(draw)
    guesses, seen = draw.normal(2, 3), []

    def denoise(latents, sigma):
        seen.append(latents * (sigma**2 + 1) ** 0.5)
        return guesses[len(seen) - 1]

    end = heun(denoise, symbols["x_i"] / sigmas[1], sigmas[1:3])
    slopes = [(x - guess) / sigma for x, guess, sigma in zip(seen, guesses, sigmas[1:3])]
    return {**symbols, "d": slopes[0], "d'": slopes[1]}, {r"\tilde x": seen[1], "x_{i+1}": end}


def multistep(draw):
    """The second of two steps that remember."""
    symbols, sigmas = step_of(draw)
    guesses, places = torch.stack([draw.normal(3), symbols[r"\hat x_0"]]), []

    def denoise(latents, sigma):
        places.append(latents * (sigma**2 + 1) ** 0.5)
        return guesses[len(places) - 1]

    end = dpm_solver_pp_2m(denoise, draw.normal(3), sigmas[:3])
    kept = sigmas[2] / sigmas[1]
    target = (end - kept * places[1]) / (1 - kept)
    lengths = [math.log(a / b) for a, b in zip(sigmas, sigmas[1:])]
    symbols |= {"x_i": places[1], "y_0": guesses[0], "D": target}
    symbols["h"] = one_based(torch.tensor(lengths, dtype=torch.float64))
    return symbols, {"h_i": lengths[1], "D": target, "x_{i+1}": end}


def order(draw):
    """The slope of a fit."""
    steps, errors = draw.share(5, low=3.0, high=90.0), draw.share(5)
    logs = one_based(steps.log()), one_based(errors.log())
    symbols = {"a": logs[0], "b": logs[1], "N": 5, "m": steps.log().mean()}
    return symbols, {"p": convergence_order(steps, errors), "m": steps.log().mean()}


def karras_levels(draw):
    """One of eight levels."""
    ends = float(draw.share(low=5.0, high=20.0)), float(draw.share(low=0.02, high=0.1))
    symbols = {r"\sigma_a": ends[0], r"\sigma_b": ends[1], r"\rho": 7, "i": 3, "N": 8}
    return symbols, {r"\sigma_i": karras(8, *ends)[3]}


def straight_line(draw):
    """A place on the line between a picture and a noise."""
    x_0, epsilon, s = draw.normal(4), draw.normal(4), float(draw.share())
    sigma = s / (1 - s)
    place = start_from(epsilon, x_0, (1 - s, s))
    symbols = {"x": x_0 + sigma * epsilon, r"\sigma": sigma, "s": s, "x_0": x_0}
    return {**symbols, r"\epsilon": epsilon}, {"x_s": place}


def shifted_time(draw):
    """A time, moved toward the noise."""
    s, k = draw.share(6), float(draw.share(low=1.5, high=4.0))
    return {"s": s, "k": k}, {"s_k": shift_sigmas(s, k)}


FORMULAS = {
    "8.1": guided,
    "8.2": rescaled,
    "8.3": sharpened,
    "8.4": without_shrinking,
    "8.5": slope_of_the_road,
    "8.6": step_with_noise,
    "8.7": implicit_step,
    "8.8": fresh_variance,
    "8.9": euler_step,
    "8.10": ddim_is_euler,
    "8.11": heun_step,
    "8.12": multistep,
    "8.13": order,
    "8.14": karras_levels,
    "8.15": straight_line,
    "8.16": shifted_time,
}
