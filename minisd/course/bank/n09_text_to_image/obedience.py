"""09.obedience: does it obey, and how sure are we?"""

import torch

from ...exercise import Exercise

DRAWS = 4  # answers are averaged over so many generators: the order of random draws is free


def obedience(correct, categories, generator=None, num_draws=1000):
    """Score of a model, and a 95% interval. Ghosh et al. 2023 (the score), Efron 1979 (the rest).

    correct: bool (P, N), N pictures of each of P prompts; categories: P names. The score is the
    plain mean of the categories' scores; prompts are redrawn inside each category.
    -> score, low, high
    """
    per_prompt = correct.float().mean(dim=1)  # (P,)
    score, means = 0.0, 0.0
    names = sorted(set(categories))
    for name in names:
        rows = [row for row, category in enumerate(categories) if category == name]
        mine = per_prompt[rows]
        drawn = torch.randint(len(mine), (num_draws, len(mine)), generator=generator)
        score = score + mine.mean().item() / len(names)
        means = means + mine[drawn].mean(dim=1) / len(names)  # (num_draws,)
    return score, means.quantile(0.025).item(), means.quantile(0.975).item()


def run(mine, correct, categories, seed):
    """Average what it says over some generators: then the order of its draws hardly matters."""
    generators = [torch.Generator().manual_seed(1000 * seed + n) for n in range(DRAWS)]
    answers = [mine(correct, categories, generator) for generator in generators]
    score, low, high = (sum(float(a[i]) for a in answers) / DRAWS for i in range(3))
    return score, low, high


def _world(P, alike, chance=0.5, N=4, seed=0):
    """P prompts of N pictures: a share `alike` of the prompts succeeds or fails as one."""
    generator = torch.Generator().manual_seed(seed)
    right = torch.rand(P, N, generator=generator) < chance
    one = torch.rand(P, 1, generator=generator) < alike
    return torch.where(one, right[:, :1], right)


def cases(generator):
    """Many prompts, or ends that no other order of random draws would move."""
    mixed = torch.cat([_world(80, 0.9, 0.5, seed=1), _world(40, 0.5, 0.8, seed=2)])
    names = ["colors"] * 80 + ["counting"] * 40
    order = torch.randperm(120, generator=torch.Generator().manual_seed(0))
    return {
        "example": (mixed, names, 1),
        "one category": (_world(150, 0.8, 0.6, seed=3), ["size"] * 150, 2),
        "names in any order": (mixed[order], [names[i] for i in order], 3),
        "two pictures each": (_world(20, 1.0, 0.4, N=2, seed=28), ["a", "b"] * 10, 4),
        "all right": (torch.ones(5, 4, dtype=torch.bool), ["a"] * 3 + ["b"] * 2, 5),
    }


def _seeded(mine, correct, categories, seed=0, **options):
    generator = torch.Generator().manual_seed(seed)
    return [float(x) for x in mine(correct, categories, generator, **options)]


def all_right_is_certain(mine):
    """If every picture is right, score and both ends of the interval should be 1."""
    answer = _seeded(mine, torch.ones(6, 4, dtype=torch.bool), ["a", "b"] * 3)
    return all(abs(x - 1) < 1e-5 for x in answer)


def categories_weigh_the_same(mine):
    """Twenty prompts of one category are all right, two of another all wrong: the score should be
    one half, however many prompts a category has.
    """
    correct = torch.cat([torch.ones(20, 4), torch.zeros(2, 4)]).bool()
    return abs(_seeded(mine, correct, ["a"] * 20 + ["b"] * 2)[0] - 0.5) < 1e-5


def every_picture_counts(mine):
    """One of four pictures is right for every prompt: the score should be a quarter."""
    correct = torch.tensor([[True, False, False, False]] * 8)
    return abs(_seeded(mine, correct, ["a", "b"] * 4)[0] - 0.25) < 1e-5


def score_lies_between(mine):
    """The score should lie between the two ends of its interval, and the ends should differ."""
    score, low, high = _seeded(mine, _world(40, 0.8, seed=5), ["a", "b"] * 20)
    return 0 <= low < score < high <= 1


def copies_are_no_witnesses(mine):
    """Print every picture four times: nothing new is known, so the interval should stay as wide as
    it was. Yours does not.
    """
    correct = _world(30, 0.0, N=1, seed=6)
    one, four = (_seeded(mine, correct.repeat(1, n), ["a"] * 30)[1:] for n in (1, 4))
    return 0.8 < (four[1] - four[0]) / max(one[1] - one[0], 1e-9) < 1.25


def more_prompts_narrower(mine):
    """With four times as many prompts the interval should be about half as wide."""
    few, many = _world(40, 0.8, seed=7), _world(40, 0.8, seed=7).repeat(4, 1)
    widths = [_seeded(mine, c, ["a"] * len(c)) for c in (few, many)]
    narrow, wide = widths[1][2] - widths[1][1], widths[0][2] - widths[0][1]
    return 0.38 < narrow / max(wide, 1e-9) < 0.62


