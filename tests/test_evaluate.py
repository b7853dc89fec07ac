import json
import math

import pytest
import torch

from minisd import evaluate as evaluation
from minisd.evaluate import (
    choose_prompts,
    draw,
    evaluate,
    format_table,
    memorization,
    noise_generator,
    quick_scores,
    seen_images,
    summarize,
)
from minisd.grading import grade, mean_grades
from minisd.plot import obedience_bars
from minisd.recipes import RECIPES, training_scenes
from minisd.truth import true_scenes
from minisd.world import (
    captions,
    compositions,
    contains_held_out,
    obeys,
    parse,
    prompts,
    render,
    sample_scenes,
)
from minisd.world.checker import Reading, read
from minisd.world.scene import Object

CATEGORIES = [
    "single_object", "two_objects", "counting", "colors", "position", "color_attribution", "size",
]  # fmt: skip
TRAINING = seen_images(600, 32, seed=5)
FEW = {
    "prompts": 14, "images_per_prompt": 2, "progress": False, "training_images": TRAINING
}  # fmt: skip


class FakePipeline:
    """Draws what `make(prompts, generators)` gives; its VAE is the identity."""

    image_size = 32

    def __init__(self, make, blur=False):
        self.make, self.blur = make, blur

    def __call__(self, prompts, *, generator, num_inference_steps, guidance_scale, sampler):
        assert len(prompts) == len(generator)
        return self.make(prompts, generator)

    def encode(self, images):
        return torch.nn.functional.avg_pool2d(images, 2) if self.blur else images

    def decode(self, latents):
        return latents.repeat_interleave(2, 2).repeat_interleave(2, 3) if self.blur else latents


def truthful(prompts, generators):
    return render(true_scenes(prompts, generators[0]))


def careless(prompts, generators):
    """Pictures of the world that have nothing to do with the prompts, each from its own noise."""
    return torch.cat([render(sample_scenes(1, generator, "any")) for generator in generators])


def test_the_truth_obeys_and_the_table_has_exactly_its_keys():
    result = evaluate(FakePipeline(truthful), **FEW, steps=5, guidance=2.0, sampler="ddpm", seed=3)
    assert list(result) == [
        "seed", "steps", "guidance", "sampler", "seen", "held_out", "vae_ceiling", "distance",
        "memorization",
    ]  # fmt: skip
    settings = {"seed": 3, "steps": 5, "guidance": 2.0, "sampler": "ddpm"}
    assert {name: result[name] for name in settings} == settings
    assert set(result["distance"]) == {"value", "floor"}
    assert set(result["memorization"]) == {"ratio", "floor"}
    for split in ("seen", "held_out"):
        part = result[split]
        assert set(part) == {"overall", "overall_interval", "categories"}
        assert list(part["categories"]) == CATEGORIES
        for category in part["categories"].values():
            assert set(category) == {"score", "interval", "prompts"} and category["prompts"] == 2
        assert part["overall"] >= 0.98
    assert result["vae_ceiling"] >= 0.98
    assert result["distance"]["value"] == pytest.approx(result["distance"]["floor"], abs=0.08)
    assert result["memorization"]["ratio"] == pytest.approx(1, abs=0.08)
    assert json.loads(json.dumps(result)) == result
    table = format_table(result)
    assert all(name.replace("_", " ") in table for name in [*CATEGORIES, "overall"])
    assert max(map(len, table.splitlines())) <= 80
    assert len(obedience_bars(result).axes[0].patches) == 16


def test_random_scenes_score_low_and_a_bad_vae_lowers_the_ceiling():
    result = evaluate(FakePipeline(careless, blur=True), **FEW)
    assert result["seen"]["overall"] < 0.3 and result["held_out"]["overall"] < 0.3
    assert result["vae_ceiling"] < 0.9
    assert result["distance"]["value"] > result["distance"]["floor"] + 0.05


