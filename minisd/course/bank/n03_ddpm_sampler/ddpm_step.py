"""03.ddpm_step: one ancestral step."""

import torch

from ....schedule import posterior
from ...exercise import Exercise


def ddpm_step(latents, epsilon, timestep, noise, betas, alphas_cumprod):
    """Take one step x_t -> x_(t-1), from a guess of the noise. Ho et al. 2020, Algorithm 2.

    `noise` is the fresh N(0, 1) noise of this step; the last step (timestep 0) adds none.
    (B, ...), (B, ...), integer, (B, ...), (T,), (T,) -> (B, ...)
    """
    beta, alpha_bar = betas[timestep], alphas_cumprod[timestep]
    mean = (latents - beta / (1 - alpha_bar) ** 0.5 * epsilon) / (1 - beta) ** 0.5
    if timestep == 0:
        return mean
    variance = (1 - alphas_cumprod[timestep - 1]) / (1 - alpha_bar) * beta
    return mean + variance**0.5 * noise


def _schedule(T=8, end=0.5):
    betas = torch.linspace(0.05, end, T)
    return betas, (1 - betas).cumprod(dim=0)


def cases(generator):
    """First, last and middle steps of short schedules whose steps differ much."""

    def draw(*shape, timestep, T=8, end=0.5):
        latents, epsilon, noise = torch.randn(3, *shape, generator=generator)
        return latents, epsilon, timestep, noise, *_schedule(T, end)

    return {
        "example": draw(2, 3, timestep=3),
        "batch 1": draw(1, 2, 2, 3, timestep=5),
        "pictures": draw(3, 1, 2, 4, timestep=2, T=5, end=0.3),
        "the first step, t = T - 1": draw(4, 2, timestep=7),
        "the last step, t = 0": draw(4, 2, timestep=0),
        "the last but one, t = 1": draw(4, 2, timestep=1),
    }


def _jump(timestep, spread=1.0):
    """(x_0, noise, x_t, betas, alphas_cumprod) of an exact jump."""
    betas, alphas_cumprod = _schedule()
    x_0, noise = spread * torch.randn(2, 5, 2, generator=torch.Generator().manual_seed(7))
    alpha_bar = alphas_cumprod[timestep]
    return x_0, noise, alpha_bar**0.5 * x_0 + (1 - alpha_bar) ** 0.5 * noise, betas, alphas_cumprod


def ends_at_the_picture(mine):
    """At t = 0, told the true noise, the step should give the true picture, and nothing on top of
    it. Yours does not.
    """
    x_0, noise, x_t, betas, alphas_cumprod = _jump(0)
    return torch.allclose(mine(x_t, noise, 0, 3 * noise, betas, alphas_cumprod), x_0, atol=1e-4)


def mean_is_the_posterior_mean(mine):
    """Told the true noise, and with no fresh noise added, the step should land on the mean of
    exercise 3.1. Yours lands elsewhere.
    """
    for timestep in (1, 4, 7):
        x_0, noise, x_t, betas, alphas_cumprod = _jump(timestep)
        levels = alphas_cumprod[timestep], alphas_cumprod[timestep - 1]
        expected, _ = posterior(x_t, x_0, *levels)
        got = mine(x_t, noise, timestep, torch.zeros_like(x_t), betas, alphas_cumprod)
        if not torch.allclose(got, expected, atol=1e-4):
            return False
    return True


def spread_is_the_posterior_spread(mine):
    """The fresh noise comes in with the wrong strength: its spread should be the root of the
    variance of exercise 3.1.
    """
    _, noise, x_t, betas, alphas_cumprod = _jump(4)
    zeros, ones = torch.zeros_like(x_t), torch.ones_like(x_t)
    with_noise = mine(x_t, noise, 4, ones, betas, alphas_cumprod)
    added = (with_noise - mine(x_t, noise, 4, zeros, betas, alphas_cumprod)).abs()
    _, variance = posterior(x_t, x_t, alphas_cumprod[4], alphas_cumprod[3])
    return torch.allclose(added, variance**0.5 * ones, atol=1e-4)


def gaussian_data_shrink_by_one_step(mine):
    """Data that are N(0, 1) have the exact noise prediction sqrt(1 - alpha_bar) x_t, and the mean
    of the step back is then sqrt(1 - beta) x_t. Yours is not.
    """
    _, _, x_t, betas, alphas_cumprod = _jump(5)
    epsilon = (1 - alphas_cumprod[5]) ** 0.5 * x_t
    got = mine(x_t, epsilon, 5, torch.zeros_like(x_t), betas, alphas_cumprod)
    return torch.allclose(got, (1 - betas[5]) ** 0.5 * x_t, atol=1e-4)


def _parts(latents, epsilon, timestep, betas, alphas_cumprod):
    zeros = torch.zeros_like(latents)
    mean = ddpm_step(latents, epsilon, timestep, zeros, betas, alphas_cumprod)
    spread = ddpm_step(zeros, zeros, timestep, zeros + 1, betas, alphas_cumprod)
    return mean, spread if timestep > 0 else zeros


def noise_at_the_last_step(latents, epsilon, timestep, noise, betas, alphas_cumprod):
    """The finished picture is sprinkled with noise: nothing should be added on the last step."""
    mean, spread = _parts(latents, epsilon, timestep, betas, alphas_cumprod)
    return mean + (spread if timestep > 0 else betas[0] ** 0.5) * noise


