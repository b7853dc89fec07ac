"""All exercises, gathered from the banks when somebody asks."""

import importlib
import pkgutil
from functools import cache

from . import bank
from .exercise import Exercise


@cache
def load_bank(name: str):
    """Import one folder of the bank, e.g. "n01_attention"."""
    return importlib.import_module(f"{bank.__name__}.{name}")


def bank_names() -> list[str]:
    """The folders of the bank, one a notebook, in the order of the course."""
    return sorted(m.name for m in pkgutil.iter_modules(bank.__path__) if m.ispkg)


def exercises() -> dict[str, Exercise]:
    """All exercises of the course by id, in the order of teaching."""
    found = {}
    for name in bank_names():
        for exercise in getattr(load_bank(name), "EXERCISES", ()):
            if exercise.id in found:
                raise ValueError(f"expected one exercise {exercise.id!r}, found two")
            found[exercise.id] = exercise
    return found


def exercises_of(number: str) -> list[Exercise]:
    """The exercises of one notebook, "01" for example. Loads no other notebook's bank."""
    return list(_of_notebook(number, "EXERCISES").values())


def find(id: str) -> Exercise:
    """One exercise by its id. Loads no more than its own notebook's bank."""
    return _find(id, "EXERCISES")


def find_prediction(id: str):
    """One prediction by its id."""
    return _find(id, "PREDICTIONS")


def _find(id, kind):
    items = _of_notebook(str(id)[:2], kind)
    if id not in items:
        known = ", ".join(items) or "none in this notebook"
        raise ValueError(f"expected the id of one of the {kind.lower()} ({known}), got {id!r}")
    return items[id]


def _of_notebook(number, kind) -> dict:
    names = [name for name in bank_names() if name.startswith(f"n{number}_")]
    return {item.id: item for name in names for item in getattr(load_bank(name), kind, ())}
