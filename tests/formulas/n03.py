"""The formulas of notebook 03."""

import torch

from minisd.course.bank.n03_ddpm_sampler.ddpm_step import ddpm_step
from minisd.course.bank.n03_ddpm_sampler.exact_denoiser import exact_denoiser
from minisd.course.bank.n03_ddpm_sampler.kl_gaussians import kl_gaussians
from minisd.course.bank.n03_ddpm_sampler.score_from_epsilon import score_from_epsilon
from minisd.schedule import add_noise, posterior, to_x0_and_epsilon

from .draw import one_based


def step_back(draw):
    """One step of a chain: its numbers, the schedule's, and a guess of the noise."""
    betas = draw.share(3, high=0.6)
    levels = (1 - betas).cumprod(0)
    x_0, noise, guess = draw.normal(4), draw.normal(4), draw.normal(4)
    x_t = add_noise(x_0[None], noise[None], torch.tensor([2]), levels)[0]
    symbols = {
        "x_0": x_0, "x_t": x_t, r"\epsilon": noise, r"\epsilon_\theta": guess,
        r"\alpha_t": 1 - betas[2], r"\beta_t": betas[2], r"\alpha_{t-1}": 1 - betas[1],
        r"\bar\alpha_t": levels[2], r"\bar\alpha_{t-1}": levels[1], r"\beta_{t-1}": betas[1],
        r"\sigma_t": draw.share(),
    }  # fmt: skip
    return symbols, betas, levels


def posterior_of(draw):
    """Symbols, and the posterior's mean and variance."""
    symbols, _, levels = step_back(draw)
    return symbols, *posterior(symbols["x_t"], symbols["x_0"], levels[2], levels[1])


def posterior_mean(draw):
    """The mean, written with x_0 and x_t."""
    symbols, mean, _ = posterior_of(draw)
    return symbols, {r"\tilde\mu_t": mean}


def posterior_variance(draw):
    """The variance, which knows nothing of x_0."""
    symbols, _, variance = posterior_of(draw)
    return symbols, {r"\tilde\beta_t": variance}


def kl(draw):
    """Two Gaussians of three axes; p and q stand for the first and second row."""
    means, variances = draw.normal(2, 3), draw.share(2, 3, high=3)
    symbols = {
        "p": 1, "q": 2, "D": 3, r"\mu": one_based(means), r"\sigma": one_based(variances**0.5),
    }  # fmt: skip
    value = kl_gaussians(means[:1], variances[:1], means[1:], variances[1:])
    return symbols, {r"\mathrm{KL}(p\|q)": value}


def few_data(draw):
    """Three data points in four dimensions, and their weights before they are normalized."""
    data, x_t, alpha_bar = draw.normal(3, 4), draw.normal(4), draw.share()
    weights = (-((x_t - alpha_bar**0.5 * data) ** 2).sum(-1) / (2 - 2 * alpha_bar)).exp()
    symbols = {"x_t": x_t, r"\bar\alpha_t": alpha_bar, "y": one_based(data), "N": 3, "n": 2}
    return symbols, weights, exact_denoiser(x_t[None], data, alpha_bar)[0], data


def data_weight(draw):
    """The share that point n has in the denoiser's answer, times the sum of all."""
    symbols, weights, answer, data = few_data(draw)
    shares = torch.linalg.lstsq(data.T, answer[:, None]).solution[:, 0]
    return symbols, {"w_n": shares[1] * weights.sum()}


def weighted_mean(draw):
    """The denoiser's answer."""
    symbols, weights, answer, _ = few_data(draw)
    return {**symbols, "w": one_based(weights)}, {r"\hat x_0": answer}


def tweedie(draw):
    """x_0 as the schedule reads it from epsilon, epsilon told as a score."""
    symbols, _, levels = step_back(draw)
    guess = symbols[r"\epsilon_\theta"]
    score = score_from_epsilon(guess[None], levels[2:])[0]
    x_0, _ = to_x0_and_epsilon(symbols["x_t"], guess, levels[2], "epsilon")
    return {**symbols, r"\nabla\log p_t(x_t)": score}, {r"\hat x_0": x_0}


def score(draw):
    """The slope of log p_t."""
    symbols, _, levels = step_back(draw)
    value = score_from_epsilon(symbols[r"\epsilon"][None], levels[2:])[0]
    return symbols, {r"\nabla\log p_t(x_t)": value}


def whole_step(draw):
    """A DDPM step without its fresh noise, and with it."""
    symbols, betas, levels = step_back(draw)
    x_t, guess, z = symbols["x_t"], symbols[r"\epsilon"], draw.normal(4)
    mean = ddpm_step(x_t, guess, 2, torch.zeros_like(z), betas, levels)
    _, variance = posterior(x_t, symbols["x_0"], levels[2], levels[1])
    symbols |= {"z": z, r"\mu_t": mean, r"\tilde\beta_t": variance}
    return symbols, {r"\mu_t": mean, "x_{t-1}": ddpm_step(x_t, guess, 2, z, betas, levels)}


def kl_of_means(draw):
    """Equal variances: only the means count."""
    means, sigma = draw.normal(2, 3), draw.share()
    symbols = {r"\tilde\mu_t": means[0], r"\mu_t": means[1], r"\sigma_t": sigma}
    variance = torch.full((1, 3), sigma**2).double()
    return symbols, {r"\mathrm{KL}_t": kl_gaussians(means[:1], variance, means[1:], variance)}


def kl_of_noises(draw):
    """The same between the true posterior's mean and that of the guessed noise."""
    symbols, betas, levels = step_back(draw)
    nothing = torch.zeros(4).double()
    means = [
        ddpm_step(symbols["x_t"], symbols[name], 2, nothing, betas, levels)[None]
        for name in (r"\epsilon", r"\epsilon_\theta")
    ]
    variance = torch.full((1, 4), symbols[r"\sigma_t"] ** 2).double()
    return symbols, {r"\mathrm{KL}_t": kl_gaussians(means[0], variance, means[1], variance)}


FORMULAS = {
    "3.1": posterior_mean,
    "3.2": posterior_variance,
    "3.3": kl,
    "3.4": data_weight,
    "3.5": weighted_mean,
    "3.6": tweedie,
    "3.7": score,
    "3.8": whole_step,
    "3.11": kl_of_means,
    "3.12": kl_of_noises,
}

NOT_EVALUATED = {
    "3.9": "an expectation over whole chains; a cell of the notebook measures both of its sides",
    "3.10": "a sum of expectations over chains; the notebook adds it up for one dimension",
    "3.13": "an expectation over the data given x_t; the notebook measures it",
    "3.14": "an expectation over data, times and noise; the laws of exercise 03.denoising_loss "
    "hold the code to it",
}
