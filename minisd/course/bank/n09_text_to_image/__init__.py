"""Notebook 09, text to image: its exercises in notebook order, and what is to be predicted."""

from ...predictions import Prediction
from . import diagnose, memorization_ratio, obedience, slerp, text_to_image, word_heatmap

EXERCISES = (
    text_to_image.EXERCISE,
    obedience.EXERCISE,
    memorization_ratio.EXERCISE,
    word_heatmap.EXERCISE,
    slerp.EXERCISE,
    diagnose.EXERCISE,
)

PREDICTIONS = (
    Prediction(
        "09.parts",
        "A model gets the color right in a share p of its pictures, and the shape in a share q. "
        "How often are both right?",
        {
            "p times q": "That is what follows if the two fail independently of each other. It is "
            "the yardstick; the next cell shows whether the model keeps to it.",
            "more often": "Likely, if some pictures fail altogether: then the two failures fall on "
            "the same pictures, and both are right more often than p times q.",
            "less often": "That happens where getting one right disturbs the other. For held-out "
            "combinations one might fear it. See what the next cell says.",
        },
    ),
    Prediction(
        "09.lerp",
        "Half way between two noises on a straight line, (a + b) / 2: what will the picture be?",
        {
            "as good as any": "The mean of two noises looks like noise, but it is quieter: its "
            "deviation is .71. The network has never started from that. If these simple pictures "
            "forgive it, do not expect it of photographs.",
            "grayer and emptier": "That is what one should fear: the mean of two noises has a "
            "deviation of .71, and the network has never started from so quiet a noise. Whether "
            "pictures as simple as these forgive it, the next cell shows.",
            "a mixture of both": "The noises are mixed; pictures are another matter. The mean of "
            "two noises has a deviation of .71, and the network has never started from that.",
        },
    ),
)
