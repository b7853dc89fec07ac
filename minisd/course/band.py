"""A small text-to-image model, trained for half a minute, and the band its loss should lie in.

python -m minisd.course.band datasets/training/band.json

Notebook 07 trains one such model by hand and draws its curve over the band of five seeds. The
latents are the shipped model's, so measure again whenever that model is replaced.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F

from .. import world
from ..attention import BasicTransformerBlock
from ..checkpoint import writing
from ..pipeline import TextToImagePipeline
from ..schedule import add_noise
from ..sizes import ZERO_SNR, attention_at
from ..text_encoder import CLIPTextModel, TextConfig
from ..training import TrainingState, drop_captions, fit, step_generator
from ..unet import UNet2DConditionModel, UNetConfig
from .bank.n07_conditioned_latent_unet.cache_latents import cache_latents
from .bank.n07_conditioned_latent_unet.conditioned_loss import conditioned_loss
from .bank.n07_conditioned_latent_unet.looks import rebuild

STEPS, BATCH, LEARNING_RATE, DROPOUT = 400, 32, 3e-3, 0.1
NUM_PICTURES, NUM_HELD_BACK, LOOK_EVERY = 1024, 128, 50
SEEDS = range(1, 6)  # the notebook trains with seed 0
CONFIG = UNetConfig(
    sample_size=8,
    block_out_channels=(32, 64),
    **attention_at(False, True),
    layers_per_block=1,
    cross_attention_dim=64,
    attention_head_dim=2,
    norm_num_groups=8,
)


def draw_one_object(n, seed=0):
    """Pictures of one object each, with a caption. -> uint8 (n, 32, 32, 3), list of n"""
    generator = torch.Generator().manual_seed(seed)
    scenes = world.sample_scenes(6 * n, generator)
    scenes = scenes[(scenes.count == 1).nonzero()[:n, 0]]
    return world.render(scenes), world.captions(scenes, generator, world.FULL)


def new_state(tokenizer, block=BasicTransformerBlock, seed=0, device="cpu"):
    """A fresh small UNet and text encoder, their averages and their optimizer.

    `block` is the class that stands wherever words meet pixels.
    """
    torch.manual_seed(seed)
    text = TextConfig(len(tokenizer), tokenizer.model_max_length, 64, 128, 1, 2)
    parts = {"unet": UNet2DConditionModel(CONFIG), "text_encoder": CLIPTextModel(text)}
    parts = {name: part.to(device) for name, part in parts.items()}
    rebuild(parts["unet"], block)
    return TrainingState(parts, LEARNING_RATE, ema_decay=0.98)


@dataclass(frozen=True)
class HeldBack:
    """Pictures that no training sees, each noised once and for all: one yardstick for every run."""

    latents: torch.Tensor  # (N, 4, 8, 8)
    token_ids: torch.Tensor  # (N, S) what is in the picture
    empty_ids: torch.Tensor  # (S,)
    timesteps: torch.Tensor  # (N,) evenly over all levels
    noise: torch.Tensor  # (N, 4, 8, 8)

    @torch.no_grad()
    def losses(self, parts, schedule=ZERO_SNR):
        """The loss in v with the right captions, with a neighbor's, and with none."""
        place = self.latents.device
        noisy = add_noise(self.latents, self.noise, self.timesteps, schedule.alphas_cumprod)
        target = schedule.target(self.latents, self.noise, self.timesteps)
        found = {}
        for name, ids in (
            ("right captions", self.token_ids),
            ("wrong captions", self.token_ids.roll(1, 0)),
            ("no captions", self.empty_ids.expand_as(self.token_ids)),
        ):
            context = parts["text_encoder"](ids.to(place))
            prediction = parts["unet"](noisy, self.timesteps, context)
            found[name] = F.mse_loss(prediction, target).item()
        return found


def hold_back(pipe, encode=cache_latents, seed=1_000_000):
    """Draw the yardstick, on the pipeline's device; the same numbers on every machine."""
    images, captions = draw_one_object(NUM_HELD_BACK, seed)
    latents = encode(pipe.vae, images, pipe.vae.config.scaling_factor, 64)
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(seed))
    timesteps = torch.linspace(0, 999, NUM_HELD_BACK).round().long()
    timesteps = timesteps[torch.randperm(NUM_HELD_BACK, generator=torch.Generator().manual_seed(2))]
    ids = [pipe.tokenizer(captions), pipe.tokenizer([""])[0]]
    return HeldBack(*(x.to(pipe.device) for x in (latents, *ids, timesteps, noise)))


def train(pipe, held_back, seed, num_steps=STEPS):
    """Train once as the notebook does, with the reference's parts. -> {name: losses}, state"""
    device, table = pipe.device, ZERO_SNR.alphas_cumprod.to(pipe.device)
    images, captions = draw_one_object(NUM_PICTURES)
    latents = cache_latents(pipe.vae, images, pipe.vae.config.scaling_factor, 64)
    token_ids = pipe.tokenizer(captions).to(device)
    state = new_state(pipe.tokenizer, seed=seed, device=device)
    unet, text_encoder = state.modules["unet"], state.modules["text_encoder"]

    def compute_loss(step):
        generator = step_generator(seed, step, device)
        rows = torch.randint(len(latents), (BATCH,), generator=generator, device=device)
        ids = drop_captions(token_ids[rows], held_back.empty_ids, DROPOUT, generator)
        return conditioned_loss(unet, latents[rows], text_encoder(ids), table, generator)

    rows = [{"step": 0} | held_back.losses(state.modules)]
    for step in fit(state, compute_loss, num_steps):
        if step.number % LOOK_EVERY == 0:
            rows.append({"step": step.number} | held_back.losses(state.averages))
    return {name: [row[name] for row in rows] for name in rows[0]}, state


def main():
    """Train with each seed and write what was measured."""
    parser = argparse.ArgumentParser(prog="python -m minisd.course.band", description=__doc__)
    parser.add_argument("path", type=Path, help="usually datasets/training/band.json")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"of training ({STEPS})")
    parser.add_argument("--seeds", type=int, nargs="+", default=[*SEEDS], help="1 to 5")
    arguments = parser.parse_args()
    pipe = TextToImagePipeline.from_pretrained("shapes32")
    held_back, runs = hold_back(pipe), {}
    for seed in arguments.seeds:
        runs[str(seed)], _ = train(pipe, held_back, seed, arguments.steps)
        last = {name: round(values[-1], 3) for name, values in runs[str(seed)].items()}
        print(f"seed {seed}: {last}", flush=True)
    table = {
        "made by": "python -m minisd.course.band datasets/training/band.json",
        "latent scale of the shipped model": pipe.vae.config.scaling_factor,
        "runs": {
            seed: {name: [round(value, 4) for value in values] for name, values in run.items()}
            for seed, run in runs.items()
        },
    }
    with writing(arguments.path) as temporary:
        temporary.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
