"""A notebook as committed, solved, or half wrong: read, fill, run, measure, and write it back.

For those who keep the course: `python -m minisd.course --help`. Running one needs Jupyter.
"""

import ast
import copy
import inspect
import json
import os
import re
import sys
import tempfile
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

from .exercise import name_of

STATES = ("blank", "solved", "half")  # half: exercises 1, 3, 5 wrong, the others right
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}
LAST_CELL = "from minisd.course.measure import measure\n\nmeasure({folder!r})"


@dataclass(frozen=True)
class ExerciseCells:
    """Where an exercise stands in its notebook: the numbers of its four cells."""

    id: str  # "01.softmax", as the stub's first line has it
    heading: int
    stub: int
    check: int
    notes: int  # two hints and the solution, folded

    @property
    def name(self):
        """The name that the learner defines."""
        return self.id.split(".", 1)[1]


@dataclass(frozen=True)
class Run:
    """What came of running a notebook from top to bottom."""

    notebook: dict  # with its outputs, normalized
    wall_seconds: float
    cpu_seconds: float  # of all cores together, the start of Python included
    peak_mb: float
    report: dict  # {exercise id: {"status", "points", "mistake"}}


def read(path):
    """Read an .ipynb file; every source is one string. Raises ValueError where it is none."""
    try:
        notebook = json.loads(Path(path).read_text(encoding="utf-8"))
        cells = notebook["cells"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} should be a notebook, but reading it failed: {error}") from None
    for cell in cells:
        cell["source"] = "".join(cell["source"])
    return notebook


def write(notebook, path):
    """Write a notebook with one line of text on one line of the file, so that changes read well."""
    notebook = copy.deepcopy(notebook)
    for cell in notebook["cells"]:
        cell["source"] = cell["source"].splitlines(keepends=True)
        for output in cell.get("outputs", []):
            if isinstance(output.get("text"), str):
                output["text"] = output["text"].splitlines(keepends=True)
    text = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    Path(path).write_text(text, encoding="utf-8")


def tags(cell):
    """The tags of a cell, a list."""
    return cell["metadata"].get("tags", [])


def exercise_cells(notebook):
    """Find every exercise: heading, stub, check, notes, in this order and with nothing between.

    Raises ValueError that says which cell breaks this form.
    """
    cells, found = notebook["cells"], []
    for stub, cell in enumerate(cells):
        if "exercise" not in tags(cell):
            continue
        first = re.match(r"# exercise (\d\d\.\w+)\n", cell["source"])
        if not first:
            raise ValueError(
                f"cell {stub}: a stub begins with a line like '# exercise 01.softmax', "
                f"this one with {cell['source'][:40]!r}."
            )
        place = ExerciseCells(first[1], stub - 1, stub, stub + 1, stub + 2)
        source = [cell["source"] for cell in cells[place.heading : place.notes + 1]]
        if not source[0].lstrip().startswith("### Exercise"):
            raise ValueError(f"{place.id}: the cell before the stub is no '### Exercise' heading.")
        if len(source) < 4 or "check" not in tags(cells[place.check]):
            raise ValueError(f"{place.id}: the cell after the stub is not tagged 'check'.")
        if "<summary>Solution</summary>" not in source[3]:
            raise ValueError(f"{place.id}: the cell after the check has no folded solution.")
        found.append(place)
    return found


