"""Compositions that no training picture shows: fixed lists, so that scores can be compared.

A model has seen every shape, color, count and relation on its own, but never these
combinations: drawing them right is generalization, not memory. The lists are applied to the
true scene, whatever its caption leaves unsaid, so nothing leaks through a vague caption.
"""

# Each color is held out once, each shape at most twice: all stay frequent elsewhere.
HELD_OUT_COLORS = (
    ("circle", "red"),
    ("circle", "cyan"),
    ("square", "blue"),
    ("square", "pink"),
    ("triangle", "green"),
    ("cross", "yellow"),
    ("ring", "purple"),
    ("heart", "orange"),
)

HELD_OUT_COUNTS = (
    ("triangle", 2),
    ("circle", 3),
    ("heart", 3),
    ("square", 4),
)

# The inverse ("square right of circle") is the same fact, and is held out with it.
HELD_OUT_RELATIONS = (
    ("circle", "left of", "square"),
    ("heart", "left of", "triangle"),
    ("cross", "right of", "ring"),
    ("triangle", "right of", "circle"),
    ("ring", "above", "square"),
    ("triangle", "above", "cross"),
    ("heart", "below", "cross"),
    ("circle", "below", "ring"),
)
