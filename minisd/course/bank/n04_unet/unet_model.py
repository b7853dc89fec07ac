"""04.UNet2DModel: down, across, up. The parts are given; connecting them is the exercise."""

import torch

from ...exercise import Exercise
from .unet2d import UNet2DModel
from .unet_mistakes import MISTAKES
from .weights import hooked, randomize, silence


def cases(generator):
    """((channels, widths, groups), pictures, times): equal widths in two, so that skips of one
    level can be exchanged; H != W; one time as a plain number."""

    def case(widths, groups, B, H, W, times=None):
        images = torch.randn(B, 3, H, W, generator=generator)
        times = torch.randint(1000, (B,), generator=generator) if times is None else times
        return (3, widths, groups), images, times

    return {
        "example": case((8, 8), 2, 2, 8, 6),
        "batch 1": case((8, 8), 4, 1, 6, 10),
        "two widths": case((8, 16), 4, 3, 4, 8),
        "a plain number": case((8, 8), 2, 2, 6, 6, 321),
    }


def run(unet_class, config, images, timesteps):
    """Build the UNet, give it weights that every answer gets, and ask it."""
    return randomize(unet_class(*config))(images, timesteps)


def _example(unet_class, seed, B=2, H=8, W=6):
    generator = torch.Generator().manual_seed(seed)
    unet = randomize(unet_class(3, (8, 8), 2), seed)
    images = torch.randn(B, 3, H, W, generator=generator)
    return unet, images, torch.randint(900, (B,), generator=generator)


def _differ(a, b):
    return bool((a - b).abs().max() > 1e-4)


@torch.no_grad()
def shape_is_kept(unet_class):
    """The answer should have the pictures' own shape, whatever their height and width."""
    for B, H, W in ((1, 8, 4), (2, 4, 10)):
        unet, images, times = _example(unet_class, 0, B, H, W)
        if unet(images, times).shape != images.shape:
            return False
    return True


@torch.no_grad()
def pictures_are_alone(unet_class):
    """A picture's answer depends on its neighbors in the batch, or on their times."""
    unet, images, times = _example(unet_class, 1, B=3)
    alone = torch.cat([unet(images[i : i + 1], times[i : i + 1]) for i in range(3)])
    return not _differ(unet(images, times), alone)


@torch.no_grad()
def every_part_is_used_once(unet_class):
    """Every part should be called exactly once. Count the calls of each: one is left out, or
    called twice."""
    unet, images, times = _example(unet_class, 2)
    calls = {module: 0 for module in unet.modules() if next(module.children(), None) is None}
    calls = {module: 0 for module in calls if any(True for _ in module.parameters())}

    def count(module):
        def add(output):
            calls[module] += 1

        return add

    with hooked({module: count(module) for module in calls}):
        unet(images, times)
    return all(number == 1 for number in calls.values())


@torch.no_grad()
def picture_passes_beside_the_middle(unet_class):
    """Silence the middle block, and the picture should still arrive, through the skips. In your
    UNet it does not."""
    unet, images, times = _example(unet_class, 3)
    with hooked({unet.mid_block["resnets"][1]: silence}):
        return _differ(unet(images, times), unet(images.flip(2), times))


def _read_by(unet, images, times):
    """What each resnet on the way up reads, in order, and what the way down says, by its part."""
    said, read = {}, []
    parts = {
        "conv_in": unet.conv_in,
        "first resnet": unet.down_blocks[0]["resnets"][0],
        "downsampler": unet.down_blocks[0]["downsamplers"][0],
        "last resnet": unet.down_blocks[1]["resnets"][0],
        "middle": unet.mid_block["resnets"][1],
        "upsampler": unet.up_blocks[0]["upsamplers"][0],
    }
    hooks = {
        module: lambda out, name=name: said.update({name: out}) for name, module in parts.items()
    }
    handles = [
        resnet.register_forward_pre_hook(lambda module, inputs: read.append(inputs[0]))
        for block in unet.up_blocks
        for resnet in block["resnets"]
    ]
    with hooked(hooks):
        unet(images, times)
    for handle in handles:
        handle.remove()
    return said, read


def _gets(unet_class, number, name):
    """Does the resnet of this number on the way up read what that part said, in either half?"""
    unet, images, times = _example(unet_class, 4)
    with torch.no_grad():
        said, read = _read_by(unet, images, times)
    halves = read[number].chunk(2, dim=1)
    return len(read) == 4 and any(not _differ(half, said[name]) for half in halves)


