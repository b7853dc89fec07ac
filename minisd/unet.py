"""The denoiser: a UNet that sees a noisy latent, a timestep and a prompt.

Ronneberger et al. 2015 (the U), Ho et al. 2020 (time), Rombach et al. 2022 (the prompt).
Attribute names are diffusers' state-dict keys, so that Stable Diffusion's weights load as they are.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from .attention import Transformer2DModel
from .config import config_dict, read_config
from .embeddings import TimestepEmbedding, timestep_embedding
from .resnet import Downsample2D, ResnetBlock2D, Upsample2D

DOWN_TYPES = {"CrossAttnDownBlock2D": True, "DownBlock2D": False}  # name -> has attention
UP_TYPES = {"CrossAttnUpBlock2D": True, "UpBlock2D": False}


@dataclass(frozen=True)
class UNetConfig:
    """The UNet's shape, in the keys and defaults of diffusers' config.json."""

    sample_size: int | None = None  # latent height and width the model was trained at
    in_channels: int = 4  # of a latent; 9 for inpainting (latent, mask, masked picture)
    out_channels: int = 4
    block_out_channels: tuple = (320, 640, 1280, 1280)  # one level of the U each
    down_block_types: tuple = ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",)
    up_block_types: tuple = ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3
    layers_per_block: int = 2  # resnets per level going down; one more going up
    cross_attention_dim: int = 1280  # width of the text encoder's tokens (768 in SD 1.5)
    attention_head_dim: int | tuple = 8  # the NUMBER of heads: a slip in the name, kept by all
    use_linear_projection: bool = False  # True in SD 2
    norm_num_groups: int = 32
    norm_eps: float = 1e-5

    def __post_init__(self):
        levels = len(self.block_out_channels)
        if len(self.down_block_types) != levels or len(self.up_block_types) != levels:
            raise ValueError(
                f"a UNet of {levels} levels needs {levels} down and {levels} up blocks, got "
                f"{len(self.down_block_types)} and {len(self.up_block_types)}"
            )
        for name in (*self.down_block_types, *self.up_block_types):
            if name not in DOWN_TYPES | UP_TYPES:
                raise ValueError(f"unknown block {name!r}; known: {[*DOWN_TYPES, *UP_TYPES]}")

    @classmethod
    def from_json(cls, path):
        """Read diffusers' unet/config.json."""
        return read_config(cls, path)

    def to_dict(self):
        """Return the dict that diffusers' unet/config.json holds."""
        return config_dict(self, _class_name="UNet2DConditionModel")

    @property
    def num_heads(self):
        """Heads per level, as a tuple."""
        heads = self.attention_head_dim
        return (heads,) * len(self.block_out_channels) if isinstance(heads, int) else heads


def make_attention(config, channels, num_heads):
    """Return a new attention layer, as `config` wants it, for one place in the U."""
    context_dim, groups = config.cross_attention_dim, config.norm_num_groups
    linear = config.use_linear_projection
    return Transformer2DModel(channels, num_heads, context_dim, groups, linear)


class Block(nn.Module):
    """One level of the U: resnets, each followed by attention where the level has it.

    `in_channels` lists what each resnet receives; going up, that includes its skip connection.
    """

    def __init__(self, config, in_channels, out_channels, num_heads, resampler=None):
        super().__init__()
        groups, eps = config.norm_num_groups, config.norm_eps
        time = 4 * config.block_out_channels[0]
        self.resnets = nn.ModuleList(
            ResnetBlock2D(channels, out_channels, groups, eps, time) for channels in in_channels
        )
        if num_heads:
            self.attentions = nn.ModuleList(
                make_attention(config, out_channels, num_heads) for _ in in_channels
            )
        if isinstance(resampler, Downsample2D):
            self.downsamplers = nn.ModuleList([resampler])
        elif resampler is not None:
            self.upsamplers = nn.ModuleList([resampler])

    def layers(self):
        """Yield (resnet, attention or None) in the order they run."""
        attentions = getattr(self, "attentions", [None] * len(self.resnets))
        return zip(self.resnets, attentions, strict=True)


