"""The formulas of notebook 05."""

import torch

from minisd.course.bank.n05_vae.adversarial_losses import adversarial_losses
from minisd.course.bank.n05_vae.kl_to_standard_normal import kl_to_standard_normal
from minisd.course.bank.n05_vae.latent_scale import latent_scale
from minisd.course.bank.n05_vae.sample_latents import sample_latents
from minisd.course.bank.n05_vae.score_function_gradient import score_function_gradient
from minisd.course.bank.n05_vae.vae_loss import vae_loss

from .draw import one_based


def sample(draw):
    """One number, drawn from its cloud."""
    mean, logvar, noise = draw.normal(), draw.normal(), draw.normal()
    symbols = {r"\mu": mean, r"\ell": logvar, r"\epsilon": noise}
    return symbols, {"z": sample_latents(mean, logvar, noise)}


def slope_from_values(draw):
    """Five samples of a function that is no power of two."""
    mean, noise, baseline = draw.normal(), draw.normal(5), draw.normal()

    def f(z):
        return torch.as_tensor(z) ** 3 + 1

    symbols = {"N": 5, "n": 2, "z": one_based(mean + noise), r"\mu": mean, "b": baseline, "f": f}
    return symbols, {"g": score_function_gradient(f, mean, noise, baseline)}


def price(draw):
    """A latent of four numbers."""
    mean, logvar = draw.normal(4), draw.normal(4)
    symbols = {"n": 4, "i": 2, "j": 3, r"\mu": one_based(mean), r"\ell": one_based(logvar)}
    value = kl_to_standard_normal(mean.reshape(1, 4, 1, 1), logvar.reshape(1, 4, 1, 1))
    return symbols, {r"\mathrm{KL}": value}


def loss(draw):
    """Two pictures of one color and three pixels, and their latents of two numbers."""
    images, drawn = draw.normal(2, 3), draw.normal(2, 3)
    mean, logvar, weight = draw.normal(2, 2, 1, 1), draw.normal(2, 2, 1, 1), draw.share()
    prices = kl_to_standard_normal(mean, logvar)
    symbols = {
        "B": 2, "b": 1, "w": weight, "x": one_based(images), r"\hat x": one_based(drawn),
        r"\mathrm{KL}": one_based(prices),
    }  # fmt: skip
    pictures = (x.reshape(2, 1, 1, 3) for x in (drawn, images))
    return symbols, {"L": vae_loss(*pictures, mean, logvar, weight)}


def scale(draw):
    """Six latent numbers, not around 0."""
    latents = draw.normal(6) + 2
    symbols = {"n": 6, "i": 2, "j": 3, "z": one_based(latents), "m": latents.mean()}
    return symbols, {"m": latents.mean(), "s": latent_scale(latents)}


def hinge(draw):
    """Four patches of either kind, scores on both sides of the corners."""
    real, fake = 2 * draw.normal(4), 2 * draw.normal(4)
    critic, decoder = adversarial_losses(lambda scores: scores, real, fake, 1, 0)
    symbols = {"P": 4, "p": 2, "r": one_based(real), "d": one_based(fake)}
    return symbols, {r"L_\mathrm{critic}": critic, r"L_\mathrm{decoder}": decoder}


FORMULAS = {
    "5.1": sample,
    "5.2": slope_from_values,
    "5.3": price,
    "5.5": loss,
    "5.6": scale,
    "5.7": hinge,
}

NOT_EVALUATED = {
    "5.4": "a bound with an expectation over the cloud; notebook 03 sums up such a bound",
}
