"""03.posterior: one step back, if the picture were known."""

import torch

from ....schedule import one_per_picture, posterior
from ...exercise import Exercise


def cases(generator):
    """Batches as large as the pictures are wide, so that a level spread over columns shows."""

    def draw(*shape):
        return torch.randn(shape, generator=generator), torch.randn(shape, generator=generator)

    levels = torch.tensor([0.9, 0.5, 0.1]), torch.tensor([0.95, 0.6, 0.25])
    return {
        "example": (*draw(3, 2, 4, 3), *levels),
        "batch 1": (*draw(1, 1, 2, 5), torch.tensor([0.3]), torch.tensor([0.45])),
        "points, B = D": (*draw(3, 3), *levels),
        "many steps at once": (*draw(2, 3, 1, 2), 0.1 * levels[0][:2], levels[1][:2]),
        "end of sampling": (*draw(3, 1, 2, 3), levels[1], torch.ones(3)),
        "one level for all": (*draw(2, 3), 0.4, 0.7),
        "end of sampling, as numbers": (*draw(2, 3), 0.9, 1.0),
        "one level, as a tensor": (*draw(2, 3), torch.tensor(0.15), torch.tensor(0.2)),
    }


def agrees_with_brute_force(mine):
    """I multiplied q(x_t | x_before) by q(x_before | x_0) at 4001 places, and measured the mean and
    the spread of the product: yours are others.
    """
    x_t, x_0, alpha_bar, alpha_bar_previous = 1.1, -0.4, 0.35, 0.6
    places = torch.linspace(-8, 8, 4001, dtype=torch.float64)
    alpha = alpha_bar / alpha_bar_previous
    log_weights = -((x_t - alpha**0.5 * places) ** 2) / (2 * (1 - alpha))
    log_weights -= (places - alpha_bar_previous**0.5 * x_0) ** 2 / (2 * (1 - alpha_bar_previous))
    weights = log_weights.softmax(dim=0)
    expected = (weights * places).sum()
    spread = (weights * (places - expected) ** 2).sum()
    levels = torch.tensor([alpha_bar]), torch.tensor([alpha_bar_previous])
    mean, variance = mine(torch.tensor([[x_t]]), torch.tensor([[x_0]]), *levels)
    return abs(mean.item() - expected) < 1e-3 and abs(variance.item() - spread) < 1e-3


def certainty_adds_up(mine):
    """Two sources speak about the less noisy x: x_0, and x_t. Their certainties (1 / variance)
    should add up to the certainty of your answer, and they do not.
    """
    levels = torch.tensor([0.8, 0.3, 0.02]), torch.tensor([0.9, 0.5, 0.03])
    _, variance = mine(torch.zeros(3, 1), torch.zeros(3, 1), *levels)
    alpha_bar, alpha_bar_previous = levels
    alpha = alpha_bar / alpha_bar_previous
    certainty = alpha / (1 - alpha) + 1 / (1 - alpha_bar_previous)
    return torch.allclose(1 / variance.flatten(), certainty, rtol=1e-3)


def without_noise_stays_without_noise(mine):
    """An x_t without any noise, sqrt(alpha_bar) x_0, should lead back to an x without any noise,
    sqrt(alpha_bar_previous) x_0. Yours lands elsewhere.
    """
    alpha_bar, alpha_bar_previous = torch.tensor([0.2, 0.6]), torch.tensor([0.5, 0.7])
    x_0 = torch.tensor([[1.0, -2.0], [0.5, 3.0]])
    mean, _ = mine(alpha_bar[:, None] ** 0.5 * x_0, x_0, alpha_bar, alpha_bar_previous)
    return torch.allclose(mean, alpha_bar_previous[:, None] ** 0.5 * x_0, atol=1e-4)


def ends_at_the_picture(mine):
    """Where nothing is lost before the step (alpha_bar_previous = 1), the answer is x_0 itself,
    without any doubt: mean x_0, variance 0.
    """
    x_t, x_0 = torch.tensor([[3.0, -1.0]]), torch.tensor([[0.5, 0.2]])
    mean, variance = mine(x_t, x_0, torch.tensor([0.9]), torch.ones(1))
    return torch.allclose(mean, x_0, atol=1e-4) and variance.abs().max() < 1e-6


def surer_than_without_the_picture(mine):
    """Knowing x_0 can only make the step back surer: 0 <= variance <= beta. Yours lies outside."""
    alpha_bar = torch.linspace(0.05, 0.9, 18)
    alpha_bar_previous = alpha_bar + 0.05
    _, variance = mine(torch.zeros(18, 1), torch.zeros(18, 1), alpha_bar, alpha_bar_previous)
    beta = 1 - alpha_bar / alpha_bar_previous
    return bool(((variance.flatten() >= 0) & (variance.flatten() <= beta + 1e-6)).all())


def rows_keep_their_own_level(mine):
    """A picture's answer changes when another picture shares its batch: each should use its own
    two noise levels.
    """
    x_t = torch.arange(9.0).reshape(3, 3) - 4
    alpha_bar, alpha_bar_previous = torch.tensor([0.9, 0.5, 0.1]), torch.tensor([0.95, 0.7, 0.4])
    together, _ = mine(x_t, x_t.flip(1), alpha_bar, alpha_bar_previous)
    alone, _ = mine(x_t[1:2], x_t[1:2].flip(1), alpha_bar[1:2], alpha_bar_previous[1:2])
    return torch.allclose(together[1:2], alone, atol=1e-5)


def _levels(latents, alpha_bar, alpha_bar_previous):
    return one_per_picture(alpha_bar, latents), one_per_picture(alpha_bar_previous, latents)


