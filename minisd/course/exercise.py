"""An exercise: what is asked, the package's own answer, the laws that every right answer keeps,
and the mistakes that people really make, each with the sentence that a tutor would say.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass


def call(mine, *arguments):
    """Run an answer that is a plain function."""
    return mine(*arguments)


@dataclass(frozen=True)
class Exercise:
    """Everything that `judge` knows about one exercise.

    A law is a function of the answer: True where the answer keeps it. Its docstring is what the
    learner hears where it is broken. A mistake is a wrong answer, of the reference's kind; its
    name says what went wrong and its docstring is the tutor's sentence. Neither sentence gives
    the answer away.
    """

    id: str  # "01.softmax": the notebook's number and the name that the learner defines
    title: str
    stars: int  # 1 a few lines from the formula, 2 needs a thought, 3 needs paper
    minutes: int
    points: int
    reference: Callable  # a function or class of the package
    cases: Callable  # cases(generator) -> {label: arguments}; "example" first, "batch 1" among them
    laws: tuple[Callable, ...]  # in the order of teaching
    mistakes: tuple[Callable, ...]
    run: Callable = call  # run(answer, *arguments) -> what is compared: tensors, numbers, or both
    forbidden: tuple[str, ...] = ()  # who would do the work: torch's "normal", "minisd.make_betas"
    needs_gradient: bool = True  # gradients must flow wherever the reference lets them flow
    rtol: float = 1e-4
    atol: float = 1e-5


@dataclass(frozen=True)
class Verdict:
    """What `judge` says about an answer."""

    status: str  # "right", "wrong" or "not_attempted"
    mistake: str | None  # its name, e.g. "not scaled"; of a broken law, "law: rows sum to one"
    message: str  # what the learner reads


def name_of(thing) -> str:
    """not_scaled -> "not scaled", and a class NotScaled the same."""
    name = thing.__name__.strip("_")
    if isinstance(thing, type):
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return name.replace("_", " ")


def sentence_of(thing) -> str:
    """The docstring of a law or mistake on one line: what the learner reads."""
    return " ".join((thing.__doc__ or "").split())
