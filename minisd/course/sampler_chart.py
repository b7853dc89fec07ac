"""Which sampler, with how many questions to the network? Measured on a model, not on a formula.

python -m minisd.course.sampler_chart datasets/samplers/chart.json

Every sampler draws the same prompts from the same noise. The course's own Euler, Heun and
DPM-Solver++(2M) walk Karras' levels; DDPM and DDIM the timesteps that the model's own schedule
has. A question is one call of the network, whatever the batch: with guidance each is answered for
two prompts.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from ..checkpoint import flush, writing
from ..evaluate import choose_prompts, noise_generator, obedience
from ..grading import attributes
from ..measures import bootstrap_means, histogram_distance, interval
from ..noise import randn
from ..pipeline import TextToImagePipeline, to_uint8
from ..samplers import SAMPLERS
from ..truth import true_scenes
from ..world import prompts as fixed_prompts
from ..world import render
from ..world.checker import read
from .bank.n08_guidance_and_samplers.dpm_solver_pp_2m import dpm_solver_pp_2m
from .bank.n08_guidance_and_samplers.euler import euler
from .bank.n08_guidance_and_samplers.heun import heun
from .bank.n08_guidance_and_samplers.mixture import karras
from .fingerprint import fingerprint

SEED, GUIDANCE, BATCH = 0, 4.0, 64
SIGMA_MAX = 25.0  # hardly anything is left of a picture there: a six-hundredth of the variance
ON_LEVELS = {walk.__name__: walk for walk in (euler, heun, dpm_solver_pp_2m)}
STEPS = {
    "ddpm": (4, 8, 16, 32),
    "ddim": (4, 8, 16, 32),
    "euler": (4, 8, 16, 32),
    "heun": (2, 4, 8, 16),  # 3, 7, 15 and 31 questions
    "dpm_solver_pp_2m": (4, 8, 16, 32),
}
LIMIT = "dpm_solver_pp_2m", 96  # so many steps stand for infinitely many
EVERY = 4  # only every fourth picture is drawn with so many


def levels_of(pipe):
    """The noise levels sigma that a pipeline's network was trained on, (T,) float64.

    Pure noise, sigma = infinity, is cut off at 4096, as the package's samplers do.
    """
    alpha_bar = pipe.schedule.alphas_cumprod.double().cpu().clamp(min=2.0**-24)
    return ((1 - alpha_bar) / alpha_bar).sqrt().numpy()


def levels_to_zero(pipe, num_steps, sigma_max=SIGMA_MAX):
    """Karras' levels for a model: num_steps falling numbers, then 0. -> num_steps + 1 numbers"""
    return [*karras(num_steps - 1, sigma_max, float(levels_of(pipe)[0])), 0.0]


def denoiser_of(pipe, prompts, guidance_scale=GUIDANCE, negative_prompts=None):
    """A pipeline as the samplers of exercises 8.3 to 8.5 want it. -> denoise(latents, sigma)

    `denoise` tells the network the timestep, a fraction in between, whose noise level is sigma,
    and reads its answer as x_0. (B, c, h, w) of unit variance, number -> (B, c, h, w)
    """
    table = np.log(levels_of(pipe))
    raw = pipe.denoiser(prompts, negative_prompts or [""] * len(prompts), guidance_scale)

    @torch.no_grad()
    def denoise(latents, sigma):
        timestep = float(np.interp(np.log(sigma), table, np.arange(len(table))))
        output = raw(latents, timestep)
        return pipe.schedule.x0_and_epsilon(latents, output, 1 / (sigma**2 + 1))[0]

    return denoise


