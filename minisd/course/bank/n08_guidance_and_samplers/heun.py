"""08.heun: look ahead, then step."""

import torch

from ...exercise import Exercise
from .convergence_order import convergence_order
from .euler import euler
from .mixture import distance_to_exact_end, karras
from .watching import Watched, asked_at, cases, one_point_is_exact, run, scripted, two_starts


def heun(denoise, noise, sigmas):
    """Walk by Euler's step, a look at where it leads, and the mean of both slopes.

    Karras et al. 2022, Algorithm 1: a step to sigma 0 is Euler's alone. `denoise(latents, sigma)`
    takes latents of unit variance and answers with x_0. (B, ...), N + 1 numbers -> (B, ...)
    """
    x = sigmas[0] * noise
    for sigma, sigma_next in zip(sigmas, sigmas[1:]):
        slope = (x - denoise(x / (sigma**2 + 1) ** 0.5, sigma)) / sigma
        ahead = x + (sigma_next - sigma) * slope
        if sigma_next > 0:  # at sigma 0 there is no slope to ask for
            x0_ahead = denoise(ahead / (sigma_next**2 + 1) ** 0.5, sigma_next)
            slope = (slope + (ahead - x0_ahead) / sigma_next) / 2
        x = x + (sigma_next - sigma) * slope
    return x


def two_questions_a_step(mine):
    """N steps that end at 0 should ask the network 2 N - 1 times: at every level twice, where a
    step ends and where the next begins; at the first once, and at 0 never.
    """
    denoise, sigmas = Watched(two_starts()[1]), [6.0, 2.0, 0.9, 0.0]
    mine(denoise, two_starts()[0], sigmas)
    return asked_at(denoise.asked, [6.0, 2.0, 2.0, 0.9, 0.9])


def finite_at_the_end(mine):
    """A step to sigma 0 should end in numbers. Yours ends in nan."""
    end = mine(Watched(two_starts()[1]), two_starts()[0], [4.0, 1.0, 0.0])
    return bool(end.isfinite().all())


def one_step_to_zero_is_eulers(mine):
    """One single step that ends at sigma 0 should be Euler's. Yours is another."""
    noise, centers = two_starts()
    ends = [walk(Watched(centers), noise, [3.0, 0.0]) for walk in (mine, euler)]
    return torch.allclose(*ends, atol=1e-4)


def by_hand(mine):
    """Sigmas 4, 2, 1, and a network that says x_0 = 0, 1, then 1, 3: work it out from x = 4. Yours
    ends elsewhere.
    """
    end = mine(scripted([0.0, 1.0, 1.0, 3.0]), torch.ones(1, 1), [4.0, 2.0, 1.0])
    return torch.allclose(end, torch.tensor([[2.75]]), atol=1e-5)


def order_two(mine):
    """Against the exact end of the road, twice the steps should leave about a quarter of the error.
    With yours they leave more.
    """
    num_steps = torch.tensor([20.0, 40.0, 80.0])
    errors = [distance_to_exact_end(mine, karras(int(n)), 16) for n in num_steps]
    return 1.8 < convergence_order(num_steps, torch.tensor(errors)) < 2.25


def _slope(denoise, x, sigma):
    return (x - denoise(x / (sigma**2 + 1) ** 0.5, sigma)) / sigma


def _walk(denoise, noise, sigmas, second):
    """Heun's walk where second(x, ahead, slope, sigma, sigma_next) says where a step ends."""
    x = sigmas[0] * noise
    for a, b in zip(sigmas, sigmas[1:]):
        slope = _slope(denoise, x, a)
        ahead = x + (b - a) * slope
        x = second(x, ahead, slope, a, b) if b > 0 else ahead
    return x


def second_look_from_the_old_place(denoise, noise, sigmas):
    """You ask at the new noise level, but with the old picture: no better than Euler, at twice the
    price.
    """

    def second(x, ahead, slope, a, b):
        return x + (b - a) * (slope + _slope(denoise, x, b)) / 2

    return _walk(denoise, noise, sigmas, second)


def second_look_at_the_old_level(denoise, noise, sigmas):
    """The picture you looked ahead to belongs to the *next* noise level; you ask at the old one."""

    def second(x, ahead, slope, a, b):
        return x + (b - a) * (slope + _slope(denoise, ahead, a)) / 2

    return _walk(denoise, noise, sigmas, second)


