"""Guidance whose answers keep the width of the prompt's own: Lin et al. 2023, section 3.4."""

import torch


def rescaled_guide(denoise, context, negative_context, guidance_scale, share=0.7):
    """As `guide`, then shrunk: each picture's answer to the width of the unguided one, and of this
    `share`, mixed with the guided answer itself.

    (B, S, D), (B, S, D), number, number -> a function (B, ...), number -> (B, ...)
    """
    contexts = torch.cat([negative_context, context])

    def answer(latents, timestep):
        negative, positive = denoise(torch.cat([latents, latents]), timestep, contexts).chunk(2)
        guided = negative + guidance_scale * (positive - negative)
        axes = tuple(range(1, guided.ndim))
        ratio = positive.std(dim=axes, keepdim=True) / guided.std(dim=axes, keepdim=True)
        return share * ratio * guided + (1 - share) * guided

    return answer
