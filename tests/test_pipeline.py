"""The whole machine: equal to diffusers' own pipeline, from the folder that minisd saved."""

import diffusers
import pytest
import torch
from oracles import randomize, relative_error
from tiny import tiny_pipeline

from minisd.pipeline import TextToImagePipeline, from_uint8, text_to_image, to_uint8

PROMPTS = ["a large red circle left of a small blue square", "two green rings"]


@pytest.fixture(scope="module")
def pipe():
    """A tiny model with every weight random, so that each of them shows in the picture."""
    pipe = tiny_pipeline()
    for part in (pipe.unet, pipe.vae, pipe.text_encoder):
        randomize(part)
    return pipe


def seeds(n):
    return [torch.Generator().manual_seed(i) for i in range(n)]


@pytest.mark.parametrize("guidance_scale", [1.0, 4.0])
def test_diffusers_draws_the_same_picture_from_our_folder(pipe, tmp_path, guidance_scale):
    pipe.save_pretrained(tmp_path / "model")
    theirs = diffusers.StableDiffusionPipeline.from_pretrained(tmp_path / "model")
    theirs.set_progress_bar_config(disable=True)
    options = {"num_inference_steps": 5, "guidance_scale": guidance_scale, "height": 32}
    expected = theirs(PROMPTS, width=40, generator=seeds(2), output_type="pt", **options).images
    ours = pipe(PROMPTS, width=40, generator=seeds(2), output_type="float", **options)
    assert relative_error(ours / 2 + 0.5, expected) <= 1e-5


def test_folder_round_trip_is_exact(pipe, tmp_path):
    pipe.save_pretrained(tmp_path / "model")
    again = TextToImagePipeline.from_pretrained(tmp_path / "model")
    options = {"num_inference_steps": 2, "output_type": "float"}
    before = pipe(PROMPTS, generator=seeds(2), **options)
    assert torch.equal(before, again(PROMPTS, generator=seeds(2), **options))


def test_a_picture_depends_on_its_own_seed_and_prompt_alone(pipe):
    options = {"num_inference_steps": 3, "output_type": "float", "sampler": "ddpm"}
    together = pipe(PROMPTS, num_images_per_prompt=2, generator=seeds(4), **options)
    alone = pipe(PROMPTS[1], generator=[torch.Generator().manual_seed(3)], **options)
    torch.testing.assert_close(together[3:], alone, atol=1e-4, rtol=1e-4)


def test_negative_prompt_takes_the_empty_prompts_place(pipe):
    options = {"num_inference_steps": 2, "output_type": "float"}
    plain = pipe(PROMPTS[0], generator=seeds(1), **options)
    empty = pipe(PROMPTS[0], negative_prompt="", generator=seeds(1), **options)
    other = pipe(PROMPTS[0], negative_prompt="a heart", generator=seeds(1), **options)
    assert torch.equal(plain, empty)
    assert (plain - other).abs().max() > 1e-3


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float16, 0.003), (torch.bfloat16, 0.03)])
def test_half_precision_draws_nearly_the_same(pipe, tmp_path, dtype, bound):
    pipe.save_pretrained(tmp_path / "model")
    half = TextToImagePipeline.from_pretrained(tmp_path / "model", dtype=dtype)
    options = {"num_inference_steps": 5, "output_type": "float"}
    expected, drawn = (p(PROMPTS, generator=seeds(2), **options) for p in (pipe, half))
    assert half.dtype == dtype and drawn.isfinite().all()
    difference = (drawn - expected).abs().mean().item()  # pixels lie in [-1, 1]
    assert difference < bound


def test_pictures_decoded_in_turns_are_the_same(pipe, monkeypatch):
    latents = torch.randn(5, 4, 8, 10)
    together, decode, batches = pipe.decode(latents), pipe.vae.decode, []

    def watched(latents):
        batches.append(len(latents))
        return decode(latents)

    monkeypatch.setattr(text_to_image, "MAX_PIXELS", 2 * 32 * 40)
    monkeypatch.setattr(pipe.vae, "decode", watched)
    torch.testing.assert_close(pipe.decode(latents), together)
    assert batches == [2, 2, 1]


def test_output_is_bytes_of_the_asked_size(pipe):
    images = pipe(PROMPTS, num_inference_steps=1, height=16, width=24)
    assert images.shape == (2, 16, 24, 3)
    assert images.dtype == torch.uint8


def test_bytes_and_floats_round_trip():
    images = torch.arange(256, dtype=torch.uint8).reshape(1, 8, 32, 1).expand(-1, -1, -1, 3)
    assert torch.equal(to_uint8(from_uint8(images)), images)
    assert from_uint8(images).min() == -1
    assert from_uint8(images).max() == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sampler": "magic"}, "unknown sampler 'magic'"),
        ({"height": 30}, "multiples of 4"),
        ({"num_inference_steps": -1}, "-1"),
        ({"num_inference_steps": 0}, "0"),
        ({"output_type": "jpeg"}, "jpeg"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(pipe, options, words):
    with pytest.raises(ValueError, match=words) as caught:
        pipe(PROMPTS, **options)
    assert "\n" not in str(caught.value)
