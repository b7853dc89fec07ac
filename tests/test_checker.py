"""The checker, on fresh drawings: true ones pass, lies fail, garbage is refused."""

import pytest
import torch

from minisd import world
from minisd.world import garbage, validate
from minisd.world.checker import check, check_all, read


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def scenes():
    return world.sample_scenes(1500, seeded(11), "any")


@pytest.mark.parametrize(
    ("blur", "noise", "least"),
    [(0, 0, 0.995), (0.5, 0, 0.995), (0.7, 0, 0.995), (0, 0.03, 0.995), (0.7, 0.03, 0.99)],
)
def test_true_pictures_pass_with_their_own_captions(scenes, blur, noise, least):
    pictures = garbage.soften(world.render(scenes, 32), blur, noise, seeded())
    verdicts = check_all(pictures, world.captions(scenes, seeded(1), world.FULL))
    assert sum(verdict.correct for verdict in verdicts) / len(scenes) >= least


@pytest.mark.parametrize("blur", [0.0, 0.7])
def test_prompts_wrong_in_one_thing_fail(blur):
    tally = validate.measure_wrong(1200, seeded(12), blur)
    assert len(tally) == 10
    for lie, (believed, total) in tally.items():
        assert total > 200, lie
        assert believed / total < 0.001, lie


@pytest.mark.parametrize("blur", [0.0, 0.7])
def test_garbage_is_refused(blur):
    shares = validate.measure_garbage(500, seeded(13), blur)
    average = shares.pop("average of two")
    assert max(shares.values()) < 0.05, shares
    assert average < (0.05 if blur == 0 else 0.2)  # the figures and the curve: the data card


def test_reading_gives_the_true_scene(scenes):
    for size in (32, 64):
        for index, reading in enumerate(read(world.render(scenes[:300], size))):
            scene = scenes[index]
            assert reading.background == scene.background and not reading.refused
            true = sorted(scene.objects, key=lambda thing: (thing.x, thing.y))
            found = sorted(reading.objects, key=lambda thing: (thing.x, thing.y))
            for a, b in zip(true, found, strict=True):
                assert (a.shape, a.color, a.size) == (b.shape, b.color, b.size)
                assert max(abs(a.x - b.x), abs(a.y - b.y), abs(a.radius - b.radius)) < 0.008


def test_one_picture_equals_a_batch_and_numpy_equals_torch(scenes):
    pictures, prompts = world.render(scenes[:40], 32), world.captions(scenes[1:41], seeded())
    for picture, prompt, verdict in zip(
        pictures, prompts, check_all(pictures, prompts), strict=True
    ):
        assert check(picture, prompt) == check(picture.numpy(), prompt) == verdict


def test_empty_and_noisy_pictures_hold_no_objects():
    for level in (0, 128, 255):
        verdict = check(torch.full((32, 32, 3), level, dtype=torch.uint8), "a red circle")
        assert verdict == world.Verdict(False, "expected 1 object, found 0")
    noise = torch.randint(256, (50, 32, 32, 3), generator=seeded(), dtype=torch.uint8)
    assert not any(verdict.correct for verdict in check_all(noise, ["a circle"] * 50))
    olive = torch.tensor([90, 90, 0], dtype=torch.uint8).expand(32, 32, 3)
    assert "background" in check(olive, "a circle").reason


def test_a_patch_that_is_no_object_still_counts_against_the_prompt():
    scenes = world.sample_scenes(500, seeded(), "any")
    low = (scenes.count == 1) & (scenes.size[:, 0] == 0) & (scenes.y[:, 0] > 0.6)
    one = scenes[low.nonzero()[:, 0]]
    pictures = world.render(one, 32)
    pictures[:, 3:6, 3:14] = torch.tensor([120, 72, 0], dtype=torch.uint8)  # a brown bar
    assert len(one) > 10
    for index, reading in enumerate(read(pictures)):
        assert len(reading.objects) == len(reading.refused) == 1
        verdict = check(pictures[index], f"a {one[index].objects[0].shape}")
        assert verdict == world.Verdict(False, "expected 1 object, found 2")


def test_an_object_of_middle_size_is_neither_small_nor_large(scenes):
    one = scenes[(scenes.count == 1).nonzero()[:20, 0]]
    one.radius[:, 0] = 0.1775
    one.x[:, 0] = one.y[:, 0] = 0.5
    for index, reading in enumerate(read(world.render(one, 32))):
        assert reading.objects[0].size == "medium"
        assert reading.objects[0].shape == one[index].objects[0].shape


def test_obeys_is_strict_and_tells_why():
    red = world.Object("circle", "red", "small", 0.2, 0.5, 0.13)
    blue = world.Object("square", "blue", "large", 0.7, 0.6, 0.22)
    cases = {
        "a red circle left of a blue square": "as asked",
        "a large blue square to the right of a circle": "as asked",
        "a blue square and a red circle on a gray background": "as asked",
        "a red circle": "expected 1 object, found 2",
        "a red circle and a red square": "the square is blue, not red",
        "a big circle and a square": "the circle is small, not large",
        "a circle above a square": "the circle is not above the square",
        "a circle and a ring": "expected 1 circle and 1 ring, found 1 circle and 1 square",
        "a circle and a square on a white background": "the background is gray, not white",
    }
    for prompt, reason in cases.items():
        verdict = world.obeys((red, blue), "gray", world.parse(prompt))
        assert (verdict.correct, verdict.reason) == (reason == "as asked", reason)


def test_bad_input_is_named():
    picture = torch.zeros(32, 32, 3, dtype=torch.uint8)
    with pytest.raises(ValueError, match="uint8"):
        check(picture.float(), "a circle")
    with pytest.raises(ValueError, match="32 x 32"):
        check(torch.zeros(40, 40, 3, dtype=torch.uint8), "a circle")
    with pytest.raises(ValueError, match="dog"):
        check(picture, "a dog")
    with pytest.raises(ValueError, match="one prompt a picture"):
        check_all(picture[None], [])
