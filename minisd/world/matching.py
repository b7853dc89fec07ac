"""Does a list of objects obey a prompt? Strict: exactly the stated objects, all of it true."""

from collections import Counter
from dataclasses import dataclass
from itertools import permutations

from .caption import PLURALS
from .parsing import Spec
from .scene import Object


@dataclass(frozen=True)
class Verdict:
    """Whether a picture obeys its prompt, and if not, why not."""

    correct: bool
    reason: str


def relates(first: Object, relation: str, second: Object) -> bool:
    """Say whether the relation holds: its direction within 45 degrees of its axis."""
    right, down = second.x - first.x, second.y - first.y
    if abs(right) > abs(down):
        return relation == ("left of" if right > 0 else "right of")
    return relation == ("above" if down > 0 else "below")


def obeys(objects: tuple[Object, ...], background: str, spec: Spec) -> Verdict:
    """Compare what is there with what was asked; what the prompt leaves unsaid is free."""
    if len(objects) != len(spec.objects):
        return Verdict(False, f"expected {count_objects(len(spec.objects))}, found {len(objects)}")
    if spec.background is not None and background != spec.background:
        return Verdict(False, f"the background is {background}, not {spec.background}")
    if sorted(thing.shape for thing in objects) != sorted(w.shape for w in spec.objects):
        return Verdict(False, f"expected {_name(spec.objects)}, found {_name(objects)}")

    complaints = []
    for order in permutations(objects):
        complaint = _complaint(order, spec)
        if complaint is None:
            return Verdict(True, "as asked")
        complaints.append(complaint)
    return Verdict(False, max(complaints)[1])


def _complaint(order: tuple[Object, ...], spec: Spec) -> tuple[int, str] | None:
    """(how many things were right before, the first that is wrong), or None if all is right."""
    pairs = list(zip(order, spec.objects, strict=True))
    right = 0
    for name in ("shape", "color", "size"):
        for thing, wanted in pairs:
            asked, found = getattr(wanted, name), getattr(thing, name)
            if asked is not None and asked != found:
                return right, f"the {thing.shape} is {found}, not {asked}"
            right += 1
    if spec.relation is not None and not relates(order[0], spec.relation, order[1]):
        first, second = (thing.shape for thing in order[:2])
        return right, f"the {first} is not {spec.relation} the {second}"
    return None


def count_objects(n: int) -> str:
    """Say "1 object" or "2 objects"."""
    return "1 object" if n == 1 else f"{n} objects"


def _name(things) -> str:
    """Name shapes: "1 circle and 1 ring", "3 squares"."""
    counts = Counter(thing.shape for thing in things)
    return " and ".join(
        f"{n} {shape if n == 1 else PLURALS[shape]}" for shape, n in sorted(counts.items())
    )
