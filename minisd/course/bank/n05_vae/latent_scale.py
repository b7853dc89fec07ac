"""05.latent_scale: one number that brings all latents to unit variance."""

import torch

from ...exercise import Exercise


def latent_scale(latents):
    """Return what latents are multiplied by so that all of them together have deviation 1.
    Rombach et al. 2022, appendix G. (N, c, h, w) -> scalar
    """
    return 1 / latents.std()


def cases(generator):
    """Channels of unlike widths and means, pictures of unlike widths; many numbers, so that it
    hardly matters by how many the sum of squares is divided.
    """

    def case(N, c, h, w, width):
        latents = torch.randn(N, c, h, w, generator=generator)
        latents = latents * (1 + torch.arange(c).reshape(c, 1, 1))
        latents = latents * (1 + torch.arange(N).reshape(N, 1, 1, 1) / N)
        offsets = torch.arange(float(N)).reshape(N, 1, 1, 1)
        return (width * (latents + 2 + offsets / 2),)

    return {
        "example": case(8, 4, 10, 8, 1.0),
        "batch 1": case(1, 4, 20, 18, 2.0),
        "wide": case(5, 3, 12, 10, 7.0),
        "narrow": case(6, 4, 10, 9, 0.02),
    }


def _latents(width=3.0, mean=0.0):
    latents = torch.randn(20, 4, 8, 8, generator=torch.Generator().manual_seed(5))
    return mean + width * latents / latents.std()


def one_number(mine):
    """One number is asked for, for all channels and pictures together."""
    return mine(_latents()).shape == ()


def scaled_latents_have_deviation_one(mine):
    """Multiplied by your scale, latents should have standard deviation 1. They have not."""
    pictures = torch.linspace(-4, 4, 20).reshape(20, 1, 1, 1)  # pictures that differ as a whole
    channels = torch.tensor([1.0, 2.0, 4.0, 8.0]).reshape(4, 1, 1)  # and channels
    many = (_latents(), _latents(0.2), _latents() + pictures, _latents() * channels)
    return all(abs(float((x * mine(x)).std()) - 1) < 0.01 for x in many)


def ten_times_as_wide_a_tenth(mine):
    """Latents ten times as wide should get a tenth of the scale."""
    return abs(float(mine(_latents(30.0)) / mine(_latents())) - 0.1) < 1e-3


def an_offset_changes_nothing(mine):
    """Add one constant to all latents, and your scale changes: that is not how far they spread."""
    return abs(float(mine(_latents(mean=5.0)) / mine(_latents())) - 1) < 1e-3


def the_deviation_itself(latents):
    """Multiplied by this, wide latents get wider still."""
    return latents.std()


def one_over_the_variance(latents):
    """Too strong: a variance is a square, and latents are multiplied, not squared."""
    return 1 / latents.var()


def one_for_each_channel(latents):
    """One number for each channel: sensible, and some later models do it. But Stable Diffusion has
    one for all, and so does the format of its checkpoints.
    """
    return 1 / latents.std(dim=(0, 2, 3))


def root_mean_square(latents):
    """Where the latents lie counts as spread here: add a constant to all of them, and your scale
    changes.
    """
    return 1 / (latents**2).mean().sqrt()


def stable_diffusions_number(latents):
    """0.18215 is the number of Stable Diffusion's autoencoder. Every other one has its own."""
    return torch.tensor(0.18215)


def largest_value(latents):
    """One outlier decides: you fitted the range, not the spread."""
    return 1 / (latents - latents.mean()).abs().max()


def mean_of_each_pictures_scale(latents):
    """What sets pictures *apart from each other* is spread, too: measure all of them together."""
    return (1 / latents.std(dim=(1, 2, 3))).mean()


def mean_of_each_channels_scale(latents):
    """You averaged the channels' scales: narrow channels then count too much. Measure all numbers
    together.
    """
    return (1 / latents.std(dim=(0, 2, 3))).mean()


def mean_absolute_deviation(latents):
    """You averaged distances from the middle, not their squares: near, but far ones count too
    little.
    """
    return 1 / (latents - latents.mean()).abs().mean()


EXERCISE = Exercise(
    "05.latent_scale",
    "The latent scale, measured",
    stars=1,
    minutes=6,
    points=1,
    reference=latent_scale,
    cases=cases,
    laws=(
        one_number,
        ten_times_as_wide_a_tenth,
        an_offset_changes_nothing,
        scaled_latents_have_deviation_one,
    ),
    mistakes=(
        the_deviation_itself,
        one_over_the_variance,
        one_for_each_channel,
        root_mean_square,
        stable_diffusions_number,
        largest_value,
        mean_of_each_pictures_scale,
        mean_of_each_channels_scale,
        mean_absolute_deviation,
    ),
    needs_gradient=False,  # it is measured once, after training
    rtol=3e-3,  # a sum of squares may be divided by N or by N - 1
)
