"""The shipped model is what its card says: small, loadable by others, and obedient."""

import csv
import json

import diffusers
import pytest
import torch
from oracles import relative_error

from minisd.course.fingerprint import fingerprint
from minisd.evaluate import quick_scores
from minisd.pipeline import WEIGHTS, TextToImagePipeline

FOLDER = WEIGHTS / "shapes32"
PROMPTS = ["a large green circle left of a small purple square", "three yellow hearts"]
DATASETS = WEIGHTS.parents[1] / "datasets"
MEASURED = {  # by which command of the course
    "order": "order/scores.json",
    "tables": "text_to_image.json",
    "sampler_chart": "samplers/chart.json",
    "pipeline_clinic": "pipeline_clinic",
}


@pytest.fixture(scope="module")
def pipe():
    return TextToImagePipeline.from_pretrained("shapes32")


def seeds(n):
    return [torch.Generator().manual_seed(i) for i in range(n)]


def test_weights_take_at_most_20_megabytes():
    assert sum(file.stat().st_size for file in FOLDER.rglob("*")) <= 20e6


def test_diffusers_draws_the_same_pictures_with_the_shipped_weights(pipe):
    theirs = diffusers.StableDiffusionPipeline.from_pretrained(FOLDER, dtype=torch.float32)
    theirs.set_progress_bar_config(disable=True)
    options = {"num_inference_steps": 10, "guidance_scale": 4.0}
    expected = theirs(PROMPTS, generator=seeds(2), output_type="pt", **options).images
    ours = pipe(PROMPTS, generator=seeds(2), output_type="float", **options)
    assert relative_error(ours / 2 + 0.5, expected.float()) <= 1e-4  # ten steps of rounding


@pytest.mark.parametrize("split", ["seen", "held_out"])
def test_fresh_pictures_obey_about_as_often_as_the_stored_scores_say(pipe, split):
    stored = json.loads((WEIGHTS / "shapes32.json").read_text())
    fresh = quick_scores(pipe, prompts=105, split=split, seed=1)["overall"]
    # 105 pictures: one standard error is about .02, so .08 is four of them
    assert fresh == pytest.approx(stored[split]["overall"], abs=0.08)


def test_card_and_readme_repeat_the_stored_scores():
    stored = json.loads((WEIGHTS / "shapes32.json").read_text())
    card = (WEIGHTS / "shapes32.md").read_text()
    readme = (WEIGHTS.parents[1] / "README.md").read_text()
    for text in (card, readme):
        for split in ("seen", "held_out"):
            assert f"{stored[split]['overall']:.3f}" in text
            for name, category in stored[split]["categories"].items():
                assert f"{category['score']:.3f}" in text, name
        assert f"{stored['vae_ceiling']:.3f}" in text


def weights_in(path):
    """The fingerprints of models in a committed file of measurements, or in a folder's table."""
    if path.is_dir():
        with open(path / "scores.csv", newline="") as file:
            return {row.get("weights") for row in csv.DictReader(file)}
    return {json.loads(path.read_text()).get("weights")}


@pytest.mark.parametrize("command", MEASURED)
def test_what_was_measured_is_of_the_shipped_weights(command):
    file = MEASURED[command]
    assert weights_in(DATASETS / file) == {fingerprint("shapes32")}, (
        f"the shipped model is another: python -m minisd.course.{command} datasets/{file}"
    )
