"""03 · DDPM sampler: its exercises, in notebook order, and what is to be predicted."""

from ...predictions import Prediction
from . import (
    ddpm_step,
    denoising_loss,
    exact_denoiser,
    kl_gaussians,
    posterior,
    score_from_epsilon,
)

EXERCISES = (
    posterior.EXERCISE,
    kl_gaussians.EXERCISE,
    exact_denoiser.EXERCISE,
    score_from_epsilon.EXERCISE,
    ddpm_step.EXERCISE,
    denoising_loss.EXERCISE,
)

PREDICTIONS = (
    Prediction(
        "03.new_points",
        "You sample with the perfect denoiser of ten points. What comes out?",
        {
            "old": "Look at the figure: every sample lands on one of the ten. A perfect denoiser "
            "of a data set answers with a mean of its points, and the last answer is one of them.",
            "new": "Nothing new can come: near the end the answer is the nearest of the ten "
            "points, so every sample lands on one. It is what a network gets *wrong* that will "
            "make new points.",
            "between": "Half way through, yes: then the answer is a mean of several points. "
            "But as the noise vanishes, one of them takes all the weight.",
        },
    ),
    Prediction(
        "03.without_noise",
        "Every step returns the mean, no fresh noise is added. What do the samples do?",
        {
            "collapse": "Yes: each step moves to the mean of what was possible, and nothing "
            "spreads the samples again. They huddle where many data are near.",
            "sharper": "A sampler without noise does exist (DDIM), but it walks by another rule. "
            "This rule takes off more noise than lies between two levels and counts on fresh "
            "noise to make up for it: without it the samples collapse.",
            "same": "Fresh noise is no decoration: the rule takes off more noise than lies between "
            "two levels, and counts on fresh noise to make up for it. Without it the samples "
            "collapse.",
        },
    ),
    Prediction(
        "03.more_data",
        "The same network, trained on 10, then 100, then 5,000 points. Whose samples lie on "
        "training points?",
        {
            "few": "Yes: ten points leave so much room between them that the network can learn "
            "each by heart. Among 5,000 it can only learn the shape that they share.",
            "many": "More data gives more to copy, but also less room to copy it: it is the ten "
            "that the network learns by heart.",
            "none": "A network is not the perfect denoiser, but with ten points it comes close.",
        },
    ),
)
