"""09.memorization_ratio: did it learn, or learn by heart?"""

import torch

from ...exercise import Exercise


def memorization_ratio(images, training_images, fresh_images):
    """How much nearer pictures lie to the training set than to pictures that were never shown.

    (N, ...), (M, ...), (M, ...) -> number: about 1 for a model that copies nothing, 0 for copies
    """

    def nearest(others):
        distances = torch.cdist(images.flatten(1).float(), others.flatten(1).float())  # (N, M)
        return distances.amin(dim=1)  # (N,)

    return (nearest(training_images).mean() / nearest(fresh_images).mean()).item()


def cases(generator):
    """Pictures in the middle of nowhere, some near the training set, some with few neighbors."""

    def draw(*shape):
        return torch.randn(*shape, generator=generator)

    training, fresh = draw(7, 3, 2, 4), draw(7, 3, 2, 4)
    copies = training[:4] + 0.1 * draw(4, 3, 2, 4)
    return {
        "example": (copies, training, fresh),
        "batch 1": (draw(1, 3, 2, 4), training, fresh),
        "bytes": ((100 * torch.rand(5, 2, 3, 3, generator=generator)).byte(),
                  (100 * torch.rand(6, 2, 3, 3, generator=generator)).byte(),
                  (100 * torch.rand(6, 2, 3, 3, generator=generator)).byte()),
        "latents": (draw(8, 4, 2, 2), draw(5, 4, 2, 2), draw(5, 4, 2, 2)),
        "points on a line": (torch.tensor([[0.25], [0.1]]), torch.zeros(2, 1), torch.ones(2, 1)),
    }  # fmt: skip


def _world(seed, count, size=6):
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def copies_give_0(mine):
    """For exact copies of training pictures the ratio should be 0."""
    training, fresh = _world(0, 12), _world(1, 12)
    return abs(float(mine(training[3:8], training, fresh))) < 1e-3


def fresh_pictures_give_1(mine):
    """For pictures that are new to both sets the ratio should be about 1."""
    return abs(float(mine(_world(2, 40), _world(3, 20), _world(4, 20))) - 1) < 0.1


def on_a_line(mine):
    """All training pictures lie at 0, all fresh ones at 1, the samples at .25: the distances are
    .25 and .75, the ratio should be a third.
    """
    samples = torch.full((3, 1, 1, 1), 0.25)
    return abs(float(mine(samples, torch.zeros(4, 1, 1, 1), torch.ones(4, 1, 1, 1))) - 1 / 3) < 1e-3


def three_and_four_make_five(mine):
    """A picture of two numbers, 3 and 4, is 5 away from a training picture (0, 0), and 10 from a
    fresh one (3, 14): the ratio should be a half.
    """
    sample, training, fresh = (
        torch.tensor([numbers]) for numbers in ((3.0, 4.0), (0.0, 0.0), (3.0, 14.0))
    )
    return abs(float(mine(sample, training, fresh)) - 0.5) < 1e-3


def summed_before_divided(mine):
    """Between a training picture at 0 and a fresh one at 1 lie two samples, at .25 and .75. Their
    distances sum to 1 on either side: the ratio should be 1.
    """
    samples = torch.tensor([[0.25], [0.75]])
    return abs(float(mine(samples, torch.zeros(1, 1), torch.ones(1, 1))) - 1) < 1e-3


def contrast_cancels(mine):
    """Twice the contrast in all three sets should not change the ratio."""
    sets = _world(5, 6), _world(6, 9), _world(7, 9)
    return abs(float(mine(*sets)) - float(mine(*(2 * x for x in sets)))) < 1e-3


def some_copies_show(mine):
    """Of ten samples four are copies: the ratio should be about .6, and yours hides them or shows
    nothing else.
    """
    training, fresh = _world(8, 20), _world(9, 20)
    samples = torch.cat([training[:4], _world(10, 6)])
    return abs(float(mine(samples, training, fresh)) - 0.6) < 0.1


def order_is_free(mine):
    """Shuffle each set by itself: the ratio changes, but should not."""
    samples, training, fresh = _world(11, 5), _world(12, 7), _world(13, 7)
    shuffled = mine(samples.flip(0), training.roll(3, 0), fresh.flip(0))
    return abs(float(mine(samples, training, fresh)) - float(shuffled)) < 1e-4


