"""07.geglu: a gate for the feed-forward."""

import math

import torch
import torch.nn.functional as F

from ...exercise import Exercise


def geglu(hidden, weight, bias):
    """A linear layer to two halves: the first, times GELU of the second. Shazeer 2020.

    (..., D), (2F, D), (2F,) -> (..., F)
    """
    value, gate = (hidden @ weight.T + bias).chunk(2, dim=-1)
    return value * F.gelu(gate)


def cases(generator):
    """(hidden, weight, bias): gates on both sides of 0, 2F = D in one, three kinds of shape."""

    def case(D, width, *shape):
        weight = torch.randn(2 * width, D, generator=generator) * (2 / D) ** 0.5
        bias = torch.randn(2 * width, generator=generator)
        return torch.randn(*shape, D, generator=generator), weight, bias

    return {
        "example": case(6, 4, 2, 5),
        "batch 1": case(5, 3, 1, 4),
        "2F = D": case(8, 4, 3, 8),
        "pixels as a picture": case(3, 6, 2, 3, 4),
        "one hidden number": case(4, 1, 7),
    }


def _gated(mine, gate, value=1.0, width=3):
    """What comes out where every value and every gate is one known number."""
    weight = torch.zeros(2 * width, 2)
    weight[:width, 0], weight[width:, 1] = 1.0, 1.0
    hidden = torch.tensor([[[value, gate]]]).expand(2, 4, 2)
    return mine(hidden, weight, torch.zeros(2 * width))


def comes_out_at_half_width(mine):
    """Half of the layer's numbers are values and half are gates, so (2F, D) weights should give
    (..., F). Yours have another shape.
    """
    hidden, weight, bias = torch.ones(2, 5, 3), torch.ones(8, 3), torch.zeros(8)
    return mine(hidden, weight, bias).shape == (2, 5, 4)


def shut_gate_lets_nothing_through(mine):
    """A gate far below zero should let nothing through, whatever the value. Yours does."""
    return bool(_gated(mine, -40.0, 3.0).abs().max() < 1e-4)


def open_gate_multiplies(mine):
    """A gate far above zero is open: value times gate should come out. Something else does."""
    return torch.allclose(_gated(mine, 20.0, -1.5), torch.tensor(-30.0), atol=1e-3)


def twice_the_value_twice_the_output(mine):
    """Twice the value (the first half), the gate as before, should give twice the output: values
    pass straight, only the gate is bent.
    """
    once, twice = (_gated(mine, 0.7, value) for value in (-1.0, -2.0))
    return torch.allclose(twice, 2 * once, atol=1e-5) and bool(once.abs().min() > 0.1)


def gate_is_exact_gelu(mine):
    """The gate is g times the share of N(0, 1) that lies below g. Yours is close, or not even that:
    compare at g = -2 and 1.
    """
    for gate in (-2.0, -0.5, 1.0, 2.5):
        share = 0.5 * (1 + math.erf(gate / math.sqrt(2)))
        if not torch.allclose(_gated(mine, gate), torch.tensor(gate * share), atol=2e-5):
            return False
    return True


def bias_moves_the_gate(mine):
    """The bias belongs to the linear layer: it should move values and gates before the gate acts.
    In your layer it does not.
    """
    hidden, weight = torch.zeros(1, 1, 2), torch.zeros(2, 2)
    share = 0.5 * (1 + math.erf(1 / math.sqrt(2)))
    out = mine(hidden, weight, torch.tensor([3.0, 1.0]))
    return torch.allclose(out, torch.tensor(3 * share), atol=1e-4)


def _halves(hidden, weight, bias):
    return (hidden @ weight.T + bias).chunk(2, dim=-1)


def halves_exchanged(hidden, weight, bias):
    """You gate with the first half. All shapes match, and a real model's pictures fall apart."""
    gate, value = _halves(hidden, weight, bias)
    return value * F.gelu(gate)


def tanh_gelu(hidden, weight, bias):
    """That is the tanh approximation of GELU: off by a few parts in ten thousand, enough to fail a
    comparison with the real model.
    """
    value, gate = _halves(hidden, weight, bias)
    return value * F.gelu(gate, approximate="tanh")


def quick_gelu_gate(hidden, weight, bias):
    """g times sigmoid(1.702 g) is the text encoder's quick GELU. The UNet uses the exact one."""
    value, gate = _halves(hidden, weight, bias)
    return value * gate * (1.702 * gate).sigmoid()


def silu_gate(hidden, weight, bias):
    """g times sigmoid(g) is the gate of SwiGLU, which newer language models have. Here it is the
    exact GELU: g times the share of N(0, 1) that lies below g.
    """
    value, gate = _halves(hidden, weight, bias)
    return value * F.silu(gate)


def sigmoid_gate(hidden, weight, bias):
    """That is a GLU: its gate never exceeds 1. Here the gate is a GELU and can amplify."""
    value, gate = _halves(hidden, weight, bias)
    return value * gate.sigmoid()


def even_and_odd_channels(hidden, weight, bias):
    """Value and gate alternate in your layer; they are two halves, one after the other."""
    both = hidden @ weight.T + bias
    return both[..., ::2] * F.gelu(both[..., 1::2])


def gelu_on_both(hidden, weight, bias):
    """You bend the value as well. It passes straight; only the gate is bent."""
    value, gate = _halves(hidden, weight, bias)
    return F.gelu(value) * F.gelu(gate)


def added(hidden, weight, bias):
    """Value and gate are added. A gate that is added cannot shut."""
    value, gate = _halves(hidden, weight, bias)
    return value + F.gelu(gate)


def bias_forgotten(hidden, weight, bias):
    """The bias is never used: a gate could not be shut or open by default."""
    value, gate = (hidden @ weight.T).chunk(2, dim=-1)
    return value * F.gelu(gate)


EXERCISE = Exercise(
    "07.geglu",
    "A gate for the feed-forward",
    1,
    6,
    1,
    geglu,
    cases,
    laws=(
        comes_out_at_half_width,
        shut_gate_lets_nothing_through,
        open_gate_multiplies,
        twice_the_value_twice_the_output,
        gate_is_exact_gelu,
        bias_moves_the_gate,
    ),
    mistakes=(
        halves_exchanged,
        tanh_gelu,
        quick_gelu_gate,
        silu_gate,
        sigmoid_gate,
        even_and_odd_channels,
        gelu_on_both,
        added,
        bias_forgotten,
    ),
)
