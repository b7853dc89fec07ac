"""10.read_safetensors: from bytes to named tensors."""

import json

import torch

from ...exercise import Exercise
from .tools import file_of, nothing_lent


def read_safetensors(data):
    """Take the bytes of a safetensors file apart: {name: tensor}.

    Eight bytes that say how long the header is; the header, in JSON; the numbers of all tensors.
    The format of safetensors (Hugging Face 2022). It holds no code, and none is run.
    """
    dtypes = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
              "I64": torch.int64}  # fmt: skip
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            numbers = bytearray(data[start + begin : start + end])
            tensor = torch.frombuffer(numbers, dtype=dtypes[entry["dtype"]])
            tensors[name] = tensor.reshape(entry["shape"])
    return tensors


def run(read, data):
    """Read while nobody else's reader works."""
    with nothing_lent():
        return read(data)


def some(generator=None):
    """Tensors of several shapes: {name: tensor}."""
    generator = generator or torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(shape, generator=generator)

    return {"norm.weight": draw(4), "conv.weight": draw(3, 2, 3, 3), "to_q.weight": draw(5, 2)}


def cases(generator):
    """Files with all that may stand in one."""
    tensors = some(generator)
    half = {name: tensor.half() for name, tensor in tensors.items()}
    brain = {name: tensor.bfloat16() for name, tensor in tensors.items()}
    ids = {"position_ids": torch.arange(6).reshape(1, 6), "scale": torch.tensor(0.18215)}
    return {
        "example": (file_of(tensors),),
        "one tensor": (file_of({"weight": torch.randn(2, 3, generator=generator)}),),
        "with metadata": (file_of(tensors, {"format": "pt"}),),
        "the header in another order": (file_of(tensors, header_turned_round=True),),
        "float16": (file_of(half),),
        "bfloat16": (file_of(brain, {"format": "pt"}),),
        "whole numbers, and a single number": (file_of(ids),),
    }


def names_of_the_header(mine):
    """The names should be those of the header, all of them and no other. (`__metadata__` is a note
    to the reader, no tensor.)
    """
    return set(run(mine, file_of(some(), {"format": "pt"}))) == set(some())


def shapes_and_types_as_written(mine):
    """A tensor should have the shape and the number format that the header gives it; one of yours
    has others.
    """
    expected = some() | {"half": torch.ones(2, 2).half(), "ids": torch.arange(3)}
    read = run(mine, file_of(expected))
    return all((read[n].shape, read[n].dtype) == (t.shape, t.dtype) for n, t in expected.items())


def first_number(mine):
    """I wrote the numbers 1, 2, 3, 4 into a file that holds nothing else: other ones came back.
    Where in the file do the numbers begin?
    """
    numbers = torch.tensor([1.0, 2.0, 3.0, 4.0])
    return torch.equal(run(mine, file_of({"weight": numbers}))["weight"], numbers)


def rows_stay_rows(mine):
    """Of a tensor of shape (2, 3), the file holds the first row, then the second. Your first row is
    made of other numbers.
    """
    read = run(mine, file_of({"weight": torch.arange(6).reshape(2, 3)}))["weight"]
    return read[0].tolist() == [0, 1, 2]


def formats_are_not_mixed_up(mine):
    """I wrote 1 and -3 in each of the four formats; in one of them you read other numbers. Formats
    of equal length cut their bits differently.
    """
    tensors = {str(i): torch.tensor([1, -3], dtype=t) for i, t in enumerate(
        (torch.float32, torch.float16, torch.bfloat16, torch.int64))}  # fmt: skip
    return all(tensor.tolist() == [1, -3] for tensor in run(mine, file_of(tensors)).values())


def order_of_the_header_is_free(mine):
    """Turn the header's order round, and every name should keep its numbers: only `data_offsets`
    says where they lie.
    """
    one, other = (run(mine, file_of(some(), header_turned_round=turn)) for turn in (False, True))
    return all(torch.equal(one[name], other[name]) for name in some())


