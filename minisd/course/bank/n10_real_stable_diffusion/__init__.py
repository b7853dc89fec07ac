"""10 · Real Stable Diffusion: its exercises, in notebook order, and what is to be predicted."""

from ...predictions import Prediction
from . import load_part, read_safetensors, rename_old_keys, transformer_parameters

EXERCISES = (
    transformer_parameters.EXERCISE,
    read_safetensors.EXERCISE,
    rename_old_keys.EXERCISE,
    load_part.EXERCISE,
)

PREDICTIONS = (
    Prediction(
        "10.level",
        "The real UNet works at 64 x 64, 32 x 32, 16 x 16 and 8 x 8. Which resolution has the "
        "most parameters, and which is the most work?",
        {
            "64 has both": "The work, yes: that is where the most places are. But a weight of a "
            "convolution is used at every place, so that places cost no parameters; channels do, "
            "and there are the fewest of them at 64 x 64.",
            "8 has both": "It comes close in parameters, having as many channels as 16 x 16 and "
            "fewer layers. But with 64 places in place of 4,096, it is the least work of all.",
            "16 the parameters, 64 the work": "Right, and for opposite reasons: parameters grow "
            "with the square of the channels, work also with the number of places.",
        },
    ),
    Prediction(
        "10.words",
        "Which share of the UNet's parameters has ever to do with the prompt (the cross-attention, "
        "queries and outputs included)?",
        {
            "half": "Much less. It is a thin wire between the two, at sixteen places.",
            "a fifth": "That is about what the feed-forward layers have. The cross-attention is "
            "smaller.",
            "a twentieth": "Right. All that the words can say goes through it; guidance (notebook "
            "08) turns its effect up.",
        },
    ),
    Prediction(
        "10.exchanged",
        "In a file of weights, the keys and the values of every cross-attention have changed "
        "places. What happens when you load it and draw?",
        {
            "an error": "Their tables have one shape, (channels, width of a word), so that the "
            "strictest loader finds nothing to complain about.",
            "the same pictures": "What a word offers to be found by and what it then gives away "
            "are two different things, learned apart.",
            "other pictures, silently": "Right. Names and shapes are all that a loader can "
            "compare; whether they mean the same, only numbers can tell.",
        },
    ),
)
