"""Judge an answer: say the one thing that helps most, in a fixed order of speech.

Not attempted; no end; nothing but exceptions; nothing returned; a named mistake; a mistake of the
universal bank; an exception in one case; another kind or shape; a broken law; another value (nan,
or where the values lie); borrowed; right. A named mistake is told only if the answer does just
what the mistake does in every case, to the last element: that is the surest knowledge there is, so
it speaks early.
"""

import torch

from . import watch
from .borrowed import borrowed_from
from .compare import first_difference, form_of, shown, tensors_in
from .constants import constant_of_the_example
from .device import wrong_device
from .exercise import Exercise, Verdict, call, name_of, sentence_of
from .observe import all_alike, draw_cases, observe, observe_known, undisturbed
from .own_code import is_stub, own_trace, raised_by_torch
from .probes import PROBES
from .registry import find
from .universal import FIRST, THEN, Sight, nothing_returned

EXTRA = (constant_of_the_example, *PROBES, wrong_device)  # these need runs of their own


def judge(id: str, mine) -> Verdict:
    """Judge the answer to an exercise, e.g. judge("01.softmax", my_softmax). Nothing is printed."""
    return judge_exercise(find(id), mine)


def judge_exercise(exercise: Exercise, mine) -> Verdict:
    """Judge an answer to an exercise of any bank. Nothing is printed."""
    with undisturbed():
        verdict = _not_an_answer(exercise, mine)
        if verdict is None:
            verdict = _judge(exercise, mine)
    return verdict


class _EndlessError(Exception):
    def __init__(self, outcome):
        super().__init__()
        self.outcome = outcome


def _watched(function, *arguments):
    outcome = watch.watched(function, *arguments)
    if outcome.stopped:
        raise _EndlessError(outcome)
    if isinstance(outcome.error, Exception):
        raise outcome.error
    if outcome.error is not None:  # exit() in an answer must not end the notebook
        raise RuntimeError(repr(outcome.error)) from outcome.error
    return outcome.value


def _judge(exercise, mine) -> Verdict:
    try:
        seen = _watched(observe, exercise, mine)
        expected = observe_known(exercise, exercise.reference)
        sight = Sight(exercise, mine, seen, expected)
        for look in (
            _only_exceptions, _universal((nothing_returned,)), _named, _universal(FIRST),
            _universal(THEN), _some_exception, _universal(EXTRA), _form, _law, _range, _value,
            _borrowed,
        ):  # fmt: skip
            verdict = look(sight)
            if verdict is not None:
                return verdict
    except _EndlessError as endless:
        return _no_end(endless.outcome, mine)
    return Verdict("right", None, "Right.")


def _wrong(mistake, message) -> Verdict:
    return Verdict("wrong", mistake, message)


def _not_attempted(exercise) -> Verdict:
    return Verdict("not_attempted", None, "Not attempted yet.")


def _not_an_answer(exercise, mine):
    name = exercise.reference.__name__
    wanted = "class" if isinstance(exercise.reference, type) else "function"
    if is_stub(mine):
        return _not_attempted(exercise)
    if isinstance(mine, dict) and exercise.run is not call:
        return None  # a table of answers
    if not callable(mine) or (wanted == "class" and not isinstance(mine, type)):
        got = "a result" if tensors_in(mine) else f"a {type(mine).__name__}"
        return _wrong(
            f"not a {wanted}",
            f"Hand in the {wanted} itself, by its name and without parentheses; this is {got}.",
        )
    if wanted == "function" and isinstance(mine, type):
        return _wrong("not a function", "A function is asked for; this is a class.")
    if mine is exercise.reference:
        return _wrong(
            "borrowed",
            f"Right, but it is minisd's own {name}, not yours. If you only ran this cell "
            "again: run the cell with your own code first.",
        )
    return None


def _no_end(outcome, mine) -> Verdict:
    where = own_trace(outcome.error, mine).partition("\n")[2] if outcome.error else ""
    if outcome.stopped == "lines":
        message = f"It printed more than {watch.MAX_LINES} lines and was stopped."
        return _wrong("prints without end", message)
    message = (
        f"No end after {watch.TIME_LIMIT:g} seconds: it was stopped. Does the condition of every "
        "loop become false some time?"
    )
    if outcome.still_running:
        message += " It still runs: restart the kernel."
    if where:
        message += f" It was here:\n{where.splitlines()[-1]}"
    return _wrong("endless loop", message)


