"""02.add_noise: straight to any noise level."""

import torch

from ...exercise import Exercise
from .tools import close, factors, normal, table


def add_noise(images, noise, timesteps, alphas_cumprod):
    """Jump straight to noise level t, each picture to its own. Ho et al. 2020, Eq. 4.

    (B, C, H, W), (B, C, H, W), (B,) integers, (T,) -> (B, C, H, W)
    """
    alpha_bar = alphas_cumprod[timesteps].reshape(-1, 1, 1, 1)
    return alpha_bar**0.5 * images + (1 - alpha_bar) ** 0.5 * noise


def cases(generator):
    def pair(*shape):
        return normal(generator, *shape), normal(generator, *shape)

    few, three = table(50, 0.01, 0.2), torch.tensor([1.0, 0.25, 0.0])
    return {
        "example": (*pair(3, 3, 4, 6), torch.tensor([700, 0, 999]), table()),
        "batch 1": (*pair(1, 3, 4, 6), torch.tensor([500]), table()),
        "B = W": (*pair(5, 2, 3, 5), torch.tensor([0, 9, 20, 35, 49]), few),
        "same level for all": (*pair(4, 1, 2, 3), torch.tensor([12, 12, 12, 12]), few),
        "alpha-bar 1 and 0": (*pair(3, 1, 2, 2), torch.tensor([0, 1, 2]), three),
    }


def squares_of_the_factors_add_to_1(mine):
    """Call the two factors a and b: a times the picture, plus b times the noise. Then a^2 + b^2
    should be 1 at every noise level. Yours is not.
    """
    timesteps = torch.tensor([0, 300, 700, 999])
    kept, added = factors(lambda images, noise: mine(images, noise, timesteps, table()), 4)
    return close(kept**2 + added**2, torch.ones(4, 1, 2, 3))


def the_true_noise_gives_the_picture_back(mine):
    """Whoever knows the noise should be able to take it off x_t again, and to divide by the root
    of alpha-bar, and then have the picture. From yours comes another one.
    """
    generator = torch.Generator().manual_seed(23)
    images, noise = normal(generator, 3, 3, 4, 5), normal(generator, 3, 3, 4, 5)
    timesteps = torch.tensor([0, 400, 800])
    noisy = mine(images.clone(), noise.clone(), timesteps, table())
    alpha_bar = table()[timesteps].reshape(3, 1, 1, 1)
    return close((noisy - (1 - alpha_bar).sqrt() * noise) / alpha_bar.sqrt(), images, atol=1e-4)


def as_much_is_left_as_after_the_small_steps(mine):
    """The jump to t should keep exactly as much of the picture as t + 1 small steps with no noise
    do, one after another. It does not.
    """
    generator = torch.Generator().manual_seed(24)
    images, alphas_cumprod = normal(generator, 1, 2, 3, 4), table(30, 0.01, 0.2)
    alphas = torch.cat([alphas_cumprod[:1], alphas_cumprod[1:] / alphas_cumprod[:-1]])
    stepped = images.clone()
    for t in range(21):
        stepped = stepped * alphas[t].sqrt()
    jumped = mine(images, torch.zeros_like(images), torch.tensor([20]), alphas_cumprod)
    return close(jumped, stepped)


def same_arguments_same_result(mine):
    """Called twice with the same picture, noise and timestep, your function gives two different
    answers: some noise in it is not the noise that it was given.
    """
    generator = torch.Generator().manual_seed(25)
    images, noise = normal(generator, 2, 2, 3, 4), normal(generator, 2, 2, 3, 4)
    timesteps = torch.tensor([100, 900])
    first, second = (mine(images.clone(), noise.clone(), timesteps, table()) for _ in range(2))
    return close(first, second)


def each_picture_its_own_level(mine):
    """A picture comes out otherwise in a batch than alone: each should follow its own timestep
    only.
    """
    generator = torch.Generator().manual_seed(26)
    images, noise = normal(generator, 4, 2, 5, 4), normal(generator, 4, 2, 5, 4)
    timesteps = torch.tensor([20, 300, 600, 990])
    together = mine(images.clone(), noise.clone(), timesteps, table())
    alone = [
        mine(images[i : i + 1], noise[i : i + 1], timesteps[i : i + 1], table()) for i in range(4)
    ]
    return close(together, torch.cat(alone))


def _level(timesteps, alphas_cumprod):
    return alphas_cumprod[timesteps].reshape(-1, 1, 1, 1)


def roots_forgotten(images, noise, timesteps, alphas_cumprod):
    """The squares of your two factors do not add to 1: where half of the picture's variance should
    be left, both are .5. Which quantity of a Gaussian scales with the factor, and which with its
    square?
    """
    alpha_bar = _level(timesteps, alphas_cumprod)
    return alpha_bar * images + (1 - alpha_bar) * noise


