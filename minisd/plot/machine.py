"""The whole machine as one small drawing, with the parts of one notebook lit."""

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from .figure import BLACK, GRAY, ORANGE, NotebookFigure

PARTS = {  # part: (left, bottom, width, height, what is written in it); 10 wide, 3 high
    "text encoder": (1.35, 2.05, 1.6, 0.8, "text encoder\n06"),
    "forward noise": (1.35, 0.95, 1.6, 0.8, "forward noise\n02"),
    "UNet": (3.45, 0.55, 2.5, 2.4, "UNet  04"),
    "cross-attention": (3.6, 2.05, 2.2, 0.45, "cross-attention 07"),
    "attention": (3.6, 1.4, 2.2, 0.45, "attention 01"),
    "blocks": (3.6, 0.75, 2.2, 0.45, "blocks, time 04"),
    "guidance": (6.4, 2.05, 1.45, 0.8, "guidance\n08"),
    "sampler": (6.4, 0.95, 1.45, 0.8, "sampler\n03, 08"),
    "VAE": (8.2, 0.95, 0.85, 0.8, "VAE\n05"),
}
LIT = {  # notebook: its parts
    "01": {"attention"}, "02": {"forward noise"}, "03": {"sampler"}, "04": {"UNet", "blocks"},
    "05": {"VAE"}, "06": {"text encoder"}, "07": {"UNet", "cross-attention"},
    "08": {"guidance", "sampler"}, "09": set(PARTS), "10": set(PARTS),
}  # fmt: skip
WORDS = {"prompt": (0.6, 2.45), "picture,\nnoise": (0.6, 1.35), "picture": (9.55, 1.35)}
ARROWS = [  # from, to
    ((1.0, 2.45), (1.35, 2.45)), ((2.95, 2.45), (3.6, 2.28)), ((1.0, 1.35), (1.35, 1.35)),
    ((2.95, 1.35), (3.45, 1.35)), ((5.95, 2.45), (6.4, 2.45)), ((7.12, 2.05), (7.12, 1.75)),
    ((7.85, 1.35), (8.2, 1.35)), ((9.05, 1.35), (9.2, 1.35)),
]  # fmt: skip


def machine_map(lit: str) -> Figure:
    """Draw the parts of a text-to-image model, and light those that one notebook builds.

    `lit` is the notebook's number, "01" to "10"; "00" lights nothing. The numbers in the boxes say
    where each part is built. Lit parts have a thick frame and bold type, not only a color.
    """
    if lit != "00" and lit not in LIT:
        raise ValueError(f"expected a notebook from '00' to '10', got {lit!r}")
    figure = NotebookFigure(figsize=(7.6, 2.4), dpi=120)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 10), ylim=(0, 3.1))
    axes.axis("off")
    for name, (left, bottom, width, height, text) in PARTS.items():
        on = name in LIT.get(lit, ())
        axes.add_patch(
            FancyBboxPatch(
                (left, bottom), width, height, boxstyle="round,pad=0,rounding_size=0.1",
                facecolor=ORANGE if on else "white",
                edgecolor=BLACK if on else GRAY, linewidth=2.2 if on else 1,
            )
        )  # fmt: skip
        top = name == "UNet"  # its own name stands above the parts inside it
        y = bottom + height - 0.22 if top else bottom + height / 2
        axes.text(left + width / 2, y, text, ha="center", va="center", fontsize=9, color=BLACK,
                  fontweight="bold" if on else "normal")  # fmt: skip
    for word, (x, y) in WORDS.items():
        axes.text(x, y, word, ha="center", va="center", fontsize=9)
    style = {"arrowstyle": "-|>", "color": GRAY, "linewidth": 1}
    for start, end in ARROWS:
        axes.annotate("", xy=end, xytext=start, arrowprops=style)
    loop = style | {"connectionstyle": "arc3,rad=-0.45"}
    axes.annotate("", xy=(4.7, 0.55), xytext=(7.12, 0.95), arrowprops=loop)
    axes.text(6.0, 0.05, "from pure noise, 20 times", ha="center", fontsize=8)
    axes.text(2.15, 0.62, "(in training)", ha="center", fontsize=8)
    return figure
