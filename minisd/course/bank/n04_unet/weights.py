"""What the checks of this chapter's classes share: weights for every answer alike, and hooks."""

import zlib
from contextlib import contextmanager

import torch


@torch.no_grad()
def randomize(module, seed=0):
    """Fill each parameter with its own random numbers, the same ones for the same name and shape.

    A fresh norm has scale 1 and bias 0, and a zeroed last layer says 0: both hide mistakes.
    """
    for name, parameter in module.named_parameters():
        generator = torch.Generator().manual_seed(zlib.crc32(f"{seed} {name}".encode()))
        values = torch.randn(parameter.shape, generator=generator)
        if parameter.ndim > 1:
            parameter.copy_(values * 1.5 / parameter[0].numel() ** 0.5)
        else:
            parameter.copy_(0.4 * values + ("norm" in name and name.endswith("weight")))
    return module


@contextmanager
def hooked(hooks):
    """For the length of a `with`, let hooks = {module: function(output) -> output or None} act."""
    handles = [
        module.register_forward_hook(lambda module, inputs, output, change=change: change(output))
        for module, change in hooks.items()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def silence(output):
    """A hook: this part says nothing, whatever it was asked."""
    return torch.zeros_like(output).detach()
