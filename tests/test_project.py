"""The house rules: imports point down, the core stays small, what is shown was really run."""

import ast
import graphlib
import io
import json
import re
import subprocess
import sys
import tokenize
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "minisd"
MODULES = sorted(PACKAGE.rglob("*.py"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

# A module may import from lower floors only; from floor 3 up also its neighbors, without a circle.
FLOORS = {
    "": 0, "config": 0,
    "attention": 1, "embeddings": 1, "noise": 1, "resnet": 1, "schedule": 1,
    "unet": 2, "vae": 2, "text_encoder": 2, "tokenizer": 2, "samplers": 2,
    "checkpoint": 3, "sizes": 3,
    "pipeline": 4, "training": 4,
    "measures": 5, "truth": 5, "grading": 5, "evaluate": 5, "sketch": 5, "recipes": 5,
    "runs": 5, "console": 5, "random_model": 5, "__main__": 5,
}  # fmt: skip
# Beside the house, and who may come in there: the core can be read without any of it.
BESIDE = {
    "world": {"world", "recipes", "runs", "truth", "grading", "evaluate", "data", "course",
              "console", "__main__"},
    "data": {"data", "runs", "course", "__main__"},
    "plot": {"plot", "runs", "course", "__main__"},
    "course": {"course", "__main__"},
}  # fmt: skip
MAX_CORE_LINES, MAX_FILE_LINES, MAX_NOTEBOOK_BYTES = 1_750, 250, 1_500_000


def dotted(path: Path) -> str:
    """minisd/world/render.py -> "world.render", minisd/world/__init__.py -> "world"."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def room(name: str) -> str:
    """The floor table's entry of a module: "world.render" -> "world"."""
    return name.split(".")[0]


def imported_modules(path: Path) -> set[str]:
    """The minisd modules that a file imports anywhere in it, relative or absolute."""
    known = {dotted(module) for module in MODULES}
    package = ["minisd", *path.relative_to(PACKAGE).parent.parts]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *(node.module or "").split(".")]).strip(".")
            names = [f"{source}.{alias.name}" for alias in node.names]
        for name in names:
            if name.split(".")[0] != "minisd":
                continue
            parts = name.split(".")[1:]
            while ".".join(parts) not in known:  # from .unet import UNetConfig -> unet
                parts.pop()
            found.add(".".join(parts))
    return found - {dotted(path)}


def run_python(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)


def project_files() -> list[Path]:
    """All text files that belong to the project: not what was installed, drawn or trained."""
    left_out = {".git", "outputs", "runs", "build", "dist", "my_minisd", "__pycache__",
                ".ipynb_checkpoints", ".pytest_cache", ".ruff_cache"}  # fmt: skip
    suffixes = {".py", ".ipynb", ".md", ".toml", ".txt", ".cff", ".json", ".jsonl", ".csv", ".yml"}
    files = []
    for folder, folders, names in ROOT.walk() if hasattr(ROOT, "walk") else _walk(ROOT):
        folders[:] = [
            name
            for name in folders
            if name not in left_out
            and not name.endswith(".egg-info")
            and not (folder / name / "pyvenv.cfg").exists()
        ]
        files += [folder / name for name in names]
    return [path for path in files if path.suffix in suffixes or not path.suffix]


def _walk(root: Path):
    """Path.walk for Python 3.11."""
    import os

    for folder, folders, names in os.walk(root):
        yield Path(folder), folders, names


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_imports_point_down(path):
    mine = room(dotted(path))
    assert mine in FLOORS or mine in BESIDE, f"{mine} stands on no floor: add it to the table"
    for name in imported_modules(path):
        other = room(name)
        if other == mine:  # files of one folder: the test of circles looks after them
            continue
        if other in BESIDE:
            assert mine in BESIDE[other], f"{mine} must not import {name}"
        elif mine in FLOORS:
            allowed = FLOORS[mine] if FLOORS[mine] >= 3 else FLOORS[mine] - 1
            assert FLOORS[other] <= max(allowed, 0), (
                f"{mine} must not import {name}: it is no lower"
            )
        else:
            assert mine == "course" or other == "", f"{mine} stands beside: it must not need {name}"


def test_imports_make_no_circle():
    graph = {dotted(path): imported_modules(path) - {""} for path in MODULES}
    order = list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError
    assert len(order) == len(MODULES)


def test_sampling_never_imports_the_checker():
    result = run_python(
        "import sys, minisd.pipeline, minisd.__main__\n"
        "print([m for m in sys.modules if m.startswith('minisd.world.checker')])"
    )
    assert result.stdout == "[]\n", result.stdout + result.stderr


def test_the_package_needs_none_of_its_oracles():
    result = run_python(
        "import importlib, pkgutil, sys, minisd\n"
        "for module in pkgutil.walk_packages(minisd.__path__, 'minisd.'):\n"
        "    importlib.import_module(module.name)\n"
        "print(sorted({'diffusers', 'transformers', 'torchvision'} & set(sys.modules)))"
    )
    assert result.stdout == "[]\n", result.stdout + result.stderr


