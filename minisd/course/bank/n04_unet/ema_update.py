"""04.ema_update: a slow copy of the network, that follows the trained one."""

import torch
from torch import nn

from ...exercise import Exercise
from .ema_mistakes import MISTAKES


@torch.no_grad()
def ema_update(slow, model, decay):
    """Move each parameter of `slow` a little toward the model's, in place; copy the buffers.

    `decay` is the share of the old average that is kept. Exponential moving average, as used for
    sampling by Ho et al. 2020, appendix B. Returns nothing.
    """
    for old, new in zip(slow.parameters(), model.parameters()):
        old.lerp_(new, 1 - decay)
    for old, new in zip(slow.buffers(), model.buffers()):
        old.copy_(new)


class _Small(nn.Module):
    """A model with all that a state dict can hold: weights, a frozen one, buffers of two kinds."""

    def __init__(self, weights, frozen, scale, counts):
        super().__init__()
        self.weights = nn.Parameter(weights.clone())
        self.frozen = nn.Parameter(frozen.clone(), requires_grad=False)
        self.register_buffer("scale", scale.clone())
        self.register_buffer("counts", counts.clone())

    def state(self):
        return [value.detach().clone().float() for value in self.state_dict().values()]


def cases(generator):
    """(decay, number of updates, weights, frozen, scale, counts of the model, then of `slow`)."""

    def case(decay, num_updates, *shape):
        values = []
        for _ in range(2):
            values += [torch.randn(shape, generator=generator) for _ in range(3)]
            values += [torch.randint(1, 9, shape, generator=generator)]
        return decay, num_updates, *values

    return {
        "example": case(0.9, 1, 3),
        "batch 1": case(0.75, 1, 1),
        "many updates": case(0.9, 5, 2, 3),
        "kept for long": case(0.999, 3, 4),
        "decay 0": case(0.0, 1, 3),
        "decay 1": case(1.0, 2, 3),
    }


def run(mine, decay, num_updates, *values):
    """Update several times, then move the model on: what do both hold, and is a graph kept?"""
    model, slow = _Small(*values[:4]), _Small(*values[4:]).requires_grad_(False)
    for _ in range(num_updates):
        mine(slow, model, decay)
    model_state = model.state()
    with torch.no_grad():
        for value in model.state_dict().values():
            value.add_(1)
    graph = any(parameter.grad_fn is not None for parameter in slow.parameters())
    return {"slow": slow.state(), "model": model_state, "graph": graph}


def _pair(model_value, slow_value):
    def one(value):
        whole = torch.full((2,), round(value))
        return _Small(*(torch.full((2,), float(value)) for _ in range(3)), whole)

    return one(model_value), one(slow_value).requires_grad_(False)


def equal_models_stay_equal(mine):
    """The average of two equal models is that model; yours becomes another one."""
    model, slow = _pair(4, 4)
    mine(slow, model, 0.9)
    return all(bool((value - 4).abs().max() < 1e-5) for value in slow.state())


def distance_shrinks_by_decay(mine):
    """Each update should leave `decay` times the distance between `slow` and the model."""
    model, slow = _pair(4, 0)
    for _ in range(3):
        mine(slow, model, 0.9)
    return bool((slow.state()[0] - 4 * (1 - 0.9**3)).abs().max() < 1e-4)


def ends_of_the_scale(mine):
    """decay 0 keeps nothing of the old weights, decay 1 keeps all of them."""
    model, slow = _pair(4, 1)
    mine(slow, model, 1.0)
    kept = slow.state()[0].clone()
    mine(slow, model, 0.0)
    return bool((kept - 1).abs().max() < 1e-5 and (slow.state()[0] - 4).abs().max() < 1e-5)


def model_is_untouched(mine):
    """The model has changed. It is being trained: only `slow` may move."""
    model, slow = _pair(4, 1)
    before = model.state()
    mine(slow, model, 0.5)
    return all(bool((a - b).abs().max() == 0) for a, b in zip(before, model.state()))


def memory_is_its_own(mine):
    """Train the model on, and `slow` changes too: the two share their memory."""
    model, slow = _pair(4, 1)
    mine(slow, model, 0.5)
    before = slow.state()
    with torch.no_grad():
        for value in model.state_dict().values():
            value.add_(1)
    return all(bool((a - b).abs().max() == 0) for a, b in zip(before, slow.state()))


def frozen_parameters_follow(mine):
    """A parameter without gradient should be averaged like the others."""
    model, slow = _pair(4, 0)
    mine(slow, model, 0.5)
    return bool((slow.state()[1] - 2).abs().max() < 1e-5)


def buffers_are_the_models(mine):
    """After an update the buffers of `slow` should be the model's own, whole numbers included."""
    model, slow = _pair(4, 1)
    mine(slow, model, 0.5)
    return all(bool((value == 4).all()) for value in slow.state()[2:])


def no_graph_grows(mine):
    """The averages hang on the graph of every earlier step: memory grows with each update."""
    model, slow = _pair(4, 1)
    mine(slow, model, 0.5)
    return all(p.grad_fn is None and not p.requires_grad for p in slow.parameters())


EXERCISE = Exercise(
    "04.ema_update",
    "The slow copy (EMA)",
    2,
    10,
    2,
    ema_update,
    cases,
    laws=(
        equal_models_stay_equal,
        distance_shrinks_by_decay,
        ends_of_the_scale,
        model_is_untouched,
        memory_is_its_own,
        frozen_parameters_follow,
        buffers_are_the_models,
        no_graph_grows,
    ),
    mistakes=MISTAKES,
    run=run,
    needs_gradient=False,
)
