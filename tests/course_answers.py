"""Answers as a learner would type them, made from a reference: the same, or with one slip in it.

Two small exercises besides, to show one thing at a time.
"""

import ast
import copy
import inspect
import linecache
import sys
import textwrap
from itertools import count

import torch

from minisd.course.compare import tensors_in, tree_map
from minisd.course.exercise import Exercise

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


FUNCTION = """
def {name}(*arguments, **options):
    result = inner(*arguments, **options)
    {slip}
"""
CLASS = """
class {name}(inner):
    def forward(self, *arguments, **options):
        result = super().forward(*arguments, **options)
        {slip}
"""


def slipped(exercise, slip):
    """The reference as a learner typed it, and one line after it."""
    template = CLASS if isinstance(exercise.reference, type) else FUNCTION
    source = template.format(name=exercise.reference.__name__, slip=slip)
    names = {"inner": typed(exercise.reference), "offset": 1.0, "tree_map": tree_map,
             "tensors_in": tensors_in, "torch": torch, "__name__": "__main__"}  # fmt: skip
    exec(compile(source, "<slipped>", "exec"), names)
    return names[exercise.reference.__name__]


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


def cases(generator):
    x = torch.rand(3, 4, generator=generator) + 0.5
    wide = torch.rand(2, 6, generator=generator) + 0.5
    return {"example": (x,), "batch 1": (x[:1],), "wide": (wide,), "large": (wide * 9,)}


def shares(x):
    """Rows brought to sum 1. (B, D) -> (B, D)"""
    return x / x.sum(dim=1, keepdim=True)


def rows_sum_to_one(mine):
    """A row of your result does not sum to 1."""
    return bool(torch.allclose(mine(torch.ones(2, 3)).sum(dim=1), torch.ones(2)))


def columns_instead(x):
    """Your columns sum to 1, the rows should."""
    return x / x.sum(dim=0, keepdim=True)


SHARES = Exercise(
    "01.shares", "Shares", 1, 1, 1, shares, cases, (rows_sum_to_one,), (columns_instead,),
    forbidden=("softmax", "normalize"),
)  # fmt: skip


def noisy(x, generator=None):
    """Add a little noise. (B, D) -> (B, D)"""
    return x + 0.1 * torch.randn(x.shape, generator=generator)


def noisy_cases(generator):
    x = torch.rand(3, 4, generator=generator)
    seeds = [torch.Generator().manual_seed(i) for i in range(3)]
    return {"example": (x, seeds[0]), "batch 1": (x[:1], seeds[1]), "two": (x[:2], seeds[2])}


NOISY = Exercise("02.noisy", "Noisy", 1, 1, 1, noisy, noisy_cases, (), ())


def answer(body, head="shares(x)", **names):
    """A learner's function in a notebook, from the text of its body."""
    source = f"def {head}:\n" + "\n".join(f"    {line}" for line in body.splitlines()) + "\n"
    reference = {"shares": shares, "noisy": noisy}[head.split("(")[0]]
    mine = typed(reference, source, notebook=True)
    mine.__globals__.update(names)
    return mine


RIGHT = "return x / x.sum(dim=1, keepdim=True)"
