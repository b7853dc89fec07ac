"""Samplers in sigma space: Euler, Euler ancestral, Heun and DPM-Solver++(2M).

Divided by sqrt(alpha_bar), a noisy picture is x = x_0 + sigma epsilon with
sigma = sqrt((1 - alpha_bar) / alpha_bar). There the noise-free road from noise to picture is
dx/dsigma = (x - x_0) / sigma = epsilon (Karras et al. 2022), and a sampler is a solver of ODEs.
Euler's and Heun's `Step.latents` are this x, at sigma 0 the picture. DDIM is Euler's method here:
on the same noise levels the two agree exactly.
"""

import math

import numpy as np
import torch

from ..noise import randn
from .steps import Step, start_from, timestep_grid


def sigma_grid(schedule, timesteps, skip=0, widest=False):
    """Return timesteps and their noise levels, the first `skip` left out, then a last level 0.

    With `schedule.use_karras_sigmas` the levels are evenly spaced in sigma^(1/7) instead, between
    the same ends (or with `widest` the schedule's own), and the timesteps follow. Karras et al.
    2022, Eq. 5. (N,) -> (N,), (N+1,) numbers
    """
    alphas_cumprod = schedule.alphas_cumprod.cpu()
    # Pure noise is sigma = infinity: stop at 4096, as diffusers does.
    alphas_cumprod = torch.where(alphas_cumprod == 0, 2.0**-24, alphas_cumprod)
    table = (((1 - alphas_cumprod) / alphas_cumprod) ** 0.5).numpy()
    sigmas = np.interp(timesteps, np.arange(len(table)), table)
    if schedule.use_karras_sigmas:
        first, last = (table[-1], table[0]) if widest else (sigmas[0], sigmas[-1])
        sigmas = np.linspace(first ** (1 / 7), last ** (1 / 7), len(sigmas)) ** 7
        timesteps = np.interp(np.log(sigmas), np.log(table), np.arange(len(table))).tolist()
    return timesteps[skip:], [*sigmas.astype(np.float32).tolist(), 0.0][skip:]


def first_x(noise, sigma, schedule, image=None):
    """Widen N(0, 1) to the first noise level: to pure noise where the grid starts at the end.

    A "leading" grid starts lower, with a picture's share in x, whose variance diffusers takes as 1.
    Where there is an `image`, x is the image under that noise. (B, ...) -> (B, ...)
    """
    if image is not None:
        return image + sigma * noise
    return noise * ((sigma**2 + 1) ** 0.5 if schedule.timestep_spacing == "leading" else sigma)


def predict_x0(denoise, x, timestep, sigma, schedule, prediction_type):
    """Ask the network, which knows unit-variance x_t, what picture x holds. (B, ...) -> (B, ...)"""
    latents, alpha_bar = x / (sigma**2 + 1) ** 0.5, 1 / (sigma**2 + 1)
    output = denoise(latents, timestep)
    return schedule.x0_and_epsilon(latents, output, alpha_bar, prediction_type)[0]


@torch.no_grad()
def euler(
    denoise, latents, schedule, num_inference_steps, *,
    prediction_type=None, generator=None, image=None, skip=0,
):  # fmt: skip
    """Sample in straight lines along epsilon: Euler's method. Karras et al. 2022.

    (B, ...) -> yields one `Step` a timestep. Draws no noise: `generator` is not used.
    """
    grid = timestep_grid(schedule, num_inference_steps, fractional=True)
    timesteps, sigmas = sigma_grid(schedule, grid, skip)
    x = first_x(latents, sigmas[0], schedule, image)
    for t, sigma, sigma_next in zip(timesteps, sigmas, sigmas[1:]):
        x0 = predict_x0(denoise, x, t, sigma, schedule, prediction_type)
        slope = (x - x0) / sigma
        x = x + slope * (sigma_next - sigma)
        yield Step(t, x, x0, (1.0, sigma_next))


