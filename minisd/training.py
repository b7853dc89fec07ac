"""Training: one loop for every part, and the two losses. The loop is a generator; logging,
pictures and checkpoints live in the caller's `for`.
"""

import copy
import math
import time
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from .schedule import add_noise


@dataclass(frozen=True)
class Step:
    """What the loop yields."""

    number: int  # optimizer steps taken so far: 1 after the first
    loss: torch.Tensor  # scalar, on the device: reading it waits for the GPU, so read it rarely


class TrainingState:
    """The parts in training, their moving averages and the optimizer: all that a resume needs.

    `modules` maps a name to a module. `averages` holds a copy of each whose weights follow slowly
    (exponential moving average): samples come from these.
    """

    def __init__(self, modules, learning_rate, ema_decay=0.999, weight_decay=0.01):
        self.modules = nn.ModuleDict(modules)
        self.averages = copy.deepcopy(self.modules).requires_grad_(False).eval()
        self.learning_rate = learning_rate
        self.ema_decay = ema_decay
        self.optimizer = torch.optim.AdamW(
            self.modules.parameters(),
            learning_rate,
            betas=(0.9, 0.99),  # a shorter memory than the usual 0.999: these runs are short
            weight_decay=weight_decay,
            fused=True,
        )
        self.step = 0

    @torch.no_grad()
    def update_averages(self):
        """Move each averaged weight a little toward the trained one; faster at the start."""
        decay = min(self.ema_decay, (1 + self.step) / (10 + self.step))
        slow, fast = list(self.averages.parameters()), list(self.modules.parameters())
        torch._foreach_lerp_(slow, fast, 1 - decay)

    def state_dict(self):
        """Return everything as tensors, numbers and dicts, ready for `checkpoint.save_state`."""
        return {
            "step": self.step,
            "modules": self.modules.state_dict(),
            "averages": self.averages.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state):
        """Go on from what `state_dict` returned."""
        self.step = state["step"]
        self.modules.load_state_dict(state["modules"])
        self.averages.load_state_dict(state["averages"])
        self.optimizer.load_state_dict(state["optimizer"])


def learning_rate_factor(step, num_steps, warmup=100):
    """Rise linearly, then fall along half a cosine to 2% of the peak. Loshchilov, Hutter 2016."""
    warmup = min(warmup, num_steps // 10)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    progress = (step - warmup) / max(1, num_steps - warmup)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress))


def fit(state, compute_loss, num_steps, dtype=torch.float32):
    """Train until `num_steps` steps are taken, yielding a `Step` after each.

    `compute_loss(step)` draws its own batch and noise, as a pure function of the step's number,
    so that a resumed run sees what an uninterrupted one would. `dtype` is that of the products
    inside the networks (autocast); weights and losses stay float32.
    """
    device_type = next(state.modules.parameters()).device.type
    state.modules.train()
    while state.step < num_steps:
        for group in state.optimizer.param_groups:
            group["lr"] = state.learning_rate * learning_rate_factor(state.step, num_steps)
        with torch.autocast(device_type, dtype, enabled=dtype != torch.float32):
            loss = compute_loss(state.step)
        loss.backward()
        # One odd batch must not throw the weights far away.
        nn.utils.clip_grad_norm_(state.modules.parameters(), max_norm=1.0)
        state.optimizer.step()
        state.optimizer.zero_grad(set_to_none=True)
        state.step += 1
        state.update_averages()
        yield Step(state.step, loss.detach())


def step_generator(seed, step, device):
    """Return a random generator that depends on (seed, step) alone, on `device`."""
    mixed = (seed * 1_000_003 + step) % 2**32  # PyTorch's CPU generator ignores higher bits
    return torch.Generator(device).manual_seed(mixed)


def vae_loss(vae, images, kl_weight, generator):
    """Reconstruction error plus a little KL. Kingma and Welling 2013; Rombach et al. 2022.

    (B, 3, H, W) in [-1, 1] -> scalar. In doubt, the squared error asks for the mean picture and
    the absolute error for the median one, which is plain background. The KL term is a mean over
    latent numbers, in nats.
    """
    posterior = vae.encode(images)
    reconstruction = vae.decode(posterior.sample(generator)).float()
    kl = posterior.kl().float().mean() / posterior.mean[0].numel()
    return F.mse_loss(reconstruction, images) + kl_weight * kl


def draw_timesteps(B, T, generator=None, device=None):
    """Draw noise levels to train on: half of them anywhere in 0..T-1, half around the middle.

    Nearly clean and nearly lost latents teach little; what goes where is decided in between, and
    there a prompt saves most of the error. A few at every level must stay: sampling begins at
    pure noise. Compare Esser et al. 2024, section 3.1. -> (B,) integers
    """
    draw = {"generator": generator, "device": device}
    anywhere = torch.rand(B, **draw)
    around_the_middle = 0.52 + 0.13 * torch.randn(B, **draw)
    level = torch.where(torch.rand(B, **draw) < 0.5, anywhere, around_the_middle)
    return (level * T).long().clamp(0, T - 1)


def denoising_loss(unet, text_encoder, schedule, latents, token_ids, generator):
    """Noise each latent to a random level, and ask for what was added. Ho et al. 2020, Algorithm 1.

    (B, c, h, w) of unit variance, (B, S) integers -> scalar: the mean squared error of the
    prediction that `schedule.prediction_type` names.
    """
    draw = {"generator": generator, "device": latents.device}
    timesteps = draw_timesteps(latents.shape[0], schedule.num_train_timesteps, **draw)
    noise = torch.randn(latents.shape, **draw)
    noisy = add_noise(latents, noise, timesteps, schedule.alphas_cumprod)
    target = schedule.target(latents, noise, timesteps)
    prediction = unet(noisy, timesteps, text_encoder(token_ids))
    return F.mse_loss(prediction.float(), target)


def drop_captions(token_ids, empty_ids, probability, generator):
    """Replace some captions by the empty one, so that the model also learns to draw unprompted:
    guidance needs both. Ho and Salimans 2022, Algorithm 1. (B, S), (S,) -> (B, S)
    """
    B = token_ids.shape[0]
    drop = torch.rand(B, 1, generator=generator, device=token_ids.device) < probability
    return torch.where(drop, empty_ids, token_ids)


def fastest_dtype(device):
    """Return bfloat16 where `device` multiplies it faster than float32, else float32: a CPU is
    tried, a GPU asked.

    Processors and older GPUs without bfloat16 instructions imitate it, which is slow.
    """
    if torch.device(device).type == "cuda":
        real = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if real else torch.float32
    seconds = {}
    for dtype in (torch.float32, torch.bfloat16):
        a = torch.ones(512, 512, dtype=dtype, device=device)
        a @ a
        start = time.perf_counter()
        for _ in range(10):
            a @ a
        seconds[dtype] = time.perf_counter() - start
    return min(seconds, key=seconds.get)
