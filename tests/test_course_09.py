"""Notebook 09's own tools: its references, the tables, the clinic."""

import csv
import json
from pathlib import Path

import pytest
import torch
from matplotlib.image import imread
from test_own_machine import PROMPTS, paint, reference

from minisd import course, pipeline
from minisd.course import pipeline_clinic as clinic
from minisd.course import tables
from minisd.course.bank.n09_text_to_image import looks, machine, patients, ward
from minisd.evaluate import summarize
from minisd.measures import memorization_ratio
from minisd.random_model import random_model

DATASETS = Path(__file__).parents[1] / "datasets"


# The exercises' references are the package's


def test_text_to_image_is_the_pipeline():
    pipe = pipeline.TextToImagePipeline.from_pretrained("shapes32")
    ours = reference("09.text_to_image")(
        machine.machine_of(pipe, 4), PROMPTS, "a red ring", 3.0, [0, 1], 32, 48
    )
    seeds = [torch.Generator().manual_seed(n) for n in (0, 1)]
    theirs = pipe(
        PROMPTS, generator=seeds, num_inference_steps=4, guidance_scale=3.0,
        negative_prompt="a red ring", height=32, width=48, output_type="float",
    )  # fmt: skip
    torch.testing.assert_close(ours * 2 - 1, theirs, atol=1e-3, rtol=0)


def test_memorization_ratio_is_the_packages():
    generator = torch.Generator().manual_seed(0)
    sets = [(torch.rand(n, 8, 8, 3, generator=generator) * 255).byte() for n in (30, 50, 50)]
    ours = reference("09.memorization_ratio")(*sets)
    assert ours == pytest.approx(memorization_ratio(*sets), rel=1e-4)


def test_obedience_is_what_evaluate_says():
    generator = torch.Generator().manual_seed(1)
    correct = looks.world_of(60, 0.8, 0.6, generator)
    names = ["a"] * 40 + ["b"] * 20
    score, low, high = reference("09.obedience")(correct, names, generator, num_draws=4000)
    means = correct.float().mean(dim=1)
    theirs = summarize({"a": means[:40], "b": means[40:]}, generator)
    assert score == pytest.approx(theirs["overall"], abs=1e-6)
    assert (low, high) == pytest.approx(theirs["overall_interval"], abs=0.015)


@pytest.mark.parametrize("first", range(4))
def test_obedience_may_draw_in_any_order(first):
    """Other random numbers than the reference's, and as right: no verdict may hang on them."""

    def obedience(correct, categories, generator=None, num_draws=1000):
        per_prompt, score, means = correct.float().mean(dim=1), 0.0, 0.0
        torch.rand(first, generator=generator)
        for name in sorted(set(categories), reverse=True):
            mine = per_prompt[[category == name for category in categories]]
            drawn = torch.rand(len(mine), num_draws, generator=generator) * len(mine)
            score = score + mine.mean() / len(set(categories))
            means = means + mine[drawn.long()].mean(dim=0) / len(set(categories))
        return score.item(), *(means.quantile(q).item() for q in (0.025, 0.975))

    assert course.judge("09.obedience", obedience).status == "right"


# The tables


