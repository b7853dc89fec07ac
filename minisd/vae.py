"""The autoencoder: pictures in and out of a small latent space. Kingma and Welling 2013;
Rombach et al. 2022, section 3.1. Attribute names are diffusers' state-dict keys.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from .attention import SpatialAttention
from .config import config_dict, read_config
from .noise import randn
from .resnet import Downsample2D, ResnetBlock2D, Upsample2D

EPS = 1e-6  # of every GroupNorm in the VAE; the UNet's resnets use 1e-5


@dataclass(frozen=True)
class VAEConfig:
    """The autoencoder's shape, in the keys and defaults of diffusers' config.json."""

    sample_size: int = 32  # picture height and width the model was trained at
    in_channels: int = 3
    out_channels: int = 3
    latent_channels: int = 4
    block_out_channels: tuple = (64,)  # each level but the last halves the picture
    layers_per_block: int = 1  # resnets per level in the encoder; one more in the decoder
    norm_num_groups: int = 32
    scaling_factor: float = 0.18215  # 1 / standard deviation of a latent: gives unit variance

    @classmethod
    def from_json(cls, path):
        """Read diffusers' vae/config.json."""
        return read_config(cls, path)

    def to_dict(self):
        """Return the dict that diffusers' vae/config.json holds."""
        levels = len(self.block_out_channels)
        return config_dict(
            self,
            _class_name="AutoencoderKL",
            act_fn="silu",
            down_block_types=["DownEncoderBlock2D"] * levels,
            up_block_types=["UpDecoderBlock2D"] * levels,
        )

    @property
    def downscale(self):
        """Pixels per latent pixel, along one side: 8 in Stable Diffusion."""
        return 2 ** (len(self.block_out_channels) - 1)


@dataclass(frozen=True)
class DiagonalGaussian:
    """What the encoder says of a picture: a mean and a log-variance for every latent number."""

    mean: torch.Tensor  # (B, c, h, w)
    logvar: torch.Tensor  # (B, c, h, w), clamped to [-30, 20]

    def sample(self, generator=None):
        """Draw latents, in a way that gradients pass. Kingma and Welling 2013, section 2.4."""
        noise = randn(self.mean.shape, generator).to(self.mean)
        return self.mean + torch.exp(0.5 * self.logvar) * noise

    def kl(self):
        """Return KL(this || N(0, 1)) of each picture, in nats. (B, c, h, w) -> (B,)"""
        terms = self.mean**2 + self.logvar.exp() - 1 - self.logvar
        return 0.5 * terms.flatten(1).sum(dim=1)


class MidBlock(nn.Module):
    """Resnet, attention, resnet at the lowest resolution. (B, C, h, w) -> (B, C, h, w)"""

    def __init__(self, channels, num_groups):
        super().__init__()
        self.attentions = nn.ModuleList([SpatialAttention(channels, num_groups, EPS)])
        self.resnets = nn.ModuleList(
            ResnetBlock2D(channels, channels, num_groups, EPS) for _ in range(2)
        )

    def forward(self, x):
        return self.resnets[1](self.attentions[0](self.resnets[0](x)))


class Level(nn.Module):
    """Some resnets at one resolution, then a resampler where there is one.

    (B, in_channels, H, W) -> (B, out_channels, H, W), or H and W halved or doubled.
    """

    def __init__(self, in_channels, out_channels, num_layers, num_groups, resampler):
        super().__init__()
        ins = [in_channels] + [out_channels] * (num_layers - 1)
        self.resnets = nn.ModuleList(
            ResnetBlock2D(channels, out_channels, num_groups, EPS) for channels in ins
        )
        if isinstance(resampler, Downsample2D):
            self.downsamplers = nn.ModuleList([resampler])
        elif resampler is not None:
            self.upsamplers = nn.ModuleList([resampler])

    def forward(self, x):
        for resnet in self.resnets:
            x = resnet(x)
        for resample in [*getattr(self, "downsamplers", []), *getattr(self, "upsamplers", [])]:
            x = resample(x)
        return x


class Encoder(nn.Module):
    """(B, 3, H, W) -> (B, 2 * latent_channels, h, w): means, then log-variances"""

    def __init__(self, config):
        super().__init__()
        widths, groups = config.block_out_channels, config.norm_num_groups
        self.conv_in = nn.Conv2d(config.in_channels, widths[0], 3, padding=1)
        self.down_blocks = nn.ModuleList()
        for level, width in enumerate(widths):
            down = Downsample2D(width, symmetric=False) if level < len(widths) - 1 else None
            before = widths[max(level - 1, 0)]
            self.down_blocks.append(Level(before, width, config.layers_per_block, groups, down))
        self.mid_block = MidBlock(widths[-1], groups)
        self.conv_norm_out = nn.GroupNorm(groups, widths[-1], EPS)
        self.conv_out = nn.Conv2d(widths[-1], 2 * config.latent_channels, 3, padding=1)

    def forward(self, images):
        x = self.conv_in(images)
        for block in self.down_blocks:
            x = block(x)
        return self.conv_out(F.silu(self.conv_norm_out(self.mid_block(x))))


class Decoder(nn.Module):
    """(B, latent_channels, h, w) -> (B, 3, H, W)"""

    def __init__(self, config):
        super().__init__()
        widths, groups = config.block_out_channels[::-1], config.norm_num_groups
        self.conv_in = nn.Conv2d(config.latent_channels, widths[0], 3, padding=1)
        self.mid_block = MidBlock(widths[0], groups)
        self.up_blocks = nn.ModuleList()
        for i, width in enumerate(widths):
            up = Upsample2D(width) if i < len(widths) - 1 else None
            before = widths[max(i - 1, 0)]
            self.up_blocks.append(Level(before, width, config.layers_per_block + 1, groups, up))
        self.conv_norm_out = nn.GroupNorm(groups, widths[-1], EPS)
        self.conv_out = nn.Conv2d(widths[-1], config.out_channels, 3, padding=1)

    def forward(self, latents):
        x = self.mid_block(self.conv_in(latents))
        for block in self.up_blocks:
            x = block(x)
        return self.conv_out(F.silu(self.conv_norm_out(x)))


class AutoencoderKL(nn.Module):
    """Encoder and decoder. `encode` and `decode` work on unscaled latents, as in diffusers:
    multiply by `config.scaling_factor` after encoding, divide by it before decoding.
    """

    def __init__(self, config):
        super().__init__()
        self.config = config
        c = config.latent_channels
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.quant_conv = nn.Conv2d(2 * c, 2 * c, 1)
        self.post_quant_conv = nn.Conv2d(c, c, 1)
        # Begin almost noiseless (log-variance -6): the decoder should see the code, not the noise.
        nn.init.constant_(self.quant_conv.bias[c:], -6.0)

    def encode(self, images):
        """Describe pictures in [-1, 1] as Gaussians over latents.

        (B, 3, H, W) -> DiagonalGaussian of (B, c, h, w). Raises ValueError for a size that the
        levels cannot halve evenly.
        """
        if images.shape[2] % self.config.downscale or images.shape[3] % self.config.downscale:
            raise ValueError(
                f"height and width must be multiples of {self.config.downscale}, got "
                f"{images.shape[2]} x {images.shape[3]}: resize or crop the picture"
            )
        mean, logvar = self.quant_conv(self.encoder(images)).chunk(2, dim=1)
        return DiagonalGaussian(mean, logvar.clamp(-30.0, 20.0))

    def decode(self, latents):
        """Draw latents as pictures, about [-1, 1]. (B, c, h, w) -> (B, 3, H, W)"""
        return self.decoder(self.post_quant_conv(latents))
