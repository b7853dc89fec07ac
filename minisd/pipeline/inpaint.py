"""A picture, a mask and a prompt -> the picture with its masked part drawn anew."""

import torch
import torch.nn.functional as F

from ..noise import randn
from .image_to_image import draw_latents, steps_to_skip
from .pictures import read_images, read_mask, spread
from .text_to_image import TextToImagePipeline


class InpaintPipeline(TextToImagePipeline):
    """The same parts, told which part of a picture to keep.

    A UNet of 4 channels knows nothing of masks: after each step, what is to be kept is put back,
    under as much noise (Lugmayr et al. 2022, section 4.1, without the resampling). One of 9 was
    trained to see noisy latents, mask and masked picture (Rombach et al. 2022, section 4.5).
    """

    @torch.no_grad()
    def sample(
        self, prompts, image, mask, *, strength=1.0, negative_prompt=None, num_images_per_prompt=1,
        num_inference_steps=20, guidance_scale=4.0, sampler="ddim", generator=None,
    ):  # fmt: skip
        """Yield each denoising step. `image`, `mask`: see `read_images` and `read_mask`.

        White in the mask is drawn anew. At `strength` 1 it starts from noise alone.
        """
        prompts = self.repeat(prompts, num_images_per_prompt)
        image, B = read_images(image), len(prompts)
        mask, sees_mask = read_mask(mask, image), self.unet.config.in_channels > 4
        skip = steps_to_skip(strength, num_inference_steps)
        clean = None
        if strength < 1 or not sees_mask:
            clean = draw_latents(self, image, B, generator)  # (B, c, h, w)
        size = [side // self.vae.config.downscale for side in mask.shape[2:]]
        noise = randn((B, self.vae.config.latent_channels, *size), generator).to(self.device)
        # Drawn in any case, so that a sampler with noise of its own finds diffusers' next numbers.
        masked = draw_latents(self, image * (1 - mask), B, generator)
        mask = spread(F.interpolate(mask, size), B).to(self.device)  # (B, 1, h, w), 0 or 1
        extra = torch.cat([mask, masked], dim=1) if sees_mask else None
        denoise = self.denoiser(prompts, [negative_prompt or ""] * B, guidance_scale, extra)
        start = clean if strength < 1 else None
        for step in self.walk(sampler, denoise, noise, num_inference_steps, generator, start, skip):
            if not sees_mask:
                signal, sigma = step.level
                kept = signal * clean + sigma * noise
                step.latents.copy_(torch.where(mask > 0, step.latents, kept))  # sampler goes on so
            yield step
