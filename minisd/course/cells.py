"""What a notebook's cells call: check an answer, predict, and report."""

import json as json_format
from pathlib import Path

from .exercise import Exercise, Verdict
from .judge import judge_exercise
from .keep import keep, kept
from .observe import draw_cases, undisturbed
from .registry import exercises, exercises_of, find, find_prediction
from .watch import watched

MAX_SHOWN_LINES = 20  # of what the answer printed

_verdicts: dict[str, Verdict] = {}  # of this session, the last of each exercise
_failures: dict[str, int] = {}


def check(id: str, mine):
    """Judge an answer, say so, and return what the notebook goes on with.

    That is the answer itself where it is right, and the package's own otherwise: the cells below
    run in any case. Nothing that the answer does is raised here. Passed code is kept.
    """
    exercise = find(id)
    try:
        verdict = judge_exercise(exercise, mine)
    except Exception as error:  # never stop the notebook
        verdict = Verdict("wrong", None, f"The check itself fell over it: {error!r}")
    repeated = mine is exercise.reference and id in _verdicts  # the check cell was run again
    if not repeated:
        _verdicts[id] = verdict
    _show_prints(exercise, mine, verdict)
    name = exercise.reference.__name__
    if verdict.status == "right":
        _failures.pop(id, None)
        _say(f"{id}: right, {_count(exercise.points, 'point')}. The notebook goes on with yours.")
        _keep(id, mine)
        return mine
    if verdict.status == "not_attempted":
        _say(f"{id}: not attempted yet. The notebook goes on with the package's own {name}.")
        return exercise.reference
    if repeated:
        _say(f"{id}: this is the package's own {name} again. First run the cell with your code.")
        return exercise.reference
    _failures[id] = _failures.get(id, 0) + 1
    borrowed = verdict.mistake == "borrowed"
    _say(f"{id}: {'not yours yet' if borrowed else 'not right yet'}.\n{verdict.message}")
    if _failures[id] >= 3:
        _say("That was more than two attempts: the hints below are there to be opened.")
        _say("The first gives a direction, the second goes nearly all of the way.")
    _say(f"The notebook goes on with the package's own {name}.")
    return exercise.reference


def predict(id: str, choice: str | None = None) -> None:
    """Answer a prediction; without a choice, ask it. Never graded, never stops the notebook."""
    prediction = find_prediction(id)
    if isinstance(choice, str) and choice in prediction.answers:
        _say(f"You say: {choice}. {prediction.answers[choice]}")
        return
    if choice is not None:
        _say(f"{choice!r} is not among the choices.")
    _say(prediction.question)
    _say("\n".join(f'    predict("{id}", "{answer}")' for answer in prediction.answers))


def report(json: str | Path | None = None) -> None:
    """Print exercises, points and what is left; write the same as JSON where a path is given.

    It is about the notebooks whose exercises were checked in this session (about all where none
    was), and about all exercises of those. An exercise that was not checked in this session counts
    as right if an answer was kept earlier and is still judged right.
    """
    scope = _scope()
    rows = [_row(exercise) for exercise in scope]
    points, total = sum(row["points"] for row in rows), sum(e.points for e in scope)
    for exercise, row in zip(scope, rows):
        stars = "★" * exercise.stars + "☆" * (3 - exercise.stars)
        said = row["status"].replace("_", " ") + (f": {row['mistake']}" if row["mistake"] else "")
        _say(f"{exercise.id:<32} {stars}  {row['points']} of {exercise.points}  {said}")
    _say(f"{points} of {_count(total, 'point')}.")
    left = [row["id"] for row in rows if row["status"] != "right"]
    _say(f"Left: {', '.join(left)}." if left else "Nothing is left.")
    if json is not None:
        result = {"points": points, "max_points": total, "exercises": rows}
        Path(json).write_text(json_format.dumps(result, indent=2) + "\n", encoding="utf-8")


def _scope() -> list[Exercise]:
    numbers = sorted({id.split(".")[0] for id in _verdicts})
    if not numbers:
        return list(exercises().values())
    return [exercise for number in numbers for exercise in exercises_of(number)]


def _row(exercise) -> dict:
    verdict = _verdicts.get(exercise.id)
    if verdict is None:
        mine = kept(exercise.id)
        verdict = (
            Verdict("not_attempted", None, "") if mine is None else judge_exercise(exercise, mine)
        )
    points = exercise.points if verdict.status == "right" else 0
    return {"id": exercise.id, "status": verdict.status, "points": points,
            "mistake": verdict.mistake}  # fmt: skip


def _keep(id, mine) -> None:
    try:
        path = keep(id, mine)
    except Exception as error:  # a folder that cannot be written, say
        _say(f"It could not be kept for later notebooks: {error}")
    else:
        if path is not None:
            _say(f"Kept for later notebooks: {path.parent.name}/{path.name}")


def _show_prints(exercise, mine, verdict) -> None:
    """Show what the answer prints in the example: people debug with prints."""
    if verdict.status == "not_attempted" or verdict.mistake == "endless loop":
        return
    with undisturbed():
        arguments = next(iter(draw_cases(exercise).values()))
        lines = watched(exercise.run, mine, *arguments).printed.splitlines()
    for line in lines[:MAX_SHOWN_LINES]:
        _say(f"| {line}")
    if len(lines) > MAX_SHOWN_LINES:
        _say(f"| ... and {len(lines) - MAX_SHOWN_LINES} lines more")


def _count(number, thing) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _say(text) -> None:
    try:
        print(text)
    except UnicodeEncodeError:  # a Windows console without stars
        print(text.encode("ascii", "replace").decode())
