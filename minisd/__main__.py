"""The command line: sample, train, evaluate.

Torch and the package's other modules are imported inside the commands: `--help` and a mistyped
option answer at once. Every expected failure is one line on stderr and exit code 2; Ctrl-C is 130.
"""

import argparse
import json
import sys
import textwrap
import time
from pathlib import Path

from .console import (
    STABLE_DIFFUSION,
    explain,
    find_model,
    number,
    output_file,
    peak_memory,
    pick_device,
    pick_dtype,
    prompt_notes,
)

MODEL_HELP = "a shipped model's name, or the folder of a model (default: shapes32)"
SAMPLE_EXAMPLES = """\
examples:
  python -m minisd sample "a large red circle left of a small blue square" --out picture.png
  python -m minisd sample "two green rings" "a pink heart" --num-images 4 --zoom 4 --out g.png
  python -m minisd sample "" --model runs/a/model --seed 7 --out anything.png
  python -m minisd sample "an astronaut on a horse" --model FOLDER --sampler dpm_solver_pp_2m \\
      --guidance 7.5 --out astronaut.png

""" + textwrap.fill(STABLE_DIFFUSION + ".", 96)
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
    command.add_argument("--model", nargs="?", const="", default="shapes32", help=MODEL_HELP)
    command.add_argument("--dtype", choices=["auto", "float32", "float16", "bfloat16"],
                         default="auto", help="auto = float16 on cuda, else float32")  # fmt: skip
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
    command.add_argument("--from", dest="start", metavar="MODEL",
                         help="train this one further; its autoencoder stays")  # fmt: skip
    command.add_argument("--resume", action="store_true", help="go on with the run in DIR")

    command = add_command(evaluate, "Measure how often pictures obey.", EVALUATE_EXAMPLES)
    command.add_argument("model", metavar="MODEL", help=MODEL_HELP)
    command.add_argument("--prompts", type=whole, help="prompts a split (default: all there are)")
    add_sampling(command)
    command.add_argument("--json", metavar="FILE", help="write the table as JSON, too")
    return parser


def sample(args) -> None:
    """Draw num_images pictures a prompt; picture i starts from the noise of seed + i."""
    out = output_file(args.out, ".png")
    import torch
    from PIL import Image
    from tqdm import tqdm

    from .pipeline import TextToImagePipeline
    from .plot import tile

    model, device = find_model(args.model), pick_device(args.device)
    dtype = pick_dtype(args.dtype, device)
    pipe = TextToImagePipeline.from_pretrained(model, device=device, dtype=dtype)
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
    pictures = f"{num_images} picture{'s' * (num_images > 1)}"
    print(f"{pictures} in {seconds:.1f} s{peak_memory(device)} -> {out}")


def train(args) -> None:
    """Train tokenizer and VAE, then text encoder and UNet; TRAIN_EXAMPLES says what is written."""
    from . import runs

    device = pick_device(args.device)
    length = {"minutes": args.minutes, "steps": args.steps}
    try:
        runs.train(
            args.preset, Path(args.out), **length, seed=args.seed, resume=args.resume,
            device=device, start=args.start and find_model(args.start),
        )  # fmt: skip
    except KeyboardInterrupt:
        if Path(args.out, "plan.json").exists():  # else there is nothing yet to go on with
            print("\nsaved; to go on: the same command and --resume", file=sys.stderr)
        raise


def evaluate(args) -> None:
    """Print the obedience table of a model, and write it as JSON where asked to."""
    out = output_file(args.json, ".json") if args.json else None
    from . import evaluate as evaluation
    from .pipeline import TextToImagePipeline

    device = pick_device(args.device)
    pipe = TextToImagePipeline.from_pretrained(find_model(args.model), device=device)
    result = {"model": args.model} | evaluation.evaluate(
        pipe, prompts=args.prompts, seed=args.seed,
        steps=args.steps, guidance=args.guidance, sampler=args.sampler,
    )  # fmt: skip
    print(evaluation.format_table(result))
    if out:
        out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        print(f"-> {out}")


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
