"""Noise that one seed fixes, whatever the device and the batch."""

import torch


def randn(shape, generator=None, device="cpu"):
    """Draw N(0, 1) noise where the generator lives, then move it: one seed, one noise anywhere.

    A list holds one generator for each picture of the batch: its noise is the same in any batch.
    """
    if isinstance(generator, list):
        if len(generator) != shape[0]:
            raise ValueError(
                f"expected {shape[0]} generators, one a picture, got {len(generator)}."
            )
        return torch.cat([randn((1, *shape[1:]), one, device) for one in generator])
    source = device if generator is None else generator.device
    return torch.randn(shape, generator=generator, device=source).to(device)
