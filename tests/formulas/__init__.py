r"""Which code each displayed formula of the notebooks must agree with.

An entry of FORMULAS takes a `Draw` (random numbers) and returns the values of the symbols, and
{left side: value by the package}, in the order of the display. The symbols' names are the LaTeX
of the notebook; a function stands for a symbol with an index or an argument. Each table may also
have NOT_EVALUATED, {tag: reason}, and EQUIVALENT_EDITS, {tag: edits of the text that change
nothing}.
"""

import importlib
import pkgutil

from .draw import Draw

TABLES = [
    importlib.import_module(f"{__name__}.{module.name}")
    for module in pkgutil.iter_modules(__path__)
    if module.name.startswith("n")
]


def gathered(name):
    """One dictionary of all tables; a tag that stands in two of them is an error."""
    parts = [getattr(table, name, {}) for table in TABLES]
    whole = {tag: entry for part in parts for tag, entry in part.items()}
    assert len(whole) == sum(len(part) for part in parts), f"a tag stands twice in {name}"
    return whole


FORMULAS = gathered("FORMULAS")
NOT_EVALUATED = gathered("NOT_EVALUATED")
EQUIVALENT_EDITS = gathered("EQUIVALENT_EDITS")
__all__ = ["EQUIVALENT_EDITS", "FORMULAS", "NOT_EVALUATED", "Draw"]