def _mix(latents, x0, weight_x0, weight_xt, variance):
    return weight_x0 * x0 + weight_xt * latents, variance


def the_two_means_exchanged(latents, x0, alpha_bar, alpha_bar_previous):
    """Late in sampling (t near 0) the answer should lean on x_0; yours leans on x_t."""
    return posterior(x0, latents, alpha_bar, alpha_bar_previous)


def alpha_bar_t_for_the_one_before(latents, x0, alpha_bar, alpha_bar_previous):
    """You land one step off: what is left of the picture *after* the step back is the level you go
    to, not the level you come from.
    """
    now, before = _levels(latents, alpha_bar, alpha_bar_previous)
    alpha = now / before
    return _mix(latents, x0, now**0.5 * (1 - alpha) / (1 - now), alpha**0.5, 1 - alpha)


def variance_is_beta(latents, x0, alpha_bar, alpha_bar_previous):
    """Your variance is beta, the spread of the step back if nothing at all were known of x_0.
    Knowing x_0 makes it smaller.
    """
    mean, _ = posterior(latents, x0, alpha_bar, alpha_bar_previous)
    now, before = _levels(latents, alpha_bar, alpha_bar_previous)
    return mean, 1 - now / before


def standard_deviation_returned(latents, x0, alpha_bar, alpha_bar_previous):
    """Your second result is a standard deviation; a variance is asked for."""
    mean, variance = posterior(latents, x0, alpha_bar, alpha_bar_previous)
    return mean, variance**0.5


def roots_forgotten_in_the_mean(latents, x0, alpha_bar, alpha_bar_previous):
    """A noise-free x_t does not lead back to a noise-free x: the shares are shares of variance, and
    a mean scales with the root of such a share.
    """
    now, before = _levels(latents, alpha_bar, alpha_bar_previous)
    alpha, rest = now / before, 1 - now
    _, variance = posterior(latents, x0, alpha_bar, alpha_bar_previous)
    return _mix(latents, x0, before * (1 - alpha) / rest, alpha * (1 - before) / rest, variance)


def alpha_bar_for_alpha(latents, x0, alpha_bar, alpha_bar_previous):
    """The weight of x_t uses the product of all steps; only the road between the two levels lies
    between x_t and the x you look for.
    """
    now, before = _levels(latents, alpha_bar, alpha_bar_previous)
    _, variance = posterior(latents, x0, alpha_bar, alpha_bar_previous)
    weight_x0 = before**0.5 * (1 - now / before) / (1 - now)
    return _mix(latents, x0, weight_x0, now**0.5 * (1 - before) / (1 - now), variance)


def variance_upside_down(latents, x0, alpha_bar, alpha_bar_previous):
    """Your variance is larger than beta: knowing more made you less sure. Look at which of the two
    noise shares stands above the line.
    """
    mean, _ = posterior(latents, x0, alpha_bar, alpha_bar_previous)
    now, before = _levels(latents, alpha_bar, alpha_bar_previous)
    return mean, (1 - now) / torch.as_tensor(1 - before) * (1 - now / before)


def beta_is_all_the_noise(latents, x0, alpha_bar, alpha_bar_previous):
    """Your beta is the noise of all steps since the picture, 1 - alpha_bar. Between the two levels
    only a part of it was added: which ratio says how much this road keeps?
    """
    now, before = _levels(latents, alpha_bar, alpha_bar_previous)
    alpha, rest = now / before, 1 - now
    return _mix(latents, x0, before**0.5, alpha**0.5 * (1 - before) / rest, 1 - before)


def the_levels_exchanged(latents, x0, alpha_bar, alpha_bar_previous):
    """Your alpha is larger than 1: a step forward would brighten the picture. Of the two levels,
    the one with more noise is the smaller number.
    """
    now, before = _levels(latents, alpha_bar, alpha_bar_previous)
    alpha = before / now
    weight_x0 = before**0.5 * (1 - alpha) / (1 - now)
    weight_xt = alpha**0.5 * (1 - before) / (1 - now)
    return _mix(latents, x0, weight_x0, weight_xt, (1 - before) / (1 - now) * (1 - alpha))


def level_spread_over_columns(latents, x0, alpha_bar, alpha_bar_previous):
    """With as many pictures as columns, each *column* gets its own noise level: (B,) meets the last
    axis unless you reshape it.
    """
    alpha = alpha_bar / alpha_bar_previous
    weight_x0 = alpha_bar_previous**0.5 * (1 - alpha) / (1 - alpha_bar)
    weight_xt = alpha**0.5 * (1 - alpha_bar_previous) / (1 - alpha_bar)
    _, variance = posterior(latents, x0, alpha_bar, alpha_bar_previous)
    return _mix(latents, x0, weight_x0, weight_xt, variance)


EXERCISE = Exercise(
    "03.posterior",
    "One step back, if the picture were known",
    stars=3,
    minutes=20,
    points=4,
    reference=posterior,
    cases=cases,
    laws=(
        ends_at_the_picture,
        without_noise_stays_without_noise,
        surer_than_without_the_picture,
        certainty_adds_up,
        rows_keep_their_own_level,
        agrees_with_brute_force,
    ),
    mistakes=(
        the_two_means_exchanged,
        alpha_bar_t_for_the_one_before,
        variance_is_beta,
        standard_deviation_returned,
        roots_forgotten_in_the_mean,
        alpha_bar_for_alpha,
        variance_upside_down,
        beta_is_all_the_noise,
        the_levels_exchanged,
        level_spread_over_columns,
    ),
)