def test_a_model_that_copies_is_caught_and_one_that_does_not_is_not():
    def copying(prompts, generators):
        """Copies wherever the prompt is like the training captions, and is truthful elsewhere."""
        images = truthful(prompts, generators)
        chosen = torch.randint(len(TRAINING), (len(prompts),), generator=generators[0])
        seen = torch.tensor([not compositions(parse(prompt)) for prompt in prompts])
        return torch.where(seen[:, None, None, None], TRAINING[chosen], images)

    result = evaluate(FakePipeline(copying), **FEW)
    assert result["memorization"]["ratio"] < 0.01
    assert result["memorization"]["floor"] == pytest.approx(1, abs=0.08)
    fresh = seen_images(200, 32, seed=6)
    half = torch.cat([TRAINING[:100], fresh[100:]])
    found = memorization(half, fresh, TRAINING)
    assert found["ratio"] == pytest.approx(0.5, abs=0.1)
    assert found["floor"] == pytest.approx(1, abs=0.05)


def test_copies_are_looked_for_where_a_run_took_its_pictures(monkeypatch):
    n, asked = 4096 + 50, []

    def spy(n, size, seed):
        asked.append((n, seed))
        return seen_images(50, size, seed)

    monkeypatch.setattr(evaluation, "seen_images", spy)
    memorization(TRAINING[:50], TRAINING[:50])
    assert asked == [(RECIPES["shapes32"].pictures, 0), (50, evaluation.FRESH_SEED)]
    torch.testing.assert_close(seen_images(n, 16, seed=3), render(training_scenes(n, 3), 16))
    fresh = seen_images(50, 16, evaluation.FRESH_SEED)
    assert (fresh != seen_images(50, 16, seed=0)).flatten(1).any(1).all()


def test_neither_batches_nor_other_prompts_change_a_picture():
    settings = {"seed": 1, "steps": 2, "guidance": 4.0, "sampler": "ddim"}
    pipe, names = FakePipeline(careless), ["a circle", "a ring", "two hearts"]
    whole = draw(pipe, names, 3, 64, None, **settings)
    assert whole.shape == (9, 32, 32, 3) and len(torch.unique(whole, dim=0)) == 9
    for batch_size in (1, 4):
        torch.testing.assert_close(draw(pipe, names, 3, batch_size, None, **settings), whole)
    torch.testing.assert_close(draw(pipe, names[1:2], 3, 64, None, **settings), whole[3:6])
    other = draw(pipe, names, 3, 64, None, **settings | {"seed": 2})
    assert (other != whole).flatten(1).any(1).all()


def test_evaluation_repeats_with_its_seed():
    few = FEW | {"prompts": 7, "training_images": TRAINING[:50]}
    results = [evaluate(FakePipeline(careless), **few, batch_size=size) for size in (64, 3)]
    assert results[0] == results[1]
    assert evaluate(FakePipeline(careless), **few, seed=1) != results[0] | {"seed": 1}


def test_noise_differs_between_seeds_prompts_and_numbers():
    keys = [(0, "a", 0), (1, "a", 0), (0, "b", 0), (0, "a", 1), (0, "a1", 0), (11, "a", 0)]
    numbers = {torch.rand((), generator=noise_generator(*key)).item() for key in keys}
    assert len(numbers) == len(keys)
    # the same in every process: Python's own hash() of a text is not
    assert noise_generator(0, "a red circle", 3).initial_seed() == 33930466200395125


def test_prompts_are_chosen_evenly_along_the_lists():
    lists = {"a": [f"a{i}" for i in range(10)], "b": [f"b{i}" for i in range(10)], "c": ["c"] * 10}
    assert choose_prompts(lists, None) == lists
    chosen = choose_prompts(lists, 8)
    assert [len(group) for group in chosen.values()] == [3, 3, 2]
    assert chosen["a"] == ["a0", "a3", "a6"]
    for wrong in (0, 2, 31):
        with pytest.raises(ValueError, match="between 3 prompts per split"):
            choose_prompts(lists, wrong)
    assert all(len(set(group)) >= 14 for group in choose_prompts(prompts("seen"), 100).values())


def test_overall_is_the_mean_of_categories_however_many_prompts_they_have():
    scores = {"easy": torch.ones(90), "hard": torch.tensor([0.0, 0.5] * 5)}
    table = summarize(scores, torch.Generator().manual_seed(0))
    assert table["overall"] == pytest.approx((1 + 0.25) / 2)
    assert table["categories"]["easy"] == {"score": 1, "interval": [1, 1], "prompts": 90}
    low, high = table["categories"]["hard"]["interval"]
    assert low < 0.25 < high
    # the easy category is certain: overall moves half as far as the hard one
    width = table["overall_interval"][1] - table["overall_interval"][0]
    assert width == pytest.approx((high - low) / 2)


