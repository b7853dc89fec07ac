"""How each size is trained: its recipe, scenes, fresh parts, and minutes turned into steps."""

import time
from dataclasses import dataclass, fields

import torch

from .sizes import SIZES
from .sketch import Sketch, sketch_loss
from .text_encoder import CLIPTextModel
from .training import TrainingState, denoising_loss, fastest_dtype, fit, vae_loss
from .unet import UNet2DConditionModel
from .vae import AutoencoderKL
from .world import Scenes, captions, sample_scenes

BLOCK = 4096  # scenes drawn at once
LOOKING = 0.05  # share of the time that scores, sample pictures and saving take
SAMPLE_PROMPTS = (  # drawn at every milestone
    "a large red heart",
    "two green rings",
    "a small yellow square on a black background",
    "three blue crosses",
    "a large purple circle left of a small orange triangle",
    "a cyan square above a pink heart",
    "a green circle and a red cross",
    "four pink rings on a white background",
)


@dataclass(frozen=True)
class Recipe:
    """How long and how fast to train a size; the defaults are those of `shapes32`."""

    pictures: int = 12 * BLOCK
    starting: int = 30  # seconds that a run takes to draw, describe and encode them
    captions_per_picture: int = 4
    batch_size: int = 64
    vae_steps: int = 7500  # with --steps, at most this many; with --minutes, a share of the time
    vae_share: float = 0.25
    vae_learning_rate: float = 1.5e-3
    vae_batch_size: int = 32
    kl_weight: float = 8e-3  # reached late: see kl_strength
    text_steps: int = 2500  # at most: the text encoder's first lessons, see minisd.sketch
    text_share: float = 0.1
    learning_rate: float = 2e-3
    caption_dropout: float = 0.1
    num_milestones: int = 12  # scores and sample pictures that a run makes
    score_prompts: int = 140  # of the held-out lists, one picture each


RECIPES = {
    "tiny": Recipe(
        pictures=BLOCK // 8,
        starting=1,
        batch_size=8,
        vae_batch_size=8,
        vae_steps=20,
        text_steps=20,
        num_milestones=2,
        score_prompts=7,
    ),
    "shapes32": Recipe(),
    "shapes64": Recipe(
        pictures=48 * BLOCK,
        starting=180,
        batch_size=256,
        vae_batch_size=128,
        vae_steps=6000,
        learning_rate=1e-3,
        vae_learning_rate=1e-3,
    ),
}


@dataclass(frozen=True)
class Plan:
    """What was decided when the run began; a resumed run must keep to it."""

    preset: str
    seed: int
    vae_steps: int
    text_steps: int
    unet_steps: int
    dtype: str  # of the products inside the networks
    start: str | None = None  # the model folder that the run went on from


def new_vae(preset, device):
    """Return a fresh VAE of a size, ready to train."""
    vae = AutoencoderKL(SIZES[preset].vae).to(device)
    return TrainingState({"vae": vae}, RECIPES[preset].vae_learning_rate, ema_decay=0.99)


def new_text_encoder(preset, text_config, device):
    """Return a fresh text encoder of a size and the sketch that gives it its first lessons."""
    vae = SIZES[preset].vae
    side = vae.sample_size // vae.downscale
    width, heads = text_config.hidden_size, text_config.num_attention_heads
    parts = {
        "text_encoder": CLIPTextModel(text_config).to(device),
        "sketch": Sketch(width, heads, vae.latent_channels, side).to(device),
    }
    return TrainingState(parts, RECIPES[preset].learning_rate)


def new_denoiser(preset, unet, text_encoder, device):
    """Return UNet and text encoder, fresh or trained, ready to train together."""
    parts = {"unet": unet, "text_encoder": text_encoder}
    parts = {name: part.to(device).requires_grad_(True) for name, part in parts.items()}
    return TrainingState(parts, RECIPES[preset].learning_rate)