def code_lines(path: Path) -> int:
    """Lines that hold code: no blank line, comment or docstring."""
    source = path.read_text(encoding="utf-8")
    skip = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
            tokenize.ENCODING, tokenize.ENDMARKER}  # fmt: skip
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in skip:
            lines |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            docstring = node.body[0]
            lines -= set(range(docstring.lineno, docstring.end_lineno + 1))
    return len(lines)


def test_code_lines_counts_code_alone(tmp_path):
    path = tmp_path / "example.py"
    path.write_text(
        '"""Doc\nstring."""\n\n# comment\ndef f(\n    x,\n):\n    """Doc."""\n    return x\n'
    )
    assert code_lines(path) == 4


def test_the_core_stays_small():
    core = {dotted(p): code_lines(p) for p in MODULES if 0 <= FLOORS.get(room(dotted(p)), 9) <= 4}
    assert sum(core.values()) <= MAX_CORE_LINES, f"{sum(core.values())} lines of code: {core}"


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_no_file_is_long(path):
    num_lines = len(path.read_text(encoding="utf-8").splitlines())
    assert num_lines <= MAX_FILE_LINES, f"{path.name} has {num_lines} lines: split it by ideas"


def public_definitions(tree: ast.Module):
    """(name, node) of all public functions and classes, and the public methods of the latter."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node.name, node
            for method in node.body if isinstance(node, ast.ClassDef) else []:
                if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
                    yield f"{node.name}.{method.name}", method


TENSOR_NAMES = {"x", "x0", "x_t", "q", "noise", "epsilon", "latents", "images", "timesteps"}
SHAPE = re.compile(r"\((\.\.\.|[A-Z]\w*|[hw]),[^)]*\)|\([A-Z]\)")  # (B, L, D), (..., E), (N,), (B)


def takes_tensors(name: str, node) -> bool:
    """A layer, or a function with an argument that is a tensor by its name."""
    if isinstance(node, ast.ClassDef):
        return any(getattr(item, "name", "") == "forward" for item in node.body)
    return "." not in name and any(argument.arg in TENSOR_NAMES for argument in node.args.args)


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_public_names_say_what_they_do(path):
    silent, shapeless = [], []
    in_bank = dotted(path).startswith("course.bank.")  # what a tutor says stands for a docstring
    for name, node in public_definitions(ast.parse(path.read_text(encoding="utf-8"))):
        docstring = ast.get_docstring(node) or ""
        if in_bank and ("." in name or name in ("cases", "run")):
            continue
        if len(docstring.split()) < 3 and not name.endswith(".forward"):  # its class says it
            silent.append(name)
        elif not in_bank and takes_tensors(name, node) and not SHAPE.search(docstring):
            shapeless.append(name)
    assert silent == [], "without a docstring that says what it does"
    assert shapeless == [], "takes tensors, but the docstring has no shape like (B, L, D)"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_is_light_and_runs_anywhere(path):  # that it was run: tests/test_notebooks.py
    assert path.stat().st_size <= MAX_NOTEBOOK_BYTES
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"


def test_there_are_notebooks():
    assert NOTEBOOKS  # or the test above would pass by holding for none


def test_no_path_of_one_machine():
    # Brackets keep these patterns from finding themselves.
    machine = re.compile(
        r"(?<![\w./])/(home|Users|root|work|mnt)/\w|/tmp/[i]pykernel|[s]ite-packages/|[A-Z]:\\\\?Users"
        r"|https?://[a-z.]*(py[p]i|npm[j]s|python[h]osted|deb[.]deb)"
    )
    assert machine.search("see /" + "home/ada/x") and not machine.search("a.org/home/x")
    for path in project_files():
        found = machine.search(path.read_text(encoding="utf-8", errors="ignore"))
        assert not found, f"{path.relative_to(ROOT)} names {found[0]!r}"


def test_data_folder_is_no_package():
    assert (ROOT / "datasets").is_dir()
    assert not list((ROOT / "datasets").rglob("*.py"))  # it would hide Hugging Face's `datasets`


def test_readme_links_lead_somewhere():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)\)|(?:src|href)=\"([^\"#]+)\"", readme)
    local = [a or b for a, b in links if not re.match(r"[a-z]+:", a or b)]
    assert local
    assert [link for link in local if not (ROOT / link).exists()] == []
    assert [path.name for path in NOTEBOOKS if f"notebooks/{path.name}" not in local] == []


def test_readme_and_makefile_test_alike():
    command = r"python -m pytest tests notebooks --nbval-\S+ --nbval-\S+ --nbval-\S+"
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "Makefile")]
    found = [re.findall(command, text) for text in texts]
    assert len(found[0]) == 1 and found[0] == found[1]
    assert "make --no-print-directory test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_versions_agree():
    import minisd

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert project["version"] == minisd.__version__
    assert f"\nversion: {minisd.__version__}\n" in citation


def test_requirements_pin_what_the_package_needs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    lines = [line for line in lines if line and not line.startswith("#")]
    assert lines[-1] == "-e ."
    pinned = {line.split("==")[0] for line in lines[:-1] if "==" in line}
    assert len(pinned) == len(lines) - 1
    assert {re.match(r"[\w-]+", line)[0] for line in project["dependencies"]} <= pinned
    assert "torchvision" not in pinned
