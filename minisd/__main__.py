"""The command line: sample, train, evaluate.

Torch and the package's other modules are imported inside the commands: `--help` and a mistyped
option answer at once. Every expected failure is one line on stderr and exit code 2; Ctrl-C is 130.
"""

import argparse
import json
import math
import string
import sys
import textwrap
import time
from pathlib import Path

MODEL_HELP = "a shipped model's name, or the folder of a model (default: shapes32)"
SAMPLE_EXAMPLES = """\
examples:
  python -m minisd sample "a large red circle left of a small blue square" --out picture.png
  python -m minisd sample "two green rings" "a pink heart" --num-images 4 --zoom 4 --out g.png
  python -m minisd sample "" --model runs/a/model --seed 7 --out anything.png
"""
TRAIN_EXAMPLES = """\
examples:
  python -m minisd train --preset shapes32 --out runs/a --minutes 30
  python -m minisd train --preset shapes32 --out runs/a --minutes 30 --resume
  python -m minisd train --preset tiny --out runs/quick --steps 20

The folder receives model/ (diffusers' layout), scores.csv, samples-*.png and loss.png.
Ctrl-C saves first; --resume goes on from there and ends where an unbroken run would have ended.
"""
EVALUATE_EXAMPLES = """\
examples:
  python -m minisd evaluate shapes32
  python -m minisd evaluate runs/a/model --prompts 70 --json scores.json
"""


class OneLineParser(argparse.ArgumentParser):
    """argparse, with its errors as one sentence instead of the whole usage."""

    def error(self, message):
        """Say what is wrong and where help is, and leave with exit code 2."""
        self.exit(2, f"minisd: {message} (all options: {self.prog} --help)\n")


def build_parser() -> argparse.ArgumentParser:
    """The options of all commands, each with its range; `run` is the command's function."""
    parser = OneLineParser(
        prog="python -m minisd", description="Stable Diffusion from scratch: prompt -> picture."
    )
    commands = parser.add_subparsers(metavar="sample | train | evaluate", required=True)
    whole, seed = number(int, 1, 10**6), number(int, 0, 2**62)  # leaves room for seed + i

    def add_command(run, summary, examples):
        command = commands.add_parser(
            run.__name__, help=summary, description=summary, epilog=examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        command.set_defaults(run=run)
        command.add_argument("--seed", type=seed, default=0, help="0 or more (default: 0)")
        command.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto",
                             help="auto = cuda where there is one (default: auto)")  # fmt: skip
        return command

    def add_sampling(command):
        command.add_argument("--steps", type=whole, default=20, help="denoising (default: 20)")
        command.add_argument("--guidance", type=number(float, -100, 100), default=4.0,
                             help="pull of the prompt, 1 = none (default: 4)")  # fmt: skip
        command.add_argument("--sampler", default="ddim", help="ddim, ddpm ... (default: ddim)")

    command = add_command(sample, "Draw pictures of prompts.", SAMPLE_EXAMPLES)
    command.add_argument("prompts", nargs="+", metavar="PROMPT", help='"" draws without a prompt')
    command.add_argument("--negative", metavar="PROMPT", help="what guidance pushes away from")
    command.add_argument("--num-images", type=whole, default=1, help="a prompt (default: 1)")
    add_sampling(command)
    command.add_argument("--model", default="shapes32", help=MODEL_HELP)
    command.add_argument("--height", type=whole, help="in pixels (default: the model's)")
    command.add_argument("--width", type=whole, help="in pixels (default: the model's)")
    command.add_argument("--zoom", type=number(int, 1, 64), default=1,
                         help="draw each pixel as a square of this side (default: 1)")  # fmt: skip
    command.add_argument("--out", required=True, metavar="FILE.png", help="the picture's file")

    command = add_command(train, "Train every part from nothing.", TRAIN_EXAMPLES)
    command.add_argument("--preset", required=True, help="a size in minisd.sizes, e.g. shapes32")
    command.add_argument("--out", required=True, metavar="DIR", help="the run's folder")
    length = command.add_mutually_exclusive_group(required=True)
    length.add_argument("--minutes", type=number(float, 0.01, 10**6), help="all parts together")
    length.add_argument("--steps", type=whole, help="UNet steps instead of minutes")
    command.add_argument("--resume", action="store_true", help="go on with the run in DIR")

    command = add_command(evaluate, "Measure how often pictures obey.", EVALUATE_EXAMPLES)
    command.add_argument("model", metavar="MODEL", help=MODEL_HELP)
    command.add_argument("--prompts", type=whole, help="prompts a split (default: all there are)")
    add_sampling(command)
    command.add_argument("--json", metavar="FILE", help="write the table as JSON, too")
    return parser


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


