"""04.group_norm: every group of channels of every picture gets mean 0 and variance 1."""

import torch
import torch.nn.functional as F

from ...exercise import Exercise


def group_norm(images, num_groups, weight, bias, eps=1e-5):
    """Bring each group of neighboring channels to mean 0, variance 1. Wu and He 2018, section 3.

    (B, C, H, W), number, (C,), (C,) -> (B, C, H, W). `weight` and `bias` then scale and shift each
    channel. `eps` keeps a constant picture from 0 / 0.
    """
    B = images.shape[0]
    groups = images.reshape(B, num_groups, -1)  # (B, groups, C / groups * H * W)
    mean = groups.mean(dim=-1, keepdim=True)
    variance = ((groups - mean) ** 2).mean(dim=-1, keepdim=True)
    normed = (groups - mean) / (variance + eps).sqrt()
    normed = normed.reshape(images.shape)  # (B, C, H, W)
    return normed * weight[:, None, None] + bias[:, None, None]


def _draw(shape, generator):
    """Pictures whose channels differ in mean and contrast, and a weight and bias for each."""
    C = shape[1]
    contrast, level = (torch.randn(1, C, 1, 1, generator=generator) for _ in range(2))
    images = torch.randn(shape, generator=generator) * (1 + contrast.abs()) + 2 * level
    weight, bias = (torch.randn(C, generator=generator) for _ in range(2))
    return images, 1 + 0.5 * weight, bias


def cases(generator):
    """(images, num_groups, weight, bias, eps), with W = C in one and hardly any contrast in two."""

    def case(shape, num_groups, contrast=1.0, *eps):
        images, weight, bias = _draw(shape, generator)
        return images * contrast, num_groups, weight, bias, *eps

    return {
        "example": case((2, 4, 3, 5), 2),
        "batch 1": case((1, 6, 4, 3), 3),
        "W = C": case((3, 4, 3, 4), 2),
        "one group": case((2, 4, 2, 3), 1),
        "a group each": case((2, 3, 4, 2), 3),
        "low contrast": case((2, 8, 3, 5), 4, 1e-3),
        "another eps": case((2, 4, 3, 5), 2, 1e-3, 1e-3),
    }


def _plain(mine, images, num_groups):
    C = images.shape[1]
    return mine(images, num_groups, torch.ones(C), torch.zeros(C))


def groups_are_normal(mine):
    """With weight 1 and bias 0, the numbers of one group do not have mean 0 and variance 1."""
    images, _, _ = _draw((3, 6, 5, 7), torch.Generator().manual_seed(1))
    groups = _plain(mine, images, 3).reshape(3, 3, -1)
    variance = groups.var(dim=-1, unbiased=False)
    return bool(groups.mean(dim=-1).abs().max() < 1e-3 and (variance - 1).abs().max() < 1e-3)


def numbers_keep_their_places(mine):
    """The largest number of a group should be the largest of the result, at the same place. In
    yours it stands elsewhere: does the way back from the groups undo the way there?"""
    images, _, _ = _draw((2, 6, 3, 5), torch.Generator().manual_seed(7))
    before, after = (x.reshape(2, 3, -1).argmax(-1) for x in (images, _plain(mine, images, 3)))
    return torch.equal(before, after)


def groups_are_neighbors(mine):
    """Change a picture's first channel, and the result changes in channels that are not of its
    group. A group is made of channels that lie side by side."""
    images, _, _ = _draw((1, 6, 5, 7), torch.Generator().manual_seed(2))
    changed = images.clone()
    changed[:, 0] *= torch.linspace(-2, 3, 7)
    difference = (_plain(mine, images, 2) - _plain(mine, changed, 2)).abs().amax(dim=(0, 2, 3))
    return bool((difference[:3] > 1e-4).all() and (difference[3:] < 1e-5).all())


