"""Mistakes that need a run of their own to show: gradients, memory layout.

Each probe changes the arguments of the example, runs the answer and the reference on them, and
returns what to say, or None. Where the reference does not stand a probe, nobody has to.
"""

import torch

from .compare import same, tensors_in, tree_map
from .observe import draw_cases, seed_everything
from .watch import Stopped

CUT = (
    "Values come out, but the gradient is cut on the way: nothing could be learned through this. "
    "Look for `.detach()`, `.data`, `.item()`, `torch.tensor(...)`, numpy, `no_grad`, or rows that "
    "are changed in place."
)
CUT_PARTLY = (
    "The values are right, but a part of the gradient is cut on the way: training would go "
    "another road. Look for `.detach()`, `.data`, `.item()` or `no_grad`."
)


def gradient_cut(sight):
    """Values come out right, but no gradient, or not all of it, comes back through them."""
    exercise = sight.exercise
    wanted = gradients(exercise, exercise.reference) if exercise.needs_gradient else None
    if wanted is None:
        return None
    received = gradients(exercise, sight.mine)
    if received is None:  # numpy's tools refuse what wants a gradient
        return CUT
    for i, (mine, theirs) in enumerate(zip(received, wanted)):
        if theirs is None or not theirs.isfinite().all() or not theirs.any():
            continue
        if mine is None and _depends_on(exercise, sight.mine, i):
            return CUT  # (an argument that is not used at all is something else)
        right = mine is not None and mine.isfinite().all() and sight.right_in("example")
        if right and not same(mine, theirs, 1e-2, 1e-3):
            return CUT_PARTLY
    return None


def view_of_scattered_memory(sight):
    """`view` where the memory does not lie in order."""

    def scattered(x):
        return x.mT.contiguous().mT if x.ndim >= 2 else x

    theirs, mine = _both(sight, scattered)
    if isinstance(theirs, Exception) or theirs is None:
        return None
    if isinstance(mine, Exception):
        return (
            "It fails for a tensor that does not lie in memory in order (after a transpose, "
            "say): `view` needs that, `reshape` and rearrange do not."
        )
    return None


def _run(exercise, answer, change):
    seed_everything()
    arguments = next(iter(draw_cases(exercise).values()))
    try:
        return exercise.run(answer, *(tree_map(change, a) for a in arguments))
    except Stopped:
        raise
    except Exception as error:  # an answer may raise anything
        return error


def _both(sight, change):
    theirs = _run(sight.exercise, sight.exercise.reference, change)
    return theirs, _run(sight.exercise, sight.mine, change)


def gradients(exercise, answer):
    """One gradient (or None) for every float tensor of the example; None where it fails."""
    leaves = []

    def leaf(x):
        if x.is_floating_point():
            leaves.append(x.clone().requires_grad_())
            return leaves[-1]
        return x

    result = _run(exercise, answer, leaf)
    if isinstance(result, Exception) or not leaves:
        return None
    outputs = [x for x in tensors_in(result) if x.requires_grad]
    if not outputs:
        return [None] * len(leaves)
    generator = torch.Generator().manual_seed(0)  # a plain sum would hide what sums to 1
    loss = sum((x.double() * torch.randn(x.shape, generator=generator)).sum() for x in outputs)
    return torch.autograd.grad(loss, leaves, allow_unused=True)


def _depends_on(exercise, answer, position) -> bool:
    """Does the result change with the float tensor at this position?"""
    results = []
    for amount in (0.0, 0.05):
        index = -1

        def nudged(x, amount=amount):
            nonlocal index
            if not x.is_floating_point():
                return x
            index += 1
            generator = torch.Generator().manual_seed(1)
            nudge = torch.rand(x.shape, generator=generator, dtype=x.dtype)
            return x + amount * nudge * x.abs() if index == position else x

        results.append(_run(exercise, answer, nudged))
    tensors = [tensors_in(result) for result in results]
    return bool(tensors[0]) and not same(*tensors, 1e-6, 1e-7)


PROBES = (gradient_cut, view_of_scattered_memory)
