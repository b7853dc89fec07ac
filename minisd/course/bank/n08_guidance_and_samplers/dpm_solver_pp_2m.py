"""08.dpm_solver_pp_2m: remember the last answer."""

import math

import torch

from ...exercise import Exercise
from .convergence_order import convergence_order
from .euler import euler, one_question_a_step
from .mixture import distance_to_exact_end, karras
from .watching import Watched, cases, one_point_is_exact, run, scripted, two_starts


def dpm_solver_pp_2m(denoise, noise, sigmas):
    """Walk with one question a step, x_0 extrapolated from the last two answers. Lu et al. 2022.

    DPM-Solver++(2M); the first step, and a step to sigma 0, are plain. `denoise(latents, sigma)`
    takes latents of unit variance and answers with x_0. (B, ...), N + 1 numbers -> (B, ...)
    """
    x, x0_before = sigmas[0] * noise, None
    for i, (sigma, sigma_next) in enumerate(zip(sigmas, sigmas[1:])):
        x0 = denoise(x / (sigma**2 + 1) ** 0.5, sigma)
        target = x0
        if i > 0 and sigma_next > 0:
            h, h_before = math.log(sigma / sigma_next), math.log(sigmas[i - 1] / sigma)
            target = x0 + h / (2 * h_before) * (x0 - x0_before)
        x0_before = x0
        kept = sigma_next / sigma
        x = kept * x + (1 - kept) * target
    return x


def first_step_is_plain(mine):
    """In the first step nothing can be remembered: it should be Euler's (which is DDIM's). Yours is
    another.
    """
    noise, centers = two_starts()
    ends = [walk(Watched(centers), noise, [5.0, 2.0]) for walk in (mine, euler)]
    return torch.allclose(*ends, atol=1e-4)


def ends_on_the_last_answer(mine):
    """A step to sigma 0 should end on what the network said last, as it said it. Yours does not."""
    end = mine(scripted([1.0, 3.0, -2.0]), two_starts()[0], [9.0, 3.0, 1.0, 0.0])
    return torch.allclose(end, torch.full((2, 2), -2.0), atol=1e-4)


def two_steps_by_hand(mine):
    """Sigmas 8, 2, 1, and a network that says x_0 = 1, then 3: work it out from x = 4. Yours ends
    elsewhere.
    """
    end = mine(scripted([1.0, 3.0]), torch.full((1, 1), 0.5), [8.0, 2.0, 1.0])
    return torch.allclose(end, torch.tensor([[2.625]]), atol=1e-5)


def three_uneven_steps_by_hand(mine):
    """Sigmas 8, 2, 1, 0.25, and a network that says x_0 = 1, 3, 2: work it out from x = 4. Yours
    ends elsewhere, though the slope of the error may be right.
    """
    end = mine(scripted([1.0, 3.0, 2.0]), torch.full((1, 1), 0.5), [8.0, 2.0, 1.0, 0.25])
    return torch.allclose(end, torch.tensor([[1.40625]]), atol=1e-5)


def order_two(mine):
    """Against the exact end of the road, twice the steps should leave about a quarter of the error.
    With yours they leave more.
    """
    num_steps = torch.tensor([20.0, 40.0, 80.0])
    errors = [distance_to_exact_end(mine, karras(int(n)), 16) for n in num_steps]
    return 1.8 < convergence_order(num_steps, torch.tensor(errors)) < 2.25


def better_than_euler(mine):
    """With twelve steps it should end nearer to the exact end than Euler does. Yours does not."""
    errors = [distance_to_exact_end(walk, karras(12), 16) for walk in (mine, euler)]
    return errors[0] < errors[1]


def _walk(denoise, noise, sigmas, aim, move=None, remember=lambda x0, target: x0):
    """The walk with one part exchanged: aim(x0, before, h, h_before), move, or remember."""
    x, before = sigmas[0] * noise, None
    for i, (a, b) in enumerate(zip(sigmas, sigmas[1:])):
        x0 = denoise(x / (a**2 + 1) ** 0.5, a)
        target = x0
        if i > 0 and b > 0:
            target = aim(x0, before, math.log(a / b), math.log(sigmas[i - 1] / a))
        before = remember(x0, target)
        if move is not None and b > 0:
            x = move(x, target, a, b)
        else:
            x = b / a * x + (1 - b / a) * target
    return x


def _ahead(x0, before, h, h_before):
    return x0 + h / (2 * h_before) * (x0 - before)


def sign_of_the_correction(denoise, noise, sigmas):
    """You look back instead of ahead: on an even grid that is the mean of the two answers."""
    return _walk(denoise, noise, sigmas, lambda x0, before, h, hb: x0 + h / 2 / hb * (before - x0))


