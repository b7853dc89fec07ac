"""03.score_from_epsilon: noise and slope are the same arrow."""

import torch

from ...exercise import Exercise


def score_from_epsilon(epsilon, alpha_bar):
    """Turn a prediction of the noise into the slope of log p_t. Vincent 2011; Song et al. 2021.

    (B, ...), (B,) -> (B, ...)
    """
    alpha_bar = alpha_bar.reshape(-1, *[1] * (epsilon.ndim - 1))
    return -epsilon / (1 - alpha_bar) ** 0.5


def cases(generator):
    """Batches as large as the last axis, so that a level spread over columns shows."""

    def draw(*shape):
        return torch.randn(shape, generator=generator)

    return {
        "example": (draw(3, 3), torch.tensor([0.9, 0.5, 0.1])),
        "batch 1": (draw(1, 2, 3, 4), torch.tensor([0.3])),
        "pictures, B = W": (draw(2, 3, 4, 2), torch.tensor([0.8, 0.05])),
        "one axis": (draw(4), torch.tensor([0.95, 0.7, 0.4, 0.02])),
        "no picture left": (draw(2, 2), torch.tensor([0.0, 0.01])),
    }


def against_the_noise(mine):
    """The slope should point against the noise, back to where the data are. Yours does not."""
    epsilon = torch.tensor([[1.0, -2.0], [3.0, 0.5]])
    return bool((mine(epsilon, torch.tensor([0.5, 0.2])) * epsilon < 0).all())


def steeper_with_less_noise(mine):
    """The less noise, the narrower the hills of log p_t and the steeper their slopes. Yours get
    flatter, or stay as they are.
    """
    slopes = mine(torch.ones(3, 3), torch.tensor([0.1, 0.5, 0.9])).abs()
    return bool((slopes.diff(dim=0) > 0.1).all())


def noise_over_its_spread(mine):
    """The arrow's length is wrong: where the noise has standard deviation s, noise of length 1 is
    a slope of length 1 / s.
    """
    slopes = mine(torch.full((2, 2), 2.0), torch.tensor([0.75, 0.19]))
    return torch.allclose(slopes.abs(), torch.tensor([[4.0], [2 / 0.9]]), rtol=1e-3)


def rows_keep_their_own_level(mine):
    """A row's answer changes with the rows beside it: each should use its own alpha_bar."""
    epsilon = torch.arange(9.0).reshape(3, 3) + 1
    alpha_bar = torch.tensor([0.9, 0.5, 0.1])
    return torch.allclose(mine(epsilon, alpha_bar)[2:], mine(epsilon[2:], alpha_bar[2:]))


def slope_of_gaussian_data(mine):
    """For data that are N(2, 1/4) I know log p_t exactly. Its slope, taken by autograd, is not what
    you make of the exact noise prediction.
    """
    alpha_bar = torch.tensor([0.8, 0.4, 0.1])
    x = torch.tensor([[0.3, 0.1, 4.0], [-1.0, 0.0, 0.5], [2.0, 1.0, -3.0]], requires_grad=True)
    signal, noise = alpha_bar[:, None] ** 0.5, (1 - alpha_bar[:, None]) ** 0.5
    variance = signal**2 / 4 + noise**2
    log_p = -((x - 2 * signal) ** 2) / (2 * variance)
    expected = torch.autograd.grad(log_p.sum(), x)[0]
    epsilon = noise * (x - 2 * signal) / variance
    return torch.allclose(mine(epsilon.detach(), alpha_bar), expected, atol=1e-4)


def _column(alpha_bar, epsilon):
    return alpha_bar.reshape(-1, *[1] * (epsilon.ndim - 1))


def sign(epsilon, alpha_bar):
    """The arrow points along the noise, away from the data: log p falls that way."""
    return -score_from_epsilon(epsilon, alpha_bar)


def divided_by_the_variance(epsilon, alpha_bar):
    """Too long by one root: epsilon is counted in units of the noise's spread already, once."""
    return -epsilon / (1 - _column(alpha_bar, epsilon))


def multiplied(epsilon, alpha_bar):
    """With less noise the slope gets *steeper*; yours gets flatter."""
    return -epsilon * (1 - _column(alpha_bar, epsilon)) ** 0.5


def root_of_alpha_bar(epsilon, alpha_bar):
    """You divide by what is left of the picture. The width of the noise is another number."""
    return -epsilon / _column(alpha_bar, epsilon) ** 0.5


def root_before_the_difference(epsilon, alpha_bar):
    """The noise's variance is what the picture's variance has lost: subtract first, then take the
    root.
    """
    return -epsilon / (1 - _column(alpha_bar, epsilon) ** 0.5)


def not_divided(epsilon, alpha_bar):
    """Right direction, wrong length: a slope has the unit 1 / standard deviation."""
    return -epsilon + 0 * _column(alpha_bar, epsilon)


def level_spread_over_columns(epsilon, alpha_bar):
    """With as many rows as columns, each *column* gets its own noise level: (B,) meets the last
    axis unless you reshape it.
    """
    return -epsilon / (1 - alpha_bar) ** 0.5


EXERCISE = Exercise(
    "03.score_from_epsilon",
    "Noise and slope are the same arrow",
    stars=2,
    minutes=8,
    points=2,
    reference=score_from_epsilon,
    cases=cases,
    laws=(
        against_the_noise,
        steeper_with_less_noise,
        noise_over_its_spread,
        rows_keep_their_own_level,
        slope_of_gaussian_data,
    ),
    mistakes=(
        sign,
        divided_by_the_variance,
        multiplied,
        root_of_alpha_bar,
        root_before_the_difference,
        not_divided,
        level_spread_over_columns,
    ),
)
