"""Stable Diffusion 1.5 at full size, random weights: equal to diffusers. `make test-slow`."""

import gc
import sys
import time

import diffusers
import pytest
import torch
import transformers
from oracles import assert_same_eps, randomize, relative_error

from minisd.pipeline import TextToImagePipeline
from minisd.random_model import main
from minisd.sizes import SIZES
from minisd.text_encoder import CLIPTextModel
from minisd.unet import UNet2DConditionModel
from minisd.vae import AutoencoderKL

pytestmark = pytest.mark.slow
SD15 = SIZES["sd15"]


@pytest.fixture(scope="module", autouse=True)
def cost():
    """All of it together takes less than 5 minutes and 16 GB."""
    import resource  # not on Windows, where the other tests are still to be collected

    start = time.monotonic()
    yield
    seconds = time.monotonic() - start
    unit = 1 if sys.platform == "darwin" else 1024
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
    print(f"\nall together: {seconds:.0f} s, at most {gigabytes:.1f} GB of memory")
    assert seconds < 300 and gigabytes < 16


def assert_equal(what, ours, theirs):
    """Print the measured error, so that it can be read, and hold it to 1e-5."""
    error = relative_error(ours, theirs)
    print(f"\n{what}: {error:.1e}")
    assert error <= 1e-5


def same_weights(make_theirs, ours):
    """Randomize ours, and let theirs use the very same tensors: full size is wanted once only."""
    randomize(ours)
    with torch.device("meta"):
        theirs = make_theirs()
    theirs.load_state_dict(ours.state_dict(), assign=True)
    return theirs.eval()


def num_parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


@torch.no_grad()
def test_unet():
    ours = UNet2DConditionModel(SD15.unet)
    config = SD15.unet.to_dict()
    theirs = same_weights(lambda: diffusers.UNet2DConditionModel.from_config(config), ours)
    assert num_parameters(ours) == num_parameters(theirs) == 859_520_964
    assert_same_eps(ours, theirs)
    latents, timesteps = torch.randn(2, 4, 16, 24), torch.tensor([3, 801])
    context = torch.randn(2, 77, 768)
    expected = theirs(latents, timesteps, context).sample
    assert_equal("UNet", ours(latents, timesteps, context), expected)


@torch.no_grad()
def test_vae():
    ours = AutoencoderKL(SD15.vae)
    config = SD15.vae.to_dict()
    theirs = same_weights(lambda: diffusers.AutoencoderKL.from_config(config), ours)
    assert num_parameters(ours) == num_parameters(theirs) == 83_653_863
    assert_same_eps(ours, theirs)
    images, latents = torch.rand(1, 3, 128, 64) * 2 - 1, torch.randn(1, 4, 16, 24)
    posterior, expected = ours.encode(images), theirs.encode(images).latent_dist
    assert_equal("VAE, mean", posterior.mean, expected.mean)
    assert_equal("VAE, logvar", posterior.logvar, expected.logvar)
    assert_equal("VAE, decoded", ours.decode(latents), theirs.decode(latents).sample)


@torch.no_grad()
def test_text_encoder():
    ours = randomize(CLIPTextModel(SD15.text))
    theirs = transformers.CLIPTextModel(transformers.CLIPTextConfig(**SD15.text.to_dict()))
    theirs.load_state_dict(ours.state_dict())
    assert num_parameters(ours) == num_parameters(theirs) == 123_060_480
    assert_same_eps(ours, theirs)
    ids = torch.randint(49_408, (2, 77))
    assert_equal("text encoder", ours(ids), theirs.eval()(ids).last_hidden_state)


def test_a_whole_folder_is_drawn_alike(tmp_path):
    assert main([str(tmp_path / "model"), "--dtype", "float16"]) == 0
    gc.collect()
    options = {"num_inference_steps": 2, "guidance_scale": 7.5, "height": 128, "width": 64}
    ours = TextToImagePipeline.from_pretrained(tmp_path / "model")
    seed = torch.Generator().manual_seed(0)
    drawn = ours("an astronaut on a horse", generator=seed, output_type="float", **options)
    del ours  # two of them need not fit into memory
    gc.collect()
    theirs = diffusers.StableDiffusionPipeline.from_pretrained(
        tmp_path / "model", dtype=torch.float32
    )
    theirs.set_progress_bar_config(disable=True)
    seed = torch.Generator().manual_seed(0)
    expected = theirs("an astronaut on a horse", generator=seed, output_type="pt", **options).images
    assert_equal("whole folder", drawn / 2 + 0.5, expected)
