"""The second clinic: a trained pipeline with one real fault each.

python -m minisd.course.pipeline_clinic datasets/pipeline_clinic

Whoever reads on learns which patient has what: exercise 9.6 asks for that, so do it first.

All patients but one have healthy weights and a fault in how they are used; one has a decoder that
was trained for a moment. Each leaves what it draws as its owner uses it, what it draws in four
experiments, and its scores. Measured on one core: a few minutes with the default numbers.
"""

import argparse
import copy
import csv
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from tqdm import trange

from .. import plot
from ..checkpoint import flush, writing
from ..evaluate import choose_prompts, draw, obedience, reconstruct
from ..pipeline import TextToImagePipeline, from_uint8
from ..recipes import training_scenes
from ..samplers import Step, timestep_grid
from ..truth import true_scenes
from ..vae import Decoder
from ..world import prompts as fixed_prompts
from ..world import render
from .bank.n09_text_to_image.patients import PATIENTS
from .fingerprint import fingerprint

DECODER_STEPS, PROMPTS = 120, 21  # a healthy decoder takes thousands; prompts scored a patient
DRAWN = (  # four pictures each
    "a large red heart",
    "three blue crosses",
    "a yellow square and a pink ring",
    "a small green circle above a large orange triangle",
)
GUIDANCE, STEPS = (0.0, 1.0, 4.0, 12.0), (5, 20, 50)
LAST_WORDS = (  # the same but for what comes last
    ("a red heart and a blue ring", "a red heart and a green cross"),
    ("a yellow circle left of a pink heart", "a yellow circle left of a blue triangle"),
    ("a large cyan cross above a gray square", "a large cyan cross above a red ring"),
    ("two purple squares", "two purple hearts"),
)


class Exchanged(TextToImagePipeline):
    """Guides away from the prompt, toward the negative one."""

    def denoiser(self, prompts, negative_prompts, guidance_scale, extra=None):
        """As the pipeline's, the halves exchanged."""
        return super().denoiser(negative_prompts, prompts, guidance_scale, extra)


class CutShort(TextToImagePipeline):
    """Has room for four words."""

    def encode_prompts(self, prompts):
        """Text vectors of the first words."""
        return super().encode_prompts([" ".join(prompt.split()[:4]) for prompt in prompts])


class OneNoise(TextToImagePipeline):
    """Seeds the generator anew for every picture."""

    def walk(self, sampler, denoise, noise, *rest):
        """As the pipeline's, all pictures from the first one's noise."""
        return super().walk(sampler, denoise, noise[:1].expand_as(noise).clone(), *rest)


class BackIntoNoise(TextToImagePipeline):
    """After t = 0 it reads its table at -1, which in Python is the last entry: pure noise."""

    def walk(self, sampler, denoise, noise, num_inference_steps, *rest):
        """DDIM, written down by somebody in a hurry."""
        latents, table = noise, self.schedule.alphas_cumprod
        stride = len(table) // num_inference_steps
        for t in timestep_grid(self.schedule, num_inference_steps):
            x0, epsilon = self.schedule.x0_and_epsilon(latents, denoise(latents, t), table[t])
            share = table[t - stride]
            latents = share**0.5 * x0 + (1 - share) ** 0.5 * epsilon
            yield Step(t, latents, x0, (share**0.5, (1 - share) ** 0.5))


def as_a(kind):
    """The same parts in a pipeline of another class."""
    return lambda pipe, _: kind(
        pipe.unet, pipe.vae, pipe.text_encoder, pipe.tokenizer, pipe.schedule
    )


def with_foreign_scale(pipe, _):
    """With the latent scale of Stable Diffusion's autoencoder."""
    vae = copy.copy(pipe.vae)
    vae.config = replace(vae.config, scaling_factor=0.18215)
    return TextToImagePipeline(pipe.unet, vae, pipe.text_encoder, pipe.tokenizer, pipe.schedule)


