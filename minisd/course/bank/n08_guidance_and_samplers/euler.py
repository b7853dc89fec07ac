"""08.euler: walking down the slope in straight lines."""

import torch

from ...exercise import Exercise
from .convergence_order import convergence_order
from .ddim_step import ddim_step
from .mixture import distance_to_exact_end, karras
from .watching import Watched, asked_at, cases, one_point_is_exact, run, scripted, two_starts


def euler(denoise, noise, sigmas):
    """Walk from noise to a picture in straight lines along epsilon. Karras et al. 2022.

    `sigmas` are falling numbers. `denoise(latents, sigma)` takes latents of unit variance and
    answers with x_0. (B, ...), N + 1 numbers -> x at the last sigma, (B, ...)
    """
    x = sigmas[0] * noise
    for sigma, sigma_next in zip(sigmas, sigmas[1:]):
        x0 = denoise(x / (sigma**2 + 1) ** 0.5, sigma)
        slope = (x - x0) / sigma  # epsilon
        x = x + (sigma_next - sigma) * slope
    return x


def one_question_a_step(mine):
    """The network should be asked once a step, at the level where the step begins. Yours is asked
    otherwise.
    """
    denoise, sigmas = Watched(two_starts()[1]), [6.0, 2.0, 0.9, 0.3]
    mine(denoise, two_starts()[0], sigmas)
    return asked_at(denoise.asked, sigmas[:-1])


def ends_on_the_last_answer(mine):
    """A step to sigma 0 should end on the last picture that the network saw. Yours does not."""
    end = mine(scripted([1.0, 3.0, -2.0]), two_starts()[0], [9.0, 3.0, 1.0, 0.0])
    return torch.allclose(end, torch.full((2, 2), -2.0), atol=1e-4)


def shows_unit_variance(mine):
    """The network should be shown inputs of width 1, at the first level and later. It is shown
    others.
    """
    generator, seen = torch.Generator().manual_seed(3), []

    def denoise(latents, sigma):
        seen.append(latents.std().item())
        return 0 * latents

    mine(denoise, torch.randn(4000, 1, generator=generator), [20.0, 15.0, 12.0, 10.0])
    return all(abs(width - 1) < 0.08 for width in seen)


def is_ddim(mine):
    """On the same noise levels it should take DDIM's steps of exercise 8.2, with eta 0. It does
    not.
    """
    noise, centers = (part.double() for part in two_starts())
    sigmas, denoise = [9.0, 3.0, 1.2, 0.4, 0.1], Watched(centers)
    table = torch.tensor([1 / (sigma**2 + 1) for sigma in sigmas[::-1]], dtype=torch.float64)
    latents = sigmas[0] * noise / (sigmas[0] ** 2 + 1) ** 0.5
    for t, sigma in zip((4, 3, 2, 1), sigmas):
        latents = ddim_step(latents, denoise(latents, sigma), t, t - 1, table, 0.0, noise)
    end = mine(denoise, noise, sigmas) / (sigmas[-1] ** 2 + 1) ** 0.5
    return torch.allclose(end, latents, atol=1e-5)


def order_one(mine):
    """Against the exact end of the road, twice the steps should halve the error. With yours they do
    not.
    """
    num_steps = torch.tensor([20.0, 40.0, 80.0])
    errors = [distance_to_exact_end(mine, karras(int(n)), 16) for n in num_steps]
    return 0.85 < convergence_order(num_steps, torch.tensor(errors)) < 1.15


def _walk(denoise, noise, sigmas, step, show=lambda x, a: x / (a**2 + 1) ** 0.5, tell=None):
    """Euler's walk with one part exchanged: step(x, x0, sigma, sigma_next), show, or tell."""
    x = sigmas[0] * noise
    for a, b in zip(sigmas, sigmas[1:]):
        x0 = denoise(show(x, a), a if tell is None else tell(a, b))
        x = step(x, x0, a, b)
    return x


def _right(x, x0, a, b):
    return x + (b - a) * (x - x0) / a


def noise_not_widened(denoise, noise, sigmas):
    """Your walk starts with width 1, not with width sigmas[0]: all pictures come out washed out and
    much alike.
    """
    return euler(denoise, noise / sigmas[0], sigmas)


def input_not_shrunk(denoise, noise, sigmas):
    """The network is shown inputs up to sigmas[0] wide; it was trained on width 1."""
    return _walk(denoise, noise, sigmas, _right, show=lambda x, a: x)


def divided_by_sigma_again(denoise, noise, sigmas):
    """Your slope is divided by sigma once too often: epsilon is the slope already."""
    return _walk(denoise, noise, sigmas, lambda x, x0, a, b: x + (b - a) * (x - x0) / a**2)


def the_wrong_way(denoise, noise, sigmas):
    """You step the wrong way: sigma falls, so that the step is negative; your pictures move away
    from the data.
    """
    return _walk(denoise, noise, sigmas, lambda x, x0, a, b: x + (a - b) * (x - x0) / a)


def multiplied_by_the_new_sigma(denoise, noise, sigmas):
    """The length of a step is the difference of the two sigmas; yours is another."""
    return _walk(denoise, noise, sigmas, lambda x, x0, a, b: x - b * (x - x0) / a)


def last_step_left_out(denoise, noise, sigmas):
    """The last of the steps is missing: a veil of noise is left. Three levels are two steps, and
    every step ends at the next level.
    """
    return euler(denoise, noise, sigmas[:-1])


def told_the_next_level(denoise, noise, sigmas):
    """The network is told the *next* noise level while it looks at the present picture."""
    return _walk(denoise, noise, sigmas, _right, tell=lambda a, b: b)


def shrunk_twice(denoise, noise, sigmas):
    """The noise that is left should be as wide as the new sigma; yours is that times the ratio of
    the two once more.
    """
    return _walk(denoise, noise, sigmas, lambda x, x0, a, b: x0 + (b / a) ** 2 * (x - x0))


def shrunk_by_a_variance(denoise, noise, sigmas):
    """You divide what the network is shown by a variance. A width is shrunk by a root."""
    return _walk(denoise, noise, sigmas, _right, show=lambda x, a: x / (a**2 + 1))


def shrunk_by_sigma_alone(denoise, noise, sigmas):
    """You divide what the network is shown by the width of the noise alone; the picture in it has a
    variance too, of 1.
    """
    return _walk(denoise, noise, sigmas, _right, show=lambda x, a: x / a)


def slope_of_what_the_network_saw(denoise, noise, sigmas):
    """Your slope leads from the picture to what the network was *shown*, which is shrunk. It should
    lead to x as it stands.
    """
    x = sigmas[0] * noise
    for a, b in zip(sigmas, sigmas[1:]):
        shown = x / (a**2 + 1) ** 0.5
        x = x + (b - a) * (shown - denoise(shown, a)) / a
    return x


EXERCISE = Exercise(
    "08.euler",
    "Walking down the slope, and who DDIM really is",
    stars=2,
    minutes=12,
    points=2,
    reference=euler,
    cases=cases,
    laws=(
        one_question_a_step,
        shows_unit_variance,
        one_point_is_exact,
        ends_on_the_last_answer,
        is_ddim,
        order_one,
    ),
    mistakes=(
        noise_not_widened,
        input_not_shrunk,
        divided_by_sigma_again,
        the_wrong_way,
        multiplied_by_the_new_sigma,
        last_step_left_out,
        told_the_next_level,
        shrunk_twice,
        shrunk_by_a_variance,
        shrunk_by_sigma_alone,
        slope_of_what_the_network_saw,
    ),
    run=run,
    needs_gradient=False,  # sampling learns nothing
    atol=1e-4,
)