def draw(pipe, sampler, num_steps, prompts, seed=SEED, guidance_scale=GUIDANCE):
    """Draw one picture a prompt, its noise fixed by seed and prompt.

    -> uint8 (N, H, W, 3), how often the network was asked for each of them
    """
    parts, calls = [], []
    size = pipe.unet.config.sample_size
    hook = pipe.unet.register_forward_hook(lambda *_: calls.append(1))
    batches = range(0, len(prompts), BATCH)
    try:
        for start in batches:
            some = prompts[start : start + BATCH]
            generator = [noise_generator(seed, prompt, 0) for prompt in some]
            shape = (len(some), pipe.unet.config.in_channels, size, size)
            noise = randn(shape, generator).to(pipe.device)
            if sampler in ON_LEVELS:
                denoise = denoiser_of(pipe, some, guidance_scale)
                latents = ON_LEVELS[sampler](denoise, noise, levels_to_zero(pipe, num_steps))
            else:
                denoise = pipe.denoiser(some, [""] * len(some), guidance_scale)
                walk = SAMPLERS[sampler](
                    denoise, noise, pipe.schedule, num_steps, generator=generator
                )
                *_, last = walk
                latents = last.latents
            parts.append(to_uint8(pipe.decode(latents).cpu()))
    finally:
        hook.remove()
    return torch.cat(parts), len(calls) // len(batches)


def apart(images, others):
    """How far a picture is from the other of the same noise: root mean square, of 255 levels.

    The median over the pictures, as one that became something else altogether would outweigh all.
    uint8 (N, H, W, 3) twice -> number
    """
    squares = (images.float() - others.float()).square()
    return squares.mean(dim=(1, 2, 3)).sqrt().median().item()


def measure(pipe, num_prompts, progress=True):
    """All rows of the chart, and what they are to be compared with, as a dict ready for JSON."""
    groups = choose_prompts(fixed_prompts("seen"), num_prompts)
    prompts = [prompt for group in groups.values() for prompt in group]
    generator = torch.Generator().manual_seed(SEED)
    true = [
        attributes(read(render(true_scenes(asked, generator, "seen"), pipe.image_size)))
        for asked in (prompts * 8, prompts)
    ]
    limit, _ = draw(pipe, *LIMIT, prompts[::EVERY])
    rows, jobs = [], [(sampler, n) for sampler, counts in STEPS.items() for n in counts]
    for sampler, num_steps in tqdm(jobs, disable=None if progress else True, leave=False):
        images, questions = draw(pipe, sampler, num_steps, prompts)
        correct = obedience(images, prompts)
        rows.append(
            {
                "sampler": sampler,
                "steps": num_steps,
                "evaluations": questions,
                "obedience": correct.mean().item(),
                "interval": interval(bootstrap_means(correct, generator=generator)),
                "distance": histogram_distance(attributes(read(images)), true[0]),
                "to_limit": None if sampler == "ddpm" else apart(images[::EVERY], limit),
                "correct": "".join(str(int(one)) for one in correct),
            }
        )
    floor = histogram_distance(true[1], true[0])
    settings = {"seed": SEED, "guidance": GUIDANCE, "sigma_max": SIGMA_MAX, "limit": [*LIMIT]}
    return {**settings, "distance_floor": floor, "prompts": prompts, "rows": rows}


def main():
    """Measure a model's chart and write it as JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m minisd.course.sampler_chart",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, help="usually datasets/samplers/chart.json")
    parser.add_argument("--model", default="shapes32", help="a shipped model, or a folder")
    parser.add_argument("--prompts", type=int, default=56, help="how many (default 56)")
    arguments = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    pipe = TextToImagePipeline.from_pretrained(arguments.model, device=device)
    start = time.process_time()
    chart = {"weights": fingerprint(arguments.model)} | measure(pipe, arguments.prompts)
    arguments.file.parent.mkdir(parents=True, exist_ok=True)
    with writing(arguments.file) as temporary:
        Path(temporary).write_text(json.dumps(chart, indent=1) + "\n", encoding="utf-8")
        flush(temporary)
    for row in chart["rows"]:
        print(f"{row['sampler']:18}{row['evaluations']:4} questions: obedience "
              f"{row['obedience']:.3f}, distance {row['distance']:.3f}")  # fmt: skip
    print(f"{time.process_time() - start:.0f} CPU seconds")


if __name__ == "__main__":
    main()