def solution(notebook, place):
    """The folded solution of an exercise, as it stands in the notebook."""
    text = notebook["cells"][place.notes]["source"].split("<summary>Solution</summary>")[1]
    blocks = re.findall(r"^```python\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    if len(blocks) != 1:
        raise ValueError(f"{place.id}: expected one ```python block, found {len(blocks)}.")
    return blocks[0]


def wrong_answer(exercise):
    """The source of the exercise's first named mistake, under the learner's name.

    What it uses of the bank's file is imported from there.
    """
    mistake, learners = exercise.mistakes[0], exercise.id.split(".", 1)[1]
    tree = ast.parse(textwrap.dedent(inspect.getsource(mistake)))
    tree.body[0].name = learners
    around = vars(sys.modules[mistake.__module__])
    imports = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == mistake.__name__:
            node.id = learners
        elif isinstance(node, ast.Name) and node.id in around:
            # The reference has the learner's name, too: a mistake may be built on it.
            alias = f"given_{node.id}" if node.id == learners else node.id
            imports[node.id], node.id = alias, alias
    names = [name if name == alias else f"{name} as {alias}" for name, alias in imports.items()]
    lines = [f"from {mistake.__module__} import {', '.join(sorted(names))}\n"] if names else []
    return "".join([*lines, "\n", ast.unparse(tree), "\n"])


def _imports_of(source):
    """The import lines at the top level of a cell."""
    kinds = ast.Import | ast.ImportFrom
    nodes = [node for node in ast.parse(source).body if isinstance(node, kinds)]
    return "".join(ast.unparse(node) + "\n" for node in nodes)


def expected_report(notebook, state, bank):
    """{exercise id: (status, mistake)} that a run in this state must report."""
    expected = {}
    for number, place in enumerate(exercise_cells(notebook)):
        expected[place.id] = ("not_attempted" if state == "blank" else "right", None)
        if state == "half" and number % 2 == 0:
            expected[place.id] = ("wrong", name_of(bank[place.id].mistakes[0]))
    return expected


def fill(notebook, state, bank):
    """Return the notebook with its stubs left, solved, or every other one answered wrongly.

    `bank` is {exercise id: Exercise}; the answers come from the folded solutions and from the
    named mistakes. Imports at the top of a stub stay.
    """
    if state not in STATES:
        raise ValueError(f"state must be one of {', '.join(STATES)}; got {state!r}.")
    notebook = copy.deepcopy(notebook)
    expected = expected_report(notebook, state, bank)
    for place in exercise_cells(notebook):
        status, cell = expected[place.id][0], notebook["cells"][place.stub]
        if status != "not_attempted":
            right = status == "right"
            answer = solution(notebook, place) if right else wrong_answer(bank[place.id])
            imports = _imports_of(cell["source"])
            cell["source"] = f"# exercise {place.id}\n{imports}{answer}".rstrip()
    return notebook


def without_outputs(notebook):
    """Return the notebook as if it had never been run."""
    notebook = copy.deepcopy(notebook)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
    return notebook


def normalize(notebook):
    """Keep what a reader sees, drop what only one machine or one run wrote. Changes it in place.

    Cells keep their ids; a missing or doubled one becomes `cell-NN`. Of metadata, tags remain.
    """
    notebook.update(metadata=copy.deepcopy(METADATA), nbformat=4, nbformat_minor=5)
    used = set()
    for number, cell in enumerate(notebook["cells"]):
        if not cell.get("id") or cell["id"] in used:
            taken = used | {other.get("id") for other in notebook["cells"]}
            names = (f"cell-{n:02}" for n in range(number, number + len(taken) + 1))
            cell["id"] = next(name for name in names if name not in taken)
        used.add(cell["id"])
        cell["metadata"] = {"tags": tags(cell)} if tags(cell) else {}
        for output in cell.get("outputs", []):
            if "metadata" in output:
                output["metadata"] = {}
    return notebook


def execute(notebook, folder, timeout=600):
    """Run a notebook from top to bottom in a fresh kernel in `folder`, as the learner would.

    What passes is kept in a temporary folder. Raises ValueError that names the cell where it stops;
    `timeout` in seconds is for one cell, a guard against hanging.
    """
    import nbformat  # here, so that the rest of this file works without Jupyter
    from nbclient import NotebookClient
    from nbclient.exceptions import CellControlSignal, DeadKernelError

    node = nbformat.from_dict(without_outputs(notebook))
    with tempfile.TemporaryDirectory() as scratch:
        node.cells.append(nbformat.v4.new_code_cell(LAST_CELL.format(folder=scratch)))
        where = {"metadata": {"path": str(folder)}}
        options = {"timeout": timeout, "coalesce_streams": True, "record_timing": False}
        client = NotebookClient(node, kernel_name="python3", resources=where, **options)
        start = time.monotonic()
        try:
            client.execute(env={**os.environ, "MINISD_HOME": scratch})
        except (CellControlSignal, DeadKernelError) as error:
            plain = re.sub(r"\x1b\[[\d;]*m", "", str(error))  # without colors
            raise ValueError(f"the notebook stops in a cell. {plain}") from None
        wall_seconds = time.monotonic() - start
        cost = json.loads((Path(scratch) / "cost.json").read_text(encoding="utf-8"))
        entries = json.loads((Path(scratch) / "report.json").read_text(encoding="utf-8"))
    done = json.loads(nbformat.writes(node))
    del done["cells"][-1]
    for cell in done["cells"]:
        cell["source"] = "".join(cell["source"])
    report = {entry["id"]: entry for entry in entries["exercises"]}
    return Run(normalize(done), wall_seconds, cost["cpu_seconds"], cost["peak_mb"], report)


def wrong_in_report(report, expected):
    """Compare a run's report with what it should say: one sentence for each difference."""
    said = {id: (report[id]["status"], report[id]["mistake"]) for id in expected if id in report}
    return [
        f"{id}: expected {wanted}, the report says {said.get(id, 'nothing')}"
        for id, wanted in expected.items()
        if said.get(id) != wanted
    ]
