"""The notebooks keep their promises: one form, solutions that are the package's code, and blank,
solved and half-wrong answers that all run from top to bottom with the right report.

The blank state is run by nbval (`make test` hands it the folder); its report cell is compared.
"""

import ast
import inspect
import re
import statistics
import textwrap
from functools import cache, partial
from pathlib import Path

import pytest

import minisd
from minisd.course import exercises
from minisd.course import notebooks as nb
from minisd.course.__main__ import BEGIN, END, main, minutes_of, put_between

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
# 00 is a guided tour before the course: it has a self-test in place of exercises, and no report.
GRADED = [path for path in NOTEBOOKS if not path.name.startswith("00")]
MIN_CELLS, MAX_CELLS, MAX_MEDIAN_LINES = 30, 60, 5
HANG = 900  # seconds for one cell: far more than any should take

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
every_graded = pytest.mark.parametrize("path", GRADED, ids=lambda path: path.name)


def code_cells(path):
    return [cell for cell in nb.read(path)["cells"] if cell["cell_type"] == "code"]


def number_of(path):
    return path.name[:2]


def bank_of(path):
    """The exercises of one notebook, in the order of teaching."""
    return {id: e for id, e in exercises().items() if id.startswith(number_of(path))}


def shows_figure(cell):
    return any("image/png" in output.get("data", {}) for output in cell.get("outputs", []))


def code_lines(cell):
    lines = [line.strip() for line in cell["source"].splitlines()]
    return sum(bool(line) and not line.startswith("#") for line in lines)


def test_the_course_has_its_notebooks():
    banks = {id.split(".")[0] for id in exercises()}
    assert banks == {number_of(path) for path in GRADED}, "a bank without notebook, or without bank"


@every_notebook
def test_was_run_in_order_and_without_errors(path):
    cells = code_cells(path)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1)), (
        "python -m minisd.course execute NOTEBOOK"
    )
    for cell in cells:
        for output in cell["outputs"]:
            assert output["output_type"] != "error", cell["source"]
            assert output.get("name") != "stderr", f"a warning stands in the notebook: {output}"


@every_notebook
def test_is_as_the_tool_writes_it(path, tmp_path):
    nb.write(nb.normalize(nb.read(path)), tmp_path / path.name)
    same = (tmp_path / path.name).read_text("utf-8") == path.read_text("utf-8")
    assert same, "python -m minisd.course execute NOTEBOOK"


@every_notebook
def test_begins_and_ends_like_all(path):
    cells = nb.read(path)["cells"]
    title = cells[0]["source"]
    assert re.match(rf"# {number_of(path)} · \w", title)
    assert minutes_of(title), "the title cell says how long it takes: '| time | 60 minutes'"
    assert re.search(r"^\|\s*modules?\s*\| `minisd\.", title, re.M), "and which module is built"
    assert re.search(r"^\|\s*papers?\s*\| .*\d{4}", title, re.M), "and from which paper"
    first = nb.read(NOTEBOOKS[-1])
    set_up = next(cell["source"] for cell in first["cells"] if cell["cell_type"] == "code")
    assert code_cells(path)[0]["source"] == set_up, f"the set-up cell of {NOTEBOOKS[-1].name}"
    if path in GRADED:  # then the machine, before anything else is said
        after = next(k for k, cell in enumerate(cells) if cell["source"] == set_up) + 1
        assert cells[after]["source"] == f'plot.machine_map(lit="{number_of(path)}")'
    headings = re.findall(r"^## (.+)", "\n".join(text_of(cells)), re.M)
    assert headings[0] == "Set-up"
    assert any(heading.startswith("Recap") for heading in headings[-2:])


def text_of(cells):
    return [cell["source"] for cell in cells if cell["cell_type"] == "markdown"]


@every_graded
def test_report_comes_last(path):
    last = nb.read(path)["cells"][-1]
    assert last["cell_type"] == "code" and last["source"].strip() == "report()"
    assert nb.tags(last) == ["nbval-check-output"], "so that nbval compares the blank report"


@every_graded
def test_is_cut_into_small_pieces(path):
    cells = nb.read(path)["cells"]
    assert MIN_CELLS <= len(cells) <= MAX_CELLS
    assert statistics.median(map(code_lines, code_cells(path))) <= MAX_MEDIAN_LINES


