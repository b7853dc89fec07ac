"""Notebook 02, forward noise: its exercises and predictions."""

from ...predictions import Prediction
from . import (
    add_noise,
    forward_step,
    naive_std,
    noise_schedule,
    rescale_zero_terminal_snr,
    to_x0_and_epsilon,
)

EXERCISES = (
    noise_schedule.EXERCISE,
    forward_step.EXERCISE,
    add_noise.EXERCISE,
    to_x0_and_epsilon.EXERCISE,
    rescale_zero_terminal_snr.EXERCISE,
    naive_std.EXERCISE,
)

PREDICTIONS = (
    Prediction(
        "02.half_way",
        "Stable Diffusion's schedule, t = 500 of 1000: which share of the picture's variance is "
        "left?",
        {
            ".50": "That would be a schedule that spends its noise evenly. This one does not: its "
            "betas grow from .00085 to .012. The cosine schedule comes close to what you said.",
            ".28": "Yes, .276. Half way in time is well past half way in noise.",
            ".08": "That is what Ho et al.'s linear schedule leaves (.078). Stable Diffusion's is "
            "gentler: its last beta is .012, theirs .02.",
        },
    ),
    Prediction(
        "02.no_roots",
        "Forget both square roots in the jump, where alpha-bar is .5. What will be wrong with the "
        "noisy picture?",
        {
            "too pale": "Yes: picture and noise are both too weak, by the same factor of .71. The "
            "mixture is as clear as it should be, and everything lies too close to mid-gray.",
            "too noisy": "The noise got .5 where .71 belongs: there is less of it, not more. What "
            "about the picture's own factor?",
            "both": "Half of it. Compare the two factors with what they should be: how does the "
            "*ratio* of picture to noise change?",
        },
    ),
    Prediction(
        "02.lost_last",
        "Noise grows. Which of these can be told from the noisy picture the longest?",
        {
            "circle or square": "Where do a circle and a square of one size differ? Only in a few "
            "pixels along the outline. When those drown, nothing else speaks.",
            "red or orange": "Every pixel of the thing speaks, but the two colors are close, and "
            "the thing covers a seventh of the picture.",
            "heart left or right": "Nearly: two whole things change places, many pixels, strong "
            "contrast. But one of the others concerns more pixels yet.",
            "white or black ground": "Yes: most of the thousand pixels say the same thing, as loud "
            "as they can. What many pixels agree on outlives what few of them know.",
        },
    ),
    Prediction(
        "02.last_step",
        "You are handed x_t of Stable Diffusion's last step, t = 999. Can you tell whether the "
        "picture had a white or a black background?",
        {
            "no": "One pixel would not help: its noise is 15 times as strong as the picture. But "
            "you may average 3072 numbers, and the noise averages out.",
            "a little better than by chance": "For one pixel, yes. What happens to noise, and what "
            "to the background, when you average over all the pixels?",
            "nearly always": "Yes, by the mean of all its numbers. So this is no pure noise, "
            "though sampling begins as if it were.",
        },
    ),
)
