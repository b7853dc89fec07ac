"""03.kl_gaussians: how far apart are two Gaussians."""

import torch

from ...exercise import Exercise


def kl_gaussians(mean_p, var_p, mean_q, var_q):
    """KL(p || q) of Gaussians with independent axes, in nats, summed over the last axis.

    The term that the variational bound adds up, step by step. Kullback and Leibler 1951.
    (B, D) four times -> (B,)
    """
    distance = (mean_p - mean_q) ** 2 / var_q
    widths = var_p / var_q - 1 - (var_p / var_q).log()
    return 0.5 * (distance + widths).sum(dim=-1)


def cases(generator):
    """Widths that differ much, so that a variance is never its own root."""

    def draw(*shape, spread=1.0):
        means = torch.randn(2, *shape, generator=generator)
        variances = (spread * torch.randn(2, *shape, generator=generator)).exp()
        return means[0], variances[0], means[1], variances[1]

    mean_p, var_p, mean_q, _ = draw(4, 2)
    return {
        "example": draw(2, 3),
        "batch 1": draw(1, 4),
        "B = D": draw(3, 3),
        "one axis": draw(4, 1, spread=2.0),
        "equal widths": (mean_p, 3 * var_p, mean_q, 3 * var_p),
        "equal means": (mean_p, var_p, mean_p, 5 * var_p),
    }


def _two(scale=1.0):
    generator = torch.Generator().manual_seed(3)
    means = torch.randn(2, 5, 3, generator=generator)
    variances = (scale * torch.randn(2, 5, 3, generator=generator)).exp()
    return means[0], variances[0], means[1], variances[1]


def one_number_per_row(mine):
    """Each of the B pairs has its own distance: the answer has shape (B,)."""
    return mine(*_two()).shape == (5,)


def equal_gaussians_are_not_apart(mine):
    """Two equal Gaussians should be 0 apart; yours are not."""
    mean, variance, _, _ = _two()
    return mine(mean, variance, mean, variance).abs().max() < 1e-5


def never_negative(mine):
    """Your distance is sometimes negative. A KL never is."""
    return bool((mine(*_two(2.0)) >= -1e-5).all())


def equal_widths_leave_a_distance_of_means(mine):
    """For equal variances a KL is the squared distance of the means over twice the variance. Yours
    is another number.
    """
    mean_p, variance, mean_q, _ = _two()
    expected = ((mean_p - mean_q) ** 2 / (2 * variance)).sum(dim=-1)
    return torch.allclose(mine(mean_p, variance, mean_q, variance), expected, rtol=1e-3)


def twice_the_axes_twice_the_value(mine):
    """Independent axes add up: every axis written twice should give twice the value."""
    once = mine(*_two())
    twice = mine(*[torch.cat([part, part], dim=-1) for part in _two()])
    return torch.allclose(twice, 2 * once, rtol=1e-3)


def widths_count(mine):
    """Two Gaussians with one mean but different widths are not the same Gaussian: their distance
    should be above 0.
    """
    mean, variance, _, _ = _two()
    return bool((mine(mean, variance, mean, 4 * variance) > 0.1).all())


def mean_over_samples(mine):
    """I drew from p and averaged log p(x) - log q(x), which is what KL(p || q) means: yours is
    another number.
    """
    mean_p, var_p, mean_q, var_q = [part[:1] for part in _two()]
    noise = torch.randn(20_000, 3, generator=torch.Generator().manual_seed(0))
    x = mean_p + var_p**0.5 * noise
    log_p = -((x - mean_p) ** 2) / (2 * var_p) - var_p.log() / 2
    log_q = -((x - mean_q) ** 2) / (2 * var_q) - var_q.log() / 2
    expected = (log_p - log_q).sum(dim=-1).mean()
    return bool((mine(mean_p, var_p, mean_q, var_q) - expected).abs().max() < 0.05 * expected)


def p_and_q_exchanged(mean_p, var_p, mean_q, var_q):
    """You measure from q. The samples come from p: a difference counts only where p has mass."""
    return kl_gaussians(mean_q, var_q, mean_p, var_p)


def one_half_missing(mean_p, var_p, mean_q, var_q):
    """Twice too large: compare with (distance)^2 / (2 var) for equal variances."""
    return 2 * kl_gaussians(mean_p, var_p, mean_q, var_q)


def minus_one_missing(mean_p, var_p, mean_q, var_q):
    """Your equal Gaussians are 1/2 apart on every axis. Something should cancel."""
    return kl_gaussians(mean_p, var_p, mean_q, var_q) + mean_p.shape[-1] / 2


def logarithm_upside_down(mean_p, var_p, mean_q, var_q):
    """Sometimes negative, which a KL never is: which variance stands on top in the logarithm?"""
    terms = (var_p + (mean_p - mean_q) ** 2) / var_q - 1 + (var_p / var_q).log()
    return 0.5 * terms.sum(dim=-1)


def variances_squared_again(mean_p, var_p, mean_q, var_q):
    """The arguments are variances already; you squared them again."""
    return kl_gaussians(mean_p, var_p**2, mean_q, var_q**2)


def mean_over_the_axes(mean_p, var_p, mean_q, var_q):
    """Independent axes add up; you averaged them, so twice as many pixels count no more."""
    return kl_gaussians(mean_p, var_p, mean_q, var_q) / mean_p.shape[-1]


def summed_over_the_batch(mean_p, var_p, mean_q, var_q):
    """You return one number for the whole batch; each of its B members has its own distance."""
    return kl_gaussians(mean_p, var_p, mean_q, var_q).sum()


def means_only(mean_p, var_p, mean_q, var_q):
    """Equal means with different widths give 0: the spreads are never compared."""
    return ((mean_p - mean_q) ** 2 / (2 * var_q)).sum(dim=-1)


def distance_not_squared(mean_p, var_p, mean_q, var_q):
    """Twice the distance of the means should cost four times as much: a Gaussian's exponent holds a
    square.
    """
    terms = (mean_p - mean_q).abs() / var_q + var_p / var_q - 1 - (var_p / var_q).log()
    return 0.5 * terms.sum(dim=-1)


def distance_divided_by_the_variance_of_p(mean_p, var_p, mean_q, var_q):
    """The distance of the means is measured in widths of p. It is q's density that has to explain
    the samples: in whose widths should it be measured?
    """
    widths = var_p / var_q - 1 - (var_p / var_q).log()
    return 0.5 * ((mean_p - mean_q) ** 2 / var_p + widths).sum(dim=-1)


EXERCISE = Exercise(
    "03.kl_gaussians",
    "How far apart are two Gaussians",
    stars=2,
    minutes=10,
    points=2,
    reference=kl_gaussians,
    cases=cases,
    laws=(
        one_number_per_row,
        equal_gaussians_are_not_apart,
        never_negative,
        equal_widths_leave_a_distance_of_means,
        twice_the_axes_twice_the_value,
        widths_count,
        mean_over_samples,
    ),
    mistakes=(
        p_and_q_exchanged,
        one_half_missing,
        minus_one_missing,
        logarithm_upside_down,
        variances_squared_again,
        mean_over_the_axes,
        summed_over_the_batch,
        means_only,
        distance_not_squared,
        distance_divided_by_the_variance_of_p,
    ),
    forbidden=("kl_div", "kl_divergence"),
)