@every_notebook
def test_says_what_to_see_under_each_figure(path):
    cells = nb.read(path)["cells"]
    for number, cell in enumerate(cells):
        if shows_figure(cell):
            after = cells[number + 1] if number + 1 < len(cells) else {"cell_type": "nothing"}
            assert after["cell_type"] == "markdown", f"cell {number}: no text under the figure"
            assert re.match(r"[*_> ]*What you should see[^:\n]*:", after["source"]), (
                f"cell {number + 1}"
            )


@every_notebook
def test_text_has_no_stray_control_characters(path):
    for number, cell in enumerate(nb.read(path)["cells"]):  # "\beta" in a plain Python string
        assert not re.search(r"[\x00-\x09\x0b-\x1f]", cell["source"]), f"cell {number}"


@every_notebook
def test_names_no_path_and_no_address_in_memory(path):
    for number, cell in enumerate(nb.read(path)["cells"]):
        outputs = "".join(
            str(output.get("text", "")) + str(output.get("data", {}).get("text/plain", ""))
            for output in cell.get("outputs", [])
        )
        assert not re.search(r"\bat 0x[0-9a-f]{6}", outputs), f"cell {number}: end it otherwise"
        found = re.search(r"(?<![\w.:/<])(~?/[a-z]+/[\w.]|[A-Z]:\\)", cell["source"] + outputs)
        assert not found, f"cell {number}: {found[0]!r} looks like a path of one machine"


@every_graded
def test_exercises_stand_as_the_registry_has_them(path):
    notebook, bank = nb.read(path), bank_of(path)
    places = nb.exercise_cells(notebook)
    assert [place.id for place in places] == list(bank)
    assert 3 <= len(places) <= 6
    for k, place in enumerate(places, start=1):
        exercise, source = bank[place.id], lambda cell: notebook["cells"][cell]["source"]
        stars = "★" * exercise.stars + "☆" * (3 - exercise.stars)
        points = f"{exercise.points} point" + "s" * (exercise.points > 1)
        heading = source(place.heading).splitlines()[0].split(" · ")
        assert heading[0] == f"### Exercise {int(number_of(path))}.{k}"
        assert heading[1].casefold() == exercise.title.casefold()
        assert heading[2:] == [stars, f"{exercise.minutes} min", points]
        check = ast.unparse(ast.parse(source(place.check)))
        assert check == f"{place.name} = check('{place.id}', {place.name})"
        summaries = re.findall(r"<details><summary>(.+?)</summary>", source(place.notes))
        assert [s.split(":")[0] for s in summaries] == ["Hint", "Hint", "Solution"]


@every_graded
def test_stubs_ask_for_the_reference(path):
    notebook = nb.read(path)
    for place in nb.exercise_cells(notebook):
        stub = definition(notebook["cells"][place.stub]["source"], place.name)
        reference = definition(source_of(bank_of(path)[place.id].reference), place.name)
        assert type(stub) is type(reference)
        asked, wanted = (signatures(node) for node in (stub, reference))
        missing = {name: wanted.get(name) for name in asked if asked[name] != wanted.get(name)}
        assert not missing, f"{place.id}: the stub asks for another signature than {missing}"
        documented = [node for node in [stub, *stub.body] if ast_docstring(node)]
        assert documented, f"{place.id}: a stub has a docstring"
        ends = [node for node in ast.walk(stub) if isinstance(node, ast.Raise)]
        assert any("NotImplementedError" in ast.dump(node) for node in ends)


def ast_docstring(node):
    kinds = ast.FunctionDef | ast.ClassDef
    return ast.get_docstring(node) if isinstance(node, kinds) else None


def signatures(node):
    """{"" or method: its arguments and defaults} of a function or class."""
    nodes = node.body if isinstance(node, ast.ClassDef) else [node]
    functions = [item for item in nodes if isinstance(item, ast.FunctionDef)]
    return {"" if item is node else item.name: ast.unparse(item.args) for item in functions}


def source_of(reference):
    return textwrap.dedent(inspect.getsource(reference))


