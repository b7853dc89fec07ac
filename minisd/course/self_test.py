"""Ten minutes before the course: five things that it builds on, and where each is refreshed."""

import math

import torch
from einops import rearrange

# name: (question, the answer by computing it, the heading that refreshes it)
QUESTIONS = {
    "sum": (
        "Two independent Gaussians have standard deviations 3 and 4. That of their sum?",
        lambda: math.sqrt(3**2 + 4**2),
        "Gaussians add",
    ),
    "mix": (
        "x and noise are independent, each of variance 1. The variance of 0.6 x + 0.8 noise?",
        lambda: 0.6**2 + 0.8**2,
        "The variance of a scaled sum",
    ),
    "bayes": (
        "Bag A holds 1 red ball of 4, bag B 3 of 4. A fair coin chooses a bag; the ball drawn from "
        "it is red. The probability that it was bag B?",
        lambda: 0.5 * 3 / 4 / (0.5 * 1 / 4 + 0.5 * 3 / 4),
        "Bayes' rule on three numbers",
    ),
    "broadcast": (
        "The shape of torch.zeros(2, 1, 3) + torch.zeros(4, 1)?",
        lambda: tuple((torch.zeros(2, 1, 3) + torch.zeros(4, 1)).shape),
        "Broadcasting",
    ),
    "einops": (
        'The shape of rearrange(torch.zeros(2, 3, 4, 5), "b c h w -> b (h w) c")?',
        lambda: tuple(rearrange(torch.zeros(2, 3, 4, 5), "b c h w -> b (h w) c").shape),
        "einops",
    ),
}


def self_test(**answers):
    """Compare numbers and shapes with what is true, and say where to refresh what is missing.

    Prints one line a question and never raises for a wrong or missing answer. Returns the names
    of the questions to look at again.
    """
    unknown = sorted(set(answers) - set(QUESTIONS))
    if unknown:
        raise ValueError(f"no question is named {unknown[0]!r}; the names are {[*QUESTIONS]}")
    missed = []
    for name, (question, compute, heading) in QUESTIONS.items():
        given = answers.get(name)
        right = given is not None and agrees(given, compute())
        if right:
            word = "right"
        else:
            missed.append(name)
            word = f'{"not answered" if given is None else "not yet"}: see "{heading}" below'
        print(f"{name:10} {question}\n{'':10} -> {word}")
    return missed


def agrees(given, true):
    """Say whether an answer is the true number to 1%, or the true shape."""
    try:
        if isinstance(true, tuple):
            return tuple(int(size) for size in given) == true
        return math.isclose(float(given), true, rel_tol=0.01)
    except (TypeError, ValueError):
        return False
