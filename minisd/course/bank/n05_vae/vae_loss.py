"""05.vae_loss: what a reconstruction costs, and what its latent costs."""

import torch

from ...exercise import Exercise
from .kl_to_standard_normal import kl_to_standard_normal


def vae_loss(reconstructions, images, mean, logvar, kl_weight):
    """Squared error summed over each picture, plus kl_weight times the price of its latent; then
    the mean over the batch. Kingma and Welling 2013, with the weight of Higgins et al. 2017.

    (B, 3, H, W) twice, (B, c, h, w) twice, number -> scalar
    """
    error = ((reconstructions - images) ** 2).flatten(1).sum(dim=1)  # (B,)
    price = kl_to_standard_normal(mean, logvar)  # (B,)
    return (error + kl_weight * price).mean()


def cases(generator):
    """Pictures and latents of several sizes, with weights from 0 to more than 1."""

    def case(B, H, W, c, kl_weight):
        images, drawn = torch.randn(2, B, 3, H, W, generator=generator)
        mean, logvar = torch.randn(2, B, c, H // 2, W // 2, generator=generator)
        return drawn, images, mean, logvar, kl_weight

    return {
        "example": case(2, 4, 6, 4, 0.5),
        "batch 1": case(1, 6, 4, 2, 0.25),
        "weight 0": case(3, 4, 4, 3, 0.0),
        "a high price": case(4, 2, 8, 4, 3.0),
    }


def _draw(seed=0, B=4):
    generator = torch.Generator().manual_seed(seed)
    images, drawn = torch.rand(2, B, 3, 4, 6, generator=generator)
    mean, logvar = torch.randn(2, B, 4, 2, 3, generator=generator)
    return drawn, images, mean, logvar


def one_number(mine):
    """A loss is one number: the mean over the batch."""
    return mine(*_draw(), 0.5).shape == ()


def nothing_wrong_nothing_to_pay(mine):
    """A perfect reconstruction from a latent that says nothing should cost nothing."""
    _, images, mean, _ = _draw()
    zeros = torch.zeros_like(mean)
    return abs(float(mine(images, images, zeros, zeros, 2.0))) < 1e-5


def weight_zero_leaves_the_error(mine):
    """With kl_weight 0 only the pictures should count: a pixel that is off by 1/2 costs 1/4,
    wherever it is, and all pixels of a picture add up.
    """
    _, images, mean, logvar = _draw()
    expected = 0.25 * images[0].numel()
    losses = [float(mine(images + d, images, mean, logvar, 0.0)) for d in (0.5, -0.5)]
    return all(abs(loss - expected) < 1e-3 * expected for loss in losses)


def a_price_per_nat(mine):
    """Raise kl_weight by 1, and the loss should rise by what a latent costs (exercise 5.3). Yours
    does not.
    """
    arguments = _draw()
    price = float(kl_to_standard_normal(*arguments[2:]).mean())
    losses = [float(mine(*arguments, weight)) for weight in (0.0, 1.0, 3.0)]
    steps = losses[1] - losses[0], (losses[2] - losses[1]) / 2
    return all(abs(step - price) < 1e-3 * price for step in steps)


def the_same_picture_twice(mine):
    """A batch in which every picture stands twice should have the same loss."""
    arguments = _draw()
    twice = [torch.cat([x, x]) for x in arguments]
    return abs(float(mine(*twice, 0.5)) - float(mine(*arguments, 0.5))) < 1e-3


def twice_the_picture_twice_the_error(mine):
    """A picture of twice the size should have twice the error: the error is a sum over pixels."""
    drawn, images, mean, logvar = _draw()
    wide = [torch.cat([x, x], dim=3) for x in (drawn, images)]
    once, twice = (float(mine(*x, mean, logvar, 0.0)) for x in ((drawn, images), wide))
    return abs(twice - 2 * once) < 1e-3 * once


def mean_not_the_sum_of_both(mine):
    """Every picture counts the same, in its error and in its price. In yours they do not."""
    arguments = _draw()
    each = [float(mine(*(x[i : i + 1] for x in arguments), 0.7)) for i in range(4)]
    return abs(float(mine(*arguments, 0.7)) - sum(each) / 4) < 1e-3 * sum(each)


def _error(reconstructions, images):
    return ((reconstructions - images) ** 2).flatten(1).sum(dim=1)


def pixels_averaged_latents_summed(reconstructions, images, mean, logvar, kl_weight):
    """One term is a mean over pixels, the other a sum over latents: kl_weight now means something
    else at every picture size. (A common reason for "my VAE draws one gray blur".)
    """
    error = _error(reconstructions, images) / images[0].numel()
    return (error + kl_weight * kl_to_standard_normal(mean, logvar)).mean()


def pixels_and_latents_averaged(reconstructions, images, mean, logvar, kl_weight):
    """You averaged both, over pixels and over latent numbers. minisd trains so, but its weight is
    another number then: here both are summed over a picture.
    """
    error = _error(reconstructions, images) / images[0].numel()
    price = kl_to_standard_normal(mean, logvar) / mean[0].numel()
    return (error + kl_weight * price).mean()


def price_subtracted(reconstructions, images, mean, logvar, kl_weight):
    """Making the latent *more* expensive lowers your loss: texts write the bound, which is
    maximized; a loss is minimized.
    """
    return vae_loss(reconstructions, images, mean, logvar, -kl_weight)


def weight_on_both(reconstructions, images, mean, logvar, kl_weight):
    """With weight 0 the pictures no longer matter either."""
    return kl_weight * vae_loss(reconstructions, images, mean, logvar, 1.0)


def summed_over_the_batch(reconstructions, images, mean, logvar, kl_weight):
    """Twice the batch, twice the loss: the last step is a mean."""
    return len(images) * vae_loss(reconstructions, images, mean, logvar, kl_weight)


def error_not_squared(reconstructions, images, mean, logvar, kl_weight):
    """Too bright here and too dark there cancel out: the differences are not squared."""
    error = (reconstructions - images).flatten(1).sum(dim=1)
    return (error + kl_weight * kl_to_standard_normal(mean, logvar)).mean()


def absolute_error(reconstructions, images, mean, logvar, kl_weight):
    """You add up absolute differences. Stable Diffusion does so too, but here squares are asked
    for: only they are the logarithm of a Gaussian.
    """
    error = (reconstructions - images).abs().flatten(1).sum(dim=1)
    return (error + kl_weight * kl_to_standard_normal(mean, logvar)).mean()


def latents_averaged(reconstructions, images, mean, logvar, kl_weight):
    """The price is a sum over the latent (exercise 5.3); you averaged it."""
    return vae_loss(reconstructions, images, mean, logvar, kl_weight / mean[0].numel())


def weight_forgotten(reconstructions, images, mean, logvar, kl_weight):
    """Whatever kl_weight is, your loss is the same: it is never used."""
    return vae_loss(reconstructions, images, mean, logvar, 1.0)


def root_of_the_error(reconstructions, images, mean, logvar, kl_weight):
    """A distance, not its square: the balance with the price (a Gaussian's log-likelihood) is
    lost.
    """
    error = _error(reconstructions, images).sqrt()
    return (error + kl_weight * kl_to_standard_normal(mean, logvar)).mean()


EXERCISE = Exercise(
    "05.vae_loss",
    "The loss of a VAE, and its exchange rate",
    stars=2,
    minutes=10,
    points=2,
    reference=vae_loss,
    cases=cases,
    laws=(
        one_number,
        nothing_wrong_nothing_to_pay,
        weight_zero_leaves_the_error,
        the_same_picture_twice,
        twice_the_picture_twice_the_error,
        a_price_per_nat,
        mean_not_the_sum_of_both,
    ),
    mistakes=(
        pixels_averaged_latents_summed,
        pixels_and_latents_averaged,
        price_subtracted,
        weight_on_both,
        summed_over_the_batch,
        error_not_squared,
        absolute_error,
        latents_averaged,
        weight_forgotten,
        root_of_the_error,
    ),
)
