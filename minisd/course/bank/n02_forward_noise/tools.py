"""What the checks of this notebook share: inputs, a strict comparison, the two factors."""

import math

import torch


def normal(generator, *shape):
    """Pictures or noise of any shape, N(0, 1), always drawn on the CPU."""
    return torch.randn(*shape, generator=generator)


def table(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012):
    """Alpha-bar of Stable Diffusion's schedule, or of another like it. (T,)"""
    roots = torch.linspace(beta_start**0.5, beta_end**0.5, num_train_timesteps)
    return (1 - roots**2).cumprod(dim=0)


def cosine_curve(num_train_timesteps, offset=0.008):
    """What alpha-bar of the cosine schedule follows, at t = 0..T, float64. (T + 1,)"""
    t = torch.arange(num_train_timesteps + 1, dtype=torch.float64) / num_train_timesteps
    return torch.cos((t + offset) / (1 + offset) * math.pi / 2) ** 2


def right_betas(kind, num_train_timesteps, beta_start, beta_end):
    """The betas of exercise 2.1, right: where a mistake goes on from there, it starts from them."""
    if kind == "cosine":
        curve = cosine_curve(num_train_timesteps)
        return (1 - curve[1:] / curve[:-1]).clamp(max=0.999).float()
    root = 0.5 if kind == "scaled_linear" else 1
    return torch.linspace(beta_start**root, beta_end**root, num_train_timesteps) ** (1 / root)


def with_product(betas):
    """The betas and what they leave of the picture. (T,) -> (T,), (T,)"""
    return betas, (1 - betas).cumprod(dim=0)


def roots(alpha_bar):
    """The factors of picture and noise in the jump. (B,) -> two of (B, 1, 1, 1)"""
    alpha_bar = alpha_bar.reshape(-1, 1, 1, 1)
    return alpha_bar**0.5, (1 - alpha_bar) ** 0.5


def truth(seed, alpha_bar):
    """A picture, a noise, and what becomes of them: x_t, and the three true predictions."""
    generator, shape = torch.Generator().manual_seed(seed), (len(alpha_bar), 2, 3, 4)
    x0, epsilon = normal(generator, *shape), normal(generator, *shape)
    signal, noise = roots(alpha_bar)
    v = signal * epsilon - noise * x0
    return signal * x0 + noise * epsilon, x0, epsilon, v


def close(received, expected, rtol=1e-3, atol=1e-5):
    """Same shape and the same value everywhere; nan is never close."""
    received, expected = torch.as_tensor(received), torch.as_tensor(expected)
    if received.shape != expected.shape:
        return False
    return torch.allclose(received.double(), expected.double(), rtol=rtol, atol=atol)


def factors(mix, batch_size):
    """What the picture and the noise are multiplied by in `mix(images, noise)`, a linear function.

    -> two of (B, 1, 2, 3)
    """
    ones, zeros = torch.ones(batch_size, 1, 2, 3), torch.zeros(batch_size, 1, 2, 3)
    return mix(ones, zeros), mix(zeros.clone(), ones.clone())
