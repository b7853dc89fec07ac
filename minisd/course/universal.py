"""Mistakes that can happen in every exercise, seen from the runs that were made anyway.

Each function looks at one answer and returns what to say, or None. Its name is the mistake's.
What the reference itself does (a class that draws its first weights) is never held against
anybody.
"""

import types
from dataclasses import dataclass

import torch

from .compare import first_difference, same, tensors_in
from .exercise import Exercise
from .observe import Seen
from .own_code import functions_of, globals_read, own_frames


@dataclass(frozen=True)
class Sight:
    """One answer, what it did in every case, and what the reference did."""

    exercise: Exercise
    mine: object
    seen: dict[str, Seen]
    expected: dict[str, Seen]

    def right_in(self, label) -> bool:
        """True where the answer's result or exception in one case is the reference's."""
        a, b = self.seen[label], self.expected[label]
        if a.error is not None or b.error is not None:
            return type(a.error) is type(b.error)
        return same(a.result, b.result, self.exercise.rtol, self.exercise.atol)

    def misshapen_in(self, label) -> bool:
        """True where one case ends in an exception, or in a result of another shape."""
        if self.seen[label].error is not None:
            return self.expected[label].error is None
        found = first_difference(self.seen[label].result, self.expected[label].result)
        return found is not None and found[0] in ("kind", "shape")


def nothing_returned(sight):
    """`return` was forgotten."""
    pairs = [(sight.seen[label], sight.expected[label]) for label in sight.seen]
    silent = all(
        a.result is None and (a.error is None or _stumbled_over_none(a.error, sight.mine))
        for a, b in pairs
    )
    if silent and any(b.result is not None for _, b in pairs):
        return "Nothing comes back (None): is a `return` missing at the end?"
    return None


def changed_in_place(sight):
    """An argument is no longer what it was."""
    for label, seen in sight.seen.items():
        if seen.changed_input and not sight.expected[label].changed_input:
            return (
                "Your code changes what it was given: whoever called it still needs those numbers. "
                "Look for `+=`, `*=`, an assignment to a slice, or a method that ends in `_`."
            )
    return None


def generator_ignored(sight):
    """Random numbers do not come from the generator that was given."""
    for label, seen in sight.seen.items():
        if sight.expected[label].used_generator and not seen.used_generator and not seen.error:
            return (
                "`generator` is never used: the same seed would not give the same numbers again. "
                "Hand it on to whatever draws random numbers."
            )
    return None


def global_random_numbers(sight):
    """The notebook's random numbers were used up or seeded anew."""
    for label, seen in sight.seen.items():
        if seen.moved_random and not sight.expected[label].moved_random:
            return (
                "Your code draws from the random numbers that the whole notebook shares, or seeds "
                "them: it returns something else next time, or disturbs everybody else."
            )
    return None


def reads_a_global(sight):
    """Something comes from the notebook instead of an argument."""
    functions = functions_of(sight.mine).values()
    if any(f.__globals__.get("__name__", "").startswith("minisd") for f in functions):
        return None  # a module may read its own constants
    allowed = globals_read(sight.exercise.reference)
    for name, value in globals_read(sight.mine).items():
        if is_data(name, value) and allowed.get(name) is not value:
            return (
                f"Your code reads `{name}` from the notebook. All that it needs comes in through "
                "its arguments: elsewhere that name means something else, or nothing at all."
            )
    return None


def is_data(name, value) -> bool:
    """A tensor, number, network, ... but no module, function, class, or CONSTANT like EPS."""
    if isinstance(value, torch.nn.Module | torch.Tensor):
        return True
    if name.isupper() and isinstance(value, int | float | str | tuple):
        return False
    return not (isinstance(value, types.ModuleType | torch.dtype) or callable(value))


def only_a_batch_of_one(sight):
    """It runs for one picture and no more."""
    one, more = _split_by_batch(sight)
    if one and more and all(map(sight.right_in, one)) and all(map(sight.misshapen_in, more)):
        return (
            "It works for a batch of one only: with more, "
            f"{_what_happens(sight, more[0])}. Is the batch axis lost or fixed on the way?"
        )
    return None


def not_a_batch_of_one(sight):
    """A stray squeeze takes the batch axis away."""
    one, more = _split_by_batch(sight)
    if one and more and all(map(sight.right_in, more)) and all(map(sight.misshapen_in, one)):
        return (
            "It works for every batch but a batch of one: there "
            f"{_what_happens(sight, one[0])}. `squeeze` without an axis takes away every axis of "
            "length 1, the batch too."
        )
    return None


def wrong_dtype(sight):
    """float64 for float32, or integers."""
    for label, seen in sight.seen.items():
        mine, theirs = tensors_in(seen.result), tensors_in(sight.expected[label].result)
        for a, b in zip(mine, theirs) if len(mine) == len(theirs) else ():
            if a.dtype != b.dtype:
                got, wanted = (str(x.dtype).removeprefix("torch.") for x in (a, b))
                return f"{got} comes out where {wanted} should. Where does the dtype change?"
    return None


def _stumbled_over_none(error, mine) -> bool:
    return "NoneType" in str(error) and not own_frames(error, mine)  # the answer had ended


def _split_by_batch(sight):
    one = [label for label in sight.seen if label.startswith("batch 1")]
    return one, [label for label in sight.seen if label not in one]


def _what_happens(sight, label) -> str:
    error = sight.seen[label].error
    if error is not None:
        return f"it raises {type(error).__name__}"
    kind, _, received = first_difference(sight.seen[label].result, sight.expected[label].result)
    return f"the shape is {received}" if kind == "shape" else f"{received} comes out"


FIRST = (changed_in_place, reads_a_global, generator_ignored, global_random_numbers)
THEN = (only_a_batch_of_one, not_a_batch_of_one, wrong_dtype)
