"""08.ddim_step: the same marginals with fewer steps."""

import torch

from ....schedule import posterior
from ...exercise import Exercise


def ddim_step(latents, x0, timestep, previous_timestep, alphas_cumprod, eta, noise):
    """Step from x_t to x_t', any t' < t; t' = -1 is the picture. Song et al. 2020, Eqs. 12, 16.

    `x0` is the guess of the picture, `noise` fresh N(0, 1) noise; eta 0 uses none of it, eta 1 as
    much as DDPM. (B, ...), (B, ...), integer, integer, (T,), number, (B, ...) -> (B, ...)
    """
    alpha_bar = alphas_cumprod[timestep]
    alpha_bar_next = alphas_cumprod[previous_timestep] if previous_timestep >= 0 else 1.0
    epsilon = (latents - alpha_bar**0.5 * x0) / (1 - alpha_bar) ** 0.5
    variance = (1 - alpha_bar_next) / (1 - alpha_bar) * (1 - alpha_bar / alpha_bar_next)
    variance = eta**2 * variance  # of the noise that is added afresh
    old_noise = (1 - alpha_bar_next - variance) ** 0.5 * epsilon
    return alpha_bar_next**0.5 * x0 + old_noise + variance**0.5 * noise


def _table(T=10):
    return (1 - torch.linspace(0.05, 0.45, T)).cumprod(dim=0)


def cases(generator):
    """Long and short steps, to the picture and from pure noise; none, some and all of the noise."""

    def draw(*shape, timestep, previous, eta, table=None):
        latents, x0, noise = torch.randn(3, *shape, generator=generator)
        return latents, x0, timestep, previous, _table() if table is None else table, eta, noise

    pure = torch.cat([_table(6), torch.zeros(1)])
    return {
        "example": draw(3, 2, timestep=7, previous=3, eta=0.5),
        "batch 1": draw(1, 2, 3, 2, timestep=8, previous=2, eta=0.0),
        "pictures": draw(2, 3, 4, 2, timestep=5, previous=1, eta=0.8),
        "neighbors, eta 1": draw(3, 4, timestep=6, previous=5, eta=1.0),
        "a long step, eta 1": draw(2, 2, timestep=9, previous=1, eta=1.0),
        "the last step": draw(2, 4, timestep=2, previous=-1, eta=0.0),
        "the last step, eta 1": draw(2, 4, timestep=1, previous=-1, eta=1.0),
        "from pure noise": draw(2, 4, timestep=6, previous=4, eta=0.0, table=pure),
    }


def _jump(timestep):
    """(x_0, noise, x_t, table) of an exact jump, and fresh noise."""
    x_0, noise, fresh = torch.randn(3, 5, 2, generator=torch.Generator().manual_seed(9))
    alpha_bar = _table()[timestep]
    return x_0, noise, alpha_bar**0.5 * x_0 + (1 - alpha_bar) ** 0.5 * noise, _table(), fresh


def lands_on_the_jump(mine):
    """Told the true picture, and with eta 0, the step should land where the jump of notebook 02
    goes with the same noise. Yours lands elsewhere.
    """
    for t, previous in ((9, 4), (6, 5), (3, 0)):
        x_0, noise, x_t, table, fresh = _jump(t)
        expected = table[previous] ** 0.5 * x_0 + (1 - table[previous]) ** 0.5 * noise
        if not torch.allclose(mine(x_t, x_0, t, previous, table, 0.0, fresh), expected, atol=1e-4):
            return False
    return True


def ends_at_the_picture(mine):
    """At t' = -1 the step should give the picture itself, with any eta. Yours does not."""
    x_0, _, x_t, table, fresh = _jump(4)
    ends = [mine(x_t, x_0, 4, -1, table, eta, fresh) for eta in (0.0, 0.5, 1.0)]
    return all(torch.allclose(end, x_0, atol=1e-4) for end in ends)


