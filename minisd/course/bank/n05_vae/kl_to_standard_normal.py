"""05.kl_to_standard_normal: the price of a latent."""

import torch

from ...exercise import Exercise


def kl_to_standard_normal(mean, logvar):
    """KL(N(mean, exp(logvar)) || N(0, 1)) in nats, summed over each picture's latent. Kingma and
    Welling 2013, appendix B.

    (B, c, h, w) twice -> (B,), one price for each picture of the batch
    """
    terms = mean**2 + logvar.exp() - 1 - logvar
    return 0.5 * terms.flatten(1).sum(dim=1)


def cases(generator):
    """Means and widths that differ much."""

    def case(*shape, spread=1.0, offset=0.0):
        mean, logvar = torch.randn(2, *shape, generator=generator)
        return 2 * mean, spread * logvar + offset

    return {
        "example": case(2, 4, 3, 2),
        "batch 1": case(1, 4, 2, 5),
        "all axes alike": case(3, 3, 3, 3),
        "narrow": case(4, 2, 3, 1, offset=-5.0),
        "one number": case(5, 1, 1, 1, spread=2.0),
    }


def _draw(B=5):
    generator = torch.Generator().manual_seed(2)
    mean, logvar = torch.randn(2, B, 4, 3, 2, generator=generator)
    return mean, logvar


def one_price_for_each_picture(mine):
    """Each of the B pictures pays its own price: the answer has shape (B,)."""
    return mine(*_draw()).shape == (5,)


def standard_normal_is_free(mine):
    """A mean of 0 with a variance of 1 is the prior itself: it should cost nothing."""
    zeros = torch.zeros(2, 4, 3, 2)
    return bool(mine(zeros, zeros).abs().max() < 1e-6)


def everything_else_costs(mine):
    """Any other mean or width should cost something; yours is free, or even pays."""
    zeros = torch.zeros(2, 4, 3, 2)
    prices = [mine(zeros + m, zeros + v) for m, v in ((0.5, 0), (-0.5, 0), (0, 1), (0, -1))]
    return all(bool((price > 0.1).all()) for price in prices)


def moving_the_mean(mine):
    """With variance 1, a latent number at distance d from 0 costs d^2 / 2, on either side. Yours
    costs something else.
    """
    mean, _ = _draw()
    expected = 0.5 * (mean**2).flatten(1).sum(dim=1)
    return torch.allclose(mine(mean, torch.zeros_like(mean)), expected, rtol=1e-3)


def twice_the_latent_twice_the_price(mine):
    """A latent with every number written twice should cost twice as much."""
    mean, logvar = _draw()
    twice = mine(torch.cat([mean, mean], dim=3), torch.cat([logvar, logvar], dim=3))
    return torch.allclose(twice, 2 * mine(mean, logvar), rtol=1e-3)


def mean_over_samples(mine):
    """I drew samples and averaged how much more likely they are under N(mean, exp(logvar)) than
    under N(0, 1), which is what this KL means: yours is another number.
    """
    mean, logvar = (part[:2, :1] for part in _draw())
    noise = torch.randn(20_000, *mean.shape, generator=torch.Generator().manual_seed(0))
    z = mean + (0.5 * logvar).exp() * noise
    ratio = 0.5 * (z**2 - noise**2 - logvar)
    expected = ratio.flatten(2).sum(dim=2).mean(dim=0)
    return bool((mine(mean, logvar) - expected).abs().max() < 0.05 * expected.abs().max())


def _price(mean, logvar):
    return mean**2 + logvar.exp() - 1 - logvar


def _summed(terms):
    return 0.5 * terms.flatten(1).sum(dim=1)


def sign(mean, logvar):
    """Negative: a distance cannot be. (In the bound it is *subtracted*; in a loss it is added.)"""
    return -_summed(_price(mean, logvar))


def one_half_missing(mean, logvar):
    """A mean of 3 should cost 4.5, yours costs 9."""
    return 2 * _summed(_price(mean, logvar))


def minus_one_missing(mean, logvar):
    """The standard normal itself should cost nothing, and yours costs 1/2 a number."""
    return _summed(_price(mean, logvar) + 1)


def mean_over_the_latent(mean, logvar):
    """Averaged over the numbers of a latent: a weight that you set later would silently depend on
    the latent's size.
    """
    return 0.5 * _price(mean, logvar).flatten(1).mean(dim=1)


def one_number_for_the_batch(mean, logvar):
    """One number came back for all pictures together; each pays its own price."""
    return _summed(_price(mean, logvar)).sum()


def log_variance_taken_for_a_log_deviation(mean, logvar):
    """You squared a variance: exp(logvar) is the variance already."""
    return _summed(_price(mean, 2 * logvar))


def exp_forgotten(mean, logvar):
    """The width no longer matters: two terms cancel, because an exp is missing."""
    return _summed(mean**2 + logvar - 1 - logvar)


def reversed_kl(mean, logvar):
    """You measured from the prior to the encoder: there, small variances cost far too much."""
    return _summed((1 + mean**2) / logvar.exp() - 1 + logvar)


def mean_not_squared(mean, logvar):
    """Moving the mean to the left *earns* something: a distance should not care about the side."""
    return _summed(mean + logvar.exp() - 1 - logvar)


def logarithm_added(mean, logvar):
    """Narrow latents are cheap in yours. A narrow one says much, so it should cost much: look at
    the sign of the logarithm.
    """
    return _summed(mean**2 + logvar.exp() - 1 + logvar)


EXERCISE = Exercise(
    "05.kl_to_standard_normal",
    "The price of a latent",
    stars=2,
    minutes=10,
    points=2,
    reference=kl_to_standard_normal,
    cases=cases,
    laws=(
        one_price_for_each_picture,
        standard_normal_is_free,
        everything_else_costs,
        moving_the_mean,
        twice_the_latent_twice_the_price,
        mean_over_samples,
    ),
    mistakes=(
        sign,
        one_half_missing,
        minus_one_missing,
        mean_over_the_latent,
        one_number_for_the_batch,
        log_variance_taken_for_a_log_deviation,
        exp_forgotten,
        reversed_kl,
        mean_not_squared,
        logarithm_added,
    ),
    forbidden=("kl_div", "kl_divergence", "minisd.DiagonalGaussian"),
)
