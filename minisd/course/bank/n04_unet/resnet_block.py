"""04.ResnetBlock2D: two convolutions beside a shortcut, and the time between them."""

import torch

from ....resnet import ResnetBlock2D
from ...exercise import Exercise
from .resnet_mistakes import MISTAKES
from .weights import hooked, randomize


def cases(generator):
    """((in, out, groups, eps, time channels), images, time), with C = H in one."""

    def case(C, C_out, groups, B, H, W):
        images = 1 + 2 * torch.randn(B, C, H, W, generator=generator)
        return (C, C_out, groups, 1e-5, 10), images, torch.randn(B, 10, generator=generator)

    return {
        "example": case(4, 8, 2, 2, 5, 7),
        "batch 1": case(6, 6, 3, 1, 4, 3),
        "C = H": case(4, 6, 2, 3, 6, 5),
        "same width": case(8, 8, 4, 3, 3, 4),
        "fewer channels": case(8, 4, 2, 2, 4, 6),
    }


def run(block_class, config, images, time):
    """Build the block, give it weights that every answer gets, and ask it."""
    return randomize(block_class(*config))(images, time)


def _example(block_class, C=4, C_out=4, B=2, H=7, W=9, seed=0):
    generator = torch.Generator().manual_seed(seed)
    block = randomize(block_class(C, C_out, 2, 1e-5, 10), seed)
    images = torch.randn(B, C, H, W, generator=generator)
    return block, images, torch.randn(B, 10, generator=generator)


@torch.no_grad()
def silent_block_passes_on(block_class):
    """Set the second convolution to zero, and the block should pass its input on untouched. Yours
    does not."""
    block, images, time = _example(block_class)
    for parameter in block.conv2.parameters():
        parameter.zero_()
    return bool((block(images, time) - images).abs().max() < 1e-5)


@torch.no_grad()
def width_may_change(block_class):
    """With other channels going out than coming in, the input has to pass `conv_shortcut` (as it
    is, before any norm) to be added."""
    block, images, time = _example(block_class, C_out=6)
    for parameter in block.conv2.parameters():
        parameter.zero_()
    return bool((block(images, time) - block.conv_shortcut(images)).abs().max() < 1e-5)


@torch.no_grad()
def time_changes_the_output(block_class):
    """Another time gives the same output: the time does not arrive."""
    block, images, time = _example(block_class, seed=1)
    return bool((block(images, time) - block(images, time + 1)).abs().max() > 1e-3)


@torch.no_grad()
def each_picture_has_its_time(block_class):
    """Exchange the times of two pictures, and each should change as if it stood alone."""
    block, images, time = _example(block_class, B=3, seed=2)
    alone = torch.cat([block(images[i : i + 1], time[i : i + 1]) for i in range(3)])
    return bool((block(images, time) - alone).abs().max() < 1e-4)


@torch.no_grad()
def time_is_the_same_everywhere(block_class):
    """One time is true for the whole picture. On a picture of one constant, the result differs
    from pixel to pixel, also far from the rim."""
    block, _, time = _example(block_class, H=12, W=9, C=12, C_out=12, seed=3)
    inside = block(torch.full((2, 12, 12, 9), 0.3), time)[:, :, 2:-2, 2:-2]
    return bool((inside - inside[:, :, :1, :1]).abs().max() < 1e-4)


@torch.no_grad()
def norm_follows_the_time(block_class):
    """Add one and the same number to the projected time of all channels of a group: the norm that
    follows should take it out again. In your block it comes through."""
    block, images, time = _example(block_class, seed=4)
    before = block(images, time)
    block.time_emb_proj.bias += torch.tensor([3.0, 3.0, -2.0, -2.0])
    return bool((block(images, time) - before).abs().max() < 1e-3)


@torch.no_grad()
def convolutions_see_activated_norms(block_class):
    """Both convolutions should read what SiLU makes of a norm, and SiLU never gives less than
    -0.28. One of yours reads lower numbers."""
    block, images, time = _example(block_class, seed=5)
    lowest = []
    for conv in (block.conv1, block.conv2):
        conv.register_forward_pre_hook(lambda conv, inputs: lowest.append(inputs[0].min()))
    block(3 * images, 3 * time)
    return len(lowest) == 2 and bool(min(lowest) > -0.279)


@torch.no_grad()
def time_is_activated(block_class):
    """The time should pass one more SiLU before its projection: what the projection reads in your
    block goes below -0.28."""
    block, images, time = _example(block_class, seed=6)
    read = []
    block.time_emb_proj.register_forward_pre_hook(lambda layer, inputs: read.append(inputs[0]))
    block(images, 3 * time)
    return len(read) == 1 and bool(read[0].min() > -0.279)


@torch.no_grad()
def norms_read_untouched_numbers(block_class):
    """The first norm should read the pictures as they come; yours reads something else."""
    block, images, time = _example(block_class, seed=7)
    read = []
    with hooked({block.norm1: read.append}):  # what it returns
        block(images, time)
    return len(read) == 1 and bool((read[0] - block.norm1(images)).abs().max() < 1e-5)


EXERCISE = Exercise(
    "04.ResnetBlock2D",
    "A residual block that knows the time",
    2,
    15,
    3,
    ResnetBlock2D,
    cases,
    laws=(
        silent_block_passes_on,
        width_may_change,
        time_changes_the_output,
        each_picture_has_its_time,
        time_is_the_same_everywhere,
        norms_read_untouched_numbers,
        time_is_activated,
        convolutions_see_activated_norms,
        norm_follows_the_time,
    ),
    mistakes=MISTAKES,
    run=run,
    atol=1e-4,
)