def as_wide_as_theory(mine):
    """For one category of many prompts, statistics knows the width: 3.92 times the deviation of the
    prompts' means, over the root of their number. Yours is more than 12% off.
    """
    correct = _world(200, 0.7, seed=8)
    _, low, high = _seeded(mine, correct, ["a"] * 200, num_draws=4000)
    theory = 3.92 * correct.float().mean(1).std().item() / 200**0.5
    return 0.88 < (high - low) / theory < 1.12


def same_generator_same_interval(mine):
    """The same generator should give the same interval again, and another one another."""
    correct, names = _world(30, 0.8, seed=9), ["a"] * 30
    first, again, other = (_seeded(mine, correct, names, seed) for seed in (1, 1, 2))
    return first == again and first != other


def _interval(
    correct, categories, generator, num_draws=1000, *,
    weigh=None, draw=None, tails=(0.025, 0.975),
):  # fmt: skip
    """The reference with parts exchanged: what is drawn, how, and which quantiles are taken."""
    names, means, score = sorted(set(categories)), 0.0, 0.0
    draw = draw or (lambda n: torch.randint(n, (num_draws, n), generator=generator))
    for name in names:
        mine = correct[[category == name for category in categories]].float().mean(dim=1)
        weight = weigh(name) if weigh else 1 / len(names)
        score = score + mine.mean().item() * weight
        means = means + mine[draw(len(mine))].mean(dim=1) * weight
    return score, means.quantile(tails[0]).item(), means.quantile(tails[1]).item()


def pictures_drawn_instead_of_prompts(correct, categories, generator=None, num_draws=1000):
    """The pictures of one prompt succeed and fail together. Drawn one by one they pretend to be so
    many witnesses, and your interval is much narrower than it should be.
    """
    names, score, means = sorted(set(categories)), 0.0, 0.0
    for name in names:
        mine = correct[[category == name for category in categories]].float().flatten()
        drawn = torch.randint(len(mine), (num_draws, len(mine)), generator=generator)
        score = score + mine.mean().item() / len(names)
        means = means + mine[drawn].mean(dim=1) / len(names)
    return score, means.quantile(0.025).item(), means.quantile(0.975).item()


def mean_over_all_pictures(correct, categories, generator=None, num_draws=1000):
    """A category with many prompts outvotes the others: the score should be the plain mean of the
    categories' scores.
    """

    def weigh(name):
        return categories.count(name) / len(categories)

    return _interval(correct, categories, generator, num_draws, weigh=weigh)


def any_picture_counts(correct, categories, generator=None, num_draws=1000):
    """A prompt counts as right as soon as one of its pictures is: that is best-of-N, another and
    kinder number.
    """
    best = correct.any(dim=1, keepdim=True)
    return _interval(best, categories, generator, num_draws)


def all_pictures_must_be_right(correct, categories, generator=None, num_draws=1000):
    """A prompt counts as right only if all its pictures are: a harder number than the one asked
    for.
    """
    return _interval(correct.all(dim=1, keepdim=True), categories, generator, num_draws)


def drawn_without_replacement(correct, categories, generator=None, num_draws=1000):
    """Every draw holds the same prompts in another order: the interval has no width."""

    def draw(n):
        return torch.rand(num_draws, n, generator=generator).argsort(dim=1)

    return _interval(correct, categories, generator, num_draws, draw=draw)


def ninety_percent(correct, categories, generator=None, num_draws=1000):
    """From 5% to 95% of the draws is a 90% interval. How much lies outside on each side of 95%?"""
    return _interval(correct, categories, generator, num_draws, tails=(0.05, 0.95))


def least_and_largest(correct, categories, generator=None, num_draws=1000):
    """From the least to the largest draw: that interval grows with the number of draws. Leave 2.5%
    outside on each side.
    """
    return _interval(correct, categories, generator, num_draws, tails=(0.0, 1.0))


def deviation_of_single_pictures(correct, categories, generator=None, num_draws=1000):
    """This says how much single pictures differ, not how sure their mean is: it does not shrink
    with more prompts.
    """
    score = _interval(correct, categories, generator, num_draws)[0]
    spread = 1.96 * correct.float().std().item()
    return score, score - spread, score + spread


def standard_error_over_pictures(correct, categories, generator=None, num_draws=1000):
    """All pictures are counted as independent, and they come in groups: too narrow."""
    score = _interval(correct, categories, generator, num_draws)[0]
    half = 1.96 * correct.float().std().item() / correct.numel() ** 0.5
    return score, score - half, score + half


EXERCISE = Exercise(
    "09.obedience",
    "Does it obey, and how sure are we?",
    2,
    15,
    3,
    obedience,
    cases,
    laws=(
        all_right_is_certain,
        categories_weigh_the_same,
        every_picture_counts,
        score_lies_between,
        copies_are_no_witnesses,
        more_prompts_narrower,
        as_wide_as_theory,
        same_generator_same_interval,
    ),
    mistakes=(
        pictures_drawn_instead_of_prompts,
        mean_over_all_pictures,
        any_picture_counts,
        all_pictures_must_be_right,
        drawn_without_replacement,
        ninety_percent,
        least_and_largest,
        deviation_of_single_pictures,
        standard_error_over_pictures,
    ),
    run=run,
    needs_gradient=False,
    rtol=1e-4,
    atol=1.2e-2,
)
