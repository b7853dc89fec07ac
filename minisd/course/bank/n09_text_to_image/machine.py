"""The parts of a text-to-image model, laid out for whoever is to connect them."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ....samplers.steps import timestep_grid


@dataclass(frozen=True)
class Machine:
    """What exercise 9.1 is given: every part is trained, and none is connected to another."""

    encode: Callable  # a list of N prompts -> text vectors (N, S, D)
    unet: Callable  # (N, c, h, w), timestep, (N, S, D) -> its prediction, (N, c, h, w)
    step: Callable  # (latents, prediction, timestep) -> the latents one step less noisy
    decode: Callable  # (B, c, h, w) as the encoder made them -> pictures (B, 3, H, W) in [-1, 1]
    timesteps: tuple  # where to ask, from the noisiest to the last
    scale: float  # what the encoder's latents were multiplied by before the UNet learned them
    channels: int  # c
    downscale: int  # pixels per latent pixel, along one side
    device: str = "cpu"


def machine_of(pipe, num_inference_steps=20):
    """Lay out the parts of a pipeline. The step is DDIM's, without noise."""
    schedule = pipe.schedule
    stride = schedule.num_train_timesteps // num_inference_steps

    def step(latents, prediction, timestep):
        now, then = schedule.alpha_bar(timestep), schedule.alpha_bar(timestep - stride)
        x0, epsilon = schedule.x0_and_epsilon(latents, prediction, now)
        return then**0.5 * x0 + (1 - then) ** 0.5 * epsilon

    config = pipe.vae.config
    return Machine(
        lambda prompts: pipe.text_encoder(pipe.tokenizer(list(prompts)).to(pipe.device)),
        lambda latents, timestep, context: pipe.unet(latents, timestep, context).float(),
        step,
        pipe.vae.decode,
        tuple(timestep_grid(schedule, num_inference_steps)),
        config.scaling_factor,
        config.latent_channels,
        config.downscale,
        str(pipe.device),
    )


@torch.no_grad()
def text_to_image(machine, prompts, negative_prompt, guidance_scale, seeds, height, width):
    """Draw a picture of each prompt, from the noise of its own seed. Rombach et al. 2022, figure 3.

    B prompts, one negative prompt for all, B seeds -> (B, 3, height, width) in [0, 1]
    """
    B, h, w = len(prompts), height // machine.downscale, width // machine.downscale
    contexts = machine.encode([negative_prompt] * B + list(prompts))  # (2B, S, D)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    noise = [torch.randn(machine.channels, h, w, generator=one) for one in generators]
    latents = torch.stack(noise).to(machine.device)  # (B, c, h, w)
    for timestep in machine.timesteps:
        both = machine.unet(torch.cat([latents, latents]), timestep, contexts)  # (2B, c, h, w)
        negative, positive = both.chunk(2)
        guided = negative + guidance_scale * (positive - negative)
        latents = machine.step(latents, guided, timestep)
    images = machine.decode(latents / machine.scale)  # (B, 3, H, W)
    return (images / 2 + 0.5).clamp(0, 1)


class Toy:
    """A machine of formulas in place of networks, that writes down what it is asked.

    Its pictures are nothing to look at, but each depends on all that a picture should depend on.
    """

    def __init__(self, timesteps=(900, 500, 100), scale=0.4, channels=4, downscale=2):
        self.asked, self.decoded, self.with_gradient = [], [], False
        self.weight = torch.nn.Parameter(torch.tensor(0.5))
        self.machine = Machine(
            self.encode, self.unet, self.step, self.decode, timesteps, scale, channels, downscale
        )

    def encode(self, prompts):
        """One random vector for each of three tokens, always the same for one prompt."""
        seeds = [zlib.crc32(prompt.encode()) for prompt in prompts]
        rows = [torch.randn(3, 8, generator=torch.Generator().manual_seed(s)) for s in seeds]
        return torch.stack(rows)

    def unet(self, latents, timestep, context):
        """A little of the latent, and a color that the prompt and the time decide."""
        self.asked.append((len(latents), float(timestep)))
        self.with_gradient |= torch.is_grad_enabled()
        color = context.mean(dim=1)[:, : latents.shape[1], None, None]
        return self.weight * latents + color * (0.5 + float(timestep) / 1000)

    def step(self, latents, prediction, timestep):
        """Go some way along the prediction, far where it is noisy."""
        return latents - (0.2 + float(timestep) / 2000) * prediction

    def decode(self, latents):
        """The first three channels as colors, some of them out of range."""
        self.decoded.append(latents.detach().clone())
        size = [self.machine.downscale * side for side in latents.shape[2:]]
        return 0.5 * F.interpolate(latents[:, :3], size=size, mode="nearest")
