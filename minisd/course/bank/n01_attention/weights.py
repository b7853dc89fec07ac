"""Fill a learner's module with known weights, so that it can be compared with the package's."""

from zlib import crc32

import torch


@torch.no_grad()
def fill(module, like):
    """Draw every weight from its name, and move the module to where `like` lies.

    Nothing keeps its start: with scales of 1 and biases of 0 some mistakes would not show.
    """
    for name, weight in module.named_parameters():
        generator = torch.Generator().manual_seed(crc32(name.encode()))
        noise = torch.randn(weight.shape, generator=generator)
        if weight.ndim > 1:
            weight.copy_(1.5 * noise / weight.shape[1] ** 0.5)
        else:
            weight.copy_(0.5 * noise + ("norm" in name and name.endswith("weight")))
    return module.to(like)


@torch.no_grad()
def set_projection(layer, weight=0.0, bias=0.0):
    """Make a linear layer `weight` times the identity, plus `bias`."""
    layer.weight.copy_(weight * torch.eye(*layer.weight.shape))
    if layer.bias is not None:
        layer.bias.fill_(bias)