def _distances(a, b):
    return torch.cdist(a.flatten(1).float(), b.flatten(1).float())


def no_yardstick(images, training_images, fresh_images):
    """A distance alone says nothing: how near do pictures come that were certainly never shown?"""
    return _distances(images, training_images).amin(dim=1).mean().item()


def upside_down(images, training_images, fresh_images):
    """Copies give a huge number; the statement wants 0 for copies."""
    return 1 / max(memorization_ratio(images, training_images, fresh_images), 1e-9)


def mean_distance_to_all(images, training_images, fresh_images):
    """A copied picture is as far from the average training picture as any other. It is the nearest
    one that counts.
    """
    to_training, to_fresh = (_distances(images, x).mean() for x in (training_images, fresh_images))
    return (to_training / to_fresh).item()


def nearest_sample_of_each_training_picture(images, training_images, fresh_images):
    """The direction is turned: most training pictures were copied by nobody, and they decide your
    number. For each sample, which training picture is nearest?
    """
    both = (_distances(images, x).amin(dim=0).mean() for x in (training_images, fresh_images))
    to_training, to_fresh = both
    return (to_training / to_fresh).item()


def squared_distances(images, training_images, fresh_images):
    """Squares exaggerate: half the distance reads as a quarter."""
    both = (
        (_distances(images, x) ** 2).amin(dim=1).mean() for x in (training_images, fresh_images)
    )
    to_training, to_fresh = both
    return (to_training / to_fresh).item()


def absolute_differences(images, training_images, fresh_images):
    """You add up absolute differences, which is another distance: the statement asks for the root
    of the sum of squares.
    """
    sets = ((images, x) for x in (training_images, fresh_images))
    rows = ((a.flatten(1).float(), b.flatten(1).float()) for a, b in sets)
    to_training, to_fresh = (torch.cdist(a, b, p=1).amin(dim=1).mean() for a, b in rows)
    return (to_training / to_fresh).item()


def mean_of_the_ratios(images, training_images, fresh_images):
    """You divide picture by picture and take the mean of the ratios. The formula adds up first,
    above and below the line, and divides once: a picture near to both sets then counts little.
    """
    to_training, to_fresh = (
        _distances(images, x).amin(dim=1) for x in (training_images, fresh_images)
    )
    return (to_training / to_fresh).mean().item()


def median_distance(images, training_images, fresh_images):
    """The middle one of all distances does not move as long as fewer than half are copies: with the
    mean, every copy counts.
    """
    both = (_distances(images, x).amin(dim=1).median() for x in (training_images, fresh_images))
    to_training, to_fresh = both
    return (to_training / to_fresh).item()


def largest_distance(images, training_images, fresh_images):
    """One original picture hides ninety-nine copies: you look at the sample that is farthest from
    its neighbor.
    """
    both = (_distances(images, x).amin(dim=1).max() for x in (training_images, fresh_images))
    to_training, to_fresh = both
    return (to_training / to_fresh).item()


def least_distance(images, training_images, fresh_images):
    """One lucky hit decides everything: you look at the nearest pair of all alone."""
    return (
        _distances(images, training_images).min() / _distances(images, fresh_images).min()
    ).item()


def training_against_fresh_as_yardstick(images, training_images, fresh_images):
    """Your yardstick does not look at the samples: how far they are from new pictures is not how
    far the training pictures are.
    """
    yardstick = _distances(training_images, fresh_images).amin(dim=1).mean()
    return (_distances(images, training_images).amin(dim=1).mean() / yardstick).item()


EXERCISE = Exercise(
    "09.memorization_ratio",
    "Did it learn, or learn by heart?",
    2,
    10,
    2,
    memorization_ratio,
    cases,
    laws=(
        copies_give_0,
        fresh_pictures_give_1,
        on_a_line,
        three_and_four_make_five,
        summed_before_divided,
        contrast_cancels,
        some_copies_show,
        order_is_free,
    ),
    mistakes=(
        no_yardstick,
        upside_down,
        mean_distance_to_all,
        nearest_sample_of_each_training_picture,
        squared_distances,
        absolute_differences,
        mean_of_the_ratios,
        median_distance,
        largest_distance,
        least_distance,
        training_against_fresh_as_yardstick,
    ),
    needs_gradient=False,
    rtol=1e-3,
    atol=1e-4,
)