class MidBlock(nn.Module):
    """The bottom of the U: resnet, attention, resnet.

    (B, C, h, w), (B, time_channels), (B, S, context_dim) -> (B, C, h, w)
    """

    def __init__(self, config):
        super().__init__()
        channels, time = config.block_out_channels[-1], 4 * config.block_out_channels[0]
        groups = config.norm_num_groups
        self.resnets = nn.ModuleList(
            ResnetBlock2D(channels, channels, groups, config.norm_eps, time) for _ in range(2)
        )
        self.attentions = nn.ModuleList([make_attention(config, channels, config.num_heads[-1])])

    def forward(self, x, time, context):
        x = self.resnets[0](x, time)
        x = self.attentions[0](x, context)
        return self.resnets[1](x, time)


class UNet2DConditionModel(nn.Module):
    """Predict the noise (or v) in a noisy latent, given its timestep and its prompt.

    (B, in_channels, h, w), (B,) or a number, (B, S, cross_attention_dim) -> (B, out_channels, h, w)
    """

    def __init__(self, config):
        super().__init__()
        self.config = config
        widths, heads = config.block_out_channels, config.num_heads
        last = len(widths) - 1
        self.conv_in = nn.Conv2d(config.in_channels, widths[0], 3, padding=1)
        self.time_embedding = TimestepEmbedding(widths[0], 4 * widths[0])

        skips = [widths[0]]  # channels of every picture kept on the way down
        self.down_blocks = nn.ModuleList()
        for level, name in enumerate(config.down_block_types):
            width = widths[level]
            ins = [widths[max(level - 1, 0)]] + [width] * (config.layers_per_block - 1)
            sampler = Downsample2D(width) if level < last else None
            block = Block(config, ins, width, DOWN_TYPES[name] and heads[level], sampler)
            self.down_blocks.append(block)
            skips += [width] * (config.layers_per_block + (level < last))

        self.mid_block = MidBlock(config)

        self.up_blocks = nn.ModuleList()
        below = widths[-1]
        for i, name in enumerate(config.up_block_types):
            level = last - i
            width = widths[level]
            ins = [below] + [width] * config.layers_per_block
            ins = [channels + skips.pop() for channels in ins]
            sampler = Upsample2D(width) if level > 0 else None
            self.up_blocks.append(
                Block(config, ins, width, UP_TYPES[name] and heads[level], sampler)
            )
            below = width
        assert not skips  # every picture kept on the way down is used on the way up

        self.conv_norm_out = nn.GroupNorm(config.norm_num_groups, widths[0], config.norm_eps)
        self.conv_out = nn.Conv2d(widths[0], config.out_channels, 3, padding=1)

    def forward(self, latents, timesteps, context):
        timesteps = torch.as_tensor(timesteps, device=latents.device).expand(latents.shape[0])
        waves = timestep_embedding(timesteps, self.config.block_out_channels[0])
        time = self.time_embedding(waves.to(self.conv_in.weight.dtype))  # (B, 4 * width)

        x = self.conv_in(latents)
        skips = [x]
        for block in self.down_blocks:
            for resnet, attention in block.layers():
                x = resnet(x, time)
                x = attention(x, context) if attention else x
                skips.append(x)
            for downsample in getattr(block, "downsamplers", []):
                x = downsample(x)  # (B, width, h / 2, w / 2)
                skips.append(x)

        x = self.mid_block(x, time, context)

        for block in self.up_blocks:
            for resnet, attention in block.layers():
                x = resnet(torch.cat([x, skips.pop()], dim=1), time)
                x = attention(x, context) if attention else x
            for upsample in getattr(block, "upsamplers", []):
                x = upsample(x, size=skips[-1].shape[2:])  # (B, width, 2h, 2w)
        return self.conv_out(F.silu(self.conv_norm_out(x)))
