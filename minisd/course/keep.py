"""Keep the source of passed answers, so that a later notebook can run on them.

The folder is $MINISD_HOME, or `my_minisd` beside the notebook. Each file is a module of its own
that can be read, changed and deleted.
"""

import ast
import importlib.util
import linecache
import os
import sys
import textwrap
import types
from pathlib import Path

import torch

from .own_code import functions_of, is_library


def home() -> Path:
    """The folder of kept answers. It is made when the first one is kept."""
    if os.environ.get("MINISD_HOME"):
        return Path(os.environ["MINISD_HOME"])
    here = Path.cwd()
    # A notebook runs in its own folder, but some editors start it in the project's.
    return (here / "notebooks" if (here / "notebooks").is_dir() else here) / "my_minisd"


def kept_path(id: str) -> Path:
    """Where the answer to an exercise is kept, or would be."""
    return home() / f"{id}.py"


def keep(id: str, mine) -> Path | None:
    """Write the source of a passed answer and all that it needs. None where it has no source."""
    module = _module_source(mine)
    if module is None:
        return None
    text = f'"""Your answer to exercise {id}. Delete this file and it is forgotten."""\n\n{module}'
    path = kept_path(id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def kept(id: str):
    """The answer that was kept, ready to be used; None where there is none or it cannot run."""
    path, name = kept_path(id), id.split(".", 1)[1]
    if not path.is_file():
        return None
    spec = importlib.util.spec_from_file_location(f"my_minisd_{id.replace('.', '_')}", path)
    module = importlib.util.module_from_spec(spec)
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    except Exception:  # somebody changed the file; then it counts for nothing
        return None
    finally:
        sys.dont_write_bytecode = writes
    linecache.checkcache(str(path))
    return getattr(module, name, None)


def source_of(answer) -> str | None:
    """The source of a function or class from wherever it was typed, a notebook's cell too."""
    functions = list(functions_of(answer).values())
    name = getattr(answer, "__name__", None)
    if not functions or name == "<lambda>":
        return None
    code = functions[0].__code__
    lines = linecache.getlines(code.co_filename)
    try:
        tree = ast.parse("".join(lines))
    except SyntaxError:
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            if first <= code.co_firstlineno <= node.end_lineno:
                return textwrap.dedent("".join(lines[first - 1 : node.end_lineno])).rstrip() + "\n"
    return None


def _module_source(answer) -> str | None:
    """Imports, constants, helpers and the answer itself, in this order."""
    header, definitions, waiting, seen = set(), [], [answer], set()
    while waiting:
        thing = waiting.pop()
        if thing in seen:
            continue
        seen.add(thing)
        source = source_of(thing)
        if source is None:
            return None
        definitions.insert(0, source)
        names = next(iter(functions_of(thing).values())).__globals__
        for name in _names_in(source) - {thing.__name__}:
            if name not in names:
                continue
            line = _import_line(name, names[name])
            if line:
                header.add(line)
            elif isinstance(names[name], type | types.FunctionType):
                waiting.append(names[name])
    parts = ["\n".join(sorted(header)) + "\n"] if header else []
    return "\n\n".join([*parts, *definitions])


def _names_in(source) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}


def _import_line(name, value) -> str | None:
    """The line that makes `name` mean `value` in another file, where one line can."""
    if isinstance(value, types.ModuleType):
        return f"import {value.__name__}" + _alias(name, value.__name__)
    if name.isupper() and isinstance(value, int | float | str | tuple):
        return f"{name} = {value!r}"
    if not callable(value) or not is_library(value) or not hasattr(value, "__name__"):
        return None
    module = getattr(value, "__module__", None)
    if module is None and getattr(torch, value.__name__, None) is value:
        module = "torch"  # torch's functions of C++ do not know where they come from
    return module and f"from {module} import {value.__name__}" + _alias(name, value.__name__)


def _alias(name, original) -> str:
    return "" if name == original else f" as {name}"
