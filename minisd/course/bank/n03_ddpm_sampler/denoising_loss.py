"""03.denoising_loss: the loss that trains it. Judged through models that look at what they get."""

import torch

from ...exercise import Exercise
from .spy import Spy, ask, run


def denoising_loss(model, x0, alphas_cumprod, generator=None):
    """Noise each example to a random level, ask for the noise. Ho et al. 2020, Algorithm 1.

    `model(x_t, timesteps)` answers with a guess of the noise. (B, ...), (T,) -> scalar
    """
    B, draw = x0.shape[0], {"generator": generator, "device": x0.device}
    timesteps = torch.randint(len(alphas_cumprod), (B,), **draw)
    noise = torch.randn(x0.shape, **draw)
    alpha_bar = alphas_cumprod[timesteps].reshape(B, *[1] * (x0.ndim - 1))
    x_t = alpha_bar**0.5 * x0 + (1 - alpha_bar) ** 0.5 * noise
    return ((model(x_t, timesteps) - noise) ** 2).mean()


def cases(generator):
    """(shape, T, seed): large batches, so that what is random hardly varies."""
    seeds = torch.randint(10_000, (4,), generator=generator).tolist()
    return {
        "example": ((1024, 4), 8, seeds[0]),
        "batch 1": ((1, 1, 64, 64), 5, seeds[1]),
        "pictures, B = W": ((32, 1, 8, 32), 2, seeds[2]),
        "another T": ((2048, 2), 20, seeds[3]),
    }


def model_gets_times(mine):
    """The model should receive whole times, one for each example: integers of shape (B,)."""
    _, saw = ask(mine, (6, 4), 5)
    return saw.timesteps.shape == (6,) and saw.timesteps.dtype == torch.int64


def every_time_is_drawn(mine):
    """Some noise level is never trained, or much more rarely than another: each of the T times
    should be drawn about equally often, and each example should have its own.
    """
    _, saw = ask(mine, (8000, 1), 8)
    counts = torch.bincount(saw.timesteps.flatten().long(), minlength=8)
    return len(counts) == 8 and bool(((counts > 800) & (counts < 1200)).all())


def knowing_costs_nothing(mine):
    """A model that knows which noise was added should have loss 0. It has not."""
    return all(ask(mine, shape, 6)[0].abs() < 1e-4 for shape in ((64, 2), (6, 2, 3, 6)))


def saying_nothing_costs_one(mine):
    """A model that always says 0 should have loss 1, the variance of the noise, however large the
    batch. It has another.
    """
    losses = [ask(mine, shape, 6, knows=False)[0] for shape in ((4000, 2), (40, 1, 10, 20))]
    return all(0.93 < loss < 1.07 for loss in losses)


def twice_as_far_costs_four_times(mine):
    """A model whose answer is off by 1 everywhere should have loss 1, and one that is off by 2
    loss 4. In yours it is otherwise.
    """
    losses = [ask(mine, (64, 2), 6, off_by=off_by)[0] for off_by in (1.0, 2.0)]
    return all(abs(loss - right) < 1e-2 for loss, right in zip(losses, (1, 4)))


def noise_is_gaussian(mine):
    """What was put into the pictures is no N(0, 1) noise: of that, 32% lies beyond 1 or -1, as much
    on either side.
    """
    _, saw = ask(mine, (8000, 2), 6)
    above, below = (saw.noise > 1).float().mean(), (saw.noise < -1).float().mean()
    return abs(above - 0.159) < 0.02 and abs(below - 0.159) < 0.02


def pictures_have_their_own_noise(mine):
    """All pictures of a batch receive the same noise: draw as many numbers as the batch holds."""
    _, saw = ask(mine, (50, 3), 6)
    return bool(saw.noise.std(dim=0).min() > 0.5)


def same_seed_same_loss(mine):
    """The same generator in the same state should give the same loss, and another seed another."""
    losses = [ask(mine, (16, 3), 6, seed, knows=False)[0] for seed in (0, 0, 1)]
    return bool(losses[0] == losses[1]) and bool(losses[0] != losses[2])


def pictures_stay_clean(mine):
    """Your function changed its input: the clean pictures are noisy now."""
    x0, alphas_cumprod = torch.ones(8, 3), torch.linspace(0.9, 0.2, 6)
    mine(Spy(x0, alphas_cumprod), x0, alphas_cumprod, torch.Generator().manual_seed(0))
    return torch.equal(x0, torch.ones(8, 3))


def gradients_reach_the_model(mine):
    """No gradient reaches the model: it would never learn anything from this loss."""
    weight = torch.tensor(0.5, requires_grad=True)
    loss = mine(lambda x_t, t: weight * x_t, torch.ones(8, 3), torch.linspace(0.9, 0.2, 6), None)
    if not loss.requires_grad:
        return False
    (gradient,) = torch.autograd.grad(loss, [weight], allow_unused=True)
    return gradient is not None and bool(gradient != 0)


def _draw(x0, alphas_cumprod, generator):
    B, T = x0.shape[0], len(alphas_cumprod)
    timesteps = torch.randint(T, (B,), generator=generator)
    return timesteps, torch.randn(x0.shape, generator=generator)


def _jump(x0, noise, timesteps, alphas_cumprod):
    alpha_bar = alphas_cumprod[timesteps].reshape(-1, *[1] * (x0.ndim - 1))
    return alpha_bar**0.5 * x0 + (1 - alpha_bar) ** 0.5 * noise


def _loss(model, x0, timesteps, noise, alphas_cumprod):
    x_t = _jump(x0, noise, timesteps, alphas_cumprod)
    return ((model(x_t, timesteps) - noise) ** 2).mean()


