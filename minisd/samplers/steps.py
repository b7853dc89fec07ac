"""What every sampler shares: a named step, the timesteps to visit, and where to start."""

from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Step:
    """One step of a sampler: what `for step in ddim(...)` receives."""

    timestep: float  # where the network was asked
    latents: torch.Tensor  # after the step, (B, ...); changed in place, the sampler goes on so
    denoised: torch.Tensor  # the x_0 that the network expects, (B, ...)
    level: tuple  # (signal, noise) after the step: latents = signal * x_0 + noise * epsilon


def check_num_steps(num_inference_steps, most):
    """Raise a ValueError unless the number of steps is an integer from 1 to `most`."""
    if not isinstance(num_inference_steps, int) or not 1 <= num_inference_steps <= most:
        raise ValueError(
            f"num_inference_steps must be a whole number from 1 to {most}, "
            f"got {num_inference_steps!r}."
        )


def timestep_grid(schedule, num_inference_steps, fractional=False, skip_zero=False):
    """Return the timesteps that few steps visit, falling. Lin et al. 2023, Table 2.

    For T = 1000 and 10 steps: "leading" [900, 800, .., 0] + steps_offset, "trailing"
    [999, 899, .., 99], "linspace" [999, 888, .., 0]. Only "trailing" and "linspace" start where
    training ends. `fractional` leaves "linspace" unrounded, for samplers that interpolate noise
    levels. `skip_zero` takes one point more and leaves the last out, as DPM-Solver does.
    Raises ValueError for a number of steps that the schedule does not have.
    """
    T, spacing = schedule.num_train_timesteps, schedule.timestep_spacing
    extra = 1 if skip_zero and spacing != "trailing" else 0
    check_num_steps(num_inference_steps, most=T - extra)
    n = num_inference_steps + extra
    if spacing == "trailing":
        timesteps = np.rint(T - np.arange(n) * (T / n)) - 1
    elif spacing == "linspace":
        timesteps = np.linspace(0, T - 1, n)[::-1]
    else:
        timesteps = np.arange(n)[::-1] * (T // n) + schedule.steps_offset
    if timesteps[0] > T - 1:
        raise ValueError(
            f"steps_offset {schedule.steps_offset} moves the first of {n} timesteps past the last "
            f"one trained, {T - 1}; take fewer steps, or 'trailing' spacing."
        )
    timesteps = timesteps if fractional else np.rint(timesteps).astype(int)
    return timesteps[:num_inference_steps].tolist()


def signal_and_noise(schedule, timesteps):
    """The shares (signal, noise) of x_t = signal x_0 + noise epsilon at each timestep, then (1, 0).

    (N,) numbers -> N + 1 pairs
    """
    alpha_bars = [schedule.alpha_bar(t) for t in timesteps]
    return [*((a**0.5, (1 - a) ** 0.5) for a in alpha_bars), (1.0, 0.0)]


def start_from(noise, image, level):
    """Return what a sampler starts from: noise alone, or clean latents `image` under so much of it.

    (B, ...), (B, ...) or None, (signal, noise) -> (B, ...)
    """
    signal, sigma = level
    return noise if image is None else signal * image + sigma * noise