def _read(data, start, dtypes=None, cut=None):
    """The reference with one thing changed: where numbers begin, formats, how a piece is cut."""
    own = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64}
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = cut(*entry["data_offsets"]) if cut else entry["data_offsets"]
        numbers = bytearray(data[start + begin : start + end])
        tensor = torch.frombuffer(numbers, dtype=(own | (dtypes or {}))[entry["dtype"]])
        tensors[name] = tensor.reshape(entry["shape"])
    return tensors


def _length(data):
    return int.from_bytes(data[:8], "little")


def counted_from_the_start_of_the_file(data):
    """Your tensors are made of the header's letters: `data_offsets` count from the end of the
    header, not from the start of the file.
    """
    return _read(data, 0)


def header_not_skipped(data):
    """You begin to count right after the first eight bytes, and read the header's letters as
    numbers. How long is the header?
    """
    return _read(data, 8)


def eight_bytes_too_early(data):
    """Every tensor begins eight bytes too early: the length in the first eight bytes is the
    header's alone, without these eight.
    """
    return _read(data, _length(data))


def bfloat16_read_as_float16(data):
    """bfloat16 and float16 are both two bytes long, so that nothing complains; but they cut their
    sixteen bits at different places, and your numbers are wild.
    """
    return _read(data, 8 + _length(data), {"BF16": torch.float16})


def all_made_float32(data):
    """The numbers are right, but everything comes out as float32: a reader hands on what stands in
    the file, and whole numbers should stay whole.
    """
    return {name: tensor.float() for name, tensor in read_safetensors(data).items()}


def shapes_forgotten(data):
    """All tensors come out as one long row. The header says which shape each has."""
    return {name: tensor.flatten() for name, tensor in read_safetensors(data).items()}


def columns_read_first(data):
    """Shapes are right, but rows and columns are mixed up: the last axis runs fastest in the file,
    as everywhere in PyTorch. Nothing has to be turned round.
    """
    return {
        name: tensor.reshape(tensor.shape[::-1]).permute(tuple(reversed(range(tensor.ndim))))
        for name, tensor in read_safetensors(data).items()
    }


def one_after_another(data):
    """You cut the tensors off one after another, in the order of the header. Files may list them in
    any order: `data_offsets` says where each one lies.
    """
    place = 0

    def cut(begin, end):
        nonlocal place
        place += end - begin
        return place - (end - begin), place

    return _read(data, 8 + _length(data), cut=cut)


def the_end_taken_for_a_length(data):
    """It works for the first tensor and for no other: the second of the two offsets is where the
    tensor ends, not how long it is.
    """
    return _read(data, 8 + _length(data), cut=lambda begin, end: (begin, begin + end))


def metadata_taken_for_a_tensor(data):
    """`__metadata__` stands among the names, but it is a note (who wrote this, in which format)
    without shape or numbers.
    """
    tensors, header = read_safetensors(data), json.loads(data[8 : 8 + _length(data)])
    for name in header.keys() - tensors.keys():
        tensors[name] = header[name]["shape"]
    return tensors


EXERCISE = Exercise(
    "10.read_safetensors",
    "From bytes to tensors",
    stars=2,
    minutes=15,
    points=3,
    reference=read_safetensors,
    cases=cases,
    laws=(
        names_of_the_header,
        shapes_and_types_as_written,
        first_number,
        rows_stay_rows,
        formats_are_not_mixed_up,
        order_of_the_header_is_free,
    ),
    mistakes=(
        counted_from_the_start_of_the_file,
        header_not_skipped,
        eight_bytes_too_early,
        bfloat16_read_as_float16,
        all_made_float32,
        shapes_forgotten,
        columns_read_first,
        one_after_another,
        the_end_taken_for_a_length,
        metadata_taken_for_a_tensor,
    ),
    run=run,
    needs_gradient=False,
)
