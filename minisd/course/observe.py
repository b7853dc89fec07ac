"""What an answer does in every case of its exercise, and to its surroundings meanwhile."""

import random
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from .compare import same, tensors_in, tree_map
from .watch import Stopped

SEED = 20220411
numpy_random = np.random  # numpy's global numbers: here only to see that nobody uses them


@dataclass(frozen=True)
class Seen:
    """One answer in one case."""

    result: object
    error: BaseException | None
    changed_input: bool
    moved_random: bool  # the global random numbers, torch's, numpy's or Python's
    used_generator: bool  # the one among its arguments


def draw_cases(exercise) -> dict:
    """The cases afresh: the same numbers, new memory."""
    return exercise.cases(torch.Generator().manual_seed(SEED))


def observe(exercise, answer) -> dict[str, Seen]:
    """Run an answer on all cases. {label: Seen}"""
    drawn, untouched = draw_cases(exercise), draw_cases(exercise)
    return {label: _see(exercise, answer, drawn[label], untouched[label]) for label in drawn}


@cache
def observe_known(exercise, answer) -> dict[str, Seen]:
    """The same for the reference and the mistakes, which never change."""
    with undisturbed():
        return observe(exercise, answer)


def _see(exercise, answer, arguments, untouched) -> Seen:
    seed_everything()
    generators = [a for a in arguments if isinstance(a, torch.Generator)]
    before = random_state()
    generator_before = [g.get_state() for g in generators]
    result, error = None, None
    try:
        result = exercise.run(answer, *arguments)
    except Stopped:
        raise
    except BaseException as raised:  # an answer may raise anything, exit() too
        error = raised
    changed = not same(tensors_in(arguments), tensors_in(untouched), rtol=0, atol=0)
    moved = any(not np.array_equal(a, b) for a, b in zip(before, random_state()))
    used = any(not g.get_state().equal(b) for g, b in zip(generators, generator_before))
    result = tree_map(lambda x: x.detach().clone(), result)
    return Seen(result, error, changed, moved, used)


def alike(a: Seen, b: Seen, exercise) -> bool:
    """The same result, or an exception of the same type, and the same traces left behind."""
    if type(a.error) is not type(b.error) or a.changed_input != b.changed_input:
        return False
    return a.error is not None or same(a.result, b.result, exercise.rtol, exercise.atol)


def all_alike(a: dict, b: dict, exercise) -> bool:
    """`alike` in every case."""
    return all(alike(a[label], b[label], exercise) for label in b)


def seed_everything() -> None:
    """Known global random numbers, so that an answer which draws from them can be recognized."""
    torch.default_generator.manual_seed(SEED)  # the processor's alone
    random.seed(SEED)
    numpy_random.seed(SEED)


def random_state() -> tuple:
    """The states of the global random numbers of torch, Python and numpy."""
    kind, keys, position, *_ = numpy_random.get_state()
    python = random.getstate()[1]
    return torch.get_rng_state().numpy(), np.array(python), keys, np.array(position)


@contextmanager
def undisturbed():
    """Leave random numbers and default dtype as they were: a check changes nothing outside."""
    dtype = torch.get_default_dtype()
    torch_state, python = torch.get_rng_state(), random.getstate()
    numpy_state = numpy_random.get_state()
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_rng_state(torch_state)
        random.setstate(python)
        numpy_random.set_state(numpy_state)
