"""The formulas of notebooks 01 to 04."""

import torch

from minisd.attention import scaled_dot_product_attention
from minisd.course.bank.n01_attention.softmax import softmax
from minisd.course.bank.n02_forward_noise.forward_step import forward_step
from minisd.course.bank.n02_forward_noise.tools import cosine_curve
from minisd.course.bank.n03_ddpm_sampler.ddpm_step import ddpm_step
from minisd.course.bank.n03_ddpm_sampler.exact_denoiser import exact_denoiser
from minisd.course.bank.n03_ddpm_sampler.kl_gaussians import kl_gaussians
from minisd.course.bank.n03_ddpm_sampler.score_from_epsilon import score_from_epsilon
from minisd.course.bank.n04_unet.ema_update import ema_update
from minisd.course.bank.n04_unet.group_norm import group_norm
from minisd.embeddings import timestep_embedding
from minisd.schedule import (
    add_noise,
    make_betas,
    posterior,
    snr,
    to_x0_and_epsilon,
    training_target,
)

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
    """The mixture of values of query i."""
    q, k, v, symbols = dot_products(draw)
    weights = scaled_dot_product_attention(q, k, torch.eye(5).double())
    mixed = scaled_dot_product_attention(q, k, v)
    return {**symbols, "w": one_based(weights)}, {"o_{ic}": mixed[1, 1]}


def masked_weights(draw):
    """Weights where query i may look at keys 2, 3 and 4 only, and query j never at key i."""
    q, k, _, symbols = dot_products(draw)
    mask = torch.tensor([[1, 1, 1, 1, 1], [0, 1, 1, 1, 0], [1, 0, 0, 1, 1]]).bool()
    weights = scaled_dot_product_attention(q, k, torch.eye(5).double(), mask)
    symbols |= {"s": one_based(q @ k.T / 2), "a": one_based(mask.double())}
    return symbols, {"w_{ij}": weights[1, 2]}


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
    """x_t by add_noise."""
    symbols, arguments = noisy(draw)
    return symbols, {"x_t": add_noise(*arguments)[0]}


def ratio(draw):
    """Signal to noise by snr."""
    symbols, (_, _, _, levels) = noisy(draw)
    return symbols, {r"\mathrm{snr}(t)": snr(levels)[1]}


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


def step_mean(draw):
    """A DDPM step without its fresh noise."""
    symbols, betas, levels = step_back(draw)
    nothing = torch.zeros(4).double()
    mean = ddpm_step(symbols["x_t"], symbols[r"\epsilon"], 2, nothing, betas, levels)
    return symbols, {r"\mu_t": mean}


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
    "1.1": scores_of_softmax,
    "1.2": scores_of_softmax,
    "1.3": scores,
    "1.4": answers,
    "1.5": masked_weights,
    "1.6": scores_of_a_head,
    "2.1": alphas_cumprod,
    "2.2": betas_of("linear"),
    "2.3": betas_of("scaled_linear"),
    "2.4": lambda draw: ({"t": 3, "T": 10}, {"f(t)": cosine_curve(10)[3]}),
    "2.5": cosine_betas,
    "2.6": small_step,
    "2.7": jump,
    "2.8": ratio,
    "2.9": velocity,
    "2.10": sigma,
    "3.1": posterior_mean,
    "3.2": posterior_variance,
    "3.3": kl,
    "3.4": data_weight,
    "3.5": weighted_mean,
    "3.6": tweedie,
    "3.7": score,
    "3.8": step_mean,
    "3.11": kl_of_means,
    "3.12": kl_of_noises,
    "4.1": waves,
    "4.2": normalized,
    "4.3": receptive_field,
    "4.4": moving_average,
}

NOT_EVALUATED = {
    "3.9": "an expectation over whole chains; a cell of the notebook measures both of its sides",
    "3.10": "a sum of expectations over chains; the notebook adds it up for one dimension",
    "3.13": "an expectation over the data given x_t; the notebook measures it",
    "3.14": "an expectation over data, times and noise; the laws of exercise 03.denoising_loss "
    "hold the code to it",
}
