"""What a picture gets right: one grade per attribute, for the curves of a training run."""

import math
from itertools import permutations

from .world.matching import relates


def attributes(readings) -> dict[str, list]:
    """What many pictures show, attribute by attribute: one entry a picture or an object."""
    things = [thing for reading in readings for thing in (*reading.objects, *reading.refused)]
    return {
        "count": [len(reading.objects) + len(reading.refused) for reading in readings],
        **{
            name: [getattr(t, name, "refused") for t in things]
            for name in ("shape", "color", "size")
        },
        "background": [reading.background for reading in readings],
    }


def grade(reading, spec) -> dict[str, bool]:
    """Grade what was read from a picture; what the prompt does not ask for gets no grade.

    count: as many things as asked. color, size, shape: the asked ones are there, on whichever
    object. binding: each on its own of two objects. relation: it holds, and all the rest does.
    """
    found = [*reading.objects, *reading.refused]
    grades = {"count": len(found) == len(spec.objects)}
    orders = list(permutations(found)) if grades["count"] else []
    fits = {}  # for each attribute and order of the objects: do the asked values stand there?
    for name in ("color", "size", "shape"):
        asked = [getattr(wanted, name) for wanted in spec.objects]
        fits[name] = [
            all(w in (None, getattr(thing, name, "refused")) for thing, w in zip(order, asked))
            for order in orders
        ]
        if any(asked):
            grades[name] = any(fits[name])
    bound = [order for order, *fit in zip(orders, *fits.values()) if all(fit)]
    if len(set(spec.objects)) > 1 and {"color", "size"} & set(grades):
        grades["binding"] = bool(bound)
    if bound and spec.relation is not None:
        grades["relation"] = any(relates(order[0], spec.relation, order[1]) for order in bound)
    return grades


def mean_grades(grades: list[dict[str, bool]]) -> dict[str, float]:
    """Average each grade over the pictures that got it; nan where none did."""
    names = ("count", "color", "size", "shape", "binding", "relation")
    given = {name: [g[name] for g in grades if name in g] for name in names}
    return {name: sum(g) / len(g) if g else math.nan for name, g in given.items()}