def test_true_scenes_obey_their_prompts_and_follow_the_world():
    generator = torch.Generator().manual_seed(0)
    scenes = sample_scenes(3000, generator, "seen")
    lines = captions(scenes, generator)
    found = true_scenes(lines, generator, "seen")
    assert not contains_held_out(found).any()
    for i, line in enumerate(lines):
        scene = found[i]
        verdict = obeys(scene.objects, scene.background, parse(line))
        assert verdict.correct, (line, verdict.reason)
    # a scene, its caption, a scene of that caption: the two scenes have one distribution
    filled = torch.arange(4) < scenes.count[:, None]
    assert torch.equal(scenes.count, found.count)
    for name in ("shape", "color", "size", "x", "y", "radius"):
        ours, theirs = getattr(found, name)[filled].float(), getattr(scenes, name)[filled].float()
        assert (ours.mean() - theirs.mean()).abs() < 4 * theirs.std() * (2 / len(ours)) ** 0.5
        assert (ours.std() / theirs.std()).log().abs() < 0.06
    with pytest.raises(ValueError, match="no scene"):
        true_scenes(["four large circles"])


def thing(shape, color, size, x, y=0.5):
    return Object(shape, color, size, x, y, 0.14)


def test_grades_tell_what_is_wrong():
    spec = parse("a small red circle left of a large blue square")
    red, blue = thing("circle", "red", "small", 0.3), thing("square", "blue", "large", 0.7)
    names = ("count", "color", "size", "shape", "binding", "relation")

    def graded(*objects, refused=()):
        grades = grade(Reading(objects, refused, "white"), spec)
        return "".join("-" if name not in grades else str(int(grades[name])) for name in names)

    assert graded(red, blue) == graded(blue, red) == "111111"
    moved = thing("circle", "red", "small", 0.9)
    assert graded(moved, blue) == "111110"
    swapped = thing("circle", "blue", "small", 0.3), thing("square", "red", "large", 0.7)
    assert graded(*swapped) == "11110-"
    assert graded(thing("circle", "red", "medium", 0.3), blue) == "11010-"
    assert graded(thing("ring", "red", "small", 0.3), blue) == "11100-"
    assert graded(red, refused=("no clear shape",)) == "10000-"
    assert graded(red) == graded(red, blue, blue) == "00000-"
    assert set(grade(Reading((red,), (), "white"), parse("a circle"))) == {"count", "shape"}
    two = grade(Reading((red, red), (), "white"), parse("two red circles"))
    assert two == {"count": True, "color": True, "shape": True}


def test_grades_average_over_the_pictures_that_have_them():
    means = mean_grades([{"count": True, "color": False}, {"count": True}, {"count": False}])
    assert means["count"] == pytest.approx(2 / 3) and means["color"] == 0
    assert math.isnan(means["relation"])


def test_quick_scores_name_their_columns_and_see_the_truth():
    names = ["count", "color", "size", "shape", "binding", "relation", "overall"]
    scores = quick_scores(FakePipeline(truthful), prompts=70)
    assert list(scores) == names
    assert all(score >= 0.95 for score in scores.values())
    low = quick_scores(FakePipeline(careless), prompts=70, split="held_out")
    assert low["overall"] < 0.2 and low["count"] < 0.7


def test_quick_scores_judge_in_full_precision(monkeypatch):
    def spy(images):
        assert not torch.is_autocast_enabled("cpu")
        return read(images)

    monkeypatch.setattr(evaluation, "read", spy)
    with torch.autocast("cpu", torch.bfloat16):
        quick_scores(FakePipeline(careless), prompts=7)


def test_attribute_lists_count_refused_things():
    scenes = sample_scenes(50, torch.Generator().manual_seed(0))
    found = evaluation.attributes(read(render(scenes)))
    assert found["count"] == scenes.count.tolist()
    assert len(found["shape"]) == len(found["color"]) == len(found["size"]) == sum(found["count"])
    gray = torch.full((1, 32, 32, 3), 128, dtype=torch.uint8)
    gray[:, 10:22, 10:12] = 0  # a bar is no shape of this world
    found = evaluation.attributes(read(gray))
    assert found == {
        "count": [1], "shape": ["refused"], "color": ["refused"], "size": ["refused"],
        "background": ["gray"],
    }  # fmt: skip