def first_feature_map_arrives(unet_class):
    """What `conv_in` says should be read once more, by the very last resnet on the way up."""
    return _gets(unet_class, 3, "conv_in")


def downsampled_has_a_skip(unet_class):
    """What the downsampler says should be read once more on the way up, at the same size."""
    return _gets(unet_class, 1, "downsampler")


def partners_are_mirrored(unet_class):
    """The way up mirrors the way down: what was kept last is read first. In your UNet some resnet
    on the way up reads another one's skip."""
    return _gets(unet_class, 0, "last resnet") and _gets(unet_class, 2, "first resnet")


@torch.no_grad()
def skip_comes_second(unet_class):
    """Each resnet on the way up reads two things side by side: what comes from below, then the
    skip. In your UNet it does not come in this order."""
    unet, images, times = _example(unet_class, 5)
    said, read = _read_by(unet, images, times)
    first, third = read[0].chunk(2, dim=1)[0], read[2].chunk(2, dim=1)[0]
    return not _differ(first, said["middle"]) and not _differ(third, said["upsampler"])


@torch.no_grad()
def time_reaches_the_way_up(unet_class):
    """Silence all that comes before the way up: another time should still change the answer, and
    does not. Every resnet is told the time."""
    unet, images, times = _example(unet_class, 6)
    before = [unet.conv_in, *unet.mid_block["resnets"], unet.mid_block["attentions"][0]]
    before += [unet.down_blocks[0]["downsamplers"][0]]
    before += [resnet for block in unet.down_blocks for resnet in block["resnets"]]
    with hooked(dict.fromkeys(before, silence)):
        return _differ(unet(images, times), unet(images, times + 50))


@torch.no_grad()
def pixels_are_repeated(unet_class):
    """Going up, each pixel should be repeated as a block of 2 x 2 before the convolution smooths;
    the upsampler that is given does so, yours does not."""
    unet, images, times = _example(unet_class, 7)
    upsampler, read, said = unet.up_blocks[0]["upsamplers"][0], [], []
    handle = upsampler.conv.register_forward_pre_hook(lambda conv, inputs: read.append(inputs[0]))
    with hooked({unet.up_blocks[0]["resnets"][1]: said.append}):
        unet(images, times)
    handle.remove()
    blocks = said[0].repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    return len(read) == 1 and read[0].shape == blocks.shape and not _differ(read[0], blocks)


@torch.no_grad()
def middle_attends_between(unet_class):
    """In the middle, attention stands between the two resnets: it reads what the first says, and
    the second reads what it says."""
    unet, images, times = _example(unet_class, 8)
    first, second = unet.mid_block["resnets"]
    said, read = [], []
    handle = second.register_forward_pre_hook(lambda module, inputs: read.append(inputs[0]))
    with hooked({first: said.append}):
        unet(images, times)
    handle.remove()
    attended = unet.mid_block["attentions"][0](said[0]) if said else None
    return len(read) == 1 and attended is not None and not _differ(read[0], attended)


@torch.no_grad()
def last_convolution_reads_an_activated_norm(unet_class):
    """`conv_out` should read what SiLU makes of the last norm, never less than -0.28. Yours reads
    lower numbers."""
    unet, images, times = _example(unet_class, 9)
    read = []
    handle = unet.conv_out.register_forward_pre_hook(lambda conv, inputs: read.append(inputs[0]))
    unet(images, times)
    handle.remove()
    return len(read) == 1 and bool(read[0].min() > -0.279)


EXERCISE = Exercise(
    "04.UNet2DModel",
    "Down, across, up: the UNet's forward",
    3,
    25,
    5,
    UNet2DModel,
    cases,
    laws=(
        shape_is_kept,
        pictures_are_alone,
        every_part_is_used_once,
        middle_attends_between,
        picture_passes_beside_the_middle,
        first_feature_map_arrives,
        downsampled_has_a_skip,
        partners_are_mirrored,
        skip_comes_second,
        time_reaches_the_way_up,
        pixels_are_repeated,
        last_convolution_reads_an_activated_norm,
    ),
    mistakes=MISTAKES,
    run=run,
    atol=1e-4,
)
