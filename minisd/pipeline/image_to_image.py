"""A picture and a prompt -> a picture: noise it part of the way, then denoise it by the prompt.

Meng et al. 2022 (SDEdit).
"""

import torch

from ..noise import randn
from .pictures import read_images, spread
from .text_to_image import TextToImagePipeline


def steps_to_skip(strength, num_inference_steps):
    """Return how many of the steps are left out: at strength 0.8 the first fifth. As diffusers."""
    if not 0 < strength <= 1 or int(num_inference_steps * strength) < 1:
        raise ValueError(
            f"strength {strength} of {num_inference_steps} steps leaves no step to take; expected "
            f"a number from {1 / max(num_inference_steps, 1):.3g} to 1"
        )
    return num_inference_steps - int(num_inference_steps * strength)


def draw_latents(pipe, images, count, generator):
    """Draw `count` latents from the encoder's Gaussians. (N, 3, H, W) -> (count, c, h, w)

    With a list of generators each latent has a draw of its own, with one there is one an image.
    """
    images = spread(images, count) if isinstance(generator, list) else images
    posterior = pipe.vae.encode(images.to(pipe.device, pipe.dtype))
    latents = posterior.sample(generator).float() * pipe.vae.config.scaling_factor
    return spread(latents, count)


class ImageToImagePipeline(TextToImagePipeline):
    """The same parts, started from a given picture instead of from noise alone."""

    @torch.no_grad()
    def sample(
        self, prompts, image, *, strength=0.8, negative_prompt=None, num_images_per_prompt=1,
        num_inference_steps=20, guidance_scale=4.0, sampler="ddim", generator=None,
    ):  # fmt: skip
        """Yield each denoising step. `image`: see `read_images`; its size is the result's.

        `strength` is the share of the steps taken: 1 leaves little of the picture, 0.1 almost all.
        """
        prompts = self.repeat(prompts, num_images_per_prompt)
        skip = steps_to_skip(strength, num_inference_steps)
        clean = draw_latents(self, read_images(image), len(prompts), generator)  # (B, c, h, w)
        noise = randn(clean.shape, generator).to(self.device)
        denoise = self.denoiser(prompts, [negative_prompt or ""] * len(prompts), guidance_scale)
        yield from self.walk(sampler, denoise, noise, num_inference_steps, generator, clean, skip)
