"""A right answer that somebody else gave: torch's own function, or the package's."""

import sys
from pathlib import Path

from torch.overrides import TorchFunctionMode

from .observe import observe
from .own_code import PACKAGE, TORCH, codes_in, codes_of, functions_of, is_in

COURSE = str(Path(__file__).resolve().parent)
LENDERS = (("torch", TORCH, "torch's"), ("minisd", PACKAGE, "minisd's own"))


def plain(name: str) -> str:
    """special_softmax, _softmax and softmax_ are one function in this respect."""
    return name.strip("_").removeprefix("special_")


def lender_of(code, names) -> str | None:
    """Whose function this code is, where `names` has it: "torch's kl_divergence", or None."""
    for owner, folder, whose in LENDERS:
        for name in (plain(code.co_name), code.co_qualname.split(".")[0]):
            if f"{owner}.{name}" in names and is_in(code.co_filename, folder):
                return None if is_in(code.co_filename, COURSE) else f"{whose} {name}"
    return None


class _Listener(TorchFunctionMode):
    """Hears every torch function that is called while it is on, those written in C too."""

    def __init__(self, heard):
        super().__init__()
        self.heard = heard

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Note the name, then let it work."""
        self.heard(getattr(func, "__name__", ""), sys._getframe(1))
        return func(*args, **(kwargs or {}))


def borrowed_from(exercise, mine) -> str | None:
    """Run the answer once more, listening. "torch's softmax", "minisd's own", or None."""
    if mine is exercise.reference:
        return f"minisd's own {exercise.reference.__name__}"
    names = {name if "." in name else f"torch.{plain(name)}" for name in exercise.forbidden}
    names.add(f"minisd.{exercise.id.split('.', 1)[1]}")
    own, found = codes_of(mine), []
    parts = functions_of(exercise.reference)
    theirs = {id(c) for n, f in parts.items() if n != "__init__" for c in codes_in(f.__code__)}
    if own.keys() & theirs:
        return f"minisd's own {exercise.reference.__name__}"

    def below_mine(frame) -> bool:
        while frame is not None and own:
            if id(frame.f_code) in own:
                return True
            frame = frame.f_back
        return not own  # a built-in or inherited answer has no line of its own

    def heard(function_name, frame):
        if f"torch.{plain(function_name)}" in names and below_mine(frame):
            found.append(f"torch's {plain(function_name)}")

    def called(frame, event, _):
        code = frame.f_code
        if event != "call" or id(code) in own or code.co_name == "__init__":
            return
        part = f"minisd's own {code.co_qualname.split('.')[0]}" if id(code) in theirs else None
        lender = part or lender_of(code, names)
        if lender and below_mine(frame):
            found.append(lender)

    before = sys.getprofile()
    sys.setprofile(called)
    try:
        with _Listener(heard):
            observe(exercise, mine)
    finally:
        sys.setprofile(before)
    return found[0] if found else None
