"""The noise: its formulas, and the record of how a model was trained with it."""

from .formulas import (  # noqa: F401
    add_noise,
    make_betas,
    one_per_picture,
    posterior,
    rescale_zero_terminal_snr,
    snr,
    to_x0_and_epsilon,
    training_target,
)
from .noise_schedule import NoiseSchedule  # noqa: F401
