"""A critic whose scores are known: it believes in bright patches, and is shown gray pictures."""

import torch
import torch.nn.functional as F


def brightness(strength):
    """A critic that believes in bright patches. (B, 3, H, W) -> (B, 1, H / 2, W / 2)"""
    return lambda images: strength * F.avg_pool2d(images.mean(dim=1, keepdim=True), 2)


def ask(mine, real, fake, strength=1.0, step=9, start=3):
    """Gray pictures of the given brightness. -> both losses, and the fake pictures."""
    fake = torch.full((2, 3, 4, 4), float(fake)).requires_grad_()
    real = torch.full((2, 3, 4, 4), float(real))
    losses = mine(brightness(strength), real, fake, step, start)
    return *(torch.as_tensor(loss) for loss in losses), fake
