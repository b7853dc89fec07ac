"""True pictures of given prompts: what a perfect model would draw."""

from dataclasses import fields

import torch

from .world import (
    BACKGROUNDS,
    COLORS,
    RELATIONS,
    SHAPES,
    SIZES,
    Scenes,
    contains_held_out,
    parse,
    sample_scenes,
)

POOL = 6_000  # the rarest demand, a relation and two sizes, is met by about 1 scene in 36


def true_scenes(prompts: list[str], generator=None, split: str = "any") -> Scenes:
    """Draw one scene for each of N prompts from the world's own distribution given the prompt.

    Where things lie depends on how many, how large and how related they are, so a scene that
    agrees in these is borrowed from a pool. Shapes, colors and backgrounds are independent of it:
    those the prompt states are painted over. What it leaves unsaid stays random; with split "seen"
    no held-out composition arises from it. Raises ValueError for what the world never shows.
    """
    pool = sample_scenes(POOL, generator, "any")
    scenes = pool[torch.zeros(len(prompts), dtype=torch.long)]
    specs, missing = [parse(prompt) for prompt in prompts], torch.arange(len(prompts))
    while len(missing):
        for i in missing.tolist():
            rows = _agreeing(pool, specs[i]).nonzero()[:, 0]
            if len(rows) == 0:
                raise ValueError(f"the world has no scene that obeys {prompts[i]!r}")
            row = rows[torch.randint(len(rows), (), generator=generator)]
            for field in fields(scenes):
                getattr(scenes, field.name)[i] = getattr(pool, field.name)[row]
            _paint(scenes, i, specs[i])
        if split != "seen":
            break
        missing = missing[contains_held_out(scenes[missing])]
    return scenes


def _agreeing(pool: Scenes, spec) -> torch.Tensor:
    """Which scenes of the pool agree in number, relation and sizes. -> (N,) bool"""
    things = spec.objects
    differ = len({thing.shape for thing in things}) > 1
    fits = (pool.count == len(things)) & ((pool.relation >= 0) == differ)
    if spec.relation is not None:
        fits &= pool.relation == RELATIONS.index(spec.relation)
    for slot, thing in enumerate(things):
        if thing.size is not None:
            fits &= pool.size[:, slot] == tuple(SIZES).index(thing.size)
    return fits


def _paint(scenes: Scenes, i: int, spec) -> None:
    for slot, thing in enumerate(spec.objects):
        scenes.shape[i, slot] = SHAPES.index(thing.shape)
        if thing.color is not None:
            scenes.color[i, slot] = tuple(COLORS).index(thing.color)
    if spec.background is not None:
        scenes.background[i] = tuple(BACKGROUNDS).index(spec.background)