def half_missing(denoise, noise, sigmas):
    """You look a whole step ahead. Where, on the way of this step, is its answer a fair mean?"""
    return _walk(denoise, noise, sigmas, lambda x0, before, h, hb: x0 + h / hb * (x0 - before))


def ratio_upside_down(denoise, noise, sigmas):
    """Right where all steps are alike, wrong where they are not: a long step ahead should look far
    ahead, a long step before it should not.
    """
    return _walk(denoise, noise, sigmas, lambda x0, before, h, hb: x0 + hb / 2 / h * (x0 - before))


def steps_taken_for_even(denoise, noise, sigmas):
    """You extrapolate as if all steps were alike. Where one is longer than the one before it, you
    look ahead too little.
    """
    return _walk(denoise, noise, sigmas, lambda x0, before, h, hb: x0 + (x0 - before) / 2)


def lengths_in_sigma(denoise, noise, sigmas):
    """Your steps are measured in sigma; here the length is the fall of the *logarithm* of sigma."""
    x, before = sigmas[0] * noise, None
    for i, (a, b) in enumerate(zip(sigmas, sigmas[1:])):
        x0 = denoise(x / (a**2 + 1) ** 0.5, a)
        first = i == 0 or b == 0
        target = x0 if first else _ahead(x0, before, a - b, sigmas[i - 1] - a)
        before = x0
        x = b / a * x + (1 - b / a) * target
    return x


def no_correction(denoise, noise, sigmas):
    """Nothing is extrapolated: this is Euler, which is DDIM."""
    return euler(denoise, noise, sigmas)


def old_answer_never_renewed(denoise, noise, sigmas):
    """What you take for the previous answer is still the first one."""
    first = []

    def remember(x0, target):
        first.append(x0)
        return first[0]

    return _walk(denoise, noise, sigmas, _ahead, remember=remember)


def corrected_answer_remembered(denoise, noise, sigmas):
    """You remember what you extrapolated. Remember what the network said."""
    return _walk(denoise, noise, sigmas, _ahead, remember=lambda x0, target: target)


def sign_in_the_exponent(denoise, noise, sigmas):
    """Your step explodes where it should approach the picture: look at the sign in the exponent."""

    def move(x, target, a, b):
        return b / a * x + (a / b - 1) * target

    return _walk(denoise, noise, sigmas, _ahead, move=move)


def linear_instead_of_exponential(denoise, noise, sigmas):
    """Your step is right for tiny steps only: a straight line stands where the exponential should,
    and h may be far larger than 1.
    """

    def move(x, target, a, b):
        return b / a * x + math.log(a / b) * target

    return _walk(denoise, noise, sigmas, _ahead, move=move)


def epsilon_extrapolated(denoise, noise, sigmas):
    """You extrapolate the noise: that is DPM-Solver, without the ++. Of order 2 as well, but with
    guidance it overshoots; here the picture is extrapolated.
    """
    x, before = sigmas[0] * noise, None
    for i, (a, b) in enumerate(zip(sigmas, sigmas[1:])):
        epsilon = (x - denoise(x / (a**2 + 1) ** 0.5, a)) / a
        slope = epsilon
        if i > 0 and b > 0:
            slope = _ahead(epsilon, before, math.log(a / b), math.log(sigmas[i - 1] / a))
        before = epsilon
        x = x + (b - a) * slope
    return x


def log_of_zero(denoise, noise, sigmas):
    """The step to sigma 0 fails: log sigma has no value there. That step is a plain one."""
    for b in sigmas[1:]:
        math.log(sigmas[0] / b)
    return dpm_solver_pp_2m(denoise, noise, sigmas)


EXERCISE = Exercise(
    "08.dpm_solver_pp_2m",
    "Remember the last answer",
    stars=3,
    minutes=20,
    points=4,
    reference=dpm_solver_pp_2m,
    cases=cases,
    laws=(
        one_question_a_step,
        first_step_is_plain,
        ends_on_the_last_answer,
        one_point_is_exact,
        two_steps_by_hand,
        three_uneven_steps_by_hand,
        better_than_euler,
        order_two,
    ),
    mistakes=(
        sign_of_the_correction,
        half_missing,
        ratio_upside_down,
        steps_taken_for_even,
        lengths_in_sigma,
        no_correction,
        old_answer_never_renewed,
        corrected_answer_remembered,
        sign_in_the_exponent,
        linear_instead_of_exponential,
        epsilon_extrapolated,
        log_of_zero,
    ),
    run=run,
    needs_gradient=False,  # sampling learns nothing
    atol=1e-4,
)
