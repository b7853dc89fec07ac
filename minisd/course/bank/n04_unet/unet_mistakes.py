"""What people get wrong when they connect a UNet's parts."""

import torch
import torch.nn.functional as F

from ....embeddings import timestep_embedding
from .unet2d import UNet2DModel


class Wired(UNet2DModel):
    """The right UNet with its forward in pieces, so that each mistake is a line or two."""

    def tell_time(self, timesteps, images):
        timesteps = torch.as_tensor(timesteps).expand(images.shape[0])
        return self.time_embedding(timestep_embedding(timesteps, self.conv_in.out_channels))

    def go_down(self, x, time):
        skips = [x]
        for block in self.down_blocks:
            for resnet in block["resnets"]:
                x = resnet(x, time)
                skips.append(x)
            if "downsamplers" in block:
                x = block["downsamplers"][0](x)
                skips.append(x)
        return x, skips

    def cross(self, x, time):
        x = self.mid_block["resnets"][0](x, time)
        x = self.mid_block["attentions"][0](x)
        return self.mid_block["resnets"][1](x, time)

    def take(self, skips, x):
        return skips.pop()

    def join(self, x, skip):
        return torch.cat([x, skip], dim=1)

    def enlarge(self, block, x):
        return block["upsamplers"][0](x)

    def go_up(self, x, time, skips):
        for block in self.up_blocks:
            for resnet in block["resnets"]:
                x = resnet(self.join(x, self.take(skips, x)), time)
            if "upsamplers" in block:
                x = self.enlarge(block, x)
        return x

    def speak(self, x):
        return self.conv_out(F.silu(self.conv_norm_out(x)))

    def forward(self, images, timesteps):
        time = self.tell_time(timesteps, images)
        x, skips = self.go_down(self.conv_in(images), time)
        return self.speak(self.go_up(self.cross(x, time), time, skips))


class oldest_skip_of_that_size_first(Wired):  # noqa: N801
    """Right sizes, wrong partners: of two skips of one size, the one kept *last* is needed first.
    Which end of the list do you take from?"""

    def take(self, skips, x):
        fits = [i for i, skip in enumerate(skips) if skip.shape[2:] == x.shape[2:]]
        return skips.pop(fits[0])


class skip_looked_at_not_taken(Wired):  # noqa: N801
    """Two layers on the way up get the same skip: looking at the last one is not enough, taking
    one must remove it."""

    def take(self, skips, x):
        while skips[-1].shape[2:] != x.shape[2:]:
            skips.pop()
        return skips[-1]


class skip_before_x(Wired):  # noqa: N801
    """You join [skip, x]. It would train as well, but weights made elsewhere expect what comes from
    below first, and the skip after it."""

    def join(self, x, skip):
        return torch.cat([skip, x], dim=1)


class only_x_joined(Wired):  # noqa: N801
    """The widths fit, but what you join is x with itself: no skip arrives."""

    def join(self, x, skip):
        return torch.cat([x, x], dim=1)


class first_feature_map_not_kept(Wired):  # noqa: N801
    """What `conv_in` says has a skip of its own: the last layer on the way up should get it, and
    gets another one. When does your list get its first entry?"""

    def go_down(self, x, time):
        x, skips = super().go_down(x, time)
        return x, [skips[1], *skips[1:]]


class downsampled_not_kept(Wired):  # noqa: N801
    """The downsampler's output counts as well: it is the skip of a layer on the way up, and that
    one gets another."""

    def go_down(self, x, time):
        x, skips = super().go_down(x, time)
        skips[2] = skips[3]
        return x, skips


class no_time_on_the_way_up(Wired):  # noqa: N801
    """Only the way down and the middle are told the time."""

    def go_up(self, x, time, skips):
        return super().go_up(x, torch.zeros_like(time), skips)


class one_time_for_all(Wired):  # noqa: N801
    """All pictures of a batch are told the first one's time."""

    def tell_time(self, timesteps, images):
        timesteps = torch.as_tensor(timesteps).expand(images.shape[0])
        return super().tell_time(timesteps[:1], images)


class bilinear_upsampling(Wired):  # noqa: N801
    """Your upsampling blends neighbors. Here it repeats pixels, and the convolution after it
    learns how much to blend: use the part that is given."""

    def enlarge(self, block, x):
        x = F.interpolate(x, scale_factor=2, mode="bilinear")
        return block["upsamplers"][0].conv(x)


class middle_forgotten(Wired):  # noqa: N801
    """The middle block is never called: what the way down ends with goes straight up again."""

    def cross(self, x, time):
        return x


class attention_forgotten(Wired):  # noqa: N801
    """The attention between the two middle resnets is never called."""

    def cross(self, x, time):
        for resnet in self.mid_block["resnets"]:
            x = resnet(x, time)
        return x


class attention_after_both_resnets(Wired):  # noqa: N801
    """The attention comes too late: it stands between the two resnets of the middle, so that the
    second one can work with what was found far away."""

    def cross(self, x, time):
        for resnet in self.mid_block["resnets"]:
            x = resnet(x, time)
        return self.mid_block["attentions"][0](x)


class last_norm_forgotten(Wired):  # noqa: N801
    """`conv_out` reads the last layer raw. `conv_norm_out` and a SiLU stand before it."""

    def speak(self, x):
        return self.conv_out(x)


class last_silu_forgotten(Wired):  # noqa: N801
    """Nothing bends between `conv_norm_out` and `conv_out`."""

    def speak(self, x):
        return self.conv_out(self.conv_norm_out(x))


MISTAKES = (
    oldest_skip_of_that_size_first,
    skip_looked_at_not_taken,
    skip_before_x,
    only_x_joined,
    first_feature_map_not_kept,
    downsampled_not_kept,
    no_time_on_the_way_up,
    one_time_for_all,
    bilinear_upsampling,
    middle_forgotten,
    attention_forgotten,
    attention_after_both_resnets,
    last_norm_forgotten,
    last_silu_forgotten,
)
