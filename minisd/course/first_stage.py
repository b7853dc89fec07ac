"""Saved runs of notebook 05: small autoencoders, each trained with another loss.

python -m minisd.course.first_stage datasets/first_stage

`prices` are runs that differ in the weight of the KL term alone; `losses` are runs of a narrower
autoencoder (latents of 4 x 4 places) that differ in what a bad reconstruction costs. All of them
see pictures of one object. Writes runs.json, pictures of every run, and the weights of two.
"""

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from PIL import Image
from torch import nn
from tqdm import tqdm

from .. import plot
from ..checkpoint import flush, writing
from ..pipeline import from_uint8, to_uint8
from ..training import TrainingState, learning_rate_factor, step_generator
from ..world import FULL, captions, render
from ..world.checker import check_all, read
from ..world.garbage import one_object
from .bank.n05_vae.adversarial_losses import adversarial_losses
from .bank.n05_vae.latent_scale import latent_scale
from .critics import PatchDiscriminator, balance, perceptual_distance, train_classifier
from .small_vae import SmallVAE

STEPS, CLASSIFIER_STEPS, BATCH, LEARNING_RATE = 1200, 400, 16, 4e-3
NUM_TRAINED, NUM_HELD_OUT, NUM_DRAWN = 8192, 256, 8
CRITIC_WEIGHT = 0.5  # Stable Diffusion's, before balancing
NEVER = 10**9
NOISES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7)  # put on latents, in units of their own deviation
IN_USE = 0.1  # nats: a latent number that says less says nothing


@dataclass(frozen=True)
class Run:
    """One loss: the mean over pixels of its error, and kl_weight nats for the same sum."""

    downscale: int = 4
    squared: bool = True  # or the absolute error, Stable Diffusion's
    kl_weight: float = 1e-6  # against an error that is SUMMED over a picture's pixels
    perceptual: float = 0.0  # weight of the perceptual distance
    critic_from: float = NEVER  # share of the steps after which the critic plays


PRICES = {f"price {w:g}": Run(kl_weight=w) for w in (1e-6, 0.01, 0.1, 1.0, 10.0, 100.0)}
LOSSES = {
    "squared error": Run(8),
    "and perceptual": Run(8, perceptual=0.1),
    "and a critic, late": Run(8, perceptual=0.1, critic_from=0.5),
    "and a critic, at once": Run(8, perceptual=0.1, critic_from=0.0),
    "absolute error": Run(8, squared=False),
    "absolute and perceptual": Run(8, squared=False, perceptual=1.0),
}
RUNS = PRICES | LOSSES
KEPT = ("price 1e-06", "price 0.1")  # whose weights are saved


def draw_pictures(num_images, seed, device="cpu"):
    """Draw pictures of one object. -> (N, 3, 32, 32) in [-1, 1], N scenes, N captions"""
    generator = torch.Generator().manual_seed(seed)
    scenes = one_object(num_images, generator)
    return from_uint8(render(scenes)).to(device), scenes, captions(scenes, generator, FULL)


def train(run, images, classifier, num_steps, seed=0):
    """Train an autoencoder on (N, 3, H, W) with this run's loss. -> its averaged copy"""
    torch.manual_seed(seed)
    device, num_pixels = images.device, images[0].numel()
    vae, critic = SmallVAE(run.downscale).to(device), PatchDiscriminator().to(device)
    state = TrainingState({"vae": vae}, LEARNING_RATE, ema_decay=0.98)
    critic_optimizer = torch.optim.AdamW(critic.parameters(), 1e-3, betas=(0.5, 0.9))
    start = int(run.critic_from * num_steps)
    for step in tqdm(range(num_steps), unit="step", leave=False, disable=None):
        generator = step_generator(seed, step, "cpu")
        true = images[torch.randint(len(images), (BATCH,), generator=generator)]
        posterior = vae.encode(true)
        drawn = vae.decode(posterior.sample(generator))
        error = (drawn - true) ** 2 if run.squared else (drawn - true).abs()
        error = error.mean()
        if run.perceptual:
            apart = perceptual_distance(classifier, drawn, true).mean()
            error = error + run.perceptual * apart
        loss = error + run.kl_weight * posterior.kl().mean() / num_pixels
        if step >= start:
            losses = adversarial_losses(critic, true, drawn, step, start)
            factor = balance(error, losses[1], vae.decoder[-1].weight)
            loss = loss + CRITIC_WEIGHT * factor * losses[1]
        for group in state.optimizer.param_groups:
            group["lr"] = LEARNING_RATE * learning_rate_factor(step, num_steps)
        state.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        state.optimizer.step()
        state.step += 1
        state.update_averages()
        if step >= start:
            critic_optimizer.zero_grad()  # the decoder's loss has left its slopes there as well
            losses[0].backward()
            critic_optimizer.step()
    return state.averages["vae"]


def obedience(images, prompts):
    """Share of pictures, (N, 3, H, W), that show what their prompts say."""
    verdicts = check_all(to_uint8(images).cpu(), prompts)
    return sum(verdict.correct for verdict in verdicts) / len(verdicts)


