"""Draw while somebody watches: the weights of cross-attention, step by step."""

import math
from contextlib import contextmanager

import torch
from einops import rearrange


@contextmanager
def recording(pipe):
    """While inside, every network call adds its cross-attention weights to a list that is yielded.

    Of each call: the mean over the layers at the finest resolution that has attention,
    (2B, K, L, S) on the CPU; with guidance the negative half comes first.
    """
    calls, parts = [], []

    def record(layer, inputs, output):
        x, context = inputs
        q, k = (
            rearrange(y, "b n (k e) -> b k n e", k=layer.num_heads)
            for y in (layer.to_q(x), layer.to_k(context))
        )
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        parts.append(scores.softmax(-1).float().cpu())  # (2B, K, L, S)

    def finish(unet, inputs, output):
        finest = max(part.shape[2] for part in parts)
        fine = [part for part in parts if part.shape[2] == finest]
        parts.clear()
        calls.append(torch.stack(fine).mean(dim=0))

    layers = [module for name, module in pipe.unet.named_modules() if name.endswith("attn2")]
    hooks = [layer.register_forward_hook(record) for layer in layers]
    hooks.append(pipe.unet.register_forward_hook(finish))
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


def words_of(pipe, prompt):
    """{word: its place among the tokens}, the first time it occurs; the start token has place 0."""
    ids = pipe.tokenizer([prompt])[0].tolist()
    words = [pipe.tokenizer.decode([number]) for number in ids[1 : ids.index(ids[-1])]]
    return {word: words.index(word) + 1 for word in words}