def one_long_step_is_two_short(mine):
    """With eta 0, as long as the guess of the picture stays the same, one long step should lead to
    the same place as two short ones. Yours does not.
    """
    x_0, _, x_t, table, fresh = _jump(8)
    half_way = mine(x_t, x_0, 8, 5, table, 0.0, fresh)
    two = mine(half_way, x_0, 5, 2, table, 0.0, fresh)
    return torch.allclose(two, mine(x_t, x_0, 8, 2, table, 0.0, fresh), atol=1e-4)


def eta_zero_draws_nothing(mine):
    """With eta 0 the fresh noise should not matter. It does."""
    x_0, _, x_t, table, fresh = _jump(7)
    ends = [mine(x_t, x_0, 7, 3, table, 0.0, noise) for noise in (fresh, -3 * fresh)]
    return torch.allclose(*ends, atol=1e-5)


def half_the_eta_half_the_noise(mine):
    """Half the eta should add fresh noise half as wide. Yours adds another share."""
    x_0, _, x_t, table, fresh = _jump(7)
    added = []
    for eta in (0.5, 1.0):
        with_noise = mine(x_t, x_0, 7, 3, table, eta, fresh)
        added.append(with_noise - mine(x_t, x_0, 7, 3, table, eta, 0 * fresh))
    return torch.allclose(2 * added[0], added[1], atol=1e-4) and bool(added[1].abs().max() > 0.1)


def as_much_noise_as_the_level_has(mine):
    """Old noise and fresh noise together should have variance 1 - alpha_bar at t', whatever eta is.
    Yours have another.
    """
    zero, one, table = torch.zeros(1, 1), torch.ones(1, 1), _table()
    for eta in (0.0, 0.6, 1.0):
        old = mine((1 - table[7]) ** 0.5 * one, zero, 7, 2, table, eta, zero)
        new = mine(zero, zero, 7, 2, table, eta, one)
        if not torch.allclose(old**2 + new**2, (1 - table[2]) * one, atol=1e-4):
            return False
    return True


def eta_one_is_the_posterior(mine):
    """With eta 1 a step to the neighbor should be the one of notebook 03: the posterior's mean, and
    its deviation times the noise. Yours is another.
    """
    x_0, _, x_t, table, fresh = _jump(6)
    mean, variance = posterior(x_t, x_0, table[6], table[5])
    expected = mean + variance**0.5 * fresh
    return torch.allclose(mine(x_t, x_0, 6, 5, table, 1.0, fresh), expected, atol=1e-4)


def _levels(timestep, previous_timestep, alphas_cumprod, end=1.0):
    """(alpha_bar, alpha_bar at t', DDPM's variance between them)."""
    now = alphas_cumprod[timestep]
    then = alphas_cumprod[previous_timestep] if previous_timestep >= 0 else torch.as_tensor(end)
    return now, then, (1 - then) / (1 - now) * (1 - now / then)


def _noise_in(latents, x0, alpha_bar):
    return (latents - alpha_bar**0.5 * x0) / (1 - alpha_bar) ** 0.5


def noisiest_entry_at_the_end(latents, x0, timestep, previous_timestep, alphas_cumprod, eta, noise):
    """At t' = -1 you read alphas_cumprod[-1], in Python the noisiest entry of all: the last step
    throws the picture back into noise.
    """
    previous = previous_timestep % len(alphas_cumprod)
    return ddim_step(latents, x0, timestep, previous, alphas_cumprod, eta, noise)


def first_entry_at_the_end(latents, x0, timestep, previous_timestep, alphas_cumprod, eta, noise):
    """A little noise is left in the finished picture: after the last step alpha_bar is 1. (Stable
    Diffusion's own configuration does just this, by set_alpha_to_one = false.)
    """
    previous = max(previous_timestep, 0)
    return ddim_step(latents, x0, timestep, previous, alphas_cumprod, eta, noise)


def always_one_timestep(latents, x0, timestep, previous_timestep, alphas_cumprod, eta, noise):
    """You step to t - 1 although t' lies far away: with few steps you never arrive."""
    return ddim_step(latents, x0, timestep, timestep - 1, alphas_cumprod, eta, noise)


