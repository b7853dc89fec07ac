"""A world of numbers whose best denoiser, and whose road from noise to data, are known exactly."""

import torch

from ..n03_ddpm_sampler.exact_denoiser import exact_denoiser

CENTERS = torch.tensor([[-1.4], [0.3], [0.9]], dtype=torch.float64)  # equally likely bells
WIDTH = 0.25  # the standard deviation of each
SIGMA_MAX, SIGMA_MIN = 14.6, 0.029  # Stable Diffusion's noisiest and cleanest level


def karras(num_steps, sigma_max=SIGMA_MAX, sigma_min=SIGMA_MIN, rho=7):
    """Falling noise levels, evenly spaced in sigma^(1 / rho). Karras et al. 2022, Eq. 5.

    -> num_steps + 1 numbers from sigma_max to sigma_min: num_steps steps, and none to 0.
    """
    first, last = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    return [(first + i / num_steps * (last - first)) ** rho for i in range(num_steps + 1)]


def mixture_denoiser(centers=CENTERS, width=WIDTH):
    """The best denoiser of equally likely bells around N centers, (N, D). -> denoise

    `denoise(latents, sigma)`: latents of unit variance -> x_0, (B, D). A bell under noise is a
    point under a little more noise; that is what the perfect denoiser of points is asked about.
    """

    def denoise(latents, sigma):
        x = latents * (sigma**2 + 1) ** 0.5
        spread = sigma**2 + width**2  # the variance around a center
        center = exact_denoiser(x / (spread + 1) ** 0.5, centers, 1 / (spread + 1))
        return x + sigma**2 / spread * (center - x)

    return denoise


def rank(x, sigma, centers=CENTERS, width=WIDTH):
    """Which share of the noisy numbers lies below x. (B, 1), number -> (B, 1)"""
    spread = (sigma**2 + width**2) ** 0.5
    return torch.special.ndtr((x - centers.T) / spread).mean(dim=1, keepdim=True)


def exact_end(x, sigma, sigma_end, centers=CENTERS, width=WIDTH):
    """Where the road without noise leads from x: to the number that has the same rank there.

    On a line nobody can overtake, and the share of those below stays as it is. Found by halving
    an interval. (B, 1), number, number -> (B, 1), float64
    """
    wanted = rank(x, sigma, centers, width)
    reach = 9 * (sigma_end**2 + width**2) ** 0.5
    low = torch.full_like(x, centers.min().item() - reach)
    high = torch.full_like(x, centers.max().item() + reach)
    for _ in range(60):
        middle = (low + high) / 2
        below = rank(middle, sigma_end, centers, width) < wanted
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return (low + high) / 2


def many_starts(num_starts=64):
    """Noise that stands for N(0, 1), evenly: the middles of equal shares. -> (B, 1), float64"""
    shares = (torch.arange(num_starts, dtype=torch.float64) + 0.5) / num_starts
    return torch.special.ndtri(shares)[:, None]


def distance_to_exact_end(sampler, sigmas, num_starts=64):
    """How far a sampler ends from the exact end: the mean distance over the starts. -> number"""
    noise = many_starts(num_starts)
    end = exact_end(sigmas[0] * noise, sigmas[0], sigmas[-1])
    return (sampler(mixture_denoiser(), noise, sigmas) - end).abs().mean().item()
