"""The sampler of flow matching: along the straight road from noise to picture."""

import numpy as np
import torch

from .steps import Step, check_num_steps, start_from


def shift_sigmas(sigmas, shift):
    """Move times in [0, 1] toward the noise; the ends stay. Esser et al. 2024. (n,) -> (n,)"""
    return shift * sigmas / (1 + (shift - 1) * sigmas)


@torch.no_grad()
def flow_euler(
    denoise, latents, schedule, num_inference_steps, *,
    prediction_type="flow_prediction", generator=None, image=None, skip=0,
):  # fmt: skip
    """Sample along x_s = (1 - s) x_0 + s epsilon, s from 1 to 0. Lipman et al. 2022.

    The network says which way the road leads, epsilon - x_0; its betas play no part, only
    `schedule.shift` does. Timesteps are s * T. (B, ...) -> yields one `Step` a timestep.
    Draws no noise: `generator` is not used.
    """
    T, shift = schedule.num_train_timesteps, schedule.shift
    if prediction_type != "flow_prediction" or schedule.rescale_betas_zero_snr:
        raise ValueError(
            "flow_euler needs a model of prediction_type 'flow_prediction' and a schedule without "
            f"zero terminal SNR, got {prediction_type!r} with rescale_betas_zero_snr="
            f"{schedule.rescale_betas_zero_snr}."
        )
    check_num_steps(num_inference_steps, most=T)
    # The last time is shifted twice, as in diffusers: once as the end, once with all the others.
    sigmas = np.linspace(1, shift_sigmas(1 / T, shift), num_inference_steps)
    sigmas = [*shift_sigmas(sigmas, shift).tolist(), 0.0][skip:]
    latents = start_from(latents, image, (1 - sigmas[0], sigmas[0]))
    for sigma, sigma_next in zip(sigmas, sigmas[1:]):
        velocity = denoise(latents, sigma * T)
        x0 = latents - sigma * velocity
        latents = latents + (sigma_next - sigma) * velocity
        yield Step(sigma * T, latents, x0, (1 - sigma_next, sigma_next))
