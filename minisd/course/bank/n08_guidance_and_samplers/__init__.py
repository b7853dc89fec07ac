"""08 · guidance and samplers: its exercises, in notebook order, and what is to be predicted."""

from ...predictions import Prediction
from . import convergence_order, ddim_step, dpm_solver_pp_2m, euler, guide, heun

EXERCISES = (
    guide.EXERCISE,
    ddim_step.EXERCISE,
    euler.EXERCISE,
    heun.EXERCISE,
    dpm_solver_pp_2m.EXERCISE,
    convergence_order.EXERCISE,
)

PREDICTIONS = (
    Prediction(
        "08.scales",
        "The same prompt and noise at guidance 0, 1, 4 and 30. Which row is the most diverse?",
        {
            "0": "Yes: at scale 0 the prompt is not heard at all, and whatever the world can show "
            "may come out. Of the rows that do hear it, scale 1 is the most diverse.",
            "1": "Scale 1 draws what the prompt leaves open, and is the most diverse of those that "
            "obey. But at scale 0 the prompt is not heard at all, and anything may come out.",
            "4": "As a rule it obeys better than scale 1 and differs less: guidance moves all "
            "pictures to what only this prompt would show.",
            "30": "It looks wild, but not diverse: numbers far beyond those of true pictures, in "
            "each of them much the same way.",
        },
    ),
    Prediction(
        "08.twice",
        "Euler with 40 steps or Heun with 20: both ask the network about 40 times. Which ends "
        "nearer to the exact end?",
        {
            "Euler": "Its steps are half as long, so its error is half as large as with 20. Heun's "
            "second look does more for the same price.",
            "Heun": "Yes. Twice the steps only halve Euler's error; a second look in each step "
            "takes away its largest part. (With very few questions it can be the other way round.)",
            "the same": "The price is the same, the error is not: half the step halves Euler's "
            "error, a second look takes away its largest part.",
        },
    ),
    Prediction(
        "08.wrong_ratio",
        "In DPM-Solver++ somebody writes h_before / (2 h) for h / (2 h_before). Measured against "
        "the exact end, how does the error fall?",
        {
            "slope 0": "It goes to zero all the same: with many steps neighbors are almost alike, "
            "and the wrong ratio is almost 1, as is the right one.",
            "slope 1": "One would think so. But with many steps each is nearly as long as the one "
            "before it: right or upside down, the ratio is nearly 1, and the slope stays 2.",
            "slope 2": "Yes, and that is the trap: the slope does not see this mistake. Three "
            "uneven steps by hand do.",
        },
    ),
)
