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
    verdicts = check_all(pictures, world.captions(scenes, seeded(1)))
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


def test_an_object_of_middle_size_is_neither_small_nor_large(scenes):
    one = scenes[(scenes.count == 1).nonzero()[:20, 0]]
    one.radius[:, 0] = 0.1775
    one.x[:, 0] = one.y[:, 0] = 0.5
    for index, reading in enumerate(read(world.render(one, 32))):
        assert reading.objects[0].size == "medium"
        assert reading.objects[0].shape == one[index].objects[0].shape


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
