"""The heavy tables of notebook 09: what would take minutes there is measured here, once.

python -m minisd.course.tables datasets/text_to_image.json

Guidance against diversity, attributes alone and together, and what the Frechet distance of few
pictures says. Every number depends on the model and the seed alone. Measured on one core: about
three minutes for its 1,000 pictures.
"""

import argparse
import json
from itertools import combinations
from pathlib import Path

import torch
import torch.nn.functional as F
from tqdm import tqdm

from ..checkpoint import writing
from ..evaluate import choose_prompts, noise_generator, obedience
from ..grading import grade
from ..measures import bootstrap_means, interval
from ..pipeline import TextToImagePipeline, from_uint8
from ..truth import true_scenes
from ..world import parse, render
from ..world import prompts as fixed_prompts
from ..world.checker import read
from .fingerprint import fingerprint

SCALES = (0.0, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 12.0, 30.0)
FEW = (25, 50, 100, 200, 400)  # pictures in a set
REFERENCE = 2000  # true pictures that every set is compared with
BATCH = 64


def features(pipe, images):
    """What the encoder has seen of pictures before it says a latent: means over places.

    uint8 (N, H, W, 3) -> (N, C). It plays the part of Inception in the Frechet distance.
    """
    encoder, parts = pipe.vae.encoder, []
    with torch.no_grad():
        for batch in images.split(256):
            x = encoder.conv_in(from_uint8(batch).to(pipe.device, pipe.dtype))
            for block in encoder.down_blocks:
                x = block(x)
            x = F.silu(encoder.conv_norm_out(encoder.mid_block(x)))  # (B, C, h, w)
            parts.append(x.float().mean(dim=(2, 3)).cpu())
    return torch.cat(parts).double()


def frechet_distance(a, b):
    """How far apart two clouds are if both were Gaussians. Frechet 1957; Heusel et al. 2017 (FID).

    (N, C), (M, C) -> number: |m_a - m_b|^2 + trace(S_a + S_b - 2 (S_a S_b)^(1/2))
    """
    means = a.mean(dim=0), b.mean(dim=0)
    spreads = torch.atleast_2d(a.T.cov()), torch.atleast_2d(b.T.cov())
    values, vectors = torch.linalg.eigh(spreads[0])
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    both = torch.linalg.eigvalsh(root @ spreads[1] @ root).clamp(min=0).sqrt().sum()
    return ((means[0] - means[1]) ** 2).sum() + spreads[0].trace() + spreads[1].trace() - 2 * both


def diversity(images, asked, per_prompt):
    """How open stays what the prompt leaves open? Of two pictures of one prompt that names no
    background: how often do their backgrounds differ?

    uint8 (N, H, W, 3), N prompts (those of one prompt side by side), number -> share of the pairs
    """
    grounds = [reading.background for reading in read(images)]
    differ = [
        a != b
        for start in range(0, len(asked), per_prompt)
        if parse(asked[start]).background is None
        for a, b in combinations(grounds[start : start + per_prompt], 2)
    ]
    return sum(differ) / len(differ)


class Artist:
    """Draws by prompt and number, as `minisd evaluate` does, and moves one progress bar."""

    def __init__(self, pipe, total):
        self.pipe, self.bar = pipe, tqdm(total=total, unit="picture", disable=None)

    def draw(self, prompts, per_prompt, guidance=4.0):
        """-> uint8 (P * per_prompt, H, W, 3)"""
        jobs, parts = [(p, n) for p in prompts for n in range(per_prompt)], []
        for start in range(0, len(jobs), BATCH):
            batch = jobs[start : start + BATCH]
            noise = [noise_generator(0, *job) for job in batch]
            asked = [prompt for prompt, _ in batch]
            parts.append(self.pipe(asked, generator=noise, guidance_scale=guidance))
            self.bar.update(len(batch))
        return torch.cat(parts)


def chosen(split, count):
    """`count` prompts of a split, evenly over its categories, in one list."""
    groups = choose_prompts(fixed_prompts(split), count)
    return [prompt for group in groups.values() for prompt in group]


def true_pictures(prompts, seed, size):
    """One true picture a prompt. -> uint8 (N, size, size, 3)"""
    scenes = true_scenes(prompts, torch.Generator().manual_seed(seed), "seen")
    return render(scenes, size)


