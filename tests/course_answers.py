"""Answers as a learner would type them, made from a reference: the same, or with one slip in it."""

import ast
import copy
import inspect
import linecache
import sys
import textwrap
from itertools import count

_numbers = count()


def typed(reference, source=None, notebook=False):
    """The reference as if it had been typed: from its own source, or from a changed one.

    It sees the names of the reference's module; with `notebook`, it also lives in `__main__`.
    """
    source = source or textwrap.dedent(inspect.getsource(reference))
    file = f"<typed {next(_numbers)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    names = dict(vars(sys.modules[reference.__module__]))
    if notebook:
        names["__name__"] = "__main__"
    exec(compile(source, file, "exec"), names)
    return names[reference.__name__]


SWAPS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip


def single_edits(reference) -> list[tuple[str, str]]:
    """All single edits of the reference's syntax tree: (what was changed, the new source).

    Operators, constants, arguments swapped, calls dropped. What only raises stays as it is.
    """
    tree = ast.parse(textwrap.dedent(inspect.getsource(reference)))
    skipped = {id(inner) for node in ast.walk(tree) if _is_talk(node) for inner in ast.walk(node)}
    found = []
    for position, node in enumerate(ast.walk(tree)):
        if id(node) in skipped:
            continue
        for name, edit in _edits(node):
            changed = copy.deepcopy(tree)
            target = list(ast.walk(changed))[position]
            before = ast.unparse(target)
            edit(target, changed)
            changed = ast.fix_missing_locations(changed)
            found.append((f"{name} in `{before}`", ast.unparse(changed)))
    return found


def _is_talk(node) -> bool:
    """Docstrings, and what is checked only to be complained about."""
    if isinstance(node, ast.If):
        return all(isinstance(step, ast.Raise) for step in node.body) and not node.orelse
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _edits(node):
    if isinstance(node, ast.BinOp):
        if type(node.op) in SWAPS:
            yield "operator", lambda t, _: setattr(t, "op", SWAPS[type(t.op)]())
        if isinstance(node.op, ast.Sub | ast.Div | ast.MatMult | ast.Pow):
            yield "sides", _swap_sides
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
        yield "comparison", lambda t, _: t.ops.__setitem__(0, SWAPS[type(t.ops[0])]())
    elif isinstance(node, ast.UnaryOp):
        yield "sign", lambda t, tree: _replace(tree, t, t.operand)
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield "constant", lambda t, _: setattr(t, "value", not t.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield "constant", lambda t, _: setattr(t, "value", t.value + 1)
    elif isinstance(node, ast.Call) and not _is_super(node):
        if len(node.args) > 1 and not any(isinstance(a, ast.Starred) for a in node.args[:2]):
            yield "arguments", _swap_arguments
        if isinstance(node.func, ast.Attribute) and not _is_module(node.func.value):
            yield "dropped", lambda t, tree: _replace(tree, t, t.func.value)
        elif node.args and not isinstance(node.args[0], ast.Starred):
            yield "dropped", lambda t, tree: _replace(tree, t, t.args[0])


def _swap_sides(node, _):
    node.left, node.right = node.right, node.left


def _swap_arguments(node, _):
    node.args[:2] = node.args[1::-1]


def _replace(tree, old, new):
    for parent in ast.walk(tree):
        for field, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, field, new)
            elif isinstance(value, list) and any(item is old for item in value):
                setattr(parent, field, [new if item is old else item for item in value])


def _is_super(node) -> bool:
    return "super()" in ast.unparse(node)


def _is_module(node) -> bool:
    return isinstance(node, ast.Name) and node.id in ("torch", "F", "nn", "math", "np")
