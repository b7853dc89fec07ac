"""Samplers that walk from timestep to timestep: DDPM, DDIM and PNDM.

All samplers share one form. `denoise(latents, timestep)` returns the network's raw output, and
`schedule` reads it as (x_0, epsilon), so that epsilon- and v-prediction and a start from pure noise
work alike; `prediction_type` defaults to the schedule's own. `latents` are N(0, 1) noise to start
from; with a picture, `image` (clean latents), they start from it under that noise, `skip` steps on.
Sampling needs no gradients: nothing is learned here, and the reverse process is not
backpropagation.
"""

import torch

from ..noise import randn
from ..schedule import posterior
from .steps import Step, signal_and_noise, start_from, timestep_grid


@torch.no_grad()
def ddpm(
    denoise, latents, schedule, num_inference_steps, *,
    prediction_type=None, generator=None, image=None, skip=0,
):  # fmt: skip
    """Sample by ancestral steps: draw from the posterior, x_0 guessed. Ho et al. 2020, Algorithm 2.

    (B, ...) -> yields one `Step` a timestep. With fewer steps than T each spans several timesteps.
    """
    timesteps = timestep_grid(schedule, num_inference_steps)[skip:]
    level, *levels = signal_and_noise(schedule, timesteps)
    latents = start_from(latents, image, level)
    for t, t_previous, level in zip(timesteps, [*timesteps[1:], -1], levels):
        alpha_bar = schedule.alpha_bar(t)
        alpha_bar_previous = schedule.alpha_bar(t_previous) if t_previous >= 0 else 1.0
        output = denoise(latents, t)
        x0, _ = schedule.x0_and_epsilon(latents, output, alpha_bar, prediction_type)
        latents, variance = posterior(latents, x0, alpha_bar, alpha_bar_previous)
        if schedule.variance_type == "fixed_large":
            variance = 1 - alpha_bar / alpha_bar_previous  # beta
        if t > 0:  # the finished picture is not sprinkled with noise
            latents = latents + variance**0.5 * randn(latents.shape, generator, latents.device)
        yield Step(t, latents, x0, level)


@torch.no_grad()
def ddim(
    denoise, latents, schedule, num_inference_steps, *,
    eta=0.0, prediction_type=None, generator=None, image=None, skip=0,
):  # fmt: skip
    """Sample with the same marginals as DDPM in fewer steps. Song et al. 2020 (DDIM), Eqs. 12, 16.

    `eta` 0 adds no noise: the same start gives the same picture. `eta` 1 adds as much as DDPM.
    (B, ...) -> yields one `Step` a timestep.
    """
    timesteps = timestep_grid(schedule, num_inference_steps)[skip:]
    level, *levels = signal_and_noise(schedule, timesteps)
    latents = start_from(latents, image, level)
    stride = schedule.num_train_timesteps // num_inference_steps
    for t, level in zip(timesteps, levels):
        # diffusers' rule; where n divides T, t - stride is the next timestep of the grid.
        alpha_bar, alpha_bar_previous = schedule.alpha_bar(t), schedule.alpha_bar(t - stride)
        output = denoise(latents, t)
        x0, epsilon = schedule.x0_and_epsilon(latents, output, alpha_bar, prediction_type)
        _, variance = posterior(latents, x0, alpha_bar, alpha_bar_previous)
        sigma = eta * variance**0.5
        # What is added afresh is taken off the old noise: together their variance is 1 - alpha_bar.
        old_noise = (1 - alpha_bar_previous - sigma**2).clamp(min=0) ** 0.5 * epsilon
        latents = alpha_bar_previous**0.5 * x0 + old_noise
        if eta > 0:
            latents = latents + sigma * randn(latents.shape, generator, latents.device)
        yield Step(t, latents, x0, level)


# What PNDM makes of the last one to four answers, newest first (Adams-Bashforth).
ADAMS_BASHFORTH = [
    [1],
    [3 / 2, -1 / 2],
    [23 / 12, -16 / 12, 5 / 12],
    [55 / 24, -59 / 24, 37 / 24, -9 / 24],
]


@torch.no_grad()
def pndm(
    denoise, latents, schedule, num_inference_steps, *,
    prediction_type=None, generator=None, image=None, skip=0,
):  # fmt: skip
    """Sample by DDIM steps along a mix of the last four answers. Liu et al. 2022, linear multistep.

    Stable Diffusion's own default: no Runge-Kutta steps; the first step looks ahead once, so n
    steps take n + 1 network calls. (B, ...) -> yields one `Step` a timestep.
    Draws no noise: `generator` is not used.
    """
    if schedule.rescale_betas_zero_snr:
        raise ValueError("pndm cannot start from pure noise (zero terminal SNR); use ddim.")
    timesteps = timestep_grid(schedule, num_inference_steps)[skip:]
    level, *levels = signal_and_noise(schedule, timesteps)
    latents = start_from(latents, image, level)
    stride = schedule.num_train_timesteps // num_inference_steps

    def transfer(latents, output, t, t_next):
        alpha_bar, alpha_bar_next = schedule.alpha_bar(t), schedule.alpha_bar(t_next)
        x0, epsilon = schedule.x0_and_epsilon(latents, output, alpha_bar, prediction_type)
        return x0, alpha_bar_next**0.5 * x0 + (1 - alpha_bar_next) ** 0.5 * epsilon

    recent = []
    for t, level in zip(timesteps, levels):
        recent = [denoise(latents, t), *recent[:3]]
        t_from, t_to = t, t - stride
        output = sum(w * past for w, past in zip(ADAMS_BASHFORTH[len(recent) - 1], recent))
        if len(recent) == 1 and len(timesteps) > 1:  # no past yet: look ahead instead
            _, ahead = transfer(latents, output, t_from, t_to)
            t_from, t_to = timesteps[1] + stride, timesteps[1]
            output = (output + denoise(ahead, t_to)) / 2
        x0, latents = transfer(latents, output, t_from, t_to)
        yield Step(t, latents, x0, level)
