"""How good is a model? Prompt obedience, and three numbers without which it says little.

Obedience after GenEval (Ghosh et al. 2023): several pictures a prompt, each right or wrong; a
category's score is the share that is right, overall the plain mean of the categories. Beside it:
what the VAE alone lets through, how far the attributes of generated pictures are from those of
true ones, and whether training pictures are copied.
"""

import hashlib

import torch
from tqdm import tqdm

from .grading import attributes, grade, mean_grades
from .measures import bootstrap_means, histogram_distance, interval, memorization_ratio
from .pipeline import from_uint8, to_uint8
from .recipes import RECIPES, training_scenes
from .truth import true_scenes
from .world import parse, render
from .world import prompts as fixed_prompts
from .world.checker import judge, read

SPLITS = ("seen", "held_out")
FRESH_SEED = 2**32 - 1  # not a seed to train with; generators look at no more than 32 bits
SUSPECTS = 1024  # generated pictures whose nearest neighbors are searched


def evaluate(
    pipe,
    *,
    prompts=None,
    seed=0,
    steps=20,
    guidance=4.0,
    sampler="ddim",
    images_per_prompt=4,
    batch_size=64,
    training_images=None,
    progress=True,
) -> dict:
    """Score a text-to-image pipeline on the fixed prompt lists. All shares lie in 0..1.

    `prompts` is the number per split, drawn evenly over the categories (default: all there are).
    A picture's noise depends on the seed, its prompt and its number among that prompt's pictures
    alone: neither the batch size nor the choice of prompts changes it. `training_images`, uint8
    (M, H, W, 3), defaults to those of a `shapes32` run with seed 0. Returns a dict ready for
    JSON: the settings, "seen" and "held_out" with 95% intervals, "vae_ceiling", "distance" and
    "memorization", each of these two beside the value that true pictures get.
    """
    settings = {"seed": seed, "steps": steps, "guidance": guidance, "sampler": sampler}
    lists = {split: choose_prompts(fixed_prompts(split), prompts) for split in SPLITS}
    generator = torch.Generator().manual_seed(seed)
    tables, generated, true, fresh, ceilings = {}, [], [], [], []
    for split, groups in lists.items():
        chosen = [prompt for group in groups.values() for prompt in group]
        asked = [prompt for prompt in chosen for _ in range(images_per_prompt)]
        sizes = [len(group) * images_per_prompt for group in groups.values()]
        label = split if progress else None
        generated.append(draw(pipe, chosen, images_per_prompt, batch_size, label, **settings))
        for pictures in (true, fresh):
            scenes = true_scenes(asked, generator, "seen" if split == "seen" else "any")
            pictures.append(render(scenes, pipe.image_size))
        parts = obedience(generated[-1], asked).split(sizes)
        scores = {
            name: part.view(-1, images_per_prompt).mean(1) for name, part in zip(groups, parts)
        }
        tables[split] = summarize(scores, generator)
        rebuilt = reconstruct(pipe, true[-1], batch_size)
        ceilings += [part.mean() for part in obedience(rebuilt, asked).split(sizes)]

    found, expected, again = (attributes(read(torch.cat(p))) for p in (generated, true, fresh))
    return {
        **settings,
        **tables,
        "vae_ceiling": torch.stack(ceilings).mean().item(),
        "distance": {
            "value": histogram_distance(found, expected),
            "floor": histogram_distance(again, expected),
        },
        # A copy of a training picture shows no held-out composition: look at the seen prompts.
        "memorization": memorization(generated[0], true[0], training_images),
    }


