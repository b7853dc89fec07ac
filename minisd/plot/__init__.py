"""Look at tensors: grids, strips and curves. Every function returns a matplotlib figure.

The figures are made without pyplot: nothing is kept open, no window is needed, and a notebook
shows one as the last line of its cell. Colors are Okabe and Ito's palette (2008), which
color-blind readers tell apart; line style, marker or hatch repeats what the color says.
"""

from .curves import curve, loss_curve, obedience_bars, score_curves  # noqa: F401
from .figure import (  # noqa: F401
    BLACK,
    BLUE,
    GRAY,
    GREEN,
    LINES,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    NotebookFigure,
    new_axes,
)
from .machine import machine_map  # noqa: F401
from .pictures import (  # noqa: F401
    attention_maps,
    denoising_strip,
    image_grid,
    noising_strip,
    tile,
    to_uint8,
)
