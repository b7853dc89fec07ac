"""01.attention_mask: who may look at whom."""

import torch

from ...exercise import Exercise


def attention_mask(lengths, num_queries, num_keys, causal=False):
    """Say which query may look at which key: True where it may. (B,), L, S -> (B, 1, L, S) bool

    Prompt b has lengths[b] real tokens, the keys after them are padding. With `causal`, no query
    looks at a later key. The axis of length 1 stands for the heads. Vaswani et al. 2017, section
    3.2.3.
    """
    real = torch.arange(num_keys, device=lengths.device) < lengths[:, None]  # (B, S)
    allowed = torch.ones(num_queries, num_keys, dtype=torch.bool, device=lengths.device)
    if causal:
        allowed = allowed.tril()
    return real[:, None, None, :] & allowed  # (B, 1, L, S)


def cases(generator):
    """Fixed lengths; one case each with L < S, L > S, L = S and B = L = S."""
    return {
        "example": (torch.tensor([3, 5]), 4, 6),
        "causal": (torch.tensor([3, 5]), 6, 6, True),
        "batch 1": (torch.tensor([2]), 3, 4, True),
        "B = L = S": (torch.tensor([1, 3, 2]), 3, 3, False),
        "more queries than keys": (torch.tensor([4, 1, 2]), 6, 4, True),
        "more keys than queries": (torch.tensor([5, 2]), 3, 5, True),
    }


def shape_and_dtype(mine):
    """The mask should be of shape (B, 1, L, S) and of dtype bool."""
    mask = mine(torch.tensor([2, 3, 1]), 4, 5)
    return mask.shape == (3, 1, 4, 5) and mask.dtype == torch.bool


def every_query_sees_a_key(mine):
    """Some query may look at no key at all: softmax over an empty row gives nan."""
    lengths = torch.tensor([1, 4, 2])
    return all(bool(mine(lengths, 5, 4, causal).any(-1).all()) for causal in (False, True))


def all_queries_see_the_same(mine):
    """Without `causal`, every query may look at the same keys: as many as its prompt is long."""
    lengths = torch.tensor([1, 4, 2])
    mask = mine(lengths, 5, 4)
    return bool((mask == mask[:, :, :1]).all() and (mask.sum(-1)[:, 0] == lengths[:, None]).all())


def causal_counts(mine):
    """With `causal`, query i (from 0) should see i + 1 keys, or the prompt's length if that is
    less.
    """
    lengths = torch.tensor([1, 4, 2])
    expected = torch.minimum(torch.arange(1, 6), lengths[:, None])
    return torch.equal(mine(lengths, 5, 4, True).sum(-1)[:, 0], expected)


def nothing_later_is_seen(mine):
    """With `causal`, some query may look at a key that comes after it."""
    mask = mine(torch.tensor([5]), 5, 5, True)[0, 0]
    return not any(bool(mask[i, i + 1 :].any()) for i in range(5))


def longer_never_sees_less(mine):
    """A longer prompt loses keys that a shorter one may look at."""
    short, long = (mine(torch.tensor([n]), 4, 6, causal=c) for n, c in ((2, False), (5, False)))
    return bool((long | ~short).all())


def diagonal_left_out(lengths, num_queries, num_keys, causal=False):
    """With `causal`, the first token may look at nothing at all, and softmax over an empty row
    gives nan. May a token look at itself?
    """
    mask = attention_mask(lengths, num_queries, num_keys)
    earlier = torch.ones(num_queries, num_keys, dtype=torch.bool).tril(-1)
    return mask & earlier if causal else mask


def triangle_the_wrong_way_round(lengths, num_queries, num_keys, causal=False):
    """With `causal`, query 0 sees the whole future, and a late query nothing of the past. Which
    index of the table is the query?
    """
    mask = attention_mask(lengths, num_queries, num_keys)
    later = torch.ones(num_queries, num_keys, dtype=torch.bool).triu()
    return mask & later if causal else mask


def triangle_ends_in_the_last_corner(lengths, num_queries, num_keys, causal=False):
    """With `causal`, and as many queries as keys, it is right. Otherwise your triangle is moved so
    that the last query meets the last key; here both are counted from the front.
    """
    mask = attention_mask(lengths, num_queries, num_keys)
    earlier = torch.ones(num_queries, num_keys, dtype=torch.bool).tril(num_keys - num_queries)
    return mask & earlier if causal else mask


def inverted(lengths, num_queries, num_keys, causal=False):
    """True marks what is forbidden in yours; the statement asks for what is allowed. (Both customs
    exist: torch.nn.MultiheadAttention has the other one.)
    """
    return ~attention_mask(lengths, num_queries, num_keys, causal)


def padding_applied_to_the_queries(lengths, num_queries, num_keys, causal=False):
    """Whole *rows* are blanked, but the real tokens still look at padded keys. Which side of the
    table is looked at?
    """
    real = torch.arange(num_queries) < lengths[:, None]
    allowed = torch.ones(num_queries, num_keys, dtype=torch.bool)
    return real[:, None, :, None] & (allowed.tril() if causal else allowed)


def length_off_by_one(lengths, num_queries, num_keys, causal=False):
    """One padded key is let in: with length 3, the real keys are 0, 1 and 2."""
    return attention_mask(lengths + 1, num_queries, num_keys, causal)


def padding_or_causal(lengths, num_queries, num_keys, causal=False):
    """A key may be looked at if it is real *and* not in the future; you let one of them suffice."""
    real = attention_mask(lengths, num_queries, num_keys)
    earlier = torch.ones(num_queries, num_keys, dtype=torch.bool).tril()
    return real | earlier if causal else real


def longest_length_used_for_all(lengths, num_queries, num_keys, causal=False):
    """All prompts got the longest one's mask: each has a length of its own."""
    return attention_mask(lengths.max().expand_as(lengths), num_queries, num_keys, causal)


def causal_ignored(lengths, num_queries, num_keys, causal=False):
    """`causal=True` changes nothing: early tokens still look at later ones."""
    return attention_mask(lengths, num_queries, num_keys)


def always_causal(lengths, num_queries, num_keys, causal=False):
    """Later keys are hidden without `causal`, too."""
    return attention_mask(lengths, num_queries, num_keys, causal=True)


def padding_ignored(lengths, num_queries, num_keys, causal=False):
    """The lengths change nothing: padded keys may be looked at like real ones."""
    return attention_mask(torch.full_like(lengths, num_keys), num_queries, num_keys, causal)


EXERCISE = Exercise(
    "01.attention_mask",
    "Who may look at whom",
    stars=1,
    minutes=8,
    points=2,
    reference=attention_mask,
    cases=cases,
    laws=(
        shape_and_dtype,
        every_query_sees_a_key,
        all_queries_see_the_same,
        nothing_later_is_seen,
        causal_counts,
        longer_never_sees_less,
    ),
    mistakes=(
        diagonal_left_out,
        triangle_the_wrong_way_round,
        triangle_ends_in_the_last_corner,
        inverted,
        padding_applied_to_the_queries,
        length_off_by_one,
        padding_or_causal,
        longest_length_used_for_all,
        causal_ignored,
        always_causal,
        padding_ignored,
    ),
    needs_gradient=False,  # booleans have none
)