def pictures_are_alone(mine):
    """A picture's result depends on its neighbors in the batch."""
    images, _, _ = _draw((3, 4, 5, 7), torch.Generator().manual_seed(3))
    together, alone = _plain(mine, images, 2)[:1], _plain(mine, images[:1], 2)
    return bool((together - alone).abs().max() < 1e-4)


def contrast_does_not_matter(mine):
    """Ten times the contrast should give the same result, and gives another."""
    images, _, _ = _draw((2, 4, 5, 7), torch.Generator().manual_seed(4))
    return bool((_plain(mine, 10 * images, 2) - _plain(mine, images, 2)).abs().max() < 1e-2)


def constant_gives_the_bias(mine):
    """A picture of one constant has nothing to scale: the result should be the bias, in every
    channel its own, and never nan."""
    bias = torch.tensor([1.0, -2.0, 3.0, 0.5])
    result = mine(torch.full((2, 4, 3, 5), 0.5), 2, torch.full((4,), 1.5), bias)
    return bool((result - bias[:, None, None]).abs().max() < 1e-2)  # False for nan


def weight_scales_its_channel(mine):
    """Double the weight of one channel: that channel alone should double, and does not."""
    images, _, _ = _draw((2, 4, 3, 4), torch.Generator().manual_seed(5))
    doubled = torch.tensor([1.0, 1.0, 2.0, 1.0])
    ratio = mine(images, 2, doubled, torch.zeros(4)) / _plain(mine, images, 2)
    return bool((ratio - doubled[:, None, None]).abs().max() < 1e-2)


def low_contrast_is_torchs(mine):
    """Where contrast is as low as 1e-3, `eps` counts, and your result is off. Is `eps` where the
    formula has it?"""
    images, weight, bias = _draw((2, 6, 5, 3), torch.Generator().manual_seed(6))
    images = 1e-3 * images
    expected = F.group_norm(images, 3, weight, bias, 1e-5)
    return bool((mine(images, 3, weight, bias) - expected).abs().max() < 1e-3)


def _normalize(groups, dims, weight, bias, shape, eps):
    mean = groups.mean(dim=dims, keepdim=True)
    variance = groups.var(dim=dims, unbiased=False, keepdim=True)
    normed = ((groups - mean) / (variance + eps).sqrt()).reshape(shape)
    return normed * weight[:, None, None] + bias[:, None, None]


def over_the_batch(images, num_groups, weight, bias, eps=1e-5):
    """A picture's result changes with its neighbors in the batch: you also average over the
    batch. That is near batch normalization, which fails at batch 1 and while sampling."""
    B = images.shape[0]
    return _normalize(images.reshape(B, num_groups, -1), (0, 2), weight, bias, images.shape, eps)


def every_channel_alone(images, num_groups, weight, bias, eps=1e-5):
    """Each channel was normalized by itself (instance normalization): how channels of one group
    differ in brightness is lost. The channels of a group share one mean and one variance."""
    return _normalize(images, (2, 3), weight, bias, images.shape, eps)


def all_channels_together(images, num_groups, weight, bias, eps=1e-5):
    """`num_groups` changes nothing: you normalize the whole picture at once."""
    return _normalize(images, (1, 2, 3), weight, bias, images.shape, eps)


