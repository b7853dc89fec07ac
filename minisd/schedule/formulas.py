"""How much noise at which time: betas, alpha-bar, and what a noisy picture is made of.

x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) epsilon, epsilon ~ N(0, 1)

Papers count t = 1..T, the code 0..T-1: `alphas_cumprod[0]` already holds one step of noise, and
"before the first step" is t = -1. DDIM's paper writes alpha for what is alpha-bar here.
Nothing in this file is trained: the forward process has no parameters.
"""

import math

import torch

BETA_SCHEDULES = ("linear", "scaled_linear", "squaredcos_cap_v2")
PREDICTION_TYPES = ("epsilon", "sample", "v_prediction", "flow_prediction")


def check_choice(name, value, choices):
    """Raise a ValueError that names the choices where `value` is none of them."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}; got {value!r}.")


def make_betas(beta_schedule, num_train_timesteps, beta_start, beta_end):
    """Return the variance that each step adds, (T,) float32, under diffusers' names.

    "linear": Ho et al. 2020. "scaled_linear": straight in the square roots, Rombach et al. 2022.
    "squaredcos_cap_v2": cosine alpha-bar, beta at most .999 (it ignores beta_start and beta_end),
    Nichol and Dhariwal 2021.
    """
    check_choice("beta_schedule", beta_schedule, BETA_SCHEDULES)
    if beta_schedule == "linear":
        return torch.linspace(beta_start, beta_end, num_train_timesteps, dtype=torch.float32)
    if beta_schedule == "scaled_linear":
        roots = beta_start**0.5, beta_end**0.5
        return torch.linspace(*roots, num_train_timesteps, dtype=torch.float32) ** 2
    # Plain Python floats: the ratio of two almost equal cosines needs float64.
    curve = [
        math.cos((t / num_train_timesteps + 0.008) / 1.008 * math.pi / 2) ** 2
        for t in range(num_train_timesteps + 1)
    ]
    betas = [min(1 - after / before, 0.999) for before, after in zip(curve, curve[1:])]
    return torch.tensor(betas, dtype=torch.float32)


def rescale_zero_terminal_snr(betas):
    """Move and stretch sqrt(alpha_bar): same first value, last value 0. Lin et al. 2023, Alg. 1.

    (T,) -> (T,). The last beta becomes 1: sampling then starts from what training has seen, pure
    noise. Stable Diffusion's own last step still holds sqrt(.0047) = 7% of the picture.
    """
    roots = (1 - betas).cumprod(dim=0).sqrt()
    first, last = roots[0], roots[-1]
    roots = (roots - last) * (first / (first - last))
    alphas_cumprod = roots**2
    alphas = torch.cat([alphas_cumprod[:1], alphas_cumprod[1:] / alphas_cumprod[:-1]])
    return 1 - alphas


def add_noise(images, noise, timesteps, alphas_cumprod):
    """Jump straight to noise level t, each picture to its own. Ho et al. 2020, Eq. 4.

    (B, ...), (B, ...), (B,) integers, (T,) -> (B, ...)
    """
    alpha_bar = one_per_picture(alphas_cumprod.to(timesteps.device)[timesteps], images)
    return alpha_bar**0.5 * images + (1 - alpha_bar) ** 0.5 * noise


def training_target(images, noise, timesteps, alphas_cumprod, prediction_type):
    """Return what the network should say at level t: epsilon, x_0, or v.

    v = sqrt(alpha_bar) epsilon - sqrt(1 - alpha_bar) x_0 (Salimans and Ho 2022): the noise where
    there is most picture, the picture where there is most noise; never a hopeless task.
    "flow_prediction" is epsilon - x_0, the direction of the straight road from picture to noise.
    (B, ...), (B, ...), (B,) integers, (T,) -> (B, ...)
    """
    check_choice("prediction_type", prediction_type, PREDICTION_TYPES)
    if prediction_type == "epsilon":
        return noise
    if prediction_type == "sample":
        return images
    if prediction_type == "flow_prediction":
        return noise - images
    alpha_bar = one_per_picture(alphas_cumprod.to(timesteps.device)[timesteps], images)
    return alpha_bar**0.5 * noise - (1 - alpha_bar) ** 0.5 * images


def snr(alphas_cumprod):
    """Signal-to-noise ratio alpha_bar / (1 - alpha_bar), a ratio of variances. (...) -> (...)."""
    return alphas_cumprod / (1 - alphas_cumprod)


def to_x0_and_epsilon(latents, prediction, alpha_bar, prediction_type):
    """Turn whatever the network said about x_t into (x_0, epsilon). Salimans and Ho 2022.

    (x_t, v) is (x_0, epsilon) turned by an angle, so v works at every noise level. Epsilon alone
    does not: at alpha_bar = 0, x_t IS epsilon, nothing is said about x_0, and a ValueError says so.
    (B, ...), (B, ...), number or (B,) -> (B, ...), (B, ...)
    """
    if prediction_type == "flow_prediction":
        raise ValueError("prediction_type 'flow_prediction' needs the sampler flow_euler.")
    check_choice("prediction_type", prediction_type, PREDICTION_TYPES)
    alpha_bar = one_per_picture(alpha_bar, latents)
    signal, noise = alpha_bar**0.5, (1 - alpha_bar) ** 0.5
    if prediction_type == "epsilon":
        if torch.as_tensor(alpha_bar).min() == 0:
            raise ValueError(
                "prediction_type 'epsilon' cannot start from pure noise (zero terminal SNR): there "
                "x_0 would be 0 / 0; use a model with prediction_type 'v_prediction'."
            )
        return (latents - noise * prediction) / signal, prediction
    if prediction_type == "sample":
        return prediction, (latents - signal * prediction) / noise
    return signal * latents - noise * prediction, signal * prediction + noise * latents


def posterior(latents, x0, alpha_bar, alpha_bar_previous):
    """Mean and variance of the less noisy x, given x_t and x_0: Bayes. Ho et al. 2020, Eqs. 6-7.

    The levels may lie one step apart or many; at `alpha_bar_previous` = 1 the answer is x_0 itself.
    (B, ...), (B, ...), number or (B,), number or (B,) -> (B, ...), number or (B, 1, ...)
    """
    alpha_bar = one_per_picture(alpha_bar, latents)
    alpha_bar_previous = one_per_picture(alpha_bar_previous, latents)
    alpha = alpha_bar / alpha_bar_previous  # what one step keeps
    beta = 1 - alpha
    mean_x0 = alpha_bar_previous**0.5 * beta / (1 - alpha_bar) * x0
    mean_xt = alpha**0.5 * (1 - alpha_bar_previous) / (1 - alpha_bar) * latents
    return mean_x0 + mean_xt, (1 - alpha_bar_previous) / (1 - alpha_bar) * beta


def one_per_picture(values, images):
    """Shape numbers so that each multiplies its own picture of a batch. (B,) -> (B, 1, ...)

    Without it a batch as large as the picture is wide gets a ramp. A plain number passes.
    """
    if not isinstance(values, torch.Tensor) or values.ndim == 0:
        return values
    return values.to(images).reshape(-1, *[1] * (images.ndim - 1))
