"""Classifier-free guidance: a denoiser that listens to its prompt more than it was taught to."""

import torch


def guide(denoise, context, negative_context, guidance_scale):
    """Wrap `denoise(latents, timestep, context)` into `denoise(latents, timestep)`, guided.

    The network is asked once, for both prompts as one batch of 2B; the answer goes
    `guidance_scale` times the way from the negative to the wanted prediction. 1 is the prompt's
    own prediction, at half the price. Ho and Salimans 2022; their w is guidance_scale - 1.
    (B, S, D), (B, S, D), number -> a function (B, ...), number -> (B, ...)
    """
    if guidance_scale == 1:
        return lambda latents, timestep: denoise(latents, timestep, context)
    if context.shape != negative_context.shape:
        raise ValueError(
            "context and negative_context must have one shape, "
            f"got {tuple(context.shape)} and {tuple(negative_context.shape)}."
        )
    contexts = torch.cat([negative_context, context])

    def denoise_guided(latents, timestep):
        negative, positive = denoise(torch.cat([latents, latents]), timestep, contexts).chunk(2)
        return negative + guidance_scale * (positive - negative)

    return denoise_guided