def with_weak_decoder(pipe, num_steps):
    """With a decoder that was trained for a moment, on latents of the healthy encoder."""
    images, vae = render(training_scenes(4096, 0), pipe.image_size), copy.copy(pipe.vae)
    vae._modules = dict(vae._modules)  # the copy may exchange a part, the original keeps its own
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        vae.decoder = Decoder(vae.config).to(pipe.device)
    optimizer = torch.optim.AdamW(vae.decoder.parameters(), 1.5e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in trange(num_steps, desc="decoder", disable=None):
        rows = torch.randint(len(images), (32,), generator=generator)
        pixels = from_uint8(images[rows]).to(pipe.device)
        with torch.no_grad():
            latents = vae.encode(pixels).mean
        loss = F.mse_loss(vae.decode(latents), pixels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return TextToImagePipeline(pipe.unet, vae, pipe.text_encoder, pipe.tokenizer, pipe.schedule)


@dataclass(frozen=True)
class Patient:
    """How a healthy pipeline was made ill, and how its owner calls it."""

    spoil: Callable = lambda pipe, num_steps: pipe
    guidance: float = 4.0


HEALTHY = Patient()
ILL = {
    "latent scale of another model": Patient(with_foreign_scale),
    "halves of guidance exchanged": Patient(as_a(Exchanged)),
    "guidance far too large": Patient(guidance=60.0),
    "last step back into noise": Patient(as_a(BackIntoNoise)),
    "prompt cut short": Patient(as_a(CutShort)),
    "decoder hardly trained": Patient(with_weak_decoder),
    "one noise for all pictures": Patient(as_a(OneNoise)),
}
RUNS = {"healthy": HEALTHY} | {patient: ILL[cause] for patient, cause in PATIENTS.items()}


def seeded(count):
    """Generators with the seeds 0, 1, 2, ..."""
    return [torch.Generator().manual_seed(seed) for seed in range(count)]


def experiments(pipe, guidance):
    """{experiment: (pictures, how many a row)}: what the patient draws, and in four experiments."""
    each = [prompt for prompt in DRAWN for _ in range(4)]
    drawn = pipe(each, generator=seeded(4) * 4, guidance_scale=guidance)
    twice = [DRAWN[0], DRAWN[0], DRAWN[2], DRAWN[2]]
    turned = [pipe(twice, generator=seeded(4), guidance_scale=scale) for scale in GUIDANCE]
    stepped = [
        pipe([*DRAWN], generator=seeded(4), guidance_scale=guidance, num_inference_steps=n)
        for n in STEPS
    ]
    sides = [
        pipe([*side], generator=seeded(4), guidance_scale=guidance) for side in zip(*LAST_WORDS)
    ]
    true = render(true_scenes([*DRAWN] * 2, torch.Generator().manual_seed(0)), pipe.image_size)
    return {
        "drawn": (drawn, 8),
        "guidance": (torch.cat(turned), 4),
        "steps": (torch.cat(stepped), 4),
        "reconstruction": (torch.cat([true, reconstruct(pipe, true, 64)]), 8),
        "last words": (torch.cat(sides), 4),
    }


def scores(pipe, guidance, num_prompts):
    """{category: share of its prompts obeyed, one picture each}, and the VAE's ceiling."""
    lists = choose_prompts(fixed_prompts("seen"), num_prompts)
    asked = [prompt for group in lists.values() for prompt in group]
    settings = {"seed": 0, "steps": 20, "guidance": guidance, "sampler": "ddim"}
    right = obedience(draw(pipe, asked, 1, 64, None, **settings), asked)
    parts = right.split([len(group) for group in lists.values()])
    true = render(true_scenes(asked, torch.Generator().manual_seed(1)), pipe.image_size)
    ceiling = obedience(reconstruct(pipe, true, 64), asked).mean()
    return {name: part.mean().item() for name, part in zip(lists, parts)} | {
        "ceiling": ceiling.item()
    }


def examine(name, pipe, patient, folder, num_prompts, decoder_steps):
    """Write one patient's pictures; return its scores."""
    ill = patient.spoil(pipe, decoder_steps)
    for experiment, (images, columns) in experiments(ill, patient.guidance).items():
        path = folder / f"{name} {experiment}.png".replace(" ", "-")
        with writing(path) as temporary:
            picture = Image.fromarray(plot.tile(images, columns, gap=1))
            picture.save(temporary, format="png", optimize=True)
            flush(temporary)
    return scores(ill, patient.guidance, num_prompts)


def main():
    """Examine all patients, or those that are named."""
    parser = argparse.ArgumentParser(
        prog="python -m minisd.course.pipeline_clinic", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("folder", type=Path, help="usually datasets/pipeline_clinic")
    parser.add_argument("--model", default="shapes32", help="the healthy one (shapes32)")
    parser.add_argument("--prompts", type=int, default=PROMPTS, help=f"scored ({PROMPTS})")
    parser.add_argument("--decoder-steps", type=int, default=DECODER_STEPS)
    parser.add_argument("--only", nargs="+", choices=RUNS, default=[*RUNS], metavar="RUN")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    pipe = TextToImagePipeline.from_pretrained(options.model, device=options.device)
    weights = fingerprint(options.model)
    table, rows = options.folder / "scores.csv", {}
    if table.exists():
        with open(table, newline="", encoding="utf-8") as file:
            rows = {row["run"]: row for row in csv.DictReader(file)}
    for name in options.only:
        start = time.process_time()
        shares = examine(
            name, pipe, RUNS[name], options.folder, options.prompts, options.decoder_steps
        )
        rows[name] = {"run": name, "weights": weights}
        rows[name] |= {category: f"{share:.3f}" for category, share in shares.items()}
        print(f"{name}: {time.process_time() - start:.0f} CPU seconds", flush=True)
        ordered = [rows[run] for run in RUNS if run in rows]
        with writing(table) as temporary, open(temporary, "w", newline="") as file:
            writer = csv.DictWriter(file, [*rows[name]])
            writer.writeheader()
            writer.writerows(ordered)


if __name__ == "__main__":
    main()
