"""02.noise_schedule: how much noise each step adds, and what is left of the picture."""

import math

import torch

from ...exercise import Exercise
from .tools import close, cosine_curve, right_betas, with_product

STABLE_DIFFUSION = ("scaled_linear", 1000, 0.00085, 0.012)


def noise_schedule(kind, num_train_timesteps, beta_start, beta_end):
    """Return the variance that each step adds, and the share of the picture's that is left.

    kind: "linear" (Ho et al. 2020), "scaled_linear" (Rombach et al. 2022) or "cosine" (Nichol and
    Dhariwal 2021; it ignores the two betas). -> betas (T,), alphas_cumprod (T,), both float32
    """
    T = num_train_timesteps
    if kind == "linear":
        betas = torch.linspace(beta_start, beta_end, T)
    elif kind == "scaled_linear":
        betas = torch.linspace(beta_start**0.5, beta_end**0.5, T) ** 2
    else:
        t = torch.arange(T + 1, dtype=torch.float64)  # neighbors are almost equal: many digits
        curve = torch.cos((t / T + 0.008) / 1.008 * math.pi / 2) ** 2
        betas = (1 - curve[1:] / curve[:-1]).clamp(max=0.999).float()
    return betas, (1 - betas).cumprod(dim=0)


def cases(generator):
    return {
        "example": STABLE_DIFFUSION,
        "linear": ("linear", 1000, 0.0001, 0.02),
        "cosine": ("cosine", 1000, 0.0001, 0.02),
        "linear, 20 steps": ("linear", 20, 0.01, 0.3),
        "scaled_linear, 7 steps": ("scaled_linear", 7, 0.04, 0.49),
        "cosine, 50 steps": ("cosine", 50, 0.001, 0.02),
        "two steps": ("linear", 2, 0.1, 0.2),
    }


def as_many_betas_as_steps_all_between_0_and_1(mine):
    """Ask for 20 steps and look at the betas: there are not 20, or one is not between 0 and 1."""
    for kind in ("linear", "scaled_linear", "cosine"):
        betas, alphas_cumprod = mine(kind, 20, 0.01, 0.3)
        if len(betas) != 20 or len(alphas_cumprod) != 20 or not ((betas > 0) & (betas < 1)).all():
            return False
    return True


def ends_are_beta_start_and_beta_end(mine):
    """From .01 to .3 in 20 steps: your first beta or your last one is not what was asked for."""
    for kind in ("linear", "scaled_linear"):
        betas, _ = mine(kind, 20, 0.01, 0.3)
        if not close(betas[[0, -1]], torch.tensor([0.01, 0.3])):
            return False
    return True


def evenly_spaced(mine):
    """Look at the gaps between neighbors: the linear betas, or the square roots of the scaled
    linear ones, are not evenly spaced.
    """
    linear, _ = mine("linear", 20, 0.01, 0.3)
    scaled, _ = mine("scaled_linear", 20, 0.01, 0.3)
    gaps = linear.diff(), scaled.sqrt().diff()
    return all(close(gap, gap.mean().expand_as(gap)) for gap in gaps)


def each_step_keeps_its_share(mine):
    """Your alpha-bar does not follow from your betas: of what was there before step t, the share
    1 - beta_t should be left after it, and before the first step all is there.
    """
    for kind in ("linear", "scaled_linear", "cosine"):
        betas, alphas_cumprod = mine(kind, 20, 0.01, 0.3)
        before = torch.cat([torch.ones(1), alphas_cumprod[:-1]])
        if not close(alphas_cumprod, before * (1 - betas), rtol=5e-5):
            return False
    return True


def falls_at_every_step(mine):
    """Your alpha-bar does not fall at every step: noise was added, yet no less picture is left."""
    for kind in ("linear", "scaled_linear", "cosine"):
        _, alphas_cumprod = mine(kind, 200, 0.001, 0.02)
        if not (alphas_cumprod.diff() < 0).all():
            return False
    return True


def the_figures_of_stable_diffusion(mine):
    """Stable Diffusion's alpha-bar (scaled_linear, 1000 steps, .00085 to .012) begins at .99915 and
    ends at .00466. Yours does not.
    """
    _, alphas_cumprod = mine(*STABLE_DIFFUSION)
    return close(alphas_cumprod[[0, 999]], torch.tensor([0.99915, 0.0046600]), atol=2e-6)


def cosine_is_half_way_at_half_time(mine):
    """The cosine schedule is made so that, half way, a little less than half of the picture is
    left (.494 at 1000 steps), and so that no beta passes .999. Yours is not.
    """
    betas, alphas_cumprod = mine("cosine", 1000, 0.0001, 0.02)
    return close(alphas_cumprod[499], 0.49384, rtol=0, atol=2e-4) and bool((betas < 0.9995).all())


def _with_curve(kind, T, start, end, curve, cap=0.999):
    """The right answer, but for the curve of the cosine schedule."""
    if kind == "cosine":
        return with_product((1 - curve[1:] / curve[:-1]).clamp(max=cap).float())
    return with_product(right_betas(kind, T, start, end))


