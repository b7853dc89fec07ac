"""A tiny untrained text-to-image model, for tests that need a whole one."""

import dataclasses

import torch

from minisd import world
from minisd.pipeline import TextToImagePipeline
from minisd.sizes import SIZES
from minisd.text_encoder import CLIPTextModel
from minisd.tokenizer import CLIPTokenizer
from minisd.unet import UNet2DConditionModel
from minisd.vae import AutoencoderKL


def tiny_pipeline(seed=0):
    """Build the size "tiny" with its initial weights."""
    torch.manual_seed(seed)
    size = SIZES["tiny"]
    tokenizer = CLIPTokenizer.train(
        [" ".join(world.vocabulary())], model_max_length=size.text.max_position_embeddings
    )
    text = dataclasses.replace(size.text, vocab_size=len(tokenizer))
    return TextToImagePipeline(
        UNet2DConditionModel(size.unet).eval(),
        AutoencoderKL(size.vae).eval(),
        CLIPTextModel(text).eval(),
        tokenizer,
        size.schedule,
    )