def sample(args) -> None:
    """Draw num_images pictures a prompt; picture i starts from the noise of seed + i."""
    out = output_file(args.out, ".png")
    import torch
    from PIL import Image
    from tqdm import tqdm

    from .pipeline import TextToImagePipeline
    from .plot import tile

    pipe = TextToImagePipeline.from_pretrained(args.model, device=pick_device(args.device))
    for note in prompt_notes([*args.prompts, args.negative or ""], pipe.tokenizer):
        print(f"note: {note}", file=sys.stderr)
    num_images = len(args.prompts) * args.num_images
    start = time.perf_counter()
    images = pipe(
        args.prompts, negative_prompt=args.negative, num_images_per_prompt=args.num_images,
        height=args.height, width=args.width, sampler=args.sampler,
        num_inference_steps=args.steps, guidance_scale=args.guidance,
        generator=[torch.Generator().manual_seed(args.seed + i) for i in range(num_images)],
        progress=lambda steps: tqdm(steps, total=args.steps, unit="step", disable=None),
    )  # fmt: skip
    seconds = time.perf_counter() - start
    picture = Image.fromarray(tile(images))
    picture.resize((picture.width * args.zoom, picture.height * args.zoom), Image.NEAREST).save(out)
    for prompt in args.prompts:
        print(textwrap.shorten(prompt, 200) or "(no prompt)")
    print(f"{num_images} picture{'s' * (num_images > 1)} in {seconds:.1f} s -> {out}")


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


def train(args) -> None:
    """Train tokenizer and VAE, then text encoder and UNet; TRAIN_EXAMPLES says what is written."""
    from . import runs

    device = pick_device(args.device)
    length = {"minutes": args.minutes, "steps": args.steps}
    try:
        runs.train(
            args.preset, Path(args.out), **length, seed=args.seed, resume=args.resume, device=device
        )
    except KeyboardInterrupt:
        if Path(args.out, "plan.json").exists():  # else there is nothing yet to go on with
            print("\nsaved; to go on: the same command and --resume", file=sys.stderr)
        raise


def evaluate(args) -> None:
    """Print the obedience table of a model, and write it as JSON where asked to."""
    out = output_file(args.json, ".json") if args.json else None
    from . import evaluate as evaluation
    from .pipeline import TextToImagePipeline

    pipe = TextToImagePipeline.from_pretrained(args.model, device=pick_device(args.device))
    result = {"model": args.model} | evaluation.evaluate(
        pipe, prompts=args.prompts, seed=args.seed,
        steps=args.steps, guidance=args.guidance, sampler=args.sampler,
    )  # fmt: skip
    print(evaluation.format_table(result))
    if out:
        out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        print(f"-> {out}")


def pick_device(name: str) -> str:
    """auto -> cuda where PyTorch sees a GPU, else cpu; an absent GPU is said here, not in CUDA."""
    import torch

    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("PyTorch sees no CUDA device here: use --device cpu or auto")
    return "cuda" if name == "auto" and torch.cuda.is_available() else name.replace("auto", "cpu")


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


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 2 one sentence on stderr, 130 Ctrl-C."""
    args = build_parser().parse_args(argv)
    try:
        args.run(args)
    except KeyboardInterrupt:
        print("\nminisd: stopped", file=sys.stderr)
        return 130
    except Exception as error:
        sentence = explain(error)
        if sentence is None:
            raise
        print(f"minisd: {sentence}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # a prompt may hold what a terminal cannot
    sys.exit(main())