def one_time_for_the_batch(model, x0, alphas_cumprod, generator=None):
    """All examples of a batch share one noise level: the gradient is far noisier than need be."""
    timesteps, noise = _draw(x0, alphas_cumprod, generator)
    return _loss(model, x0, timesteps[:1].expand(len(x0)), noise, alphas_cumprod)


def last_time_never_drawn(model, x0, alphas_cumprod, generator=None):
    """t = T - 1 never occurs in training, but sampling starts there."""
    _, noise = _draw(x0, alphas_cumprod, generator)
    timesteps = torch.randint(len(alphas_cumprod) - 1, (len(x0),), generator=generator)
    return _loss(model, x0, timesteps, noise, alphas_cumprod)


def first_time_never_drawn(model, x0, alphas_cumprod, generator=None):
    """t = 0 never occurs in training, but it is the last step of sampling."""
    _, noise = _draw(x0, alphas_cumprod, generator)
    timesteps = torch.randint(1, len(alphas_cumprod), (len(x0),), generator=generator)
    return _loss(model, x0, timesteps, noise, alphas_cumprod)


def uniform_noise(model, x0, alphas_cumprod, generator=None):
    """The noise lies between 0 and 1 (torch.rand). Everything you derived needs a Gaussian."""
    timesteps, _ = _draw(x0, alphas_cumprod, generator)
    noise = torch.rand(x0.shape, generator=generator)
    return _loss(model, x0, timesteps, noise, alphas_cumprod)


def one_noise_for_the_batch(model, x0, alphas_cumprod, generator=None):
    """All pictures of the batch receive the same noise: it was drawn for one, spread over all."""
    timesteps, noise = _draw(x0, alphas_cumprod, generator)
    return _loss(model, x0, timesteps, noise[:1].expand_as(x0), alphas_cumprod)


def fresh_noise_as_target(model, x0, alphas_cumprod, generator=None):
    """Even a model that knows the answer gets loss 2: the target is not the noise put in."""
    timesteps, noise = _draw(x0, alphas_cumprod, generator)
    prediction = model(_jump(x0, noise, timesteps, alphas_cumprod), timesteps)
    return ((prediction - torch.randn(x0.shape, generator=generator)) ** 2).mean()


def picture_as_target(model, x0, alphas_cumprod, generator=None):
    """You compare with the clean picture; this model predicts the noise."""
    timesteps, noise = _draw(x0, alphas_cumprod, generator)
    prediction = model(_jump(x0, noise, timesteps, alphas_cumprod), timesteps)
    return ((prediction - x0) ** 2).mean()


def clean_picture_fed(model, x0, alphas_cumprod, generator=None):
    """The model is shown the clean picture: there is nothing to denoise."""
    timesteps, noise = _draw(x0, alphas_cumprod, generator)
    return ((model(x0.clone(), timesteps) - noise) ** 2).mean()


def no_whole_time_fed(model, x0, alphas_cumprod, generator=None):
    """The model expects a whole time, 0 .. T-1; you hand it a fraction (alpha_bar, or t / T?)."""
    timesteps, noise = _draw(x0, alphas_cumprod, generator)
    x_t = _jump(x0, noise, timesteps, alphas_cumprod)
    return ((model(x_t, alphas_cumprod[timesteps]) - noise) ** 2).mean()


def roots_forgotten_in_the_jump(model, x0, alphas_cumprod, generator=None):
    """The jump of notebook 02 is not made right: the squares of the two factors should sum to 1."""
    timesteps, noise = _draw(x0, alphas_cumprod, generator)
    alpha_bar = alphas_cumprod[timesteps].reshape(-1, *[1] * (x0.ndim - 1))
    x_t = alpha_bar * x0 + (1 - alpha_bar) * noise
    return ((model(x_t, timesteps) - noise) ** 2).mean()


def summed(model, x0, alphas_cumprod, generator=None):
    """The loss grows with the batch: learning rates will not carry over."""
    return x0.numel() * denoising_loss(model, x0, alphas_cumprod, generator)


def absolute_error(model, x0, alphas_cumprod, generator=None):
    """The root of the squared error was averaged: a model trained so says medians, not means."""
    timesteps, noise = _draw(x0, alphas_cumprod, generator)
    x_t = _jump(x0, noise, timesteps, alphas_cumprod)
    return (model(x_t, timesteps) - noise).abs().mean()


def root_of_the_mean(model, x0, alphas_cumprod, generator=None):
    """You take the root of the mean at the end. The formula has none: with it, a batch weighs the
    less, the worse the model does on it.
    """
    return denoising_loss(model, x0, alphas_cumprod, generator) ** 0.5


EXERCISE = Exercise(
    "03.denoising_loss",
    "The loss that trains it",
    stars=2,
    minutes=12,
    points=3,
    reference=denoising_loss,
    cases=cases,
    laws=(
        model_gets_times,
        pictures_stay_clean,
        knowing_costs_nothing,
        saying_nothing_costs_one,
        twice_as_far_costs_four_times,
        every_time_is_drawn,
        noise_is_gaussian,
        pictures_have_their_own_noise,
        same_seed_same_loss,
        gradients_reach_the_model,
    ),
    mistakes=(
        one_time_for_the_batch,
        last_time_never_drawn,
        first_time_never_drawn,
        uniform_noise,
        one_noise_for_the_batch,
        fresh_noise_as_target,
        picture_as_target,
        clean_picture_fed,
        no_whole_time_fed,
        roots_forgotten_in_the_jump,
        summed,
        absolute_error,
        root_of_the_mean,
    ),
    run=run,
    needs_gradient=False,  # the last law asks for it: what `run` returns are observations
)
