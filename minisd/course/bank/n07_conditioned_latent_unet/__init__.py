"""07 · Conditioned latent UNet: its exercises, in notebook order, and what is to be predicted."""

from ...predictions import Prediction
from . import (
    cache_latents,
    conditioned_loss,
    drop_captions,
    geglu,
    min_snr_weight,
    transformer_block,
)

EXERCISES = (
    transformer_block.EXERCISE,
    geglu.EXERCISE,
    cache_latents.EXERCISE,
    drop_captions.EXERCISE,
    conditioned_loss.EXERCISE,
    min_snr_weight.EXERCISE,
)

PREDICTIONS = (
    Prediction(
        "07.never_dropped",
        "A model is trained with its captions always there. Now guidance asks it what it would "
        "draw without one, and walks away from the answer. What comes out?",
        {
            "same": "Guidance needs two answers that mean something. For the empty prompt this "
            "model never saw a picture: what it says there is a guess about a sentence it does not "
            "know, and walking away from that leads anywhere.",
            "worse": "Yes. The empty prompt is a sentence that it has never met, so what it says "
            "there is arbitrary, and guidance walks away from something arbitrary, the further "
            "the larger its scale. Try it under *What if*.",
            "nothing": "Something will be drawn: the network answers any tokens. But what it says "
            "for the empty prompt was never trained, and guidance walks away from just that.",
        },
    ),
    Prediction(
        "07.learned_last",
        "Which of these does a text-to-image model learn last?",
        {
            "count": "The number of things is visible even when they are blobs: look at the next "
            "figure, it rises first.",
            "color": "A color is one word, and visible in strong noise: it comes early.",
            "size": "A size is one word about one thing: it comes neither first nor last.",
            "shape": "Shapes come late, they need sharp outlines. But what needs two words at "
            "once comes later: which attribute belongs to which object.",
            "binding": "Very nearly: it needs two words together, and both objects right "
            "at once. Only the relation is asked later still, where all the rest is right.",
            "relation": "It is the last that can be asked at all, only where all the rest is "
            "right. In some models it holds from then on, in others it stays with a coin for "
            "ever: the end of this notebook is about why.",
        },
    ),
)
