"""Write a model folder of any size with random weights, to try the real format without a download.

python -m minisd.random_model FOLDER --size sd15 --dtype float16
"""

import argparse
import sys
from dataclasses import replace

import torch

from .checkpoint import CheckpointError
from .pipeline import TextToImagePipeline
from .sizes import SIZES
from .text_encoder import CLIPTextModel
from .tokenizer import END, START, CLIPTokenizer
from .unet import UNet2DConditionModel
from .vae import AutoencoderKL


def random_tokenizer(vocab_size, model_max_length):
    """Return a tokenizer that knows few words, its vocabulary filled up to `vocab_size`.

    Start and end have the last two numbers, as in CLIP's vocabulary: 49406 and 49407.
    """
    learned = CLIPTokenizer.train([__doc__])
    pieces = sorted(learned.vocab, key=learned.vocab.get)[:-2]
    pieces += [f"<unused{i}>" for i in range(vocab_size - 2 - len(pieces))]
    vocab = {piece: i for i, piece in enumerate([*pieces, START, END])}
    return CLIPTokenizer(vocab, learned.merges, model_max_length)


def random_model(name, seed=0):
    """Return an untrained pipeline of a size in `minisd.sizes`; one seed, one model."""
    size = SIZES[name]
    tokenizer = random_tokenizer(size.text.vocab_size, size.text.max_position_embeddings)
    text = replace(size.text, vocab_size=len(tokenizer))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        parts = UNet2DConditionModel(size.unet), AutoencoderKL(size.vae), CLIPTextModel(text)
    return TextToImagePipeline(*(part.eval() for part in parts), tokenizer, size.schedule)


def main(argv=None):
    """Write the folder; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m minisd.random_model", description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--size", choices=SIZES, default="sd15", help="default: sd15, 2.1 GB")
    parser.add_argument("--dtype", choices=["float16", "float32"], default="float16")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    try:
        random_model(args.size, args.seed).save_pretrained(args.folder, getattr(torch, args.dtype))
    except CheckpointError as error:
        print(f"minisd: {error}", file=sys.stderr)
        return 2
    print(f"{args.size} with random weights -> {args.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
