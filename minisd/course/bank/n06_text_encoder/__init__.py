"""06 · text encoder: its exercises, in notebook order, and what is to be predicted."""

from ...predictions import Prediction
from . import contrastive, encode, encoder_layer, feature, merges, spelling

EXERCISES = (
    encode.EXERCISE,
    merges.EXERCISE,
    spelling.EXERCISE,
    encoder_layer.EXERCISE,
    feature.EXERCISE,
    contrastive.EXERCISE,
)

PREDICTIONS = (
    Prediction(
        "06.first_merge",
        "20,000 captions of our world, cut into letters. Which two letters are joined first?",
        {
            "i n": "Yes: ring and rings, pink, tiny, a drawing. Several words share it, and their "
            "counts add up. It is pairs that are counted, not words.",
            "a </w>": "'a' is the most frequent word by far. But a word of one letter has no pair "
            "to offer: its only piece, a</w>, is whole already.",
            "r e": "Red, green and three hold it. (At the end of square the e has the mark: "
            "r e</w> is another pair.) Others are met more often.",
            "o f": "'of' is a frequent word, but it ends there: the pair is o f</w>, and it lives "
            "in that one word alone. A pair that many words share is met more often.",
        },
    ),
    Prediction(
        "06.without_positions",
        "The position vectors are set to zero, the causal mask stays. Can the encoder still tell "
        "'red circle, blue square' from 'blue circle, red square'?",
        {
            "no": "It can: with the mask, 'circle' has looked back at 'red' in one sentence, and "
            "at 'blue' in the other. To lose order, both must go.",
            "yes": "Yes: a word still sees what came before it, and only that. 'Circle' has looked "
            "back at 'red' in one sentence, and at 'blue' in the other.",
        },
    ),
    Prediction(
        "06.obedience",
        "A model that has never known the order of words draws 'a red circle and a blue square', "
        "and then its twin with the colors exchanged. How many of the two can be right?",
        {
            "none": "One can. It may know very well that there is a circle, a square, something "
            "red and something blue; it puts them together somehow.",
            "one": "Yes: prompt and twin give one and the same picture, and it is right for one "
            "of the two at most. A model that draws everything else well comes to one half.",
            "both": "The words are all there, so it can draw a circle, a square, red and blue. "
            "But nothing tells it which color goes with which shape.",
        },
    ),
)
