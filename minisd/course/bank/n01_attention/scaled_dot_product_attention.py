"""01.scaled_dot_product_attention: share out one unit of attention per query."""

import math

import torch

from ....attention import scaled_dot_product_attention
from ...exercise import Exercise


def cases(generator):
    """L = S at first, where exchanged queries and keys do not raise, and can be told by name.

    The widths of keys (16) and values (5) differ, and both differ from the number of keys (4).
    """

    def draw(*front, queries=4, keys=4):
        shapes = (queries, 16), (keys, 16), (keys, 5)  # (L, E), (S, E), (S, V)
        return tuple(torch.randn(*front, *shape, generator=generator) for shape in shapes)

    staggered = torch.tensor([[1, 0, 0, 1], [1, 1, 0, 0], [0, 1, 1, 0], [0, 1, 1, 1]]).bool()
    heads = torch.stack([staggered, staggered.flip(1)])[:, None]  # (B, 1, L, S)
    return {
        "example": draw(2),
        "batch 1": draw(1),
        "with a mask": (*draw(2), staggered),
        "batch and heads": draw(2, 3),
        "a mask for each of the batch": (*draw(2, 3), heads),
        "B = L = S": draw(4),
        "L and S differ": draw(2, queries=3, keys=6),
        "one key": draw(2, queries=3, keys=1),
    }


def example(seed, queries=3, keys=5, width=8, values=4):
    """Queries, keys and values of one batch of 2."""
    generator = torch.Generator().manual_seed(seed)
    shapes = (2, queries, width), (2, keys, width), (2, keys, values)
    return [torch.randn(shape, generator=generator) for shape in shapes]


def close(left, right):
    """Equal but for rounding."""
    return torch.allclose(left, right, rtol=1e-4, atol=1e-5)


def equal_values_come_out_unchanged(mine):
    """Where every key has the same value, the answer should be that value: the weights of a query
    do not sum to 1.
    """
    q, k, v = example(1)
    mask = torch.tensor([[1, 1, 0, 0, 0], [0, 1, 1, 1, 0], [1, 1, 1, 1, 1]]).bool()
    v = v[:, :1].expand_as(v)
    return all(close(mine(q, k, v, m), v[:, :3]) for m in (None, mask))


def order_of_keys_is_free(mine):
    """Shuffle the keys and their values together: the answers change, but should not."""
    q, k, v = example(2)
    order = torch.tensor([3, 0, 4, 1, 2])
    return close(mine(q, k, v), mine(q, k[:, order], v[:, order]))


def answers_follow_queries(mine):
    """Shuffle the queries: the answers should be shuffled in the same way, one answer a query."""
    q, k, v = example(3)
    order = torch.tensor([2, 0, 1])
    return close(mine(q, k, v)[:, order], mine(q[:, order], k, v))


def no_interest_gives_the_mean(mine):
    """A query of zeros finds all keys equally good: its answer should be the mean of the values."""
    q, k, v = example(4)
    return close(mine(0 * q, k, v), v.mean(1, keepdim=True).expand(2, 3, 4))


def best_match_wins(mine):
    """A very long query that points exactly along one key should fetch that key's value."""
    _, k, v = example(5)
    k = k / k.norm(dim=-1, keepdim=True)
    return close(mine(1_000 * k[:, [4, 1]], k, v), v[:, [4, 1]])


def width_is_made_up_for(mine):
    """Vectors of four times the width, filled up with zeros, have the same products; the weights
    should be those of queries half as long.
    """
    q, k, v = example(6)
    wide = [torch.cat([y, torch.zeros(*y.shape[:2], 24)], dim=-1) for y in (q, k)]
    return close(mine(*wide, v), mine(q / 2, k, v))


def forbidden_keys_do_not_matter(mine):
    """Change the value of a key that the mask forbids: an answer changes."""
    q, k, v = example(7)
    mask = torch.tensor([1, 1, 0, 1, 0]).bool().expand(3, 5)
    other = torch.where(mask[0, :, None], v, v + 100)
    return close(mine(q, k, v, mask), mine(q, k, other, mask))


def masked_is_as_if_absent(mine):
    """Hiding keys by the mask should give what leaving them out gives."""
    q, k, v = example(8)
    seen = torch.tensor([1, 1, 0, 1, 0]).bool()
    return close(mine(q, k, v, seen.expand(3, 5)), mine(q, k[:, seen], v[:, seen]))