def second_half_added_on_top(denoise, noise, sigmas):
    """You walk the way twice: the corrected step should start from where the first one started."""

    def second(x, ahead, slope, a, b):
        return ahead + (b - a) * (slope + _slope(denoise, ahead, b)) / 2

    return _walk(denoise, noise, sigmas, second)


def second_slope_alone(denoise, noise, sigmas):
    """Only the slope at the far end is used: as wrong as Euler, to the other side. What would be
    right between the two?
    """

    def second(x, ahead, slope, a, b):
        return x + (b - a) * _slope(denoise, ahead, b)

    return _walk(denoise, noise, sigmas, second)


def sum_of_slopes(denoise, noise, sigmas):
    """Two slopes were added, and the step is twice as long as it should be."""

    def second(x, ahead, slope, a, b):
        return x + (b - a) * (slope + _slope(denoise, ahead, b))

    return _walk(denoise, noise, sigmas, second)


def second_look_at_sigma_zero(denoise, noise, sigmas):
    """The last step asks at sigma 0, and divides by it: there is nothing to ask there."""
    x = sigmas[0] * noise
    for a, b in zip(sigmas, sigmas[1:]):
        slope = _slope(denoise, x, a)
        ahead = x + (b - a) * slope
        ahead_x0 = denoise(ahead / (b**2 + 1) ** 0.5, b)
        x = x + (b - a) * (slope + (ahead - ahead_x0) / b) / 2
    return x


def first_slope_asked_twice(denoise, noise, sigmas):
    """Right, but each step asks three times: keep the first answer."""

    def second(x, ahead, slope, a, b):
        return x + (b - a) * (_slope(denoise, x, a) + _slope(denoise, ahead, b)) / 2

    return _walk(denoise, noise, sigmas, second)


def both_halves_alike(denoise, noise, sigmas):
    """Both slopes are the one at the start: twice the work for Euler's step."""

    def second(x, ahead, slope, a, b):
        return x + (b - a) * (slope + _slope(denoise, x, a)) / 2

    return _walk(denoise, noise, sigmas, second)


def midpoint(denoise, noise, sigmas):
    """You look half way ahead and go on with that slope alone: a method of order 2 as well, but
    another one (the midpoint rule), and it asks between the given levels.
    """

    def second(x, ahead, slope, a, b):
        return x + (b - a) * _slope(denoise, (x + ahead) / 2, (a + b) / 2)

    return _walk(denoise, noise, sigmas, second)


def second_input_not_shrunk(denoise, noise, sigmas):
    """At the first look the network is shown width 1, at the second the picture as wide as it is:
    shrink both.
    """

    def second(x, ahead, slope, a, b):
        return x + (b - a) * (slope + (ahead - denoise(ahead, b)) / b) / 2

    return _walk(denoise, noise, sigmas, second)


def second_slope_to_the_old_place(denoise, noise, sigmas):
    """You ask about the place ahead, but measure the way to its picture from the *old* place: a
    slope belongs to one place.
    """

    def second(x, ahead, slope, a, b):
        x0_ahead = denoise(ahead / (b**2 + 1) ** 0.5, b)
        return x + (b - a) * (slope + (x - x0_ahead) / b) / 2

    return _walk(denoise, noise, sigmas, second)


EXERCISE = Exercise(
    "08.heun",
    "Look ahead, then step",
    stars=2,
    minutes=12,
    points=3,
    reference=heun,
    cases=cases,
    laws=(
        two_questions_a_step,
        finite_at_the_end,
        one_point_is_exact,
        one_step_to_zero_is_eulers,
        by_hand,
        order_two,
    ),
    mistakes=(
        second_look_from_the_old_place,
        second_look_at_the_old_level,
        second_half_added_on_top,
        second_slope_alone,
        sum_of_slopes,
        second_look_at_sigma_zero,
        first_slope_asked_twice,
        both_halves_alike,
        midpoint,
        second_input_not_shrunk,
        second_slope_to_the_old_place,
    ),
    run=run,
    needs_gradient=False,  # sampling learns nothing
    atol=1e-4,
)
