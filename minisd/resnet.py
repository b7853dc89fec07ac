"""The convolutional blocks that the UNet and the VAE share. He et al. 2015; Wu and He 2018."""

import torch.nn.functional as F
from torch import nn


class ResnetBlock2D(nn.Module):
    """Two 3x3 convolutions beside a shortcut; the time embedding is added between them.

    (B, in_channels, H, W), (B, time_channels) or None -> (B, out_channels, H, W)
    """

    def __init__(self, in_channels, out_channels, num_groups, eps, time_channels=None):
        super().__init__()
        self.norm1 = nn.GroupNorm(num_groups, in_channels, eps)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.time_emb_proj = nn.Linear(time_channels, out_channels) if time_channels else None
        self.norm2 = nn.GroupNorm(num_groups, out_channels, eps)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        change = in_channels != out_channels
        self.conv_shortcut = nn.Conv2d(in_channels, out_channels, 1) if change else None

    def forward(self, x, time=None):
        y = self.conv1(F.silu(self.norm1(x)))  # (B, out_channels, H, W)
        if self.time_emb_proj is not None:
            y = y + self.time_emb_proj(F.silu(time))[:, :, None, None]
        y = self.conv2(F.silu(self.norm2(y)))
        return y + (x if self.conv_shortcut is None else self.conv_shortcut(x))


class Downsample2D(nn.Module):
    """Halve the picture by a convolution of stride 2. (B, C, H, W) -> (B, C, H / 2, W / 2)

    The UNet pads all four sides by one; the VAE only right and below (`symmetric=False`).
    """

    def __init__(self, channels, symmetric=True):
        super().__init__()
        self.symmetric = symmetric
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1 if symmetric else 0)

    def forward(self, x):
        return self.conv(x if self.symmetric else F.pad(x, (0, 1, 0, 1)))


class Upsample2D(nn.Module):
    """Double the picture by repeating pixels, then smooth. (B, C, H, W) -> (B, C, 2H, 2W)

    `size` gives the exact height and width, for a skip connection of odd size.
    """

    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x, size=None):
        size = size or (2 * x.shape[2], 2 * x.shape[3])
        return self.conv(F.interpolate(x, size=size, mode="nearest"))