def _only_exceptions(sight):
    errors = [seen.error for seen in sight.seen.values()]
    first = errors[0]
    if isinstance(first, NotImplementedError) and not raised_by_torch(first):
        return _not_attempted(sight.exercise)
    expected = [seen.error for seen in sight.expected.values()]
    if None not in errors and None in expected:
        if nothing_returned(sight):
            return None
        return _wrong("exception", own_trace(first, sight.mine))
    return None


def _named(sight):
    exercise = sight.exercise
    if all_alike(sight.seen, sight.expected, exercise):
        return None
    for mistake in exercise.mistakes:
        if all_alike(sight.seen, observe_known(exercise, mistake), exercise):
            return _wrong(name_of(mistake), sentence_of(mistake))
    return None


def _universal(bank):
    def look(sight):
        for mistake in bank:
            message = _watched(mistake, sight)
            if message:
                return _wrong(name_of(mistake), message)
        return None

    return look


def _some_exception(sight):
    for label, seen in sight.seen.items():
        if seen.error is not None and sight.expected[label].error is None:
            given = ", ".join(map(shown, draw_cases(sight.exercise)[label]))
            trace = own_trace(seen.error, sight.mine)
            return _wrong("exception", f"Called with {given}:\n{trace}")
        if seen.error is None and sight.expected[label].error is not None:
            return _wrong("no exception", f"Nothing is raised in the case {label!r}.")
    return None


def _differences(sight):
    for label, seen in sight.seen.items():
        if seen.error is None and sight.expected[label].error is None:
            exercise, expected = sight.exercise, sight.expected[label].result
            found = first_difference(seen.result, expected, exercise.rtol, exercise.atol)
            if found:
                yield label, found, seen.result, expected


def _form(sight):
    for label, (what, _, _), result, expected in _differences(sight):
        if what != "value" and form_of(result) != form_of(expected):  # two dicts: laws say more
            return _wrong(
                f"wrong {what}",
                f"Case {label!r}: received {form_of(result)}, expected {form_of(expected)}.",
            )
    return None


def _law(sight):
    for law in sight.exercise.laws:
        trace, kept = "", False
        try:
            kept = bool(_watched(law, sight.mine))
        except _EndlessError:
            raise
        except Exception as error:  # the answer may raise anything
            trace = "\n" + own_trace(error, sight.mine)
        if not kept:
            return _wrong(f"law: {name_of(law)}", sentence_of(law) + trace)
    return None


def _range(sight):
    for label, _, result, expected in _differences(sight):
        for mine, theirs in zip(tensors_in(result), tensors_in(expected)):
            if theirs.isfinite().all() and not mine.isfinite().all():
                what = "nan" if mine.isnan().any() else "inf"
                return _wrong("not finite", f"Case {label!r}: {what} comes out.")
    return None


def _value(sight):
    for label, (_, place, received), result, expected in _differences(sight):
        where = f" at {place.rstrip(', ')}" if place else ""
        return _wrong(
            "other value",
            "It keeps every law that is tested here, and still differs. "
            f"{_other_range(result, expected)}Case {label!r}{where}: received {received}.",
        )
    return None


def _other_range(result, expected) -> str:
    """A sentence where the values clearly lie elsewhere; of a few, it would give them away."""
    for mine, theirs in zip(tensors_in(result), tensors_in(expected)):
        if mine.shape == theirs.shape and theirs.numel() >= 8 and not theirs.is_complex():
            ends = [torch.stack(x.double().aminmax()) for x in (mine, theirs)]
            if (ends[0] - ends[1]).abs().max() > ends[1].diff() / 4:
                lie, should = ("[{:.3g}, {:.3g}]".format(*pair.tolist()) for pair in ends)
                return f"Your values lie in {lie}, expected {should}. "
    return ""


def _borrowed(sight):
    lender = _watched(borrowed_from, sight.exercise, sight.mine)
    if lender:
        whose = lender.split("'")[0]
        return _wrong("borrowed", f"Right, but it is {whose}'s, not yours: {lender} did the work.")
    return None