def alpha_of_one_step(latents, x0, timestep, previous_timestep, alphas_cumprod, eta, noise):
    """What one step keeps stands where the product of all steps belongs. (The DDIM paper writes
    alpha for alpha-bar: mind that when you read it.)
    """
    alphas = torch.cat([alphas_cumprod[:1], alphas_cumprod[1:] / alphas_cumprod[:-1]])
    return ddim_step(latents, x0, timestep, previous_timestep, alphas, eta, noise)


def old_noise_not_shortened(latents, x0, timestep, previous_timestep, alphas_cumprod, eta, noise):
    """With eta above 0 there is too much noise in all: what is added afresh must be taken off the
    old noise.
    """
    now, then, variance = _levels(timestep, previous_timestep, alphas_cumprod)
    old = (1 - then) ** 0.5 * _noise_in(latents, x0, now)
    return then**0.5 * x0 + old + eta * variance**0.5 * noise


def deviation_not_squared(latents, x0, timestep, previous_timestep, alphas_cumprod, eta, noise):
    """A deviation was subtracted from a variance: one of the two needs another power."""
    now, then, variance = _levels(timestep, previous_timestep, alphas_cumprod)
    sigma = eta * variance**0.5
    old = (1 - then - sigma).clamp(min=0) ** 0.5 * _noise_in(latents, x0, now)
    return then**0.5 * x0 + old + sigma * noise


def eta_inside_the_root(latents, x0, timestep, previous_timestep, alphas_cumprod, eta, noise):
    """eta scales the deviation; you scaled the variance, which is the same at 0 and 1 only."""
    return ddim_step(latents, x0, timestep, previous_timestep, alphas_cumprod, eta**0.5, noise)


def picture_not_shrunk(latents, x0, timestep, previous_timestep, alphas_cumprod, eta, noise):
    """The picture comes in at full strength at every level. How much of it is there at t'?"""
    right = ddim_step(latents, x0, timestep, previous_timestep, alphas_cumprod, eta, noise)
    _, then, _ = _levels(timestep, previous_timestep, alphas_cumprod)
    return right + (1 - then**0.5) * x0


def latents_for_their_noise(latents, x0, timestep, previous_timestep, alphas_cumprod, eta, noise):
    """What is carried on should be the *noise* in x_t; you carry on x_t itself."""
    _, then, variance = _levels(timestep, previous_timestep, alphas_cumprod)
    old = (1 - then - eta**2 * variance) ** 0.5 * latents
    return then**0.5 * x0 + old + eta * variance**0.5 * noise


def one_minus_a_root(latents, x0, timestep, previous_timestep, alphas_cumprod, eta, noise):
    """The old noise comes back with the wrong length: it is the root of what is missing, not what
    is missing from a root.
    """
    now, then, variance = _levels(timestep, previous_timestep, alphas_cumprod)
    old = (1 - (then + eta**2 * variance) ** 0.5) * _noise_in(latents, x0, now)
    return then**0.5 * x0 + old + eta * variance**0.5 * noise


EXERCISE = Exercise(
    "08.ddim_step",
    "The same marginals with fewer steps",
    stars=3,
    minutes=15,
    points=4,
    reference=ddim_step,
    cases=cases,
    laws=(
        ends_at_the_picture,
        lands_on_the_jump,
        one_long_step_is_two_short,
        eta_zero_draws_nothing,
        as_much_noise_as_the_level_has,
        half_the_eta_half_the_noise,
        eta_one_is_the_posterior,
    ),
    mistakes=(
        noisiest_entry_at_the_end,
        first_entry_at_the_end,
        always_one_timestep,
        alpha_of_one_step,
        old_noise_not_shortened,
        deviation_not_squared,
        eta_inside_the_root,
        picture_not_shrunk,
        latents_for_their_noise,
        one_minus_a_root,
    ),
    needs_gradient=False,  # sampling learns nothing
)