def frontier(artist, num_prompts, per_prompt=4):
    """Obedience and diversity at each guidance, and those of true pictures."""
    prompts, rows = chosen("seen", num_prompts), []
    asked = [prompt for prompt in prompts for _ in range(per_prompt)]
    true = true_pictures(asked, 1, artist.pipe.image_size)
    widest = diversity(true, asked, per_prompt)
    for scale in SCALES:
        images = artist.draw(prompts, per_prompt, scale)
        right = obedience(images, asked).view(-1, per_prompt).mean(dim=1)
        generator = torch.Generator().manual_seed(0)
        rows.append(
            {
                "guidance": scale,
                "obedience": right.mean().item(),
                "interval": interval(bootstrap_means(right, generator=generator)),
                "diversity": diversity(images, asked, per_prompt) / widest,
            }
        )
    return rows


def parts_of(images, asked):
    """Shares of pictures of one colored object: count, color and shape right, and all three.

    uint8 (N, H, W, 3), N prompts -> {name: share}
    """
    grades = [grade(*pair) for pair in zip(read(images), map(parse, asked))]
    names = "count", "color", "shape"
    shares = {name: sum(g[name] for g in grades) / len(grades) for name in names}
    together = sum(all(g[name] for name in names) for g in grades) / len(grades)
    product = shares["count"] * shares["color"] * shares["shape"]
    return shares | {"together": together, "product": product, "pictures": len(grades)}


def frechet_curves(pipe, drawn, prompts):
    """Distance of N pictures, true and drawn, from many true ones, for growing N: means over as
    many sets of N as there are. uint8 (P, H, W, 3), P prompts -> {name: a list}
    """
    # The same prompts in the same shares, in an order without one: any N are a fair sample.
    order = torch.randperm(len(prompts), generator=torch.Generator().manual_seed(0)).tolist()
    prompts, drawn = [prompts[i] for i in order], drawn[order]
    many = prompts * -(-REFERENCE // len(prompts))
    reference = features(pipe, true_pictures(many, 3, pipe.image_size))
    sets = {"true": true_pictures(prompts, 4, pipe.image_size), "drawn": drawn}
    counts = [n for n in FEW if n <= len(prompts)]
    curves = {"pictures": counts}
    for name, images in sets.items():
        cloud = features(pipe, images)
        curves[name] = [
            sum(frechet_distance(some, reference).item() for some in parts) / len(parts)
            for parts in ([x for x in cloud.split(n) if len(x) == n] for n in counts)
        ]
    return curves


def measure(pipe, model, num_prompts=14, num_drawn=400):
    """All tables, ready for JSON."""
    colored = {split: fixed_prompts(split)["colors"] for split in ("seen", "held_out")}
    colored = {split: group[: max(num_drawn // 4, 4)] for split, group in colored.items()}
    prompts = chosen("seen", num_drawn)
    total = len(SCALES) * num_prompts * 4 + len(prompts) + 2 * sum(map(len, colored.values()))
    artist = Artist(pipe, total)
    with artist.bar:
        return {
            "model": model,
            "frontier": frontier(artist, num_prompts),
            "parts": {
                split: parts_of(artist.draw(group, 2), [p for p in group for _ in range(2)])
                for split, group in colored.items()
            },
            "frechet": frechet_curves(pipe, artist.draw(prompts, 1), prompts),
        }


def main():
    """Measure, and write the tables."""
    parser = argparse.ArgumentParser(prog="python -m minisd.course.tables")
    parser.add_argument("file", type=Path, help="usually datasets/text_to_image.json")
    parser.add_argument("--model", default="shapes32", help="folder or name of a model (shapes32)")
    parser.add_argument("--prompts", type=int, default=14, help="a guidance, 4 pictures each (14)")
    parser.add_argument("--drawn", type=int, default=400, help="for the Frechet distance (400)")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    pipe = TextToImagePipeline.from_pretrained(options.model, device=options.device)
    result = {"weights": fingerprint(options.model)}
    result |= measure(pipe, Path(options.model).name, options.prompts, options.drawn)
    with writing(options.file) as temporary:
        temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
