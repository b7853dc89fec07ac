"""The two roads from noise to data, with fresh noise and without, and what guidance is not."""

import torch

from .mixture import CENTERS, WIDTH


def noisy_step(x, x0, sigma, sigma_next, noise):
    """One step of the road with noise: twice as far along the slope, and fresh noise on top.

    Euler and Maruyama's rule for the reverse SDE of Song et al. 2021, variance exploding; x0 is
    the guess of the picture. (B, ...), (B, ...), number, number, (B, ...) -> (B, ...)
    """
    epsilon = (x - x0) / sigma
    return x + 2 * (sigma_next - sigma) * epsilon + (sigma**2 - sigma_next**2) ** 0.5 * noise


def walk(denoise, noise, sigmas, generator=None):
    """Every place on the way from the first level to the last; with a generator, on the road with
    noise. (B, ...), N + 1 numbers -> (N + 1, B, ...)
    """
    places = [sigmas[0] * noise]
    for sigma, sigma_next in zip(sigmas, sigmas[1:]):
        x = places[-1]
        x0 = denoise(x / (sigma**2 + 1) ** 0.5, sigma)
        if generator is None:
            places.append(x + (sigma_next - sigma) * (x - x0) / sigma)
        else:
            fresh = torch.randn(x.shape, generator=generator, dtype=x.dtype)
            places.append(noisy_step(x, x0, sigma, sigma_next, fresh))
    return torch.stack(places)


def density(x, sigma=0.0, centers=CENTERS, width=WIDTH):
    """How often numbers near x occur among equally likely bells under noise. (B, 1) -> (B, 1)"""
    spread = (sigma**2 + width**2) ** 0.5
    bells = torch.distributions.Normal(centers.T, spread)
    return bells.log_prob(x).exp().mean(dim=1, keepdim=True)


def louder_density(x, wanted, scale):
    """What guidance is often said to draw from: p(x) (p(x | c) / p(x))^scale, not normalized.

    `wanted` are the centers of the bells that the prompt c means. (B, 1), (M, 1), number -> (B, 1)
    """
    return density(x) ** (1 - scale) * density(x, centers=wanted) ** scale