def test_frechet_distance_of_known_clouds():
    a = torch.randn(500, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert tables.frechet_distance(a, a).item() == pytest.approx(0, abs=1e-8)
    moved = tables.frechet_distance(a, a + torch.tensor([3.0, 0, 0, 4]))
    assert moved.item() == pytest.approx(25, rel=1e-6)
    wider = tables.frechet_distance(a - a.mean(0), 2 * (a - a.mean(0)))  # (2 - 1)^2 trace(S)
    assert wider.item() == pytest.approx(a.var(dim=0).sum().item(), rel=1e-6)


def test_diversity_counts_open_backgrounds():
    images = torch.full((6, 32, 32, 3), 255, dtype=torch.uint8)
    images[1] = 0  # of the first prompt's three pictures one is black
    images[3:5] = 0  # the second prompt asks for black: nothing is open there
    asked = ["a red ring"] * 3 + ["a red ring on a black background"] * 3
    assert tables.diversity(images, asked, 3) == pytest.approx(2 / 3)


def test_tables_can_be_measured():
    pipe = random_model("tiny")
    result = tables.measure(pipe, "tiny", num_prompts=7, num_drawn=28)
    assert [row["guidance"] for row in result["frontier"]] == list(tables.SCALES)
    assert result["frechet"]["pictures"] == [25] and len(result["frechet"]["drawn"]) == 1
    assert 0 <= result["parts"]["seen"]["together"] <= 1
    assert all(0 <= row["obedience"] <= 1 and row["diversity"] >= 0 for row in result["frontier"])


def test_stored_tables_are_whole():
    stored = json.loads((DATASETS / "text_to_image.json").read_text(encoding="utf-8"))
    assert [row["guidance"] for row in stored["frontier"]] == list(tables.SCALES)
    assert all(low <= row["obedience"] <= high for row in stored["frontier"]
               for low, high in [row["interval"]])  # fmt: skip
    assert stored["frechet"]["true"][0] > stored["frechet"]["true"][-1] > 0
    assert {*stored["parts"]} == {"seen", "held_out"}


def test_geneval_rows_are_whole():
    for shares, published in looks.GENEVAL.values():
        assert len(shares) == len(looks.GENEVAL_TASKS)
        assert sum(shares) / 6 == pytest.approx(published, abs=0.011)


# The clinic


def test_every_patient_is_there_and_ill():
    assert set(patients.PATIENTS.values()) == set(clinic.ILL) == set(patients.TELLING)
    assert set(clinic.ILL) < set(patients.CAUSES)
    folder = DATASETS / "pipeline_clinic"
    scores = ward.read_scores(folder)
    assert list(scores) == list(clinic.RUNS)
    for run in patients.PATIENTS:
        for experiment in ("drawn", *patients.EXPERIMENTS):
            picture, healthy = (ward.picture_of(folder, r, experiment) for r in (run, "healthy"))
            assert picture.shape == healthy.shape
        assert (
            ward.picture_of(folder, run, "drawn") != ward.picture_of(folder, "healthy", "drawn")
        ).any()
    with open(folder / "scores.csv", newline="") as file:
        assert set(next(csv.reader(file))) - {"weights"} == {"run", "ceiling", *ward.CATEGORIES}


def ends(kind, prompts, **options):
    """The last latents that a tiny pipeline of this class comes to. (Its pictures are all gray.)"""
    ill = clinic.as_a(kind)(random_model("tiny"), 0)
    seeds = [torch.Generator().manual_seed(n) for n in range(len(prompts))]
    *_, last = ill.sample(prompts, generator=seeds, num_inference_steps=5, **options)
    return last.latents


def differ(a, b):
    return bool((a - b).abs().max() > 1e-3)


def test_faults_are_what_they_are_called():
    healthy = pipeline.TextToImagePipeline
    unprompted = ends(healthy, PROMPTS, guidance_scale=0.0)
    assert not differ(unprompted, ends(clinic.Exchanged, PROMPTS, guidance_scale=1.0))
    assert differ(unprompted, ends(healthy, PROMPTS, guidance_scale=1.0))
    same, various = (ends(kind, ["two rings"] * 3) for kind in (clinic.OneNoise, healthy))
    assert not differ(same[0], same[2]) and differ(various[0], various[2])
    last_words = ["a red ring and a cross"], ["a red ring and two hearts"]
    assert not differ(*(ends(clinic.CutShort, words) for words in last_words))
    assert differ(*(ends(healthy, words) for words in last_words))


def test_back_into_noise_throws_the_picture_away():
    pipe = random_model("tiny")
    ill = clinic.as_a(clinic.BackIntoNoise)(pipe, 0)
    steps = [
        list(
            one.sample("a ring", generator=torch.Generator().manual_seed(0), num_inference_steps=5)
        )
        for one in (pipe, ill)
    ]
    torch.testing.assert_close(steps[0][-1].denoised, steps[1][-1].denoised)
    torch.testing.assert_close(steps[0][-1].latents, steps[0][-1].denoised)
    assert (steps[1][-1].latents - steps[1][-1].denoised).abs().mean() > 0.3


def test_foreign_scale_shows_only_in_drawn_pictures():
    pipe = pipeline.TextToImagePipeline.from_pretrained("shapes32")
    ill = clinic.with_foreign_scale(pipe, 0)
    images = torch.linspace(-1, 1, 32).expand(1, 3, 32, 32)
    rebuilt = [one.decode(one.encode(images)) for one in (pipe, ill)]
    torch.testing.assert_close(*rebuilt, atol=1e-3, rtol=0)
    assert pipe.vae.config.scaling_factor != 0.18215
    assert (paint(pipe) - paint(ill)).abs().float().mean() > 10


def test_weak_decoder_leaves_the_healthy_one_alone():
    pipe = random_model("tiny")
    before = pipe.vae.decoder
    ill = clinic.with_weak_decoder(pipe, 1)
    assert pipe.vae.decoder is before and ill.vae.decoder is not before
    assert ill.vae.encoder is pipe.vae.encoder


def test_pictures_of_the_clinic_are_small():
    folder = DATASETS / "pipeline_clinic"
    assert sum(path.stat().st_size for path in folder.glob("*.png")) < 1_000_000
    assert imread(folder / "healthy-drawn.png").shape[2] >= 3