def choose_prompts(lists: dict[str, list[str]], total: int | None) -> dict[str, list[str]]:
    """Choose `total` prompts, evenly over the categories and along each list; None takes all."""
    available = sum(map(len, lists.values()))
    total = available if total is None else total
    if not len(lists) <= total <= available:
        raise ValueError(
            f"expected between {len(lists)} prompts per split (one a category) and {available} "
            f"(all there are), got {total}"
        )
    share, rest = divmod(total, len(lists))
    counts = [share + (number < rest) for number in range(len(lists))]
    return {
        name: [group[i * len(group) // count] for i in range(count)]
        for (name, group), count in zip(lists.items(), counts)
    }


def noise_generator(seed: int, prompt: str, number: int) -> torch.Generator:
    """The source of one picture's noise, the same in every run, batch and process."""
    digest = hashlib.sha256(f"{seed}/{number}/{prompt}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def draw(pipe, prompts, images_per_prompt, batch_size, label, *, seed, steps, guidance, sampler):
    """Draw pictures of P prompts, prompt by prompt. -> uint8 (P * images_per_prompt, H, W, 3)

    `label` names the progress bar; None shows none.
    """
    jobs = [(prompt, number) for prompt in prompts for number in range(images_per_prompt)]
    parts = []
    silent = True if label is None else None  # None: silent where no terminal listens
    starts = range(0, len(jobs), batch_size)
    for start in tqdm(starts, desc=label, unit="batch", disable=silent, leave=False):
        batch = jobs[start : start + batch_size]
        parts.append(
            pipe(
                [prompt for prompt, _ in batch],
                generator=[noise_generator(seed, *job) for job in batch],
                num_inference_steps=steps,
                guidance_scale=guidance,
                sampler=sampler,
            )
        )
    return torch.cat(parts)


def obedience(images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
    """Whether each picture is what its prompt asks for. uint8 (N, H, W, 3) -> (N,) of 0 and 1"""
    verdicts = [judge(found, parse(prompt)) for found, prompt in zip(read(images), prompts)]
    return torch.tensor([float(verdict.correct) for verdict in verdicts])


def reconstruct(pipe, images: torch.Tensor, batch_size: int) -> torch.Tensor:
    """Send pictures through the VAE and back. uint8 (N, H, W, 3) -> the same"""
    parts = [
        to_uint8(pipe.decode(pipe.encode(from_uint8(batch))).cpu())
        for batch in images.split(batch_size)
    ]
    return torch.cat(parts)


def summarize(scores: dict[str, torch.Tensor], generator=None) -> dict:
    """Each category's per-prompt scores, (P,), -> the table of one split, with 95% intervals."""
    drawn = {name: bootstrap_means(score, generator=generator) for name, score in scores.items()}
    categories = {
        name: {
            "score": score.mean().item(),
            "interval": interval(drawn[name]),
            "prompts": len(score),
        }
        for name, score in scores.items()
    }
    return {
        "overall": sum(c["score"] for c in categories.values()) / len(categories),
        "overall_interval": interval(torch.stack([*drawn.values()]).mean(0)),
        "categories": categories,
    }


def memorization(images, true_images, training_images=None) -> dict:
    """Are generated pictures nearer to training pictures than to fresh ones? uint8 (N, H, W, 3)

    "ratio" about 1: no; 0: all are copies. "floor" is the ratio of true pictures of the same
    prompts, which cannot be copies.
    """
    size = images.shape[1]
    if training_images is None:
        training_images = seen_images(RECIPES["shapes32"].pictures, size, seed=0)
    fresh = seen_images(len(training_images), size, FRESH_SEED)
    every = max(1, len(images) // SUSPECTS)
    return {
        name: memorization_ratio(suspects[::every], training_images, fresh)
        for name, suspects in (("ratio", images), ("floor", true_images))
    }


def seen_images(n: int, size: int, seed: int) -> torch.Tensor:
    """Draw the pictures that a run with this seed trains on. -> uint8 (n, size, size, 3)"""
    return render(training_scenes(n, seed), size)


def format_table(result: dict) -> str:
    """The result of `evaluate` as text for a terminal."""
    lines = [f"{'':20}{'seen':24}held-out"]
    rows = [("overall", [(result[s]["overall"], result[s]["overall_interval"]) for s in SPLITS])]
    for name in result["seen"]["categories"]:
        parts = [result[split]["categories"][name] for split in SPLITS]
        rows.insert(-1, (name, [(part["score"], part["interval"]) for part in parts]))
    for name, cells in rows:
        texts = [f"{score:.3f} [{low:.3f}, {high:.3f}]" for score, (low, high) in cells]
        lines.append(f"{name.replace('_', ' '):20}{texts[0]:24}{texts[1]}")
    distance, copies = result["distance"], result["memorization"]
    return "\n".join(
        [
            *lines,
            "(share of pictures that obey; 95% intervals over prompts)",
            f"VAE ceiling         {result['vae_ceiling']:.3f}  (true pictures after the VAE)",
            f"attribute distance  {distance['value']:.3f}  (of true ones {distance['floor']:.3f})",
            f"memorization ratio  {copies['ratio']:.3f}  (of true ones {copies['floor']:.3f}, "
            "of copies 0)",
        ]
    )


def quick_scores(
    pipe, *, prompts=210, split="seen", seed=0, steps=20, guidance=4.0, sampler="ddim"
) -> dict[str, float]:
    """A cheap look during training: count, color, size, shape, binding, relation, overall.

    One picture a prompt, the same prompts and noise each time, so that the curves show the model
    and not the draw. See `grading.grade` for the columns; overall as in `evaluate`.
    """
    lists = choose_prompts(fixed_prompts(split), prompts)
    asked = [prompt for group in lists.values() for prompt in group]
    images = draw(
        pipe, asked, 1, 64, None, seed=seed, steps=steps, guidance=guidance, sampler=sampler
    )
    with torch.autocast("cpu", enabled=False):  # the model may run in bfloat16, the judge must not
        readings = read(images)
    specs = [parse(prompt) for prompt in asked]
    scores = mean_grades([grade(*pair) for pair in zip(readings, specs)])
    correct = iter([judge(*pair).correct for pair in zip(readings, specs)])
    by_category = [sum(next(correct) for _ in group) / len(group) for group in lists.values()]
    return scores | {"overall": sum(by_category) / len(by_category)}
