"""Would it run on a graphics card? Found out without one, by marking where tensors are made."""

import sys

import torch
from torch.overrides import TorchFunctionMode

from .compare import tensors_in
from .observe import draw_cases, seed_everything
from .own_code import codes_of

FACTORIES = {
    "arange", "empty", "eye", "from_numpy", "full", "linspace", "logspace", "ones", "rand",
    "randint", "randn", "randperm", "tensor", "tril_indices", "triu_indices", "zeros",
}  # fmt: skip
MOVES = {"to", "type_as", "cuda"}
KEEP = {"copy_", "__setitem__", "__get__", "__set__"}


class _Marks(TorchFunctionMode):
    """Marks what the learner's own lines make without `device=`, and all that comes of it."""

    def __init__(self, own):
        super().__init__()
        self.own, self.marked, self.mixed = own, {}, False

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Call `func`; its result is marked if all tensors that went in are."""
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        given = tensors_in([*args, *kwargs.values()])
        result = func(*args, **kwargs)
        made = [x for x in tensors_in(result) if x.ndim > 0]  # a lone number may stay anywhere
        if name in FACTORIES:
            code = sys._getframe(1).f_code
            # What __init__ makes becomes a weight, and moves with its module.
            if id(code) in self.own and code.co_name != "__init__" and kwargs.get("device") is None:
                self._mark(made)
        elif name in MOVES and _names_a_device(args, kwargs):
            for x in made:
                self.marked.pop(id(x), None)  # on the processor `to` hands back the same tensor
        elif given and name not in KEEP:
            large = [x for x in given if x.ndim > 0]
            marked = [id(x) in self.marked for x in large]
            if name == "__getitem__" and not any(marked[:1]):
                return result  # an index may lie on the processor
            if any(marked) and not all(marked):
                self.mixed = True
            elif any(marked):
                self._mark(made)
        return result

    def _mark(self, tensors):
        self.marked |= {id(x): x for x in tensors}  # kept alive, so that no id is used twice


def _names_a_device(args, kwargs) -> bool:
    return "device" in kwargs or any(
        isinstance(a, str | torch.device | torch.Tensor) for a in args[1:]
    )


def stays_on_processor(exercise, answer) -> bool:
    """True where a tensor made by the answer meets one that was given, or goes out by itself."""
    seed_everything()
    arguments = next(iter(draw_cases(exercise).values()))
    marks = _Marks(codes_of(answer))
    with marks:
        try:
            result = exercise.run(answer, *arguments)
        except Exception:  # said elsewhere
            return False
    return marks.mixed or any(id(x) in marks.marked for x in tensors_in(result))


def wrong_device(sight):
    """A tensor is made on the processor whatever the arguments' device is."""
    if stays_on_processor(sight.exercise, sight.exercise.reference):
        return None
    if stays_on_processor(sight.exercise, sight.mine):
        return (
            "It would fail on a graphics card: a tensor that you make stays on the processor. Say "
            "`device=` of an argument wherever you make one."
        )
    return None
