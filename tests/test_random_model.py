"""The model folder with random weights: whole, and one that others load, too."""

import diffusers
import torch
from oracles import relative_error

from minisd.pipeline import TextToImagePipeline
from minisd.random_model import main, random_tokenizer


def test_folder_is_drawn_alike_by_minisd_and_diffusers(tmp_path, capsys):
    assert main([str(tmp_path / "model"), "--size", "tiny"]) == 0
    assert "tiny with random weights" in capsys.readouterr().out
    ours = TextToImagePipeline.from_pretrained(tmp_path / "model")
    theirs = diffusers.StableDiffusionPipeline.from_pretrained(
        tmp_path / "model", dtype=torch.float32
    )
    theirs.set_progress_bar_config(disable=True)
    options = {"num_inference_steps": 2, "guidance_scale": 3.0}
    seeds = [torch.Generator().manual_seed(0) for _ in range(2)]
    expected = theirs("an astronaut", generator=seeds[0], output_type="pt", **options).images
    drawn = ours("an astronaut", generator=[seeds[1]], output_type="float", **options)
    assert relative_error(drawn / 2 + 0.5, expected) <= 1e-5


def test_a_folder_that_is_in_the_way_is_refused(tmp_path, capsys):
    (tmp_path / "thesis.txt").touch()
    assert main([str(tmp_path), "--size", "tiny"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_vocabulary_is_as_large_as_clips():
    tokenizer = random_tokenizer(49_408, 77)
    assert len(tokenizer) == 49_408
    assert (tokenizer.start_id, tokenizer.end_id) == (49_406, 49_407)
    assert tokenizer(["a random model"]).shape == (1, 77)