def definition(source, name):
    """The one function or class in some source, imports and constants beside it left out."""
    body = ast.parse(source).body
    nodes = [node for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    assert [node.name for node in nodes] == [name]
    return nodes[0]


def code_of(source, name):
    """A definition as text, without comments and docstrings."""
    tree = definition(source, name)
    for node in ast.walk(tree):
        if ast_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


@every_graded
def test_folded_solutions_are_the_package(path):
    notebook = nb.read(path)
    for place in nb.exercise_cells(notebook):
        reference = bank_of(path)[place.id].reference
        folded = nb.solution(notebook, place)
        assert code_of(folded, place.name) == code_of(source_of(reference), place.name), place.id


@cache
def public_names():
    """{name: file} of all functions and classes of the package."""
    found = {}
    for file in Path(minisd.__file__).parent.rglob("*.py"):
        if "bank" not in file.parts:
            for node in ast.parse(file.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name[0] != "_":
                    found[node.name] = file.name
    return found | {id.split(".")[1]: "the course" for id in exercises()}


def redefined(notebook):
    """[(cell number, name)]: the package's names that cells outside exercises define anew.

    A variable counts if the notebook has imported the name, or asks for it in an exercise;
    `caption = "a red ring"` is harmless where nobody uses the function.
    """
    trees = {
        number: ast.parse(re.sub(r"^[%!].*", "", cell["source"], flags=re.M))
        for number, cell in enumerate(notebook["cells"])
        if cell["cell_type"] == "code" and not {"exercise", "check"} & set(nb.tags(cell))
    }
    names = public_names()
    taken = {place.name for place in nb.exercise_cells(notebook)}
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "minisd":
                taken |= {alias.asname or alias.name for alias in node.names}
    found = []
    for number, tree in trees.items():
        for node in ast.walk(tree):
            defined = isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in names
            stored = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            if defined or (stored and node.id in taken):
                found.append((number, node.name if defined else node.id))
    return found


@every_notebook
def test_no_cell_redefines_the_package(path):
    assert redefined(nb.read(path)) == []


@every_graded
@pytest.mark.parametrize("state", ["solved", "half"])
def test_runs_from_top_to_bottom(path, state):
    notebook, bank = nb.read(path), exercises()
    run = nb.execute(nb.fill(notebook, state, bank), path.parent, timeout=HANG)
    expected = nb.expected_report(notebook, state, bank)
    assert run.peak_mb < 3000
    assert nb.wrong_in_report(run.report, expected) == []
    assert {id: entry["points"] for id, entry in run.report.items()} == {
        id: bank[id].points if status == "right" else 0 for id, (status, _) in expected.items()
    }


# What follows holds the tool itself, on a notebook with two real exercises.


def markdown(source):
    return {"cell_type": "markdown", "id": "", "metadata": {}, "source": source}


def code(source, *tags):
    metadata = {"tags": list(tags), "scrolled": True}
    return {"cell_type": "code", "id": "", "metadata": metadata, "source": source,
            "outputs": [], "execution_count": None}  # fmt: skip


@pytest.fixture
def small():
    cells = [
        markdown("# 01 · Small\n"),
        code("import torch\nfrom minisd.course import check, report"),
    ]
    for k, (id, signature) in enumerate(
        {
            "01.softmax": "scores, dim=-1",
            "01.attention_mask": "lengths, num_queries, num_keys, causal=False",
        }.items()
    ):
        name, source = id[3:], inspect.getsource(exercises()[id].reference)
        cells += [
            markdown(f"### Exercise 1.{k + 1} · {name}"),
            code(f'# exercise {id}\nimport math\n\n\ndef {name}({signature}):\n    """Do it."""\n'
                 "    raise NotImplementedError", "exercise"),
            code(f'{name} = check("{id}", {name})', "check"),
            markdown("<details><summary>Solution</summary>\n\n"
                     f"```python\n{source}```\n\n</details>"),
        ]  # fmt: skip
    cells += [code("softmax(torch.zeros(2))"), code("report()", "nbval-check-output")]
    return nb.normalize({"cells": cells})


@pytest.mark.parametrize("state", nb.STATES)
def test_states_run_and_report(small, state, tmp_path):
    run = nb.execute(nb.fill(small, state, exercises()), tmp_path, timeout=HANG)
    expected = {
        "blank": [("not_attempted", None), ("not_attempted", None)],
        "solved": [("right", None), ("right", None)],
        "half": [("wrong", "nothing subtracted before exp"), ("right", None)],
    }[state]
    ids = ["01.softmax", "01.attention_mask"]
    assert nb.expected_report(small, state, exercises()) == dict(zip(ids, expected))
    assert [(run.report[id]["status"], run.report[id]["mistake"]) for id in ids] == expected
    assert 0 < run.cpu_seconds < 1000 and 50 < run.peak_mb < 3000 and run.wall_seconds > 0
    cells = run.notebook["cells"]
    assert [c["source"] for c in cells if c["cell_type"] == "markdown"] == text_of(small["cells"])
    counts = [c["execution_count"] for c in cells if c["cell_type"] == "code"]
    assert counts == list(range(1, 8))
    assert "tensor([0.5000, 0.5000])" in str(cells[-2]["outputs"])
    assert list(tmp_path.iterdir()) == []  # what passed was kept elsewhere


def test_a_failing_cell_is_named(small, tmp_path):
    small["cells"].append(code("nobody_defined_this"))
    with pytest.raises(ValueError, match="nobody_defined_this"):
        nb.execute(small, tmp_path, timeout=HANG)


def test_a_wrong_report_is_told():
    expected = {"01.a": ("right", None), "01.b": ("wrong", "sign"), "01.c": ("right", None)}
    report = {
        "01.a": {"status": "right", "mistake": None},
        "01.b": {"status": "wrong", "mistake": "root"},
    }
    told = nb.wrong_in_report(report, expected)
    assert [line.split(":")[0] for line in told] == ["01.b", "01.c"]
    assert "root" in told[0] and "nothing" in told[1]


def test_a_wrong_answer_may_be_built_on_the_reference():
    for exercise in exercises().values():
        source = nb.wrong_answer(exercise)
        name = exercise.id.split(".")[1]
        assert re.search(rf"^(def|class) {name}\(", source, re.M)
        space = {}
        exec(compile(source, "cell", "exec"), space)  # all that it needs is imported
        assert callable(space[name])


def test_files_come_back_as_they_were_and_lines_stay_lines(small, tmp_path):
    small["cells"][1]["outputs"] = [
        {"name": "stdout", "output_type": "stream", "text": "a\nb\n"},
        {"output_type": "display_data", "metadata": {"x": 1}, "data": {"text/plain": ["<Figure>"]}},
    ]
    nb.write(nb.normalize(small), tmp_path / "a.ipynb")
    text = (tmp_path / "a.ipynb").read_text("utf-8")
    assert '\n    "import torch\\n",\n' in text and '\n      "a\\n",\n' in text
    assert "scrolled" not in text and '"x": 1' not in text
    nb.write(nb.read(tmp_path / "a.ipynb"), tmp_path / "b.ipynb")
    assert (tmp_path / "b.ipynb").read_text("utf-8") == text
    (tmp_path / "c.ipynb").write_text("[1]")
    with pytest.raises(ValueError, match=r"c\.ipynb should be a notebook"):
        nb.read(tmp_path / "c.ipynb")


def test_cells_keep_their_ids(small):
    ids = [cell["id"] for cell in small["cells"]]
    assert ids == [f"cell-{k:02}" for k in range(len(ids))]
    small["cells"].insert(1, markdown("new"))
    small["cells"][3]["id"] = ids[5]  # doubled, as by copy and paste
    nb.normalize(small)
    new = [cell["id"] for cell in small["cells"]]
    assert len(set(new)) == len(new) and new[0] == ids[0] and new[4:6] == ids[3:5]


def test_broken_forms_are_named(small):
    places = nb.exercise_cells(small)
    assert [place.id for place in places] == ["01.softmax", "01.attention_mask"]
    for cell, source, message in (
        (places[0].stub, "def softmax(): ...", "begins with a line like"),
        (places[0].heading, "An exercise", "no '### Exercise' heading"),
        (places[1].notes, "Nothing", "no folded solution"),
    ):
        before, small["cells"][cell]["source"] = small["cells"][cell]["source"], source
        with pytest.raises(ValueError, match=message):
            nb.exercise_cells(small)
        small["cells"][cell]["source"] = before
    small["cells"][places[0].check]["metadata"] = {}
    with pytest.raises(ValueError, match="not tagged 'check'"):
        nb.exercise_cells(small)


def test_solutions_are_compared_without_comments_and_docstrings(small):
    place = nb.exercise_cells(small)[0]
    source = nb.solution(small, place)
    other = source.replace('"""Turn', '"""Make').replace("    return", "    # now\n    return")
    assert other != source and code_of(other, "softmax") == code_of(source, "softmax")
    wrong = source.replace("amax", "amin")
    assert wrong != source and code_of(wrong, "softmax") != code_of(source, "softmax")


def test_redefinitions_are_found(small):
    assert redefined(small) == []
    small["cells"] += [
        code("from minisd.plot import curve\n\ncaption = 1"),
        code("curve, x = 1, 2"),
        code("class UNet2DConditionModel: ..."),
        code("softmax = torch.softmax"),
    ]
    found = [name for _, name in redefined(small)]
    assert found == ["curve", "UNet2DConditionModel", "softmax"]


def test_table_goes_between_its_marks(tmp_path, capsys):
    text = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert put_between(text, BEGIN, END, "| new |") == f"before\n{BEGIN}\n| new |\n{END}\nafter\n"
    with pytest.raises(ValueError, match="expected the line"):
        put_between("nothing", BEGIN, END, "")
    assert minutes_of("| time | 25 minutes; the cells run") == 25
    assert minutes_of("| time | about 2 hours: 61 minutes for") == 120
    assert minutes_of("| time | about 2½ hours: 82 minutes for") == 150
    assert minutes_of("| time | 2 hours and a half: 79 minutes for") == 150
    assert minutes_of("| time | 60 minutes |") == 60
    for unread in ("# 01", "| time | 2 hours and 20 minutes |", "| time | an hour |"):
        assert minutes_of(unread) is None
    assert main(["table", "--notebooks", str(tmp_path)]) == 1
    assert re.fullmatch(r"minisd\.course: no notebook .*\n", capsys.readouterr().err)


def test_the_table_ends_with_the_total(small, tmp_path, monkeypatch):
    for number in ("01", "02"):
        small["cells"][0]["source"] = f"# {number} · Small\n\n| time | 20 minutes |\n"
        nb.write(small, tmp_path / f"{number}_small.ipynb")
    (tmp_path / "README.md").write_text(f"{BEGIN}\n{END}\n", encoding="utf-8")
    seconds = {"blank": 2.0, "solved": 3.0, "half": 4.0}
    run = partial(nb.Run, {}, cpu_seconds=5.0, peak_mb=700.0, report={})
    monkeypatch.setattr(
        "minisd.course.__main__._run", lambda path, state: run(wall_seconds=seconds[state])
    )
    places = ["--notebooks", str(tmp_path), "--readme", str(tmp_path / "README.md")]
    assert main(["table", *places]) == 0
    lines = (tmp_path / "README.md").read_text(encoding="utf-8").splitlines()
    assert lines[4] == "| [02 Small](notebooks/02_small.ipynb) | 20 | 13 | 5 | 700 |"
    assert lines[5] == "" and lines[7:] == [END]
    total = "All 2 by the clock: blank 4 s, solved 6 s, half 8 s, on "
    assert re.fullmatch(re.escape(total) + r"\d+ cores\.", lines[6])


def test_command_line_fills_a_notebook(small, tmp_path):
    nb.write(small, tmp_path / "a.ipynb")
    arguments = ["state", "solved", str(tmp_path / "a.ipynb"), "--out", str(tmp_path / "b.ipynb")]
    assert main(arguments) == 0
    filled = nb.read(tmp_path / "b.ipynb")["cells"][3]["source"]
    assert filled.startswith("# exercise 01.softmax\nimport math\n")
    assert "NotImplementedError" not in filled and "amax" in filled


def test_readme_table_is_of_these_notebooks():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme.split(BEGIN)[1].split(END)[0]
    assert [path.name for path in NOTEBOOKS] == re.findall(r"\(notebooks/(\w+\.ipynb)\)", table)
    header, _, *rows = table.strip().splitlines()
    assert header == "| notebook | minutes | points | CPU seconds | peak MB |"
    for path, row in zip(NOTEBOOKS, rows):
        points = sum(exercise.points for exercise in bank_of(path).values())
        minutes = minutes_of(nb.read(path)["cells"][0]["source"])
        assert row.split(" | ")[1:3] == [str(minutes), str(points)], "python -m minisd.course table"
