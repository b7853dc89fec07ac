"""Measure the checker on fresh drawings, whose truth is known.

True pictures must pass, prompts wrong in one thing must fail, and garbage must be refused.
"""

from dataclasses import replace

import torch

from . import garbage
from .caption import FULL, captions
from .checker import MAX_COLOR_ERROR, RADII, check_all, explain, find_patches, judge, look, read
from .parsing import Spec, Wanted
from .render import render
from .sampling import sample_scenes
from .scene import BACKGROUNDS, COLORS, INVERSE, RELATIONS, SHAPES, SIZES, Scene

SOFTNESS = {  # name: (blur in pixels at 32 x 32, noise)
    "clean": (0.0, 0.0),
    "blur 0.5": (0.5, 0.0),
    "blur 0.7": (0.7, 0.0),
    "noise 0.03": (0.0, 0.03),
    "blur 0.7, noise 0.03": (0.7, 0.03),
    "blur 0.5, noise 0.05": (0.5, 0.05),
    "blur 1.0": (1.0, 0.0),
}


def measure_accepted(n: int, generator) -> dict[str, float]:
    """Share of true pictures that the checker accepts with their own captions."""
    scenes = sample_scenes(n, generator, "any")
    pictures, prompts_ = render(scenes, 32), captions(scenes, generator, FULL)
    shares = {}
    for name, (blur, noise) in SOFTNESS.items():
        soft = garbage.soften(pictures, blur, noise, generator)
        shares[name] = sum(v.correct for v in check_all(soft, prompts_)) / n
    return shares


def wrong_specs(scene: Scene, generator) -> dict[str, Spec]:
    """Describe a scene fully but for one thing: the kinds of lie -> a false Spec each."""
    true = Spec(
        tuple(Wanted(o.shape, o.color, o.size) for o in scene.objects),
        scene.relation,
        scene.background,
    )

    def another(options, than):
        rest = [option for option in options if option != than]
        return rest[int(torch.randint(len(rest), (), generator=generator))]

    first, others = true.objects[0], true.objects[1:]
    lies = {
        name: replace(true, objects=(replace(first, **{name: another(options, than)}), *others))
        for name, options, than in (
            ("shape", SHAPES, first.shape),
            ("color", COLORS, first.color),
            ("size", SIZES, first.size),
        )
    }
    lies["background"] = replace(true, background=another(BACKGROUNDS, true.background))
    lies["one more"] = replace(true, objects=(*true.objects, first), relation=None)
    if others:
        lies["one fewer"] = replace(true, objects=others, relation=None)
    if true.relation is not None:
        lies["relation"] = replace(true, relation=another(RELATIONS, true.relation))
        lies["inverse relation"] = replace(true, relation=INVERSE[true.relation])
        a, b = true.objects
        swapped = (replace(a, color=b.color), replace(b, color=a.color))
        if a.color != b.color:
            lies["colors swapped"] = replace(true, objects=swapped)
        swapped = (replace(a, size=b.size), replace(b, size=a.size))
        if a.size != b.size:
            lies["sizes swapped"] = replace(true, objects=swapped)
    return lies


def measure_wrong(n: int, generator, blur: float = 0.0) -> dict[str, tuple[int, int]]:
    """For each kind of lie: (how many the checker believed, of how many)."""
    scenes = sample_scenes(n, generator, "any")
    readings = read(garbage.soften(render(scenes, 32), blur))
    tally = {}
    for index, reading in enumerate(readings):
        for name, spec in wrong_specs(scenes[index], generator).items():
            believed, total = tally.get(name, (0, 0))
            tally[name] = (believed + judge(reading, spec).correct, total + 1)
    return tally


def measure_garbage(n: int, generator, blur: float = 0.0) -> dict[str, float]:
    """Share of garbage pictures in which the checker sees nothing but proper objects."""
    scenes = garbage.one_object(n, generator)
    shares = {}
    for kind in garbage.KINDS:
        pictures = garbage.soften(garbage.draw_garbage(kind, scenes, generator), blur)
        accepted = [bool(r.objects) and not r.refused for r in read(pictures)]
        shares[kind] = sum(accepted) / n
    return shares


def measure_doubt(pictures: torch.Tensor) -> torch.Tensor:
    """The checker's doubt about the shapes of each picture, refused above 1. -> (N,)

    Infinite where the color or the size alone refuses a patch.
    """
    difference, ground, _ = look(pictures)
    owner, pixels = find_patches(difference.norm(dim=1))
    evidence = explain(difference, ground, owner, pixels)
    odd = (evidence.radius < RADII[0]) | (evidence.radius > RADII[-1])
    odd |= evidence.color_error > MAX_COLOR_ERROR
    doubt = torch.where(odd, torch.inf, evidence.doubt)
    worst = torch.full((len(pictures),), -torch.inf).scatter_reduce(0, owner, doubt, "amax")
    return torch.where(worst == -torch.inf, torch.inf, worst)
