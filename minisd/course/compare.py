"""Equal or not, and where not: elementwise, so that one wrong value among thousands shows."""

import math
from numbers import Number

import torch


def tree_map(function, value):
    """`function` of every tensor inside nested tuples, lists and dictionaries; the rest stays."""
    if isinstance(value, torch.Tensor):
        return function(value)
    if isinstance(value, tuple | list):
        items = [tree_map(function, item) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if isinstance(value, dict):
        return {key: tree_map(function, item) for key, item in value.items()}
    return value


def tensors_in(value) -> list[torch.Tensor]:
    """All tensors inside nested tuples, lists and dictionaries, in order."""
    found = []
    tree_map(found.append, value)
    return found


def kind_of(value) -> str:
    """What a learner calls it: "a tensor", "2 values", "a number", "None"."""
    if value is None or value is ...:
        return "nothing (None)"
    if isinstance(value, torch.Tensor):
        return "a tensor"
    if isinstance(value, tuple | list):
        return f"{len(value)} values"
    if isinstance(value, bool):
        return "True or False"
    if isinstance(value, Number):
        return "a number"
    if isinstance(value, type):
        return "a class"
    return f"a {type(value).__module__.split('.')[0]} {type(value).__name__}".replace(
        "a builtins ", "a "
    )


def form_of(value) -> str:
    """Shapes and dtypes, as far as they can be compared: "(2, 3) float32"."""
    if isinstance(value, torch.Tensor):
        return f"{tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}"
    if isinstance(value, tuple | list):
        return "(" + ", ".join(form_of(item) for item in value) + ")"
    return kind_of(value)


def shown(argument) -> str:
    """An argument as a message names it: small things in full, tensors by their form."""
    if isinstance(argument, str | Number | None):
        return repr(argument)
    if isinstance(argument, tuple | list):
        return "(" + ", ".join(map(shown, argument)) + ")"
    return form_of(argument)


def same(received, expected, rtol=1e-4, atol=1e-5) -> bool:
    """True where kind, shape, dtype and every value agree; nan equals nan."""
    return first_difference(received, expected, rtol, atol) is None


def first_difference(received, expected, rtol=1e-4, atol=1e-5, place=""):
    """None, or (what differs, where, received): ("kind" | "shape" | "dtype" | "value", ...)."""
    expected_number, number = as_number(expected, expected), as_number(received, expected)
    if expected_number is not None and number is not None:
        close = math.isclose(number, expected_number, rel_tol=rtol, abs_tol=atol)
        if close or (math.isnan(number) and math.isnan(expected_number)):
            return None
        return "value", place, f"{number:.6g}"
    if isinstance(expected, torch.Tensor):
        if not isinstance(received, torch.Tensor):
            return "kind", place, kind_of(received)
        if received.shape != expected.shape:
            return "shape", place, str(tuple(received.shape))
        if received.dtype != expected.dtype:
            return "dtype", place, str(received.dtype).removeprefix("torch.")
        return _first_value(received.detach(), expected.detach(), rtol, atol, place)
    if isinstance(expected, tuple | list):
        if not isinstance(received, tuple | list) or len(received) != len(expected):
            return "kind", place, kind_of(received)
        for i, (a, b) in enumerate(zip(received, expected)):
            found = first_difference(a, b, rtol, atol, f"{place}result {i + 1}, ")
            if found:
                return found
        return None
    if isinstance(expected, dict):
        if not isinstance(received, dict) or received.keys() != expected.keys():
            return "kind", place, kind_of(received)
        for key, value in expected.items():
            found = first_difference(received[key], value, rtol, atol, f"{place}{key}, ")
            if found:
                return found
        return None
    if type(received) is not type(expected) and kind_of(received) != kind_of(expected):
        return "kind", place, kind_of(received)
    return None if received == expected else ("value", place, repr(received)[:80])


def as_number(value, expected):
    """The plain number that a 0-d tensor stands for, where a plain number is expected."""
    if isinstance(expected, torch.Tensor) or not isinstance(expected, Number):
        return None
    if isinstance(value, torch.Tensor) and value.ndim == 0 and value.device.type != "meta":
        value = value.item()
    if hasattr(value, "item") and not isinstance(value, torch.Tensor):  # numpy's numbers
        value = value.item() if getattr(value, "ndim", 0) == 0 else value
    if isinstance(value, bool) != isinstance(expected, bool) or isinstance(value, complex):
        return None
    return float(value) if isinstance(value, Number) else None


def _first_value(received, expected, rtol, atol, place):
    if expected.dtype.is_floating_point or expected.dtype.is_complex:
        equal = torch.isclose(received, expected, rtol=rtol, atol=atol, equal_nan=True)
    else:
        equal = received == expected
    if bool(equal.all()):
        return None
    index = (~equal).nonzero()[0].tolist()
    value = received[tuple(index)].item()
    shown = f"{value:.6g}" if isinstance(value, float) else str(value)
    where = f"[{', '.join(map(str, index))}]" if index else ""
    return "value", f"{place}{where}", shown
