"""A VAE that looks at what `cache_latents` shows it."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class Code:
    """What a VAE says of pictures, as minisd.vae.DiagonalGaussian has it."""

    mean: torch.Tensor
    logvar: torch.Tensor

    def sample(self, generator=None):
        """Draw latents around the mean."""
        noise = torch.randn(self.mean.shape, generator=generator)
        return self.mean + (0.5 * self.logvar).exp() * noise


class SpyVAE(nn.Module):
    """A VAE of one layer that remembers what it was shown. In train mode it answers differently,
    as layers with dropout or batch statistics do."""

    def __init__(self):
        super().__init__()
        weight = torch.randn(2, 3, 2, 2, generator=torch.Generator().manual_seed(1))
        self.weight = nn.Parameter(weight)
        self.shown, self.trained_on = [], False

    def encode(self, pixels):
        """(B, 3, H, W) -> means and log-variances (B, 2, H / 2, W / 2)"""
        self.shown.append(pixels.detach())
        self.trained_on |= self.training
        mean = F.conv2d(pixels, self.weight, stride=2)
        mean = 1.3 * mean + 0.2 if self.training else mean
        return Code(mean, torch.full_like(mean, -2.0))
