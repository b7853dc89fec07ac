"""01.softmax: weights from scores."""

import torch

from ...exercise import Exercise


def softmax(scores, dim=-1):
    """Turn scores into weights that sum to 1 along `dim`. (any shape) -> same shape

    The largest score of each row is taken off first: it changes no weight, and exp cannot overflow.
    Bridle 1990.
    """
    exponentials = (scores - scores.amax(dim, keepdim=True)).exp()
    return exponentials / exponentials.sum(dim, keepdim=True)


def cases(generator):
    """Square tensors first: there a forgotten axis does not raise, and can be told by its name."""

    def draw(*shape, scale=1.0):
        return torch.randn(*shape, generator=generator) * scale

    return {
        "example": (draw(4, 4),),
        "batch 1": (draw(1, 5),),
        "H and W differ": (draw(2, 3, 5), 1),
        "three axes, dim left out": (draw(2, 3, 4),),
        "dim = 0": (draw(4, 4), 0),
        "B = H = W": (draw(3, 3, 3), 1),
        "all scores shifted": (draw(4, 4) + 1000,),
        "rows far apart": (draw(4, 4) + torch.tensor([[0.0], [-200.0], [0.0], [-400.0]]),),
        "one score far above": (draw(4, 4, scale=10_000.0),),
    }


def eighths(seed, *shape):
    """Random multiples of 1/8: adding 1000 to one loses no digit."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-16, 17, shape, generator=generator) / 8


def weights_sum_to_one(mine):
    """The weights along `dim` do not sum to 1, or some are negative."""
    scores = eighths(1, 2, 3, 4)
    weights = [(mine(scores, dim), dim) for dim in (-1, 0, 1)]
    return all(bool((w >= 0).all() and ((w.sum(d) - 1).abs() < 1e-5).all()) for w, d in weights)


def offset_changes_nothing(mine):
    """Adding one number to every score of a row changes the weights, but only differences count."""
    scores = eighths(2, 3, 5)
    moved = scores + torch.tensor([[0.0], [1000.0], [-1000.0]])
    return torch.allclose(mine(scores), mine(moved), rtol=1e-4, atol=1e-6)


def survives_large_scores(mine):
    """Some scores between -10,000 and 10,000 turn into nan or infinity."""
    scores = 5_000 * eighths(3, 3, 5)
    return bool(mine(scores).isfinite().all() and mine(scores, 0).isfinite().all())


def ratio_is_exp_of_difference(mine):
    """Two weights of a row should differ by the factor exp(difference of their scores)."""
    scores = eighths(4, 2, 5)
    weights = mine(scores)
    ratio = (scores[:, :1] - scores[:, 1:]).exp()
    return torch.allclose(weights[:, :1], ratio * weights[:, 1:], rtol=1e-4, atol=1e-6)


def nothing_subtracted_before_exp(scores, dim=-1):
    """A score of 1000 gives nan: in float32, exp overflows above about 88. Which number may be
    taken off every score of a row without changing its weights?
    """
    exponentials = scores.exp()
    return exponentials / exponentials.sum(dim, keepdim=True)


def largest_of_the_whole_tensor_subtracted(scores, dim=-1):
    """A row that lies 200 below the largest score of *another* row becomes 0/0. Each row has a
    largest score of its own.
    """
    exponentials = (scores - scores.max()).exp()
    return exponentials / exponentials.sum(dim, keepdim=True)


def mean_subtracted(scores, dim=-1):
    """It survives a large offset, but not a large spread: one score may still lie far above what
    you take off.
    """
    exponentials = (scores - scores.mean(dim, keepdim=True)).exp()
    return exponentials / exponentials.sum(dim, keepdim=True)


def smallest_subtracted(scores, dim=-1):
    """You take off the smallest score, so that all others lie above 0: exp still overflows when the
    spread is large. From which side is exp safe?
    """
    exponentials = (scores - scores.amin(dim, keepdim=True)).exp()
    return exponentials / exponentials.sum(dim, keepdim=True)


def largest_absolute_value_subtracted(scores, dim=-1):
    """A row of large negative scores becomes 0/0: you take off the largest *absolute value*, which
    lies far above all of its scores. exp is safe from overflow there, and everything is 0.
    """
    exponentials = (scores - scores.abs().amax(dim, keepdim=True)).exp()
    return exponentials / exponentials.sum(dim, keepdim=True)


def divided_by_the_sum_of_everything(scores, dim=-1):
    """All weights together sum to 1; each row should, on its own."""
    exponentials = (scores - scores.amax(dim, keepdim=True)).exp()
    return exponentials / exponentials.sum()


def dim_ignored(scores, dim=-1):
    """Called with dim=0 or dim=1, you still share out along the last axis."""
    return softmax(scores, -1)


def keepdim_forgotten(scores, dim=-1):
    """With a square input torch does not complain, but each row was divided by *another* row's sum.
    Look at the shape of your sum, and at how it lines up with the exponentials.
    """
    exponentials = (scores - scores.amax(dim, keepdim=True)).exp()
    return exponentials / exponentials.sum(dim)


def divided_by_the_largest(scores, dim=-1):
    """The largest weight is exactly 1 and the others come on top of it: these are not shares of one
    whole.
    """
    return (scores - scores.amax(dim, keepdim=True)).exp()


def divided_without_exp(scores, dim=-1):
    """Negative scores become negative weights: the scores themselves were shared out. Which
    function makes every number positive and keeps their order?
    """
    return scores / scores.sum(dim, keepdim=True)


EXERCISE = Exercise(
    "01.softmax",
    "Softmax that survives large scores",
    stars=1,
    minutes=8,
    points=2,
    reference=softmax,
    cases=cases,
    laws=(
        weights_sum_to_one,
        offset_changes_nothing,
        survives_large_scores,
        ratio_is_exp_of_difference,
    ),
    mistakes=(
        nothing_subtracted_before_exp,
        largest_of_the_whole_tensor_subtracted,
        mean_subtracted,
        smallest_subtracted,
        largest_absolute_value_subtracted,
        divided_by_the_sum_of_everything,
        dim_ignored,
        keepdim_forgotten,
        divided_by_the_largest,
        divided_without_exp,
    ),
    forbidden=("softmax", "log_softmax", "logsumexp", "softmin"),
)