def readability(images):
    """Share of pictures, (N, 3, H, W), that show the world's clean objects on a plain ground."""
    readings = read(to_uint8(images).cpu())
    clean = [bool(r.objects) and not r.refused and r.background is not None for r in readings]
    return sum(clean) / len(clean)


def sharpness(images):
    """How steep a picture's steepest steps from pixel to pixel are: the mean over the largest 2%.
    Blur lowers it. (B, 3, H, W) -> scalar
    """
    across = (images[..., 1:] - images[..., :-1]).abs().flatten(1)
    down = (images[..., 1:, :] - images[..., :-1, :]).abs().flatten(1)
    steps = torch.cat([across, down], dim=1)
    return steps.topk(steps.shape[1] // 50, dim=1).values.mean()


@torch.no_grad()
def examine(vae, images, prompts, judge):
    """Measure an autoencoder on held-out (N, 3, H, W). -> (numbers, reconstructions, dreams)

    `judge` is a classifier that no run was trained with. Dreams are decoded noise, as wide as all
    the clouds together.
    """
    posterior = vae.encode(images)
    means, generator = posterior.mean, torch.Generator().manual_seed(1)
    scale, width = latent_scale(means), posterior.sample(generator).std()
    noise = torch.randn(means.shape, generator=generator).to(means)
    rebuilt, dreams = vae.decode(means), vae.decode(width * noise)
    informed = 0.5 * (means**2 + posterior.logvar.exp() - 1 - posterior.logvar).mean(dim=0)
    numbers = {
        "pixel_error": ((rebuilt - images) ** 2).mean().sqrt().item(),
        "nats": posterior.kl().mean().item(),
        "numbers_in_use": int((informed > IN_USE).sum()),
        "latent_deviation": 1 / scale.item(),
        "noise_deviation": (0.5 * posterior.logvar).exp().mean().item(),
        "obey": obedience(rebuilt, prompts),
        "readable_dreams": readability(dreams),
        "obey_with_noise": {
            str(a): obedience(vae.decode(means + a * noise / scale), prompts) for a in NOISES
        },
        "sharpness": (sharpness(rebuilt) / sharpness(images)).item(),
        "looks_apart": perceptual_distance(judge, rebuilt, images).mean().item(),
    }
    return numbers, rebuilt, dreams


def save_picture(images, path):
    """Write pictures side by side as one PNG. (B, 3, H, W) in [-1, 1]"""
    with writing(path) as temporary:
        tiles = plot.tile(images.clamp(-1, 1), columns=NUM_DRAWN, gap=1)
        Image.fromarray(tiles).save(temporary, format="png", optimize=True)
        flush(temporary)


def file_name(name):
    """The first part of a run's file names: without spaces and commas."""
    return name.replace(",", "").replace(" ", "-")


def main():
    """Make all runs, or those that are named."""
    parser = argparse.ArgumentParser(
        prog="python -m minisd.course.first_stage", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("folder", type=Path, help="usually datasets/first_stage")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"of training ({STEPS})")
    parser.add_argument("--only", nargs="+", choices=RUNS, metavar="RUN", help=f"{', '.join(RUNS)}")
    parser.add_argument("--device", default="cpu", help="where to train (cpu)")
    arguments = parser.parse_args()
    images, scenes, _ = draw_pictures(NUM_TRAINED, 0, arguments.device)
    held_out, _, prompts = draw_pictures(NUM_HELD_OUT, 1, arguments.device)
    classifier_steps = min(CLASSIFIER_STEPS, arguments.steps)
    teacher, judge = (train_classifier(images, scenes, classifier_steps, seed) for seed in (0, 1))
    teacher.requires_grad_(False)

    table = arguments.folder / "runs.json"
    found = json.loads(table.read_text()) if table.exists() else {}
    for name in arguments.only or RUNS:
        start = time.process_time()
        vae = train(RUNS[name], images, teacher, arguments.steps)
        found[name], rebuilt, dreams = examine(vae, held_out, prompts, judge)
        pictures = torch.cat([rebuilt[:NUM_DRAWN], dreams[:NUM_DRAWN]])
        save_picture(pictures, arguments.folder / f"{file_name(name)}.png")
        if name in KEPT:
            weights = {key: value.half().cpu() for key, value in vae.state_dict().items()}
            with writing(arguments.folder / f"{file_name(name)}.safetensors") as temporary:
                safetensors.torch.save_file(weights, temporary)
        ordered = {run: found[run] for run in RUNS if run in found}
        with writing(table) as temporary:
            Path(temporary).write_text(json.dumps(ordered, indent=1) + "\n")
        seconds = time.process_time() - start
        print(f"{name}: obey {found[name]['obey']:.3f}, {seconds:.0f} CPU seconds", flush=True)
    save_picture(held_out[:NUM_DRAWN], arguments.folder / "true.png")


if __name__ == "__main__":
    main()
