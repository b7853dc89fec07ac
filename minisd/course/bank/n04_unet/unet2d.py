"""The chapter's UNet: two levels, no prompt, pixels in and noise out."""

import torch
import torch.nn.functional as F
from torch import nn

from ....attention import SpatialAttention
from ....embeddings import TimestepEmbedding, timestep_embedding
from ....resnet import Downsample2D, ResnetBlock2D, Upsample2D


class UNet2DModel(nn.Module):
    """Predict the noise in noisy pictures, given how noisy they are. Ho et al. 2020, appendix B.

    (B, in_channels, H, W), (B,) or a number -> (B, in_channels, H, W); H and W even. Attribute
    names are diffusers' state-dict keys.
    """

    def __init__(self, in_channels=3, block_out_channels=(32, 64), num_groups=8):
        super().__init__()
        fine, coarse = block_out_channels  # channels at full size and at half size

        def resnets(*widths):
            return nn.ModuleList(
                ResnetBlock2D(before, after, num_groups, 1e-5, 4 * fine) for before, after in widths
            )

        def block(**parts):
            return nn.ModuleDict({name: nn.ModuleList(modules) for name, modules in parts.items()})

        self.conv_in = nn.Conv2d(in_channels, fine, 3, padding=1)
        self.time_embedding = TimestepEmbedding(fine, 4 * fine)
        self.down_blocks = nn.ModuleList(
            [
                block(resnets=resnets((fine, fine)), downsamplers=[Downsample2D(fine)]),
                block(resnets=resnets((fine, coarse))),
            ]
        )
        self.mid_block = block(
            resnets=resnets((coarse, coarse), (coarse, coarse)),
            attentions=[SpatialAttention(coarse, num_groups, 1e-5)],
        )
        self.up_blocks = nn.ModuleList(
            [
                block(  # each resnet reads what comes from below and one skip
                    resnets=resnets((coarse + coarse, coarse), (coarse + fine, coarse)),
                    upsamplers=[Upsample2D(coarse)],
                ),
                block(resnets=resnets((coarse + fine, fine), (fine + fine, fine))),
            ]
        )
        self.conv_norm_out = nn.GroupNorm(num_groups, fine, 1e-5)
        self.conv_out = nn.Conv2d(fine, in_channels, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)  # say "no noise" at first: the loss starts at 1
        nn.init.zeros_(self.conv_out.bias)

    def forward(self, images, timesteps):
        timesteps = torch.as_tensor(timesteps, device=images.device).expand(images.shape[0])
        time = self.time_embedding(timestep_embedding(timesteps, self.conv_in.out_channels))

        x = self.conv_in(images)  # (B, fine, H, W)
        skips = [x]
        for block in self.down_blocks:
            for resnet in block["resnets"]:
                x = resnet(x, time)
                skips.append(x)
            if "downsamplers" in block:
                x = block["downsamplers"][0](x)  # (B, fine, H / 2, W / 2)
                skips.append(x)

        x = self.mid_block["resnets"][0](x, time)
        x = self.mid_block["attentions"][0](x)
        x = self.mid_block["resnets"][1](x, time)

        for block in self.up_blocks:
            for resnet in block["resnets"]:
                x = resnet(torch.cat([x, skips.pop()], dim=1), time)
            if "upsamplers" in block:
                x = block["upsamplers"][0](x)  # (B, coarse, H, W)
        assert not skips  # every picture kept on the way down is used on the way up
        return self.conv_out(F.silu(self.conv_norm_out(x)))
