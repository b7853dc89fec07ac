"""Notebook 04, the UNet: its exercises in notebook order, and what is to be predicted."""

from ...predictions import Prediction
from . import diagnose, ema_update, group_norm, resnet_block, timestep_embedding, unet_model

EXERCISES = (
    timestep_embedding.EXERCISE,
    group_norm.EXERCISE,
    resnet_block.EXERCISE,
    unet_model.EXERCISE,
    ema_update.EXERCISE,
    diagnose.EXERCISE,
)

PREDICTIONS = (
    Prediction(
        "04.cut_skips",
        "A UNet is trained with its skips cut. What do its pictures lose first?",
        {
            "color": "Color needs few numbers, and they fit through the middle of the U easily. "
            "What is it that needs a number for every pixel?",
            "place": "Where a thing lies can be said coarsely, and the middle of the U is coarse. "
            "What is it that needs a number for every pixel?",
            "edges": "Yes. Where exactly an edge runs is said in full-size feature maps, and only "
            "the skips carry those across.",
        },
    ),
    Prediction(
        "04.no_time",
        "A UNet is always told t = 0, in training and in sampling. What gives it away?",
        {
            "its loss": "One would think so. But how noisy a picture is can be seen from the "
            "picture itself, and one single question after the noise is answered nearly as well.",
            "its pictures": "Yes, and they alone. Its loss is as low as any, because how noisy a "
            "picture is can be seen from the picture. But sampling asks fifty times in a row, and "
            "whoever misjudges the level each time leaves noise behind or takes off too much.",
            "nothing": "Its loss does not. But sampling asks fifty times in a row, and small "
            "errors in judging the noise level do not cancel. You will meet such pictures below.",
        },
    ),
)
