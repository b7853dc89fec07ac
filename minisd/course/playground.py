"""Sliders for a model, where the notebook has them."""

import torch

from .. import plot
from ..world import checker

MISSING = (
    "ipywidgets is not installed, so there are no sliders: change the numbers in the cell above "
    "and run it again. (`pip install ipywidgets`, then restart JupyterLab, brings them.)"
)


def playground(pipe, prompt="a large red heart", columns=4):
    """A box with prompt, seed, steps and guidance; "Draw" shows `columns` pictures.

    Returns an ipywidgets box, to be the last line of a cell; None, after saying why, where
    ipywidgets is missing.
    """
    try:
        import ipywidgets as widgets
        from IPython.display import display
    except ImportError:
        print(MISSING)
        return None
    wide = {"style": {"description_width": "70px"}, "layout": widgets.Layout(width="480px")}
    words = widgets.Text(prompt, description="prompt", **wide)
    seed = widgets.IntSlider(0, 0, 999, description="seed", **wide)
    steps = widgets.IntSlider(20, 1, 100, description="steps", **wide)
    guidance = widgets.FloatSlider(value=4.0, min=0.0, max=30.0, description="guidance", **wide)
    button, shown = widgets.Button(description="Draw"), widgets.Output()

    def on_click(_=None):
        button.disabled, button.description = True, "drawing ..."
        shown.clear_output(wait=True)
        try:
            with shown:
                figure = sheet(pipe, words.value, seed.value, steps.value, guidance.value, columns)
                display(figure)
        finally:
            button.disabled, button.description = False, "Draw"

    button.on_click(on_click)
    return widgets.VBox([words, seed, steps, guidance, button, shown])


def sheet(pipe, prompt, seed, steps, guidance, columns=4):
    """A row of pictures of one prompt, with neighboring seeds, and what the checker says."""
    seeds = range(seed, seed + columns)
    images = pipe(
        prompt, num_images_per_prompt=columns, num_inference_steps=steps, guidance_scale=guidance,
        generator=[torch.Generator().manual_seed(one) for one in seeds],
    )  # fmt: skip
    try:
        said = [checker.check(image, prompt).reason for image in images]
    except ValueError:  # words that the world does not know: there is nothing to obey
        said = ["not the world's words"] * columns
    labels = [f"seed {one}: {reason}" for one, reason in zip(seeds, said)]
    return plot.image_grid(images, labels, columns, title=prompt)