def square_forgotten(kind, T, start, end):
    """With `scaled_linear` the first beta is .029, not .00085: you walked evenly between the
    square roots, and stayed there.
    """
    betas = right_betas(kind, T, start, end)
    return with_product(betas.sqrt() if kind == "scaled_linear" else betas)


def scaled_linear_without_roots(kind, T, start, end):
    """Your `scaled_linear` is `linear` under another name. In the scaled one it is the square
    roots that are evenly spaced.
    """
    return with_product(right_betas("linear" if kind == "scaled_linear" else kind, T, start, end))


def end_point_never_reached(kind, T, start, end):
    """The last beta falls short of beta_end, by one step: between T values lie T - 1 gaps."""
    return with_product(right_betas(kind, T if kind == "cosine" else T + 1, start, end)[:T])


def product_of_the_betas(kind, T, start, end):
    """After the second step next to nothing is left of the picture: you multiplied what each step
    *adds*. Multiply what it keeps.
    """
    betas = right_betas(kind, T, start, end)
    return betas, betas.cumprod(dim=0)


def sum_for_product(kind, T, start, end):
    """Each of your steps takes its share of the *first* picture, so that in the end less than
    nothing is left. The second step takes its share of what the first has left over.
    """
    betas = right_betas(kind, T, start, end)
    return betas, 1 - betas.cumsum(dim=0)


def one_steps_factor(kind, T, start, end):
    """At the last step almost all of the picture is still there: what you return as alpha-bar is
    what ONE step keeps.
    """
    betas = right_betas(kind, T, start, end)
    return betas, 1 - betas


def starts_at_1(kind, T, start, end):
    """Your alpha-bar begins at exactly 1, and so comes one step late: index 0 of the code already
    stands for the first step (papers count from 1).
    """
    betas, alphas_cumprod = with_product(right_betas(kind, T, start, end))
    return betas, torch.cat([torch.ones(1), alphas_cumprod[:-1]])


def alpha_bars_first(kind, T, start, end):
    """You return alpha-bar first and the betas second. The statement wants them the other way."""
    return with_product(right_betas(kind, T, start, end))[::-1]


def cosine_curve_taken_for_beta(kind, T, start, end):
    """For `cosine` the curve f is what alpha-bar should follow. You took 1 - f(t) for beta: but a
    beta is about one step, so it compares two neighbors on the curve.
    """
    if kind == "cosine":
        return with_product((1 - cosine_curve(T)[1:]).clamp(max=0.999).float())
    return with_product(right_betas(kind, T, start, end))


def cosine_curve_returned_as_alpha_bar(kind, T, start, end):
    """For `cosine` you return the curve f itself as alpha-bar. It begins at f(0), a hair below 1;
    what is left follows from the betas, by formula (2.1), whatever the kind.
    """
    betas, alphas_cumprod = with_product(right_betas(kind, T, start, end))
    return betas, cosine_curve(T)[1:].float() if kind == "cosine" else alphas_cumprod


def cosine_without_the_cap(kind, T, start, end):
    """Your last cosine beta is 1: the curve ends at 0. Dividing by 1 - beta gives infinity
    later, which is why the paper caps beta.
    """
    return _with_curve(kind, T, start, end, cosine_curve(T), cap=1.0)


def cosine_without_the_offset(kind, T, start, end):
    """Your first cosine steps add next to nothing: on top of its arch the curve is flat, and the
    small offset .008 that steps past the top is missing.
    """
    return _with_curve(kind, T, start, end, cosine_curve(T, offset=0))


def cosine_not_squared(kind, T, start, end):
    """Half way through the cosine schedule your alpha-bar is .70: that is the *root* of what is
    left. A piece of the formula for f was lost.
    """
    return _with_curve(kind, T, start, end, cosine_curve(T).sqrt())


EXERCISE = Exercise(
    "02.noise_schedule",
    "Three schedules, and what is left of the picture",
    1,
    12,
    2,
    noise_schedule,
    cases,
    laws=(
        as_many_betas_as_steps_all_between_0_and_1,
        ends_are_beta_start_and_beta_end,
        evenly_spaced,
        each_step_keeps_its_share,
        falls_at_every_step,
        the_figures_of_stable_diffusion,
        cosine_is_half_way_at_half_time,
    ),
    mistakes=(
        square_forgotten,
        scaled_linear_without_roots,
        end_point_never_reached,
        product_of_the_betas,
        sum_for_product,
        one_steps_factor,
        starts_at_1,
        alpha_bars_first,
        cosine_curve_taken_for_beta,
        cosine_curve_returned_as_alpha_bar,
        cosine_without_the_cap,
        cosine_without_the_offset,
        cosine_not_squared,
    ),
    forbidden=("minisd.make_betas",),
    needs_gradient=False,
    atol=1e-6,
)