@torch.no_grad()
def euler_ancestral(
    denoise, latents, schedule, num_inference_steps, *,
    prediction_type=None, generator=None, image=None, skip=0,
):  # fmt: skip
    """Sample by Euler steps that go too far down, then add fresh noise. After k-diffusion.

    (B, ...) -> yields one `Step` a timestep.
    """
    grid = timestep_grid(schedule, num_inference_steps, fractional=True)
    timesteps, sigmas = sigma_grid(schedule, grid, skip)
    x = first_x(latents, sigmas[0], schedule, image)
    for t, sigma, sigma_next in zip(timesteps, sigmas, sigmas[1:]):
        x0 = predict_x0(denoise, x, t, sigma, schedule, prediction_type)
        slope = (x - x0) / sigma
        # up^2 + down^2 = sigma_next^2; up is the spread of DDPM's posterior.
        down = sigma_next**2 / sigma
        up = (sigma_next**2 - down**2) ** 0.5
        x = x + slope * (down - sigma) + up * randn(x.shape, generator, x.device)
        yield Step(t, x, x0, (1.0, sigma_next))


@torch.no_grad()
def heun(
    denoise, latents, schedule, num_inference_steps, *,
    prediction_type=None, generator=None, image=None, skip=0,
):  # fmt: skip
    """Sample by Euler's step, a look at where it leads, and the mean of both slopes.

    Karras et al. 2022, Algorithm 1: n steps ask the network 2n - 1 times, as the last is Euler's.
    diffusers' Heun has no switch for zero terminal SNR: the clamp of pure noise is Euler's.
    (B, ...) -> yields one `Step` a timestep. Draws no noise: `generator` is not used.
    """
    grid = timestep_grid(schedule, num_inference_steps, fractional=True)
    timesteps, sigmas = sigma_grid(schedule, grid, skip)
    x = first_x(latents, sigmas[0], schedule, image)
    for i, (t, sigma, sigma_next) in enumerate(zip(timesteps, sigmas, sigmas[1:])):
        x0 = predict_x0(denoise, x, t, sigma, schedule, prediction_type)
        slope = (x - x0) / sigma
        if sigma_next > 0:  # at sigma 0 there is no slope to ask for
            ahead = x + slope * (sigma_next - sigma)
            t_next = timesteps[i + 1]
            x0 = predict_x0(denoise, ahead, t_next, sigma_next, schedule, prediction_type)
            slope = (slope + (ahead - x0) / sigma_next) / 2
        x = x + slope * (sigma_next - sigma)
        yield Step(t, x, x0, (1.0, sigma_next))


@torch.no_grad()
def dpm_solver_pp_2m(
    denoise, latents, schedule, num_inference_steps, *,
    prediction_type=None, generator=None, image=None, skip=0,
):  # fmt: skip
    """Sample with one call a step, x_0 extrapolated from the last two answers. Lu et al. 2022.

    DPM-Solver++(2M): second order in log sigma; the first step, and the last to sigma 0, are of
    first order. Latents keep unit variance here, as the paper writes it.
    (B, ...) -> yields one `Step` a timestep. Draws no noise: `generator` is not used.
    """
    grid = timestep_grid(schedule, num_inference_steps, skip_zero=True)
    timesteps, sigmas = sigma_grid(schedule, grid, skip, widest=True)
    levels = [(1 / (sigma**2 + 1) ** 0.5, sigma / (sigma**2 + 1) ** 0.5) for sigma in sigmas]
    latents = start_from(latents, image, levels[0])
    previous = None  # (x_0, sigma) of the step before
    for t, sigma, sigma_next, level in zip(map(round, timesteps), sigmas, sigmas[1:], levels[1:]):
        output, alpha_bar = denoise(latents, t), 1 / (sigma**2 + 1)
        x0, _ = schedule.x0_and_epsilon(latents, output, alpha_bar, prediction_type)
        target = x0
        if previous is not None and sigma_next > 0:
            x0_before, sigma_before = previous
            h, h_before = math.log(sigma / sigma_next), math.log(sigma_before / sigma)
            target = x0 + h / (2 * h_before) * (x0 - x0_before)
        previous = x0, sigma
        kept = sigma_next / sigma  # the share of x = latents / sqrt(alpha_bar) that stays
        x = kept * latents / alpha_bar**0.5 + (1 - kept) * target
        latents = x / (sigma_next**2 + 1) ** 0.5
        yield Step(t, latents, x0, level)