def attend(scores, v, mask, hidden=-math.inf):
    """The steps after the scores, right."""
    if mask is not None:
        scores = scores.masked_fill(~mask, hidden)
    return scores.softmax(-1) @ v


def not_scaled(q, k, v, mask=None):
    """The scores are not divided by anything that depends on the width: with wider vectors the
    weights sharpen until one key takes all.
    """
    return attend(q @ k.mT, v, mask)


def divided_by_the_width(q, k, v, mask=None):
    """Too flat: the *spread* of a sum of E products grows with the square root of E, not with E."""
    return attend(q @ k.mT / q.shape[-1], v, mask)


def multiplied_by_the_root(q, k, v, mask=None):
    """The root makes large scores larger still. Wider vectors have larger products: does that call
    for more or for less?
    """
    return attend(q @ k.mT * math.sqrt(q.shape[-1]), v, mask)


def divided_by_the_root_of_the_number_of_keys(q, k, v, mask=None):
    """Your weights change when keys are added that nobody looks at. It is the width of a key that
    counts, not how many there are.
    """
    return attend(q @ k.mT / math.sqrt(k.shape[-2]), v, mask)


def value_width_used_for_the_scale(q, k, v, mask=None):
    """You scale by the width of the values; the products are taken between queries and keys."""
    return attend(q @ k.mT / math.sqrt(v.shape[-1]), v, mask)


def softmax_over_the_queries(q, k, v, mask=None):
    """The weights of one *key* over all queries sum to 1. Each query should share out one unit of
    attention among the keys.
    """
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return scores.softmax(-2) @ v


def scaled_after_the_softmax(q, k, v, mask=None):
    """The answers shrink: the weights no longer sum to 1, because the division came after the
    softmax.
    """
    return attend(q @ k.mT, v, mask) / math.sqrt(q.shape[-1])


def q_and_k_exchanged(q, k, v, mask=None):
    """The rows of your table belong to keys. It only runs because L equals S: shuffle the queries
    and the answers do not follow.
    """
    return attend(k @ q.mT / math.sqrt(q.shape[-1]), v, mask)


def mask_inverted(q, k, v, mask=None):
    """Exactly the allowed keys are hidden. What does True mean in this mask?"""
    return scaled_dot_product_attention(q, k, v, None if mask is None else ~mask)


def scores_multiplied_by_the_mask(q, k, v, mask=None):
    """A forbidden key gets the score 0, and exp(0) = 1: it still takes part. Which score gives a
    weight of 0?
    """
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    return attend(scores if mask is None else scores * mask, v, None)


def weights_masked_after_the_softmax(q, k, v, mask=None):
    """The forbidden weights are gone, but the others were not raised: a query's weights sum to less
    than 1.
    """
    weights = (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1)
    return (weights if mask is None else weights * mask) @ v


def bool_mask_added(q, k, v, mask=None):
    """Adding True raises the allowed scores by 1; the forbidden keys are still there."""
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    return attend(scores if mask is None else scores + mask, v, None)


def mask_ignored(q, k, v, mask=None):
    """The mask changes nothing: forbidden keys are looked at like all others."""
    return scaled_dot_product_attention(q, k, v)


EXERCISE = Exercise(
    "01.scaled_dot_product_attention",
    "Scaled dot-product attention",
    stars=2,
    minutes=12,
    points=3,
    reference=scaled_dot_product_attention,
    cases=cases,
    laws=(
        equal_values_come_out_unchanged,
        order_of_keys_is_free,
        answers_follow_queries,
        no_interest_gives_the_mean,
        best_match_wins,
        width_is_made_up_for,
        forbidden_keys_do_not_matter,
        masked_is_as_if_absent,
    ),
    mistakes=(
        not_scaled,
        divided_by_the_width,
        multiplied_by_the_root,
        divided_by_the_root_of_the_number_of_keys,
        value_width_used_for_the_scale,
        softmax_over_the_queries,
        scaled_after_the_softmax,
        q_and_k_exchanged,
        mask_inverted,
        scores_multiplied_by_the_mask,
        weights_masked_after_the_softmax,
        bool_mask_added,
        mask_ignored,
    ),
    forbidden=("scaled_dot_product_attention", "multi_head_attention_forward"),
)
