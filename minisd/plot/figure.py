"""A figure that a notebook shows, and the colors and lines that all figures share."""

from io import BytesIO

from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, BLACK, GRAY = "#CC79A7", "#56B4E9", "#000000", "#767676"
LINES = [  # color and line style change together
    (BLUE, "-"), (VERMILION, "--"), (GREEN, "-."), (ORANGE, ":"),
    (PURPLE, "-"), (SKY, "--"), (BLACK, "-"),
]  # fmt: skip


class NotebookFigure(Figure):
    """A figure that Jupyter shows although pyplot has never heard of it."""

    def _repr_png_(self) -> bytes:
        buffer = BytesIO()
        self.savefig(buffer, format="png", facecolor="white", bbox_inches="tight")
        return buffer.getvalue()


def new_axes(xlabel, ylabel, title, size=(6.4, 3.6)):
    """An empty plot with the house's grid and frame: its figure and its axes."""
    figure = NotebookFigure(figsize=size, dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#E5E5E5", linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes
