"""Predict first: say what you expect before the cell runs, and be answered. Never graded."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Prediction:
    """A question with its choices, and what is replied to each. No reply says only "wrong"."""

    id: str  # "01.width": the notebook's number and what it is about
    question: str
    answers: dict[str, str]  # choice -> reply
