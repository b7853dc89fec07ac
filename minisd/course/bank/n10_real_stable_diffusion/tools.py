"""What the exercises about files share: files to read, and who must not read them for you."""

import json
import math
from contextlib import ExitStack, contextmanager
from unittest import mock

import safetensors.torch
import torch

from .... import checkpoint, text_encoder, unet, vae

NAMES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64"}
LENDERS = {  # module: what in it would do the exercise's work
    safetensors.torch: ("deserialize", "safe_open"),
    checkpoint: ("read_tensors",),
    unet: ("read_config",),
    vae: ("read_config",),
    text_encoder: ("read_config",),
}


def raw_bytes(tensor):
    """The numbers of a tensor as they lie in memory."""
    if tensor.ndim == 0:
        tensor = tensor[None]
    return tensor.contiguous().view(torch.uint8).numpy().tobytes()


def file_of(tensors, metadata=None, header_turned_round=False):
    """{name: tensor} -> the bytes of a safetensors file, the header padded as usual."""
    header, body = {}, b""
    for name, tensor in tensors.items():
        begin, body = len(body), body + raw_bytes(tensor)
        header[name] = {
            "dtype": NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [begin, len(body)],
        }
    if header_turned_round:
        header = dict(reversed(header.items()))
    if metadata:
        header = {"__metadata__": metadata} | header
    text = json.dumps(header).encode()
    text += b" " * (8 * math.ceil(len(text) / 8) - len(text))
    return len(text).to_bytes(8, "little") + text + body


@contextmanager
def nothing_lent():
    """While inside, the readers of safetensors and of the package raise in place of reading."""

    def lend(*_, **__):
        raise RuntimeError(
            "this is a reader of safetensors or of minisd at work: the exercise is to read the "
            "file yourself"
        )

    with ExitStack() as stack:
        for module, names in LENDERS.items():
            for name in names:
                stack.enter_context(mock.patch.object(module, name, lend))
        yield