def one_steps_factor(images, noise, timesteps, alphas_cumprod):
    """At t = 999 the picture is still plainly there: you use what ONE step keeps, where the
    product of all steps belongs.
    """
    alphas = torch.cat([alphas_cumprod[:1], alphas_cumprod[1:] / alphas_cumprod[:-1]])
    alpha = _level(timesteps, alphas)
    return alpha**0.5 * images + (1 - alpha) ** 0.5 * noise


def multiplied_up_twice(images, noise, timesteps, alphas_cumprod):
    """The picture is gone far too early: alphas_cumprod is a product over all steps already, and
    you have multiplied it up once more.
    """
    alpha_bar = _level(timesteps, alphas_cumprod.cumprod(dim=0))
    return alpha_bar**0.5 * images + (1 - alpha_bar) ** 0.5 * noise


def timestep_not_reshaped(images, noise, timesteps, alphas_cumprod):
    """Every picture gets a ramp from left to right: the timesteps were spread over the columns,
    not over the batch.
    """
    alpha_bar = alphas_cumprod[timesteps]
    return alpha_bar**0.5 * images + (1 - alpha_bar) ** 0.5 * noise


def timestep_spread_over_the_channels(images, noise, timesteps, alphas_cumprod):
    """Each *channel* gets its own noise level, red another than blue: count the axes of a batch of
    pictures, and then those of what you multiply it by.
    """
    alpha_bar = alphas_cumprod[timesteps].reshape(-1, 1, 1)
    return alpha_bar**0.5 * images + (1 - alpha_bar) ** 0.5 * noise


def first_timestep_for_all(images, noise, timesteps, alphas_cumprod):
    """All pictures share the first one's noise level."""
    alpha_bar = alphas_cumprod[timesteps[0]]
    return alpha_bar**0.5 * images + (1 - alpha_bar) ** 0.5 * noise


def own_noise_drawn_inside(images, noise, timesteps, alphas_cumprod):
    """The noise that you were given is never used: your function draws its own. Training has to
    know which noise was added, since that is what the network must find.
    """
    alpha_bar = _level(timesteps, alphas_cumprod)
    return alpha_bar**0.5 * images + (1 - alpha_bar) ** 0.5 * torch.randn_like(images)


def factors_exchanged(images, noise, timesteps, alphas_cumprod):
    """t = 0 is pure noise and t = 999 is clean: with you, time runs backward."""
    alpha_bar = _level(timesteps, alphas_cumprod)
    return (1 - alpha_bar) ** 0.5 * images + alpha_bar**0.5 * noise


def one_timestep_too_early(images, noise, timesteps, alphas_cumprod):
    """At t = 0 you read entry -1 of the table, which is its *last* one, the noisiest of all. In
    code, t = 0 is already one step of noise: nothing is to be taken off t.
    """
    alpha_bar = _level(timesteps - 1, alphas_cumprod)
    return alpha_bar**0.5 * images + (1 - alpha_bar) ** 0.5 * noise


def root_before_the_difference(images, noise, timesteps, alphas_cumprod):
    """Half way, your noise is too weak (.29 in place of .71). Take the difference first, and its
    root afterward.
    """
    alpha_bar = _level(timesteps, alphas_cumprod)
    return alpha_bar**0.5 * images + (1 - alpha_bar**0.5) * noise


def noise_at_full_strength(images, noise, timesteps, alphas_cumprod):
    """Your noise comes in at full strength, whatever the timestep: already at t = 0 the picture is
    hard to see.
    """
    return _level(timesteps, alphas_cumprod) ** 0.5 * images + noise


def picture_not_shrunk(images, noise, timesteps, alphas_cumprod):
    """At t = 999 the whole picture is still there underneath the noise: you add noise to it, but
    do not fade it.
    """
    return images + (1 - _level(timesteps, alphas_cumprod)) ** 0.5 * noise


EXERCISE = Exercise(
    "02.add_noise",
    "One jump",
    2,
    10,
    3,
    add_noise,
    cases,
    laws=(
        squares_of_the_factors_add_to_1,
        the_true_noise_gives_the_picture_back,
        as_much_is_left_as_after_the_small_steps,
        same_arguments_same_result,
        each_picture_its_own_level,
    ),
    mistakes=(
        roots_forgotten,
        one_steps_factor,
        multiplied_up_twice,
        timestep_not_reshaped,
        timestep_spread_over_the_channels,
        first_timestep_for_all,
        own_noise_drawn_inside,
        factors_exchanged,
        one_timestep_too_early,
        root_before_the_difference,
        noise_at_full_strength,
        picture_not_shrunk,
    ),
)
