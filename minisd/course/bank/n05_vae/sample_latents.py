"""05.sample_latents: a sample that lets gradients through."""

import math

import torch

from ...exercise import Exercise
from .slopes import slopes


def sample_latents(mean, logvar, noise):
    """Draw from N(mean, exp(logvar)), in a way that gradients pass. Kingma and Welling 2013,
    section 2.4.

    `noise` is N(0, 1); the log-variance is clamped to [-30, 20]. (B, c, h, w) three times -> the
    same, one sample for each picture of the batch
    """
    deviation = torch.exp(0.5 * logvar.clamp(-30.0, 20.0))
    return mean + deviation * noise


def cases(generator):
    """Widths that differ much, and log-variances that no exp survives."""

    def case(*shape, spread=1.0):
        mean, logvar, noise = torch.randn(3, *shape, generator=generator)
        return mean + 1, spread * logvar, noise

    mean, logvar, noise = case(2, 4, 3, 2)
    logvar[0, 0], logvar[0, 1] = 200.0, -200.0
    return {
        "example": case(2, 4, 3, 2),
        "batch 1": case(1, 4, 2, 5),
        "all axes alike": case(3, 3, 3, 3, spread=2.0),
        "a log-variance of 200": (mean, logvar, noise),
    }


def run(mine, mean, logvar, noise):
    """Return the sample, and how it moves with the mean and with the log-variance."""
    sample = mine(mean, logvar, noise)
    if not isinstance(sample, torch.Tensor):
        return sample
    leaves = [x.clone().requires_grad_() for x in (mean, logvar)]
    return sample, *slopes(mine(*(1 * leaf for leaf in leaves), noise), leaves)


def _draw(seed=0):
    mean, noise = torch.randn(2, 3, 4, 5, 2, generator=torch.Generator().manual_seed(seed))
    return mean, noise


def _slopes(mine, logvar):
    mean, noise = _draw()
    leaves = [mean.requires_grad_(), torch.full_like(mean, logvar).requires_grad_()]
    result = mine(*(1 * leaf for leaf in leaves), noise)
    weights = torch.arange(1.0, result.numel() + 1).reshape(result.shape)
    return [slope / weights for slope in slopes(result, leaves)], noise


def same_noise_same_sample(mine):
    """Called twice with the same noise, it returns two different samples."""
    mean, noise = _draw()
    first, second = (mine(mean, torch.zeros_like(mean), noise) for _ in range(2))
    return torch.equal(first, second)


def no_width_leaves_the_mean(mine):
    """Where the variance is as good as 0, the sample should be the mean."""
    mean, noise = _draw()
    return torch.allclose(mine(mean, torch.full_like(mean, -29.0), noise), mean, atol=1e-4)


def unit_variance_adds_the_noise(mine):
    """A log-variance of 0 is a variance of 1: the sample should be the mean plus the noise as it
    is, and is something else.
    """
    mean, noise = _draw()
    return torch.allclose(mine(mean, torch.zeros_like(mean), noise), mean + noise, atol=1e-4)


def twice_the_variance(mine):
    """Doubling the variance should multiply the distance from the mean by the root of 2."""
    mean, noise = _draw()
    once, twice = (
        mine(mean, torch.full_like(mean, math.log(variance)), noise) - mean for variance in (3, 6)
    )
    return torch.allclose(twice, math.sqrt(2) * once, atol=1e-4)


def survives_any_log_variance(mine):
    """A log-variance of 200 should count like one of 20, and one of -200 like -30: an untrained
    encoder may say anything, and a single infinity ends a training.
    """
    mean, noise = _draw()
    wide, clamped = (mine(mean, torch.full_like(mean, x), noise) for x in (200.0, 20.0))
    narrow = mine(mean, torch.full_like(mean, -200.0), noise)
    return torch.allclose(wide, clamped, rtol=1e-3) and bool(narrow.isfinite().all())


def gradient_reaches_the_mean(mine):
    """Move the mean, and the sample should move by as much: the gradient at the mean is not 1."""
    (slope, _), _ = _slopes(mine, 0.4)
    return torch.allclose(slope, torch.ones_like(slope), atol=1e-3)


def gradient_reaches_the_width(mine):
    """Raise the log-variance a little, and the sample should move away from the mean: the gradient
    there is not the one of a width.
    """
    (_, slope), noise = _slopes(mine, 0.4)
    return torch.allclose(slope, 0.5 * math.exp(0.2) * noise, atol=1e-3)


def _deviation(logvar):
    return torch.exp(0.5 * logvar.clamp(-30.0, 20.0))


def variance_for_deviation(mean, logvar, noise):
    """Doubling the variance doubles the spread here: noise is multiplied by a standard
    deviation.
    """
    return mean + _deviation(logvar) ** 2 * noise


def log_variance_as_it_is(mean, logvar, noise):
    """logvar = 0 gives no noise at all: it is the *logarithm* of the variance."""
    return mean + logvar.clamp(-30.0, 20.0) * noise


def no_gradient(mean, logvar, noise):
    """The sample is right, but no gradient reaches the encoder. `torch.normal`, `no_grad` and
    `detach` cut it; a mean plus something leaves it whole.
    """
    return sample_latents(mean, logvar, noise).detach()


def no_clamp(mean, logvar, noise):
    """A log-variance of 200 overflows to infinity: one bad batch, and the training is gone."""
    return mean + torch.exp(0.5 * logvar) * noise


def own_noise(mean, logvar, noise):
    """Called twice with the same noise it gives two samples: the argument is not used."""
    return mean + _deviation(logvar) * torch.randn_like(mean)


def mean_forgotten(mean, logvar, noise):
    """The samples lie around 0, whatever the mean says."""
    return _deviation(logvar) * noise


def noise_of_the_first_picture(mean, logvar, noise):
    """All pictures of the batch get the first one's noise."""
    return mean + _deviation(logvar) * noise[:1]


def mean_scaled_too(mean, logvar, noise):
    """The mean is multiplied as well: only the noise has a width."""
    return _deviation(logvar) * (mean + noise)


def width_without_gradient(mean, logvar, noise):
    """The encoder learns where to put the mean, but never how wide to be: no gradient reaches the
    log-variance.
    """
    return mean + _deviation(logvar).detach() * noise


def mean_without_gradient(mean, logvar, noise):
    """The encoder learns how wide to be, but never where: no gradient reaches the mean."""
    return mean.detach() + _deviation(logvar) * noise


EXERCISE = Exercise(
    "05.sample_latents",
    "Sampling that lets gradients through",
    stars=1,
    minutes=8,
    points=2,
    reference=sample_latents,
    cases=cases,
    laws=(
        same_noise_same_sample,
        no_width_leaves_the_mean,
        unit_variance_adds_the_noise,
        twice_the_variance,
        survives_any_log_variance,
        gradient_reaches_the_mean,
        gradient_reaches_the_width,
    ),
    mistakes=(
        variance_for_deviation,
        log_variance_as_it_is,
        no_gradient,
        no_clamp,
        own_noise,
        mean_forgotten,
        noise_of_the_first_picture,
        mean_scaled_too,
        width_without_gradient,
        mean_without_gradient,
    ),
    run=run,
    forbidden=("normal",),
    needs_gradient=False,  # `run` looks at the slopes
)