def entry_before_the_first_read(latents, epsilon, timestep, noise, betas, alphas_cumprod):
    """At t = 0 you read alphas_cumprod[-1], which in Python is the last and noisiest entry, and the
    finished picture is sprinkled with noise.
    """
    mean, spread = _parts(latents, epsilon, timestep, betas, alphas_cumprod)
    if timestep > 0:
        return mean + spread * noise
    variance = (1 - alphas_cumprod[-1]) / (1 - alphas_cumprod[0]) * betas[0]
    return mean + variance**0.5 * noise


def variance_for_standard_deviation(latents, epsilon, timestep, noise, betas, alphas_cumprod):
    """Too little noise goes back in, and samples huddle together: is it the variance or its root
    that multiplies noise?
    """
    mean, spread = _parts(latents, epsilon, timestep, betas, alphas_cumprod)
    return mean + spread**2 * noise


def beta_for_its_root(latents, epsilon, timestep, noise, betas, alphas_cumprod):
    """The fresh noise is multiplied by beta, a variance. Which quantity of beta is a standard
    deviation?
    """
    mean, _ = _parts(latents, epsilon, timestep, betas, alphas_cumprod)
    return mean + (betas[timestep] * noise if timestep > 0 else 0)


def spread_of_beta(latents, epsilon, timestep, noise, betas, alphas_cumprod):
    """Your fresh noise has variance beta: a choice that people use, but not the one asked for here,
    which knows that x_0 was guessed. See the variance of exercise 3.1.
    """
    mean, _ = _parts(latents, epsilon, timestep, betas, alphas_cumprod)
    return mean + (betas[timestep] ** 0.5 * noise if timestep > 0 else 0)


def no_noise_at_all(latents, epsilon, timestep, noise, betas, alphas_cumprod):
    """Every step is the mean, and samples collapse toward the middle of the data. (DDIM does
    without noise too, but by another rule.)
    """
    return _parts(latents, epsilon, timestep, betas, alphas_cumprod)[0]


def shrinking_not_undone(latents, epsilon, timestep, noise, betas, alphas_cumprod):
    """The step back never undoes the shrinking of the step forward."""
    mean, spread = _parts(latents, epsilon, timestep, betas, alphas_cumprod)
    return mean * (1 - betas[timestep]) ** 0.5 + spread * noise


def divided_by_alpha(latents, epsilon, timestep, noise, betas, alphas_cumprod):
    """You undo more shrinking than there was: a step forward multiplies the picture by a root."""
    mean, spread = _parts(latents, epsilon, timestep, betas, alphas_cumprod)
    return mean / (1 - betas[timestep]) ** 0.5 + spread * noise


def noise_of_one_step(latents, epsilon, timestep, noise, betas, alphas_cumprod):
    """Early steps overshoot: epsilon is the noise of *all* steps up to t, not of the last one, and
    its width is that of all of them.
    """
    beta = betas[timestep]
    _, spread = _parts(latents, epsilon, timestep, betas, alphas_cumprod)
    return (latents - beta**0.5 * epsilon) / (1 - beta) ** 0.5 + spread * noise


def all_the_noise_taken_off(latents, epsilon, timestep, noise, betas, alphas_cumprod):
    """All the noise is removed at once. One step takes off only its own share."""
    _, spread = _parts(latents, epsilon, timestep, betas, alphas_cumprod)
    mean = latents - (1 - alphas_cumprod[timestep]) ** 0.5 * epsilon
    return mean / (1 - betas[timestep]) ** 0.5 + spread * noise


def one_entry_too_early(latents, epsilon, timestep, noise, betas, alphas_cumprod):
    """You read both tables at t - 1. Papers count from 1, the code from 0: at t = 0 your entry
    is the last and noisiest one.
    """
    beta, alpha_bar = betas[timestep - 1], alphas_cumprod[timestep - 1]
    _, spread = _parts(latents, epsilon, timestep, betas, alphas_cumprod)
    return (latents - beta / (1 - alpha_bar) ** 0.5 * epsilon) / (1 - beta) ** 0.5 + spread * noise


def jumps_to_the_picture(latents, epsilon, timestep, noise, betas, alphas_cumprod):
    """You return the predicted clean picture: that is the destination, not the next step."""
    alpha_bar = alphas_cumprod[timestep]
    return (latents - (1 - alpha_bar) ** 0.5 * epsilon) / alpha_bar**0.5


EXERCISE = Exercise(
    "03.ddpm_step",
    "One ancestral step",
    stars=2,
    minutes=15,
    points=3,
    reference=ddpm_step,
    cases=cases,
    laws=(
        ends_at_the_picture,
        mean_is_the_posterior_mean,
        gaussian_data_shrink_by_one_step,
        spread_is_the_posterior_spread,
    ),
    mistakes=(
        noise_at_the_last_step,
        entry_before_the_first_read,
        variance_for_standard_deviation,
        beta_for_its_root,
        spread_of_beta,
        no_noise_at_all,
        shrinking_not_undone,
        divided_by_alpha,
        noise_of_one_step,
        all_the_noise_taken_off,
        one_entry_too_early,
        jumps_to_the_picture,
    ),
    needs_gradient=False,  # sampling learns nothing
)