def per_pixel(images, num_groups, weight, bias, eps=1e-5):
    """Each pixel was normalized over its own channels: bright and dark pixels come out alike.
    Mean and variance are taken over the pixels of the group as well."""
    B, C, H, W = images.shape
    groups = images.reshape(B, num_groups, C // num_groups, H, W)
    return _normalize(groups, 2, weight, bias, images.shape, eps)


def variance_with_n_minus_1(images, num_groups, weight, bias, eps=1e-5):
    """Slightly too small, and the more so the fewer the pixels: `torch.var` divides by N - 1
    unless it is told otherwise."""
    groups = images.reshape(images.shape[0], num_groups, -1)
    mean, variance = groups.mean(-1, keepdim=True), groups.var(-1, keepdim=True)
    normed = ((groups - mean) / (variance + eps).sqrt()).reshape(images.shape)
    return normed * weight[:, None, None] + bias[:, None, None]


def eps_added_to_the_deviation(images, num_groups, weight, bias, eps=1e-5):
    """Right for strong contrast, off at low contrast: you add `eps` to the standard deviation.
    It belongs beside the variance."""
    groups = images.reshape(images.shape[0], num_groups, -1)
    mean, deviation = groups.mean(-1, keepdim=True), groups.std(-1, unbiased=False, keepdim=True)
    normed = ((groups - mean) / (deviation + eps)).reshape(images.shape)
    return normed * weight[:, None, None] + bias[:, None, None]


def no_eps(images, num_groups, weight, bias, eps=1e-5):
    """A constant picture gives 0 / 0, and low contrast is blown up too far: `eps` is not used."""
    groups = images.reshape(images.shape[0], num_groups, -1)
    return _normalize(groups, 2, weight, bias, images.shape, 0.0)


def eps_not_the_argument(images, num_groups, weight, bias, eps=1e-5):
    """Another `eps` changes nothing: the number stands in your code in place of the argument.
    (The VAE of Stable Diffusion uses 1e-6.)"""
    return group_norm(images, num_groups, weight, bias)


def divided_by_the_variance(images, num_groups, weight, bias, eps=1e-5):
    """Ten times the contrast gives a tenth: you divide by the variance. Which of its relatives
    has the unit of a pixel?"""
    groups = images.reshape(images.shape[0], num_groups, -1)
    mean, variance = groups.mean(-1, keepdim=True), groups.var(-1, unbiased=False, keepdim=True)
    normed = ((groups - mean) / (variance + eps)).reshape(images.shape)
    return normed * weight[:, None, None] + bias[:, None, None]


def channels_dealt_out_in_turn(images, num_groups, weight, bias, eps=1e-5):
    """Your groups are dealt out like cards, every second or third channel to one group. Groups
    are made of channels that lie side by side."""
    B, C, H, W = images.shape
    groups = images.reshape(B, C // num_groups, num_groups, H, W)
    return _normalize(groups, (1, 3, 4), weight, bias, images.shape, eps)


def weight_along_the_columns(images, num_groups, weight, bias, eps=1e-5):
    """It runs only where a picture is as wide as it has channels, and there every *column* gets
    its own weight. Which axis does (C,) meet when it is multiplied with (B, C, H, W)?"""
    one, zero = torch.ones_like(weight), torch.zeros_like(bias)
    return group_norm(images, num_groups, one, zero, eps) * weight + bias


def weight_and_bias_forgotten(images, num_groups, weight, bias, eps=1e-5):
    """The groups are normal, but `weight` and `bias` change nothing: the network could not learn
    another contrast."""
    return group_norm(images, num_groups, torch.ones_like(weight), torch.zeros_like(bias), eps)


EXERCISE = Exercise(
    "04.group_norm",
    "Group normalization",
    2,
    12,
    2,
    group_norm,
    cases,
    laws=(
        groups_are_normal,
        groups_are_neighbors,
        numbers_keep_their_places,
        pictures_are_alone,
        contrast_does_not_matter,
        constant_gives_the_bias,
        weight_scales_its_channel,
        low_contrast_is_torchs,
    ),
    mistakes=(
        over_the_batch,
        every_channel_alone,
        all_channels_together,
        per_pixel,
        variance_with_n_minus_1,
        eps_added_to_the_deviation,
        no_eps,
        eps_not_the_argument,
        divided_by_the_variance,
        channels_dealt_out_in_turn,
        weight_along_the_columns,
        weight_and_bias_forgotten,
    ),
    forbidden=("group_norm", "layer_norm", "batch_norm", "instance_norm"),
    atol=1e-4,
)
