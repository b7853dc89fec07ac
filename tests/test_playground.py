"""The playground of notebook 09: with sliders, and where there are none."""

import sys
import types

import ipywidgets

from minisd.course import playground
from minisd.random_model import random_model


def test_playground_without_sliders_says_so(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)  # as if it were not installed
    assert playground.playground(random_model("tiny")) is None
    assert "ipywidgets is not installed" in capsys.readouterr().out


class Widget(types.SimpleNamespace):
    """As much of ipywidgets as the playground touches."""

    def __init__(self, *given, **options):
        names = (
            ("value", "min", "max") if given and not isinstance(given[0], list) else ("children",)
        )
        super().__init__(**dict(zip(names, given)), **options)

    def on_click(self, callback):
        self.click = callback

    def clear_output(self, wait):
        self.cleared = wait

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False


def test_playground_draws_what_the_sliders_say(monkeypatch):
    fake = types.ModuleType("ipywidgets")
    for name in ("Text", "IntSlider", "FloatSlider", "Button", "Output", "VBox", "Layout"):
        setattr(fake, name, Widget)
    monkeypatch.setitem(sys.modules, "ipywidgets", fake)
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    box = playground.playground(random_model("tiny"), "a red ring", columns=2)
    words, seed, steps, guidance, button, _ = box.children
    words.value, seed.value, steps.value, guidance.value = "zzz", 7, 2, 3.0
    button.click()
    assert len(shown) == 1 and shown[0]._suptitle.get_text() == "zzz"
    assert "seed 8: not the world's words" in shown[0].axes[1].get_xlabel().replace("\n", " ")


def test_playground_draws_with_real_sliders(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    box = playground.playground(random_model("tiny"), "a red ring", columns=2)
    assert isinstance(box, ipywidgets.VBox)
    words, seed, steps, guidance, button, _ = box.children
    words.value, seed.value, steps.value, guidance.value = "two rings", 7, 2, 3.0
    button.click()
    assert len(shown) == 1 and shown[0]._suptitle.get_text() == "two rings"
    assert all(axis.images for axis in shown[0].axes) and len(shown[0].axes) == 2
    assert (button.description, button.disabled) == ("Draw", False)
