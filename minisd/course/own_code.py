"""What can be known of the learner's code without running it, and where an exception hit it."""

import dis
import functools
import inspect
import os
import sysconfig
import traceback
import types
from pathlib import Path

import torch

PACKAGE = str(Path(__file__).resolve().parents[1])
TORCH = str(Path(torch.__file__).resolve().parent)
LIBRARIES = {PACKAGE, str(Path(TORCH).parent)} | {
    str(Path(sysconfig.get_path(name)).resolve())
    for name in ("stdlib", "platstdlib", "purelib", "platlib")
}
EMPTY = [["LOAD_CONST", "RETURN_VALUE"], ["RETURN_CONST"]]  # all that `pass` compiles to


def is_in(file: str, *folders: str) -> bool:
    """True for a file inside one of the folders, and for what Python froze into itself."""
    file = os.path.normcase(file)
    return file.startswith("<frozen") or any(
        file.startswith(os.path.normcase(folder + os.sep)) for folder in folders
    )


def functions_of(answer) -> dict[str, types.FunctionType]:
    """The plain functions that an answer is made of: itself, or a class's own methods."""
    if isinstance(answer, functools.partial):
        return functions_of(answer.func)
    if isinstance(answer, type):
        found = {}
        for name, item in vars(answer).items():
            item = getattr(item, "__func__", getattr(item, "fget", item))
            item = inspect.unwrap(item) if callable(item) else item
            if isinstance(item, types.FunctionType):
                found[name] = item
        return found
    answer = inspect.unwrap(answer) if callable(answer) else answer
    answer = getattr(answer, "__func__", answer)
    return {answer.__name__: answer} if isinstance(answer, types.FunctionType) else {}


def codes_in(code) -> list[types.CodeType]:
    """A code object and those of the functions defined inside it."""
    inner = [item for item in code.co_consts if isinstance(item, types.CodeType)]
    return [code, *(deep for item in inner for deep in codes_in(item))]


def codes_of(answer) -> dict[int, types.CodeType]:
    """All code objects of an answer by id: copies that are typed alike would be equal."""
    functions = functions_of(answer).values()
    return {id(code): code for f in functions for code in codes_in(f.__code__)}


def is_empty(function) -> bool:
    """True for a body of `pass`, `...` or a docstring alone."""
    steps = [i for i in dis.get_instructions(function.__code__)
             if i.opname not in ("RESUME", "NOP", "CACHE")]  # fmt: skip
    return [i.opname for i in steps] in EMPTY and steps[0].argval is None


def is_stub(answer) -> bool:
    """True where nothing was written yet: None, an empty function, a class of empty methods."""
    if answer is None or answer is ...:
        return True
    functions = {n: f for n, f in functions_of(answer).items() if n != "__init__"}
    if isinstance(answer, type) and not functions:
        bases = [base for base in answer.__mro__[1:-1] if not base.__module__.startswith("torch")]
        return not any(map(functions_of, bases))
    if "forward" in functions:
        return is_empty(functions["forward"])
    return bool(functions) and all(map(is_empty, functions.values()))


def is_library(thing) -> bool:
    """True for what torch, Python, another package or minisd defines."""
    try:
        return is_in(inspect.getfile(thing), *LIBRARIES)
    except (TypeError, OSError):  # built in, or typed into a prompt
        return getattr(thing, "__module__", None) != "__main__"


def globals_read(answer) -> dict[str, object]:
    """The names that an answer reads from its module or notebook, own helpers included."""
    found, waiting, seen = {}, list(functions_of(answer).values()), set()
    while waiting:
        function = waiting.pop()
        if function in seen:
            continue
        seen.add(function)
        for code in codes_in(function.__code__):
            for step in dis.get_instructions(code):
                if step.opname not in ("LOAD_GLOBAL", "LOAD_NAME"):
                    continue
                if step.argval in function.__globals__:
                    value = function.__globals__[step.argval]
                    found[step.argval] = value
                    if callable(value) and not is_library(value):
                        waiting += functions_of(value).values()
    return found


def own_frames(error, answer) -> list[traceback.FrameSummary]:
    """The frames of an exception that lie in the learner's own code, outermost first."""
    files = {code.co_filename for code in codes_of(answer).values()}
    return [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename in files or not is_in(frame.filename, *LIBRARIES)
    ]


def raised_by_torch(error) -> bool:
    """True where torch itself raised it, as a network without `forward` does."""
    frames = traceback.extract_tb(error.__traceback__)
    return is_in(frames[-1].filename, TORCH)


def own_trace(error, answer) -> str:
    """An exception in one line, and at most three of the learner's own lines that led there."""
    text = " ".join(str(error).split())
    text = text if len(text) <= 200 else text[:200] + " ..."
    lines = [f"    line {f.lineno}, in {f.name}:  {f.line}" for f in own_frames(error, answer)]
    return "\n".join([f"{type(error).__name__}: {text}".rstrip(": "), *lines[-3:]])
