"""02.forward_step: one small step of the forward process."""

import torch

from ...exercise import Exercise
from .tools import close, factors, normal


def forward_step(images, noise, betas):
    """Take one step of the forward process, each picture with its own beta. Ho et al. 2020, Eq. 2.

    (B, C, H, W), (B, C, H, W), (B,) -> (B, C, H, W)
    """
    betas = betas.reshape(-1, 1, 1, 1)  # else they would be spread over the columns
    return (1 - betas) ** 0.5 * images + betas**0.5 * noise


def cases(generator):
    def pair(*shape):
        return normal(generator, *shape), normal(generator, *shape)

    return {
        "example": (*pair(2, 3, 4, 6), torch.tensor([0.1, 0.4])),
        "batch 1": (*pair(1, 3, 4, 6), torch.tensor([0.3])),
        "B = W": (*pair(5, 2, 3, 5), torch.tensor([0.02, 0.2, 0.4, 0.6, 0.9])),
        "beta 0 and 1": (*pair(3, 1, 2, 2), torch.tensor([0.0, 1.0, 0.5])),
    }


def squares_of_the_factors_add_to_1(mine):
    """Call the two factors a and b: a times the picture, plus b times the noise. Then a^2 + b^2
    should be 1 for every beta, so that nothing is gained and nothing is lost. Yours is not.
    """
    betas = torch.tensor([0.1, 0.5, 0.9])
    kept, added = factors(lambda images, noise: mine(images, noise, betas), 3)
    return close(kept**2 + added**2, torch.ones(3, 1, 2, 3))


def no_step_and_a_whole_step(mine):
    """With beta = 0 nothing should happen to the picture, and with beta = 1 only the noise should
    be left. One of the two is not so.
    """
    generator = torch.Generator().manual_seed(20)
    images, noise = normal(generator, 2, 3, 4, 5), normal(generator, 2, 3, 4, 5)
    after = mine(images.clone(), noise.clone(), torch.tensor([0.0, 1.0]))
    return close(after, torch.stack([images[0], noise[1]]))


def two_steps_keep_a_share_of_a_share(mine):
    """Two steps without noise, beta .1 and then .2: of the picture's variance, .9 and then .8 of
    that should be left. Yours keeps something else.
    """
    generator = torch.Generator().manual_seed(21)
    images, zeros = normal(generator, 1, 3, 4, 5), torch.zeros(1, 3, 4, 5)
    once = mine(images.clone(), zeros, torch.tensor([0.1]))
    twice = mine(once, zeros.clone(), torch.tensor([0.2]))
    return close(twice.pow(2).sum(), 0.72 * images.pow(2).sum())


def each_picture_its_own_beta(mine):
    """A picture comes out otherwise in a batch than alone: each should follow its own beta only."""
    generator = torch.Generator().manual_seed(22)
    images, noise = normal(generator, 4, 3, 5, 4), normal(generator, 4, 3, 5, 4)
    betas = torch.tensor([0.05, 0.3, 0.6, 0.9])
    together = mine(images.clone(), noise.clone(), betas)
    alone = [mine(images[i : i + 1], noise[i : i + 1], betas[i : i + 1]) for i in range(4)]
    return close(together, torch.cat(alone))


def no_square_roots(images, noise, betas):
    """Picture and noise of variance 1 go in, and at beta = .1 a variance of .82 comes out. Beta is
    a share of a variance: what do you multiply the *picture* by?
    """
    betas = betas.reshape(-1, 1, 1, 1)
    return (1 - betas) * images + betas * noise


def picture_not_shrunk(images, noise, betas):
    """The picture is never shrunk, so with every step the sum grows. (There is such a family, the
    variance-exploding one. It is not the one asked for.)
    """
    return images + betas.reshape(-1, 1, 1, 1) ** 0.5 * noise


def root_missing_on_the_noise(images, noise, betas):
    """The noise comes in too weak: at beta = .1 it should bring a variance of .1, and yours
    brings .01.
    """
    betas = betas.reshape(-1, 1, 1, 1)
    return (1 - betas) ** 0.5 * images + betas * noise


def root_missing_on_the_picture(images, noise, betas):
    """The picture fades too fast: after one step with beta = .1, .81 of its variance is left in
    place of .9.
    """
    betas = betas.reshape(-1, 1, 1, 1)
    return (1 - betas) * images + betas**0.5 * noise


def noise_shrunk_as_well(images, noise, betas):
    """At beta = 1 even the noise is gone. The *next* step shrinks this step's noise; its own does
    not.
    """
    betas = betas.reshape(-1, 1, 1, 1)
    return (1 - betas) ** 0.5 * (images + betas**0.5 * noise)


def factors_exchanged(images, noise, betas):
    """With beta = 0 you return pure noise: the two factors have changed places."""
    betas = betas.reshape(-1, 1, 1, 1)
    return betas**0.5 * images + (1 - betas) ** 0.5 * noise


def beta_not_reshaped(images, noise, betas):
    """As many pictures as columns, and it runs without a word, but each *column* gets its own
    noise level: a ramp from left to right. To which axis of the pictures do the betas belong?
    """
    return (1 - betas) ** 0.5 * images + betas**0.5 * noise


def first_beta_for_all(images, noise, betas):
    """All pictures were given the first one's beta."""
    return (1 - betas[0]) ** 0.5 * images + betas[0] ** 0.5 * noise


def root_of_each_then_difference(images, noise, betas):
    """The picture's factor is 1 minus a root, where the root of a difference belongs: at beta = .1
    it keeps .47 of the variance in place of .9.
    """
    betas = betas.reshape(-1, 1, 1, 1)
    return (1 - betas**0.5) * images + betas**0.5 * noise


EXERCISE = Exercise(
    "02.forward_step",
    "One small step",
    1,
    6,
    1,
    forward_step,
    cases,
    laws=(
        squares_of_the_factors_add_to_1,
        no_step_and_a_whole_step,
        two_steps_keep_a_share_of_a_share,
        each_picture_its_own_beta,
    ),
    mistakes=(
        no_square_roots,
        picture_not_shrunk,
        root_missing_on_the_noise,
        root_missing_on_the_picture,
        noise_shrunk_as_well,
        factors_exchanged,
        beta_not_reshaped,
        first_beta_for_all,
        root_of_each_then_difference,
    ),
)
