"""Notebook 01, attention: its exercises, and the predictions that it asks for."""

from ...predictions import Prediction
from . import (
    attention,
    attention_mask,
    scaled_dot_product_attention,
    softmax,
    spatial_attention,
)

EXERCISES = (
    softmax.EXERCISE,
    attention_mask.EXERCISE,
    scaled_dot_product_attention.EXERCISE,
    attention.EXERCISE,
    spatial_attention.EXERCISE,
)

PREDICTIONS = (
    Prediction(
        "01.width",
        "Queries and keys of independent N(0, 1) numbers, made wider from 4 to 256, products not "
        "scaled. What happens to the softmax weights?",
        {
            "sharper": "So it is: a sum of more products has a larger spread, and softmax turns "
            "larger differences into a clearer winner. How fast does that spread grow?",
            "flatter": "That would be so if the products were averaged over the width. They are "
            "summed: what does adding more independent terms do to the spread?",
            "the same": "The mean of the scores does stay the same, it is 0. But softmax looks at "
            "differences between scores: does their size stay the same too?",
        },
    ),
    Prediction(
        "01.shuffle",
        "All pixels of a picture change places at random. What does self-attention notice?",
        {
            "nothing": "Right: each pixel finds the same keys and values as before, only in "
            "another order, and a weighted sum has no order. Its answer moves along with it.",
            "that neighbors changed": "Look at the formula again: where would it say which key is "
            "near? The scores depend on what two tokens are, not on where they lie.",
            "that everything changed": "The table of scores does look different, but only because "
            "its rows and columns changed places. What does each single pixel get?",
        },
    ),
    Prediction(
        "01.one_head",
        "A model with 4 heads is loaded as if it had 1. All weights fit. What comes out?",
        {
            "the same answer": "The projections are indeed the same, but the scores are not: one "
            "sum over all channels, where four short sums should be compared separately.",
            "an error": "No shape depends on the number of heads, so nothing can complain. That "
            "is what makes this slip so quiet.",
            "another answer, silently": "Right, and no shape or key would tell. This is why the "
            "check copies weights in and compares numbers.",
        },
    ),
)
