"""05.score_function_gradient: a slope without differentiating."""

import math

import torch

from ...exercise import Exercise


def score_function_gradient(f, mean, noise, baseline=0.0):
    """Estimate the slope of E[f(z)], z ~ N(mean, 1), with respect to the mean, from values of f
    alone. Williams 1992; Mohamed et al. 2020, section 4.

    callable, number, (N,) of N(0, 1), number -> scalar
    """
    z = mean + noise
    return ((f(z) - baseline) * noise).mean()


def square(z):
    """A smooth function. tensor -> the same shape"""
    return z**2


def wave(z):
    """One that bends. tensor -> the same shape"""
    return torch.sin(2 * z)


def step(z):
    """One that no derivative sees. tensor -> the same shape"""
    return torch.sign(z - 0.5)


def flat(z):
    """One that never changes. tensor -> the same shape"""
    return 3 + 0 * z


def cases(generator):
    """Few samples, so that every way of averaging shows."""

    def case(f, mean, N, baseline):
        return f, mean, torch.randn(N, generator=generator), baseline

    return {
        "example": case(square, 0.7, 6, 0.0),
        "with a baseline": case(square, -1.5, 9, 2.0),
        "one that bends": case(wave, 0.3, 12, -0.5),
        "a step": case(step, 0.2, 10, 0.25),
        "one sample": case(wave, 2.0, 1, 0.0),
        "no baseline given": case(square, 1.1, 7, 0.0)[:3],
    }


def _noise(N=20_001):
    """Numbers that stand for N(0, 1), evenly: no chance is left in a mean over them."""
    shares = (torch.arange(N, dtype=torch.float64) + 0.5) / N
    return (math.sqrt(2) * torch.erfinv(2 * shares - 1)).float()


def slope_of_a_square(mine):
    """The mean of z^2 is mean^2 + 1, so its slope is 2 mean. Your estimate is another."""
    slopes = [float(mine(square, mean, _noise())) for mean in (-1.0, 0.5, 2.0)]
    return all(abs(slope - 2 * mean) < 0.05 for slope, mean in zip(slopes, (-1.0, 0.5, 2.0)))


def flat_has_no_slope(mine):
    """A function that never changes has slope 0, wherever the mean is."""
    return all(abs(float(mine(flat, mean, _noise()))) < 0.02 for mean in (0.0, 2.0))


def works_for_a_step(mine):
    """The mean of a step rises smoothly with the mean of z, though the step has no derivative. You
    do not see that it rises.
    """
    expected = 2 * math.exp(-0.5 * 0.3**2) / math.sqrt(2 * math.pi)
    return abs(float(mine(step, 0.2, _noise())) - expected) < 0.02


def a_baseline_does_not_move_it(mine):
    """A baseline may change how much the estimate trembles, not what it is on average."""
    slopes = [float(mine(square, 1.0, _noise(), baseline)) for baseline in (0.0, 5.0, -5.0)]
    return max(slopes) - min(slopes) < 0.02


def a_perfect_baseline_leaves_nothing(mine):
    """If the baseline is what f always says, nothing is left to weigh: the estimate should be
    exactly 0, however few samples there are.
    """
    noise = torch.randn(5, generator=torch.Generator().manual_seed(1)) + 1
    return abs(float(mine(flat, 0.3, noise, 3.0))) < 1e-5


def f_forgotten(f, mean, noise, baseline=0.0):
    """Always about 0: what f says is never used."""
    return ((1 - baseline) * noise).mean()


def sample_for_its_deviation(f, mean, noise, baseline=0.0):
    """A constant f gets a slope: what counts is how far a sample lies from the *mean*."""
    z = mean + noise
    return ((f(z) - baseline) * z).mean()


def sign(f, mean, noise, baseline=0.0):
    """It points downhill for a function that rises."""
    return -score_function_gradient(f, mean, noise, baseline)


def summed(f, mean, noise, baseline=0.0):
    """It grows with the number of samples: the slope of a mean is a mean."""
    return len(noise) * score_function_gradient(f, mean, noise, baseline)


def derivative_of_f_taken(f, mean, noise, baseline=0.0):
    """This is the reparameterized gradient: for a step it is 0 everywhere, the trap that this
    method avoids. You may only ask f for values.
    """
    z = (mean + noise).requires_grad_()
    return torch.autograd.grad(f(z).sum(), z)[0].mean()


def baseline_added(f, mean, noise, baseline=0.0):
    """The baseline is there to make numbers smaller: it is taken *off* f before weighting."""
    return score_function_gradient(f, mean, noise, -baseline)


def baseline_ignored(f, mean, noise, baseline=0.0):
    """Whatever the baseline is, your estimate is the same: it is never used."""
    return score_function_gradient(f, mean, noise)


def baseline_of_its_own(f, mean, noise, baseline=0.0):
    """You take the mean of what f said off it. A sensible baseline, but not the one that was given,
    and it leans on the same samples: the slope comes out a little too small.
    """
    said = f(mean + noise)
    return ((said - said.mean()) * noise).mean()


def baseline_off_the_result(f, mean, noise, baseline=0.0):
    """The baseline shifts the answer: take it off what f says, before weighting."""
    return score_function_gradient(f, mean, noise) - baseline


def f_of_the_noise(f, mean, noise, baseline=0.0):
    """The mean changes nothing: f is asked at the noise, not at samples around the mean."""
    return ((f(noise) - baseline) * noise).mean()


EXERCISE = Exercise(
    "05.score_function_gradient",
    "A gradient without differentiating",
    stars=3,
    minutes=12,
    points=2,
    reference=score_function_gradient,
    cases=cases,
    laws=(
        slope_of_a_square,
        flat_has_no_slope,
        works_for_a_step,
        a_baseline_does_not_move_it,
        a_perfect_baseline_leaves_nothing,
    ),
    mistakes=(
        f_forgotten,
        sample_for_its_deviation,
        sign,
        summed,
        derivative_of_f_taken,
        baseline_added,
        baseline_ignored,
        baseline_of_its_own,
        baseline_off_the_result,
        f_of_the_noise,
    ),
    needs_gradient=False,
)
