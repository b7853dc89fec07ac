"""What people get wrong in a slow copy."""

import copy

import torch


def move(slow, model, share):
    """Each parameter of `slow` goes this share of the way to the model's."""
    for old, new in zip(slow.parameters(), model.parameters()):
        old.lerp_(new, share)


def copy_buffers(slow, model):
    """The buffers of `slow` become the model's."""
    for old, new in zip(slow.buffers(), model.buffers()):
        old.copy_(new)


@torch.no_grad()
def decay_the_wrong_way_round(slow, model, decay):
    """After one update `slow` is almost the model: `decay` says how much of the OLD is kept."""
    move(slow, model, decay)
    copy_buffers(slow, model)


@torch.no_grad()
def buffers_averaged(slow, model, decay):
    """Tables and counters were averaged as well. A buffer half way between two values means
    nothing, and whole numbers are cut to the one below, step after step."""
    states = zip(slow.state_dict().values(), model.state_dict().values())
    for old, new in states:
        old.copy_(decay * old + (1 - decay) * new)


@torch.no_grad()
def buffers_left_behind(slow, model, decay):
    """The buffers of `slow` are still those of its first day."""
    move(slow, model, 1 - decay)


@torch.no_grad()
def parameters_not_moved(slow, model, decay):
    """No parameter of `slow` has moved. `old = ...` only gives a new tensor the name `old`: what
    changes a tensor in place ends in `_`. (And `slow` is frozen, all of it: no need to ask.)"""
    copy_buffers(slow, model)


@torch.no_grad()
def weights_copied(slow, model, decay):
    """`slow` is the model now: everything was copied, nothing averaged."""
    move(slow, model, 1)
    copy_buffers(slow, model)


@torch.no_grad()
def the_model_moved_instead(slow, model, decay):
    """The wrong one moves: the model goes toward `slow`, and `slow` stays where it was."""
    move(model, slow, 1 - decay)
    copy_buffers(slow, model)


@torch.no_grad()
def the_model_is_averaged(slow, model, decay):
    """You changed the model itself: from now on its training is held back by its own past."""
    move(slow, model, 1 - decay)
    copy_buffers(slow, model)
    for old, new in zip(slow.parameters(), model.parameters()):
        new.copy_(old)


@torch.no_grad()
def same_tensor_not_a_copy(slow, model, decay):
    """`slow` and the model share their memory: train one and the other moves. Assigning a tensor
    does not copy its numbers."""
    copy_buffers(slow, model)
    for old, new in zip(slow.parameters(), model.parameters()):
        old.data = new.data


def graph_kept(slow, model, decay):
    """Every update hangs on the last one, and memory grows. Averages need no gradient."""
    move(slow, model, 1 - decay)
    copy_buffers(slow, model)


@torch.no_grad()
def frozen_parameters_skipped(slow, model, decay):
    """Parameters without gradient stay at their first values in `slow`."""
    for old, new in zip(slow.parameters(), model.parameters()):
        if new.requires_grad:
            old.lerp_(new, 1 - decay)
    copy_buffers(slow, model)


@torch.no_grad()
def added_without_keeping(slow, model, decay):
    """`slow` grows for ever: a share of the model is added, and nothing of the old taken off. Two
    equal models do not stay equal."""
    for old, new in zip(slow.parameters(), model.parameters()):
        old.add_((1 - decay) * new)
    copy_buffers(slow, model)


@torch.no_grad()
def another_copy_averaged(slow, model, decay):
    """`slow` itself does not move: you average a copy of it, and nobody gets that copy."""
    slow = copy.deepcopy(slow)
    move(slow, model, 1 - decay)
    copy_buffers(slow, model)


MISTAKES = (
    decay_the_wrong_way_round,
    buffers_averaged,
    buffers_left_behind,
    parameters_not_moved,
    weights_copied,
    the_model_moved_instead,
    the_model_is_averaged,
    same_tensor_not_a_copy,
    graph_kept,
    frozen_parameters_skipped,
    added_without_keeping,
    another_copy_averaged,
)
