"""What the command line checks and says: option values, models, devices, notes and failures.

Nothing here imports torch or the package's other modules before it is needed.
"""

import argparse
import math
import signal
import string
import sys
import textwrap
from contextlib import contextmanager
from pathlib import Path

STABLE_DIFFUSION = (  # how to get it; said where a model is missing, and by --help
    "Stable Diffusion 1.5 is not shipped: download stable-diffusion-v1-5/stable-diffusion-v1-5 "
    "from huggingface.co into a folder (license CreativeML OpenRAIL-M), and know that no safety "
    "checker runs here"
)


def number(kind, low, high):
    """A reader of option values: an int or float from low to high, else one sentence."""

    def read(text: str):
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:  # so is nan
            words = f"a {'whole ' * (kind is int)}number from {low} to {high}"
            raise argparse.ArgumentTypeError(f"expected {words}, got {text!r}")
        return value

    return read


def output_file(name: str, suffix: str) -> Path:
    """The path to write to, refused before any work is done where writing would fail after it."""
    path = Path(name)
    if path.suffix.lower() != suffix:
        raise ValueError(f"expected a file name that ends in {suffix}, got {name!r}")
    if not path.parent.is_dir():
        raise ValueError(f"no folder {path.parent} to write {path.name} to: make it first")
    return path


def find_model(name: str) -> str:
    """Return the name of a model that is there, shipped or a folder; else say what to download."""
    from .pipeline import WEIGHTS

    if name and any(path.is_dir() for path in (WEIGHTS / name, Path(name))):
        return name
    shipped = ", ".join(sorted(path.name for path in WEIGHTS.iterdir() if path.is_dir()))
    fault = f"there is no model {name!r}" if name else "--model needs a name or a folder"
    raise ValueError(f"{fault} (shipped: {shipped}); {STABLE_DIFFUSION}")


def prompt_notes(prompts, tokenizer):
    """Yield one line for each thing in the prompts that the model cannot know or will not see."""
    from .tokenizer import split_words
    from .world import vocabulary

    words = set(vocabulary())
    text = " ".join([*words, ""])
    pieces = ("".join(pair).replace("</w>", " ") for pair in tokenizer.merges)
    if all(piece in text for piece in pieces):  # else it was learned from other captions
        met = dict.fromkeys(word for prompt in prompts for word in split_words(prompt))
        unknown = [w for w in met if w not in words and w.strip(string.punctuation)]
        if unknown:
            listed = ", ".join(word[:30] for word in unknown[:10]) + ", ..." * (len(unknown) > 10)
            yield f"no training caption had: {listed}"
    for prompt in prompts:
        if unseen := tokenizer.truncated(prompt):
            start, rest = textwrap.shorten(prompt, 40), textwrap.shorten(unseen, 60)
            yield f"too long, the model does not see the end of {start!r}: {rest!r}"


def pick_device(name: str) -> str:
    """auto -> cuda where PyTorch sees a GPU, else cpu; an absent GPU is said here, not in CUDA."""
    import torch

    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("PyTorch sees no CUDA device here: use --device cpu or auto")
    return "cuda" if name == "auto" and torch.cuda.is_available() else name.replace("auto", "cpu")


def pick_dtype(name: str, device: str):
    """auto -> float16 on a GPU, where it is fast, else float32."""
    import torch

    return getattr(torch, name.replace("auto", "float16" if device == "cuda" else "float32"))


def peak_memory(device: str) -> str:
    """Say how much memory was taken at most: the GPU's if it drew there, else the machine's."""
    import torch

    if device == "cuda":
        return f", at most {torch.cuda.max_memory_allocated() / 1e9:.1f} GB of GPU memory"
    try:
        import resource
    except ImportError:  # Windows does not keep count
        return ""
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kilobytes
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return f", at most {peak / 1e9:.1f} GB of memory"


def explain(error: Exception) -> str | None:
    """One sentence for a failure that a user can mend; None for a fault of the program."""
    from .checkpoint import CheckpointError

    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    if isinstance(error, ValueError | OSError | CheckpointError):
        return " ".join(str(error).split())
    if isinstance(error, RuntimeError) and "memory" in str(error):
        return "not enough memory: ask for less at once (pictures, batch), or use --device cpu"
    return None


@contextmanager
def stop_signals():
    """Yield a list that fills when Ctrl-C or SIGTERM asks to stop: the step is finished first."""
    asked = []
    names = (signal.SIGINT, signal.SIGTERM)
    before = {name: signal.signal(name, lambda *_: asked.append(True)) for name in names}
    try:
        yield asked
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
