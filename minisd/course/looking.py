"""Look inside the shipped model while it draws."""

import math
from collections import defaultdict

import torch
from einops import rearrange


@torch.no_grad()
def cross_attention_maps(pipe, prompt, generator=None, **options):
    """Draw one picture, and record how much every place of it looks at every word.

    Returns (image, words, maps): uint8 (H, W, 3); the S words of the prompt, without start and
    end; (S, h, w), the share of attention that a place gives to a word, a mean over the heads,
    steps and layers at the latent's full resolution. Hertz et al. 2022, section 3, average in the
    same way.
    """
    ids = pipe.tokenizer([prompt])[0].tolist()
    end = ids.index(ids[-1])  # the end is repeated up to the full length
    words = [pipe.tokenizer.decode([token]) for token in ids[1:end]]
    weights = defaultdict(list)

    def record(layer, inputs, output):
        x, context = (part[-1:] for part in inputs)  # of guidance's two prompts, the real one
        q, k = (
            rearrange(y, "b n (k e) -> b k n e", k=layer.num_heads)
            for y in (layer.to_q(x), layer.to_k(context))
        )
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        weights[x.shape[1]].append(scores.softmax(-1).mean((0, 1)).cpu())  # (L, S)

    layers = [module for name, module in pipe.unet.named_modules() if name.endswith("attn2")]
    hooks = [layer.register_forward_hook(record) for layer in layers]
    try:
        image = pipe(prompt, generator=generator, **options)[0]
    finally:
        for hook in hooks:
            hook.remove()
    mean = torch.stack(weights[max(weights)]).mean(0)[:, 1:end]  # (L, S)
    side = math.isqrt(len(mean))
    return image, words, rearrange(mean, "(h w) s -> s h w", h=side)
