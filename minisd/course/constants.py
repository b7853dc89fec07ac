"""Is a number of the example written into the code? Proved by writing another one in its place."""

import ast
import inspect

from .compare import same
from .keep import source_of
from .observe import draw_cases, seed_everything
from .own_code import functions_of
from .watch import Stopped


def constant_of_the_example(sight):
    """A number of the example stands in the code, where an argument or its size should stand."""
    example, *others = sight.seen
    failing = [label for label in others if not sight.right_in(label)]
    source = source_of(sight.mine)
    if source is None or not failing or not sight.right_in(example):
        return None
    written = {
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and type(node.value) in (int, float)
    }
    cases = draw_cases(sight.exercise)
    mine, theirs = numbers_of(cases[example]), numbers_of(cases[failing[0]])
    for place, number in mine.items():
        if number in written and theirs.get(place, number) != number:
            variant = rewritten(sight.mine, source, number, theirs[place])
            if variant is not None and _right(sight, variant, failing[0], cases):
                return (
                    f"The number {number:g} is written into your code: right for the example, "
                    "wrong for others. Which argument, or which axis of one, does it stand for?"
                )
    return None


def numbers_of(arguments) -> dict:
    """{place: number}: the plain numbers among the arguments, and the sizes of the tensors."""
    found = {}
    for i, argument in enumerate(arguments):
        if isinstance(argument, int | float) and not isinstance(argument, bool):
            found[i] = argument
        for axis, size in enumerate(getattr(argument, "shape", ())):
            found[i, axis] = size
    return found


def rewritten(answer, source, old, new):
    """The answer, made anew from its source with one number replaced by another."""

    class Replace(ast.NodeTransformer):
        def visit_Constant(self, node):
            return ast.Constant(new) if node.value == old else node

    tree = ast.fix_missing_locations(Replace().visit(ast.parse(source)))
    names = dict(next(iter(functions_of(answer).values())).__globals__)
    try:
        exec(compile(tree, "<one number replaced>", "exec"), names)
    except Exception:
        return None
    return inspect.unwrap(names[answer.__name__])


def _right(sight, answer, label, cases) -> bool:
    exercise, expected = sight.exercise, sight.expected[label]
    seed_everything()
    try:
        result = exercise.run(answer, *cases[label])
    except Stopped:
        raise
    except Exception:
        return False
    return same(result, expected.result, exercise.rtol, exercise.atol)