def kl_strength(step, num_steps):
    """Return the share of the KL weight that a VAE is trained with at a step: first it learns to
    see, then to say less. What a latent need not say, the UNet need not guess, and the noise that
    the KL term puts on a latent teaches the decoder to forgive the UNet's small errors.
    """
    return min(1.0, step / (0.75 * num_steps)) ** 4


def make_plan(preset, minutes, steps, seed, device, start=None):
    """Decide on the number of steps; `minutes` by timing a few steps of each part here and now.

    A run that goes on from the model in the folder `start` takes that one's autoencoder.
    """
    recipe, size, dtype = RECIPES[preset], SIZES[preset], fastest_dtype(device)
    name = str(dtype).removeprefix("torch.")
    if steps is not None:
        lessons = (0, 0) if start else (min(steps, recipe.vae_steps), min(steps, recipe.text_steps))
        return Plan(preset, seed, *lessons, steps, name, start)
    B, vae = recipe.batch_size, size.vae
    side = vae.sample_size // vae.downscale
    images = torch.zeros(recipe.vae_batch_size, 3, size.image_size, size.image_size, device=device)
    latents = torch.zeros(B, vae.latent_channels, side, side, device=device)
    ids = torch.zeros(B, size.text.max_position_embeddings, device=device).long()

    state = new_vae(preset, device)
    part = state.modules["vae"]
    per_vae_step = time_steps(state, lambda _: vae_loss(part, images, 0.0, None), dtype)

    state = new_text_encoder(preset, size.text, device)
    text_encoder, sketch = state.modules["text_encoder"], state.modules["sketch"]
    per_text_step = time_steps(
        state, lambda _: sketch_loss(sketch, text_encoder, latents, ids), dtype
    )

    state = new_denoiser(preset, UNet2DConditionModel(size.unet), text_encoder, device)
    parts = state.modules["unet"], text_encoder, size.schedule.to(device)
    per_step = time_steps(state, lambda _: denoising_loss(*parts, latents, ids, None), dtype)

    seconds = (60 * minutes - recipe.starting) * (1 - LOOKING)
    if seconds <= 0:
        raise ValueError(
            f"drawing and describing the pictures of {preset} alone takes about "
            f"{recipe.starting} seconds: give more than {minutes:g} minutes, or --steps"
        )
    vae_steps = text_steps = 0
    if start is None:
        vae_steps = max(1, int(seconds * recipe.vae_share / per_vae_step))
        text_steps = max(1, int(seconds * recipe.text_share / per_text_step))
        text_steps = min(text_steps, recipe.text_steps)
    rest = seconds - vae_steps * per_vae_step - text_steps * per_text_step
    unet_steps = max(1, int(rest / per_step))
    return Plan(preset, seed, vae_steps, text_steps, unet_steps, name, start)


def time_steps(state, compute_loss, dtype, num_steps=10):
    """Seconds per step of training, after a warm-up. The state is spoiled."""
    for step in fit(state, compute_loss, num_steps + 2, dtype):
        if step.number == 2:
            start = time.perf_counter()
    step.loss.item()
    return (time.perf_counter() - start) / num_steps


def training_scenes(n, seed):
    """Draw the scenes that a run with this seed trains on; the first block comes first."""
    generator = torch.Generator().manual_seed(seed)
    blocks = [
        sample_scenes(min(BLOCK, n - start), generator, "seen") for start in range(0, n, BLOCK)
    ]
    names = [field.name for field in fields(Scenes)]
    return Scenes(*(torch.cat([getattr(b, name) for b in blocks]) for name in names))


def training_captions(scenes, tokenizer, count, seed, mentions=None):
    """Say each scene in `count` ways; see `world.captions`. -> (N, count, S) token ids"""
    generator = torch.Generator().manual_seed(seed)
    said = [tokenizer(captions(scenes, generator, mentions)) for _ in range(count)]
    return torch.stack(said, dim=1)
