"""02.rescale_zero_terminal_snr: truly nothing left at the end."""

import torch

from ....schedule import rescale_zero_terminal_snr
from ...exercise import Exercise
from .tools import close


def _scaled_linear(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012):
    return torch.linspace(beta_start**0.5, beta_end**0.5, num_train_timesteps) ** 2


def cases(generator):
    return {
        "example": (_scaled_linear(),),
        "linear": (torch.linspace(0.0001, 0.02, 1000),),
        "20 steps": (_scaled_linear(20, 0.02, 0.4),),
        "5 steps": (torch.tensor([0.1, 0.15, 0.2, 0.3, 0.5]),),
        "two steps": (torch.tensor([0.1, 0.3]),),
    }


def _roots(betas):
    return (1 - betas).cumprod(dim=0).sqrt()


def nothing_is_left_at_the_end(mine):
    """Multiply up what your steps keep: after the last one, alpha-bar should be exactly 0, which
    asks for a last beta of exactly 1. Yours is not.
    """
    after = mine(_scaled_linear(50, 0.01, 0.2))
    return after[-1].item() == 1 and (1 - after).prod().item() == 0


def the_first_step_stays(mine):
    """Your first beta is not the old one. The beginning of the schedule was fine: only the end
    leaks.
    """
    betas = _scaled_linear(50, 0.01, 0.2)
    return close(mine(betas.clone())[0], betas[0], atol=1e-6)


def as_many_betas_as_before_all_up_to_1(mine):
    """These cannot be betas: there should be as many as before, each above 0 and none above 1, so
    that alpha-bar falls with every step.
    """
    after = mine(_scaled_linear(50, 0.01, 0.2))
    return len(after) == 50 and bool(((after > 0) & (after <= 1)).all())


def a_straight_line_between_the_roots(mine):
    """Plot your new sqrt(alpha-bar) over the old one: it should be a straight line, the same
    moving and stretching for every step. It bends, or breaks.
    """
    betas = _scaled_linear(50, 0.01, 0.2)
    before, after = _roots(betas), _roots(mine(betas.clone()))
    if before.shape != after.shape:
        return False
    slopes = (after - after[-1])[:-1] / (before - before[-1])[:-1]
    return close(slopes, slopes[0].expand_as(slopes))


def _to_betas(roots):
    alphas_cumprod = roots**2
    return 1 - torch.cat([alphas_cumprod[:1], alphas_cumprod[1:] / alphas_cumprod[:-1]])


def shifted_not_scaled(betas):
    """The last value is 0 now, but the first has moved along with it. Moving alone is not enough:
    the first value should stay where it was.
    """
    roots = _roots(betas)
    return _to_betas(roots - roots[-1])


def stretched_to_1(betas):
    """Your first step adds no noise at all (beta 0). Either you stretched so that sqrt(alpha-bar)
    begins at 1, where it did not begin before, or you put a 1 in front of the ratios, where the
    first alpha-bar belongs.
    """
    roots = _roots(betas)
    return _to_betas((roots - roots[-1]) / (roots[0] - roots[-1]))


def alpha_bar_moved_instead_of_its_root(betas):
    """Both ends are right and the middle is not: it is the *root* of alpha-bar that is moved and
    stretched.
    """
    alphas_cumprod = (1 - betas).cumprod(dim=0)
    first, last = alphas_cumprod[0], alphas_cumprod[-1]
    return _to_betas(((alphas_cumprod - last) * first / (first - last)).sqrt())


def last_value_overwritten(betas):
    """Only the last step jumps, from a little picture to none; all others are where they were."""
    roots = _roots(betas)
    return _to_betas(torch.cat([roots[:-1], torch.zeros(1)]))


def alpha_bar_returned(betas):
    """You return alpha-bar, and the statement asks for betas: betas rise, yours fall."""
    roots = _roots(betas)
    first, last = roots[0], roots[-1]
    return ((roots - last) * first / (first - last)) ** 2


def alphas_returned(betas):
    """You return what each step *keeps*, and the statement asks for what it adds."""
    roots = _roots(betas)
    first, last = roots[0], roots[-1]
    return 1 - _to_betas((roots - last) * first / (first - last))


def first_ratio_lost(betas):
    """One value is missing: T alpha-bars have T - 1 ratios between them. What comes before the
    first?
    """
    roots = _roots(betas)
    first, last = roots[0], roots[-1]
    alphas_cumprod = ((roots - last) * first / (first - last)) ** 2
    return 1 - alphas_cumprod[1:] / alphas_cumprod[:-1]


def stretched_before_it_was_moved(betas):
    """Neither end fits: first move (so that the end is 0), then stretch (so that the first value
    is back).
    """
    roots = _roots(betas)
    first, last = roots[0], roots[-1]
    return _to_betas(roots * first / (first - last) - last)


def square_forgotten(betas):
    """Your steps are about half as large as they should be: from sqrt(alpha-bar) you went on to
    betas without squaring first.
    """
    roots = _roots(betas)
    first, last = roots[0], roots[-1]
    return _to_betas(((roots - last) * first / (first - last)).sqrt())


def nothing_changed(betas):
    """These are the betas that went in: at the end as much picture is left as before."""
    return betas.clone()


EXERCISE = Exercise(
    "02.rescale_zero_terminal_snr",
    "Truly nothing left at the end",
    3,
    15,
    3,
    rescale_zero_terminal_snr,
    cases,
    laws=(
        nothing_is_left_at_the_end,
        the_first_step_stays,
        as_many_betas_as_before_all_up_to_1,
        a_straight_line_between_the_roots,
    ),
    mistakes=(
        shifted_not_scaled,
        stretched_to_1,
        alpha_bar_moved_instead_of_its_root,
        last_value_overwritten,
        alpha_bar_returned,
        alphas_returned,
        first_ratio_lost,
        stretched_before_it_was_moved,
        square_forgotten,
        nothing_changed,
    ),
    needs_gradient=False,  # a table, made once; the paper's own code works in place
    atol=2e-6,
)
