"""02.naive_std: what becomes of the recursion that articles print."""

import math

import torch

from ...exercise import Exercise
from .tools import normal


def naive_std(num_steps):
    """Return the standard deviation of a pixel after x <- x + sqrt(t) noise for t = 1..num_steps.

    The pixel starts with variance 1 and each noise is a fresh N(0, 1). int -> float
    """
    return math.sqrt(1 + num_steps * (num_steps + 1) / 2)


def cases(generator):
    return {"example": (1000,), "0 steps": (0,), "1 step": (1,), "2 steps": (2,), "9 steps": (9,)}


def no_step_changes_nothing(mine):
    """After 0 steps the pixel should still have the deviation it began with, 1. Yours has not."""
    return math.isclose(float(mine(0)), 1.0, abs_tol=1e-6)


def step_t_adds_a_variance_of_t(mine):
    """Square your answers and compare neighbors: step t should raise the variance by t."""
    variances = [float(mine(t)) ** 2 for t in range(12)]
    return all(math.isclose(variances[t] - variances[t - 1], t, rel_tol=1e-4) for t in range(1, 12))


def agrees_with_a_run(mine):
    """I ran the recursion on 20,000 pixels, 40 steps, and measured. Your answer is more than 3%
    away from what came out.
    """
    generator = torch.Generator().manual_seed(32)
    pixels = normal(generator, 20_000)
    for t in range(1, 41):
        pixels = pixels + math.sqrt(t) * normal(generator, 20_000)
    return math.isclose(float(mine(40)), pixels.std().item(), rel_tol=0.03)


def every_step_adds_1(num_steps):
    """That is the recursion x + noise. Here the noise of step t is multiplied by sqrt(t) first."""
    return math.sqrt(1 + num_steps)


def variance_returned(num_steps):
    """This is the variance. The standard deviation was asked for."""
    return 1 + num_steps * (num_steps + 1) / 2


def deviations_added(num_steps):
    """You have added up standard deviations. For independent sources, what is it that adds up?"""
    return 1 + sum(math.sqrt(t) for t in range(1, num_steps + 1))


def picture_forgotten(num_steps):
    """After 0 steps you say 0, but the picture itself has variance 1 before any noise comes."""
    return math.sqrt(num_steps * (num_steps + 1) / 2)


def roots_summed_as_variances(num_steps):
    """You have added up the square roots as though they were variances. If noise of variance 1 is
    multiplied by sqrt(t), what is its variance then?
    """
    return math.sqrt(1 + sum(math.sqrt(t) for t in range(1, num_steps + 1)))


def counted_from_0(num_steps):
    """Your first step adds nothing: here t runs from 1 to num_steps, not from 0."""
    return math.sqrt(1 + num_steps * (num_steps - 1) / 2)


def factors_squared_twice(num_steps):
    """Your step t adds a variance of t squared, as if the recursion read x + t * noise."""
    return math.sqrt(1 + sum(t**2 for t in range(1, num_steps + 1)))


def integral_for_sum(num_steps):
    """Close for many steps and wrong for few: n^2 / 2 is the area under a line. What is
    1 + 2 + ... + n exactly?
    """
    return math.sqrt(1 + num_steps**2 / 2)


EXERCISE = Exercise(
    "02.naive_std",
    "The recursion that articles print",
    1,
    6,
    1,
    naive_std,
    cases,
    laws=(no_step_changes_nothing, step_t_adds_a_variance_of_t, agrees_with_a_run),
    mistakes=(
        every_step_adds_1,
        variance_returned,
        deviations_added,
        picture_forgotten,
        roots_summed_as_variances,
        counted_from_0,
        factors_squared_twice,
        integral_for_sum,
    ),
    needs_gradient=False,
)
