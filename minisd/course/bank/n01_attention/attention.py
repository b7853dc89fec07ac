"""01.Attention: many heads, one context. The laws that every right answer keeps."""

import math

import torch

from ....attention import Attention
from ...exercise import Exercise
from . import attention_mistakes as wrong
from .weights import fill, set_projection


def cases(generator):
    """(width, heads, context width, bias), x, context: some with L = S and one width, some not."""

    def draw(*shape):
        return torch.randn(*shape, generator=generator)

    return {
        "example": ((8, 2), draw(2, 4, 8), draw(2, 4, 8)),
        "self-attention": ((8, 2), draw(2, 5, 8), None),
        "batch 1": ((6, 3, 6), draw(1, 4, 6), draw(1, 4, 6)),
        "L and S differ": ((12, 3), draw(2, 4, 12), draw(2, 6, 12)),
        "context of another width": ((8, 4, 6), draw(2, 3, 8), draw(2, 5, 6)),
        "with biases": ((8, 2, 8, True), draw(3, 3, 8), draw(3, 3, 8)),
        "one head": ((6, 1), draw(2, 3, 6), draw(2, 3, 6)),
        "B = L = S = K": ((8, 4), draw(4, 4, 8), draw(4, 4, 8)),
    }


def run(answer, config, x, context):
    """Build the answer's module, fill it with known weights, and call it."""
    module = fill(answer(*config), x)
    return module(x) if context is None else module(x, context)


def example(answer, dim=12, num_heads=3, context_dim=10):
    """A module of random weights, three queries and five words of context for a batch of 2."""
    generator = torch.Generator().manual_seed(dim + num_heads)
    x = torch.randn(2, 3, dim, generator=generator)
    context = torch.randn(2, 5, context_dim, generator=generator)
    return fill(answer(dim, num_heads, context_dim), x), x, context


def close(left, right):
    """Equal but for rounding."""
    return torch.allclose(left, right, rtol=1e-4, atol=1e-5)


def names_of_the_weights(mine):
    """The layers have other names or shapes than the statement's, so that saved weights would not
    fit.
    """
    shapes = {name: tuple(weight.shape) for name, weight in mine(8, 2, 6).state_dict().items()}
    square = {"to_q.weight": (8, 8), "to_out.0.weight": (8, 8), "to_out.0.bias": (8,)}
    return shapes == square | {"to_k.weight": (8, 6), "to_v.weight": (8, 6)}


def width_of_the_answer(mine):
    """The answer should have the shape of x, however many tokens the context has, and how wide."""
    module, x, context = example(mine)
    return module(x, context).shape == x.shape


def one_head_is_plain_attention(mine):
    """With a single head it should be plain attention between four projections: it is not."""
    module, x, context = example(mine, num_heads=1)
    q, k, v = module.to_q(x), module.to_k(context), module.to_v(context)
    weights = (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1)
    return close(module(x, context), module.to_out(weights @ v))


def without_context_it_looks_at_itself(mine):
    """Without a context, x should be asked about itself."""
    module, x, _ = example(mine, context_dim=12)
    return close(module(x), module(x, x))


def order_of_the_context_is_free(mine):
    """Shuffle the tokens of the context: the answer changes, but should not."""
    module, x, context = example(mine)
    return close(module(x, context), module(x, context[:, [3, 0, 4, 1, 2]]))


def equal_words_give_equal_answers(mine):
    """Where all tokens of the context are the same, every query should get the same answer."""
    module, x, context = example(mine)
    out = module(x, context[:, :1].expand_as(context))
    return close(out, out[:, :1].expand_as(out))


def last_projection_decides(mine):
    """With a last projection (to_out) of zeros the answer should be zero."""
    module, x, context = example(mine)
    set_projection(module.to_out[0])
    return bool((module(x, context) == 0).all())


def neighbors_in_the_batch_do_not_matter(mine):
    """Change one picture of the batch: another one's answer changes."""
    module, x, context = example(mine)
    other = torch.cat([x[:1], x[1:] + 1]), torch.cat([context[:1], 2 * context[1:]])
    return close(module(x, context)[0], module(*other)[0])


def heads_keep_to_their_channels(mine):
    """Change what the second head fetches: channels of other heads change before the last
    projection mixes them.
    """
    module, x, context = example(mine)
    set_projection(module.to_out[0], 1.0)
    before = module(x, context)
    with torch.no_grad():
        module.to_v.weight[4:8] += 1  # E = 4: channels 4 to 7 are the second head's
    changed = (module(x, context) - before).abs().amax((0, 1)) > 1e-5
    return changed.tolist() == [4 <= channel < 8 for channel in range(12)]


def every_head_is_attention_of_its_block(mine):
    """Each head should be plain attention of its own E = D / K channels; with a last projection
    that changes nothing, some head's channels hold something else.
    """
    module, x, context = example(mine)
    set_projection(module.to_out[0], 1.0)
    out = module(x, context)
    q, k, v = module.to_q(x), module.to_k(context), module.to_v(context)
    for block in (slice(0, 4), slice(4, 8), slice(8, 12)):
        weights = (q[..., block] @ k[..., block].mT / math.sqrt(4)).softmax(-1)
        if not close(out[..., block], weights @ v[..., block]):
            return False
    return True


EXERCISE = Exercise(
    "01.Attention",
    "Many heads, one context",
    stars=3,
    minutes=20,
    points=4,
    reference=Attention,
    cases=cases,
    laws=(
        names_of_the_weights,
        width_of_the_answer,
        one_head_is_plain_attention,
        without_context_it_looks_at_itself,
        order_of_the_context_is_free,
        equal_words_give_equal_answers,
        last_projection_decides,
        neighbors_in_the_batch_do_not_matter,
        heads_keep_to_their_channels,
        every_head_is_attention_of_its_block,
    ),
    mistakes=wrong.MISTAKES,
    run=run,
    forbidden=("scaled_dot_product_attention", "multi_head_attention_forward"),
)
