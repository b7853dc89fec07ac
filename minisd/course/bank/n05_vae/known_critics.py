"""Critics whose scores are known: one of given weights, and one that believes in bright patches and
is shown gray pictures.
"""

import torch
import torch.nn.functional as F

from .slopes import slopes


def brightness(strength):
    """A critic that believes in bright patches. (B, 3, H, W) -> (B, 1, H / 2, W / 2)"""
    return lambda images: strength * F.avg_pool2d(images.mean(dim=1, keepdim=True), 2)


def ask(mine, real, fake, strength=1.0, step=9, start=3):
    """Gray pictures of the given brightness. -> both losses, and the fake pictures."""
    fake = torch.full((2, 3, 4, 4), float(fake)).requires_grad_()
    real = torch.full((2, 3, 4, 4), float(real))
    losses = mine(brightness(strength), real, fake, step, start)
    return *(torch.as_tensor(loss) for loss in losses), fake


def run(mine, weight, real, fake, step, start):
    """The two losses, the slopes of the critic's (at the fakes and at its own weights), and the
    slope of the decoder's at the fakes.
    """
    weight, fake = weight.clone().requires_grad_(), fake.clone().requires_grad_()
    losses = mine(lambda images: F.conv2d(images, weight, stride=2), real, fake, step, start)
    if not isinstance(losses, tuple | list) or len(losses) != 2:
        return losses
    losses = [torch.as_tensor(loss, dtype=torch.float32) for loss in losses]  # a plain 0 will do
    critics, decoders = slopes(losses[0], [fake, weight]), slopes(losses[1], [fake])
    return *losses, *critics, *decoders
