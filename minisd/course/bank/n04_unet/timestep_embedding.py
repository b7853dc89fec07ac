"""04.timestep_embedding: a number of 0 to 999 becomes waves that a network can read."""

import math

import torch

from ....embeddings import timestep_embedding
from ...exercise import Exercise


def cases(generator):
    """(times, dim, max_period); times above 256 lie one apart, one max_period is not the usual."""
    return {
        "example": (torch.tensor([0.0, 1.0, 10.0, 999.0]), 8),
        "batch 1": (torch.tensor([37.0]), 16),
        "whole numbers": (torch.tensor([0, 300, 301, 999]), 32),
        "B = dim": (torch.tensor([0.0, 150.0, 301.0, 450.0, 601.0, 751.0]), 6),
        "max_period 100": (torch.tensor([3.0, 50.0, 77.0]), 8, 100),
        "between two steps": (1000 * torch.rand(5, generator=generator), 12),
    }


def starts_with_ones(mine):
    """At t = 0 every cosine is 1 and every sine is 0: the row should be ones, then zeros."""
    row = mine(torch.zeros(1), 10)[0]
    return bool((row[:5] == 1).all() and (row[5:] == 0).all())


def has_length(mine):
    """A cosine and a sine of one angle have squares that sum to 1, so that a row of `dim` waves
    has the squared length dim / 2. Yours has not."""
    rows = mine(torch.arange(0.0, 1000.0, 37.0), 32)
    return bool(((rows**2).sum(dim=1) - 16).abs().max() < 1e-2)


def fastest_is_cosine(mine):
    """The first wave should be cos(t) itself: its frequency is 1."""
    times = torch.tensor([1.0, 2.0, 5.0, 300.0])
    return bool((mine(times, 16)[:, 0] - times.cos()).abs().max() < 1e-2)


def slowest_has_its_period(mine):
    """Your slowest wave turns at the wrong speed: its frequency should be max_period^(-2i/dim) for
    i = dim/2 - 1, the last, so that it comes back after 2 pi max_period^(1 - 2/dim)."""
    for period in (10000, 100):
        wave = 2 * math.pi * period ** (1 - 2 / 16)
        quarter = mine(torch.tensor([wave / 4, wave]), 16, period)[:, [7, 15]]
        if (quarter - torch.tensor([[0.0, 1.0], [1.0, 0.0]])).abs().max() > 1e-2:
            return False
    return True


def neighbors_are_alike(mine):
    """Times that lie side by side should get similar rows; yours look unrelated. Do your
    waves get slower along the row, as they should?"""
    rows = mine(torch.arange(1000.0), 32)
    return bool(((rows[1:] * rows[:-1]).sum(dim=1) / 16).min() > 0.8)


def all_times_differ(mine):
    """Two different times get the same row: the network could not tell them apart."""
    rows = mine(torch.arange(1000), 32)
    return bool((torch.cdist(rows, rows) + 9 * torch.eye(1000)).min() > 0.03)


def is_float32(mine):
    """Waves are float32 whatever the times are: whole numbers, halves and doubles alike."""
    times = torch.tensor([1, 2])
    kinds = (torch.int64, torch.float16, torch.float64)
    return all(mine(times.to(kind), 4).dtype == torch.float32 for kind in kinds)


def _waves(timesteps, frequencies):
    angles = timesteps[:, None].float() * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def _frequencies(dim, max_period=10000, steps=None):
    half = torch.arange(dim // 2, dtype=torch.float32)
    return torch.exp(-math.log(max_period) * half / (steps or dim // 2))


def sines_first(timesteps, dim, max_period=10000):
    """At t = 0 you give zeros, then ones. The order of the two halves matters: the weights of
    Stable Diffusion expect the other one, and no message tells them that they got this."""
    return timestep_embedding(timesteps, dim, max_period).roll(dim // 2, dims=-1)


def interleaved(timesteps, dim, max_period=10000):
    """Cosine and sine alternate, as in the Transformer's paper. Here they come in two blocks."""
    cosines, sines = timestep_embedding(timesteps, dim, max_period).chunk(2, dim=-1)
    return torch.stack([cosines, sines], dim=-1).flatten(1)


def divided_by_half_minus_1(timesteps, dim, max_period=10000):
    """Your slowest wave is too slow: you spread the frequencies over one step fewer. (Some
    libraries do, and call it a frequency shift of 1.)"""
    return _waves(timesteps, _frequencies(dim, max_period, dim // 2 - 1))


def frequencies_grow(timesteps, dim, max_period=10000):
    """Neighboring times look unrelated: your waves get faster along the row, not slower."""
    return _waves(timesteps, 1 / _frequencies(dim, max_period))


def dim_in_place_of_half(timesteps, dim, max_period=10000):
    """Your waves only slow down to the root of max_period, so that late times look much alike.
    Over how many frequencies should they be spread?"""
    return _waves(timesteps, _frequencies(dim, max_period, dim))


def two_pi_inside(timesteps, dim, max_period=10000):
    """Your first wave is cos(2 pi t): 1 at every whole t, so that it says nothing."""
    return _waves(timesteps, 2 * math.pi * _frequencies(dim, max_period))


def time_in_bfloat16(timesteps, dim, max_period=10000):
    """Times above 256 fall together in twos and fours: bfloat16 keeps eight bits of a number.
    Waves are computed in float32, whatever the rest of the network uses."""
    return _waves(timesteps.to(torch.bfloat16), _frequencies(dim, max_period))


def max_period_ignored(timesteps, dim, max_period=10000):
    """A max_period of 100 gives the same waves as 10000: your function does not use it."""
    return timestep_embedding(timesteps, dim)


def time_as_a_fraction(timesteps, dim, max_period=10000):
    """You divide the time by 1000 first: then all waves but a few hardly move, and one step more
    or less cannot be seen. The time goes in as it is, 0 to 999."""
    return timestep_embedding(timesteps / 1000, dim, max_period)


EXERCISE = Exercise(
    "04.timestep_embedding",
    "Telling the network the time",
    2,
    10,
    2,
    timestep_embedding,
    cases,
    laws=(
        starts_with_ones,
        has_length,
        fastest_is_cosine,
        neighbors_are_alike,
        slowest_has_its_period,
        all_times_differ,
        is_float32,
    ),
    mistakes=(
        sines_first,
        interleaved,
        divided_by_half_minus_1,
        frequencies_grow,
        dim_in_place_of_half,
        two_pi_inside,
        time_in_bfloat16,
        max_period_ignored,
        time_as_a_fraction,
    ),
    needs_gradient=False,  # nobody trains the time
    atol=5e-4,  # an angle of 999 in float32 is known to about 1e-4
)
