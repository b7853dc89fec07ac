import pytest
import torch

from minisd.measures import (
    bootstrap_means,
    histogram_distance,
    interval,
    memorization_ratio,
    nearest_distance,
)


def test_interval_over_prompts_holds_the_truth_and_over_pictures_does_not():
    # 300 worlds of 80 prompts x 4 pictures that succeed and fail together nine times in ten
    generator = torch.Generator().manual_seed(0)
    truth, covered = 0.7, {"prompts": 0, "pictures": 0}
    for _ in range(300):
        fate = torch.rand(80, 1, generator=generator)
        own = torch.rand(80, 4, generator=generator)
        shared = torch.rand(80, 4, generator=generator) < 0.95  # correlation of two: .95 ** 2
        correct = (torch.where(shared, fate, own) < truth).float()
        for unit, scores in (("prompts", correct.mean(1)), ("pictures", correct.flatten())):
            low, high = interval(bootstrap_means(scores, 400, generator))
            covered[unit] += low <= truth <= high
    assert covered["prompts"] / 300 > 0.91
    assert covered["pictures"] / 300 < 0.85


def test_interval_has_the_width_of_the_normal_theory():
    scores = torch.randn(400, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    low, high = interval(bootstrap_means(scores, 4000, torch.Generator().manual_seed(1)))
    assert low < scores.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * scores.std().item() / 20, rel=0.07)


def test_bootstrap_repeats_with_its_generator():
    first, second = (bootstrap_means([0, 1, 1], 9, torch.Generator().manual_seed(7)) for _ in "ab")
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    assert interval(bootstrap_means([1, 1])) == [1, 1]


def test_histogram_distance_on_paper():
    assert histogram_distance({"count": [1, 2]}, {"count": [2, 1, 1, 2]}) == 0
    assert histogram_distance({"count": [1, 2]}, {"count": [3]}) == 1
    ours = {"count": [1, 1, 1, 2], "color": ["red", "red"]}
    theirs = {"count": [1, 1, 2, 2], "color": ["red", None]}
    assert histogram_distance(ours, theirs) == pytest.approx((0.25 + 0.5) / 2)


def test_nearest_distance_equals_brute_force():
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (7, 3, 5, 3), generator=generator, dtype=torch.uint8).numpy()
    others = torch.randint(256, (6, 3, 5, 3), generator=generator, dtype=torch.uint8).numpy()
    expected = [
        min((((a.astype(float) - b) ** 2).mean() ** 0.5) for b in others.astype(float))
        for a in images
    ]
    found = nearest_distance(images, others, chunk=4)
    torch.testing.assert_close(found, torch.tensor(expected).float(), rtol=1e-5, atol=1e-4)


def test_memorization_is_one_for_fresh_and_zero_for_copies():
    generator = torch.Generator().manual_seed(0)
    sets = torch.randint(256, (3, 200, 4, 4, 3), generator=generator, dtype=torch.uint8)
    images, training, fresh = sets
    assert memorization_ratio(images, training, fresh) == pytest.approx(1, abs=0.02)
    assert memorization_ratio(training[:50], training, fresh) < 1e-3
    half = torch.cat([training[:100], images[100:]])
    assert memorization_ratio(half, training, fresh) == pytest.approx(0.5, abs=0.02)
    with pytest.raises(ValueError, match="as many fresh as training"):
        memorization_ratio(images, training, fresh[1:])
