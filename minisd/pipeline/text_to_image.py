"""The whole machine: prompt -> tokens -> text vectors -> denoised latent -> picture.

Rombach et al. 2022, figure 3.
"""

from pathlib import Path

import torch

from ..checkpoint import (
    CheckpointError,
    load_module,
    read_index,
    reading,
    save_module,
    write_folder,
)
from ..noise import randn
from ..samplers import SAMPLERS, guide
from ..schedule import NoiseSchedule
from ..text_encoder import CLIPTextModel, TextConfig
from ..tokenizer import CLIPTokenizer
from ..unet import UNet2DConditionModel, UNetConfig
from ..vae import AutoencoderKL, VAEConfig
from .pictures import to_uint8

WEIGHTS = Path(__file__).parents[1] / "weights"
MAX_PIXELS = 512 * 512  # to decode at once: more pictures take turns, which bounds the memory


class TextToImagePipeline:
    """The five parts of a text-to-image model, and the call that lets them draw."""

    def __init__(self, unet, vae, text_encoder, tokenizer, schedule):
        self.unet, self.vae, self.text_encoder = unet, vae, text_encoder
        self.tokenizer, self.schedule = tokenizer, schedule
        text = text_encoder.config
        for ours, theirs, what in (
            (vae.config.latent_channels, unet.config.out_channels, "latent channels"),
            (unet.config.cross_attention_dim, text.hidden_size, "width of a text vector"),
            (max(len(tokenizer), text.vocab_size), text.vocab_size, "size of the vocabulary"),
        ):
            if ours != theirs:
                raise CheckpointError(f"the parts do not fit together: {what} {ours} and {theirs}")

    @property
    def device(self):
        """Where the weights lie."""
        return self.unet.conv_in.weight.device

    @property
    def dtype(self):
        """The weights' number format."""
        return self.unet.conv_in.weight.dtype

    @property
    def image_size(self):
        """Height and width in pixels of the pictures that the model was trained on."""
        return self.unet.config.sample_size * self.vae.config.downscale

    @torch.no_grad()
    def encode_prompts(self, prompts):
        """Turn N prompts into text vectors, (N, S, D); "" is the unconditional prompt."""
        return self.text_encoder(self.tokenizer(prompts).to(self.device))

    @torch.no_grad()
    def encode(self, images):
        """Pictures in [-1, 1] -> latents of unit variance: the Gaussians' means.

        (B, 3, H, W) -> (B, c, h, w)
        """
        images = images.to(self.device, self.dtype)
        return self.vae.encode(images).mean * self.vae.config.scaling_factor

    @torch.no_grad()
    def decode(self, latents):
        """Latents of unit variance -> pictures, clamped to [-1, 1]. (B, c, h, w) -> (B, 3, H, W)"""
        latents = latents.to(self.device, self.dtype) / self.vae.config.scaling_factor
        pixels = latents.shape[2] * latents.shape[3] * self.vae.config.downscale**2
        images = [self.vae.decode(few) for few in latents.split(max(1, MAX_PIXELS // pixels))]
        return torch.cat(images).float().clamp(-1, 1)

    def denoiser(self, prompts, negative_prompts, guidance_scale, extra=None):
        """Return `denoise(latents, timestep)` for these prompts, one per latent: the network's
        raw output, guided away from the negative prompts. Ho and Salimans 2022.

        `extra` (B, channels, h, w) is shown to the network beside the latents.
        """
        channels = self.unet.config.in_channels, self.unet.config.out_channels
        if channels[0] != channels[1] + (0 if extra is None else extra.shape[1]):
            raise ValueError(
                f"this UNet takes {channels[0]} channels: 4 draw from a prompt or a picture, "
                "9 (latents, mask, masked picture) need InpaintPipeline"
            )

        def predict(latents, timestep, context):
            if extra is not None:  # guidance asks twice for each latent
                shown = extra.repeat(len(latents) // len(extra), 1, 1, 1)
                latents = torch.cat([latents, shown], dim=1)
            return self.unet(latents.to(self.dtype), timestep, context).float()

        contexts = self.encode_prompts(prompts), self.encode_prompts(negative_prompts)
        return guide(predict, *contexts, guidance_scale)

    def walk(self, sampler, denoise, noise, num_inference_steps, generator, image=None, skip=0):
        """Return the steps of the sampler of that name. (B, c, h, w) -> a generator"""
        if sampler not in SAMPLERS:
            raise ValueError(f"unknown sampler {sampler!r}; known: {', '.join(SAMPLERS)}")
        return SAMPLERS[sampler](
            denoise, noise, self.schedule, num_inference_steps, generator=generator,
            prediction_type=self.schedule.prediction_type, image=image, skip=skip,
        )  # fmt: skip

    def repeat(self, prompts, num_images_per_prompt):
        """Return one prompt for each picture, in a list."""
        prompts = [prompts] if isinstance(prompts, str) else prompts
        return [prompt for prompt in prompts for _ in range(num_images_per_prompt)]

    @torch.no_grad()
    def sample(
        self, prompts, *, negative_prompt=None, num_images_per_prompt=1, height=None, width=None,
        num_inference_steps=20, guidance_scale=4.0, sampler="ddim", generator=None,
    ):  # fmt: skip
        """Yield each denoising step of a batch of latents. Arguments as in a call of the pipeline.

        A step has `.timestep`, `.latents` after it and `.denoised`, the clean latents it expects.
        """
        prompts = self.repeat(prompts, num_images_per_prompt)
        height, width = height or self.image_size, width or self.image_size
        scale = self.vae.config.downscale
        if height % scale or width % scale or min(height, width) < scale:
            raise ValueError(
                f"height and width must be positive multiples of {scale}, got {height} x {width}"
            )
        shape = (len(prompts), self.vae.config.latent_channels, height // scale, width // scale)
        noise = randn(shape, generator).to(self.device)
        denoise = self.denoiser(prompts, [negative_prompt or ""] * len(prompts), guidance_scale)
        yield from self.walk(sampler, denoise, noise, num_inference_steps, generator)

    def __call__(self, prompts, *given, output_type="uint8", progress=None, **options):
        """Draw pictures of N prompts, `num_images_per_prompt` each, prompt by prompt.

        `generator` fixes the noise: one torch.Generator, or a list of one per picture, on the CPU,
        so that every device starts from the same noise. `guidance_scale` 1 means no guidance.
        `progress` wraps the steps, as tqdm does. `given` and the other `options`: see `sample`.
        Returns uint8 (N, H, W, 3), or with output_type="float" float32 (N, 3, H, W) in [-1, 1].
        """
        if output_type not in ("uint8", "float"):
            raise ValueError(f'output_type must be "uint8" or "float", got {output_type!r}')
        steps = self.sample(prompts, *given, **options)
        for step in progress(steps) if progress else steps:
            latents = step.latents
        images = self.decode(latents).cpu()
        return images if output_type == "float" else to_uint8(images)

    @classmethod
    def from_pretrained(cls, folder, device="cpu", dtype=torch.float32):
        """Load a model folder in diffusers' layout; `folder` may also name a shipped model.

        Raises CheckpointError where a file is missing or damaged.
        """
        folder = WEIGHTS / folder if (WEIGHTS / str(folder)).is_dir() else Path(folder)
        read_index(folder)
        place = {"device": device, "dtype": dtype}
        unet = load_module(UNet2DConditionModel, UNetConfig, folder / "unet", **place)
        vae = load_module(AutoencoderKL, VAEConfig, folder / "vae", **place)
        text_encoder = load_module(CLIPTextModel, TextConfig, folder / "text_encoder", **place)
        with reading(folder / "tokenizer"):
            tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
        config = folder / "scheduler" / "scheduler_config.json"
        with reading(config):
            schedule = NoiseSchedule.from_json(config).to(device)
        return cls(unet, vae, text_encoder, tokenizer, schedule)

    def save_pretrained(self, folder, dtype=None):
        """Save a model folder that minisd and diffusers load; `dtype` float16 halves its size."""
        with write_folder(folder) as new:
            save_module(self.unet, new / "unet", dtype)
            save_module(self.vae, new / "vae", dtype)
            save_module(self.text_encoder, new / "text_encoder", dtype)
            self.tokenizer.save_pretrained(new / "tokenizer")
            self.schedule.save(new / "scheduler" / "scheduler_config.json")
