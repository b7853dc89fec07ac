"""07.drop_captions: sometimes say nothing. Its draws are random, so laws decide."""

import torch

from ....training import drop_captions
from ...exercise import Exercise

NUM_ROWS = 4000


def cases(generator):
    """(captions, the empty one, probability, generator): no token of one stands in the other."""

    def case(B, S, probability):
        token_ids = torch.randint(10, 99, (B, S), generator=generator)
        empty_ids = torch.arange(1, S + 1)
        seed = torch.randint(10_000, (), generator=generator).item()
        return token_ids, empty_ids, probability, torch.Generator().manual_seed(seed)

    return {
        "example": case(6, 4, 1.0),
        "batch 1": case(1, 5, 1.0),
        "nothing to drop": case(5, 5, 0.0),
        "a quarter": case(NUM_ROWS, 3, 0.25),
        "most": case(NUM_ROWS, 2, 0.8),
    }


def run(mine, token_ids, empty_ids, probability, generator):
    """Return what holds of an answer however it draws: all of it where nothing is left to chance.

    Else: is each row whole or empty; the share of empty ones (the asked one, if close); are there
    both kinds; does the next call choose other rows.
    """
    first = mine(token_ids, empty_ids, probability, generator)
    if probability in (0.0, 1.0) or not isinstance(first, torch.Tensor):
        torch.rand(1, generator=generator)  # where nothing is left to chance, none need be used
        return first
    if first.shape != token_ids.shape:
        return first
    again = mine(token_ids, empty_ids, probability, generator)
    empty, kept = (first == empty_ids).all(dim=1), (first == token_ids).all(dim=1)
    share = empty.float().mean().item()
    share = probability if abs(share - probability) < 0.04 else round(share, 1)
    flags = [(empty | kept).all(), empty.any() and kept.any(), not torch.equal(first, again)]
    return share, *(float(flag) for flag in flags), first.to(first.dtype).new_zeros(1)


def _ask(mine, probability, B=2000, S=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    token_ids = torch.randint(10, 99, (B, S), generator=generator)
    empty_ids = torch.arange(S)
    return mine(token_ids, empty_ids, probability, generator), token_ids, empty_ids


def nothing_or_everything(mine):
    """With probability 0 nothing should change; with probability 1 every row should be the empty
    prompt, token by token as it was handed in. One of the two does not hold.
    """
    none, token_ids, _ = _ask(mine, 0.0, B=5)
    every, _, empty_ids = _ask(mine, 1.0, B=5)
    return torch.equal(none, token_ids) and torch.equal(every, empty_ids.expand(5, 4))


def a_row_is_whole_or_empty(mine):
    """A row came out that is neither its caption nor the empty prompt: a caption is said as a whole
    or not at all.
    """
    out, token_ids, empty_ids = _ask(mine, 0.5)
    whole = (out == token_ids).all(dim=1) | (out == empty_ids).all(dim=1)
    return out.shape == token_ids.shape and bool(whole.all())


def share_is_as_asked(mine):
    """Of 2,000 captions, about `probability` times 2,000 should be dropped. Yours are more, or
    fewer.
    """
    for probability in (0.1, 0.4, 0.9):
        out, _, empty_ids = _ask(mine, probability)
        share = (out == empty_ids).all(dim=1).float().mean()
        if abs(share - probability) > 0.04:
            return False
    return True


def rows_decide_by_themselves(mine):
    """Rows should decide by themselves. In yours, one row's fate tells that of others, or the same
    rows are chosen every time.
    """
    counts, rows = [], []
    for seed in range(30):
        out, _, empty_ids = _ask(mine, 0.5, B=16, seed=seed)
        rows.append((out == empty_ids).all(dim=1).float())
        counts.append(rows[-1].sum())
    spread, shares = torch.stack(counts).std(), torch.stack(rows).mean(dim=0)
    return bool(0.8 < spread < 4) and bool(shares.min() > 0.05) and bool(shares.max() < 0.95)


def captions_are_untouched(mine):
    """The captions that were handed in have changed: they are needed again in the next epoch."""
    generator = torch.Generator().manual_seed(1)
    token_ids, empty_ids = torch.full((40, 3), 50), torch.arange(3)
    mine(token_ids, empty_ids, 0.5, generator)
    return bool((token_ids == 50).all()) and torch.equal(empty_ids, torch.arange(3))


def same_generator_same_rows(mine):
    """The same generator in the same state should drop the same rows, or a training that is resumed
    goes another way.
    """
    torch.manual_seed(1)
    first = _ask(mine, 0.5)[0]
    torch.manual_seed(2)
    return torch.equal(first, _ask(mine, 0.5)[0])


def _rows(token_ids, probability, generator):
    return torch.rand(len(token_ids), 1, generator=generator) < probability


def whole_batch_at_once(token_ids, empty_ids, probability, generator):
    """Either all captions of a batch vanish or none: each should decide for itself."""
    drop = torch.rand(1, generator=generator) < probability
    return torch.where(drop, empty_ids, token_ids)


def probability_inverted(token_ids, empty_ids, probability, generator):
    """Asked to drop a tenth you drop nine tenths: `probability` is what goes, not what stays."""
    return torch.where(_rows(token_ids, probability, generator), token_ids, empty_ids)


def zeros_for_the_empty_prompt(token_ids, empty_ids, probability, generator):
    """A row of zeros is no prompt that anybody will ever send. The sampler's "unconditional" is the
    *empty prompt*, with its start, end and padding: it was handed in.
    """
    drop = _rows(token_ids, probability, generator)
    return torch.where(drop, torch.zeros_like(empty_ids), token_ids)


def single_words_dropped(token_ids, empty_ids, probability, generator):
    """Words vanish one by one. That is another method: it teaches vague captions, not "no
    caption".
    """
    drop = torch.rand(token_ids.shape, generator=generator) < probability
    return torch.where(drop, empty_ids, token_ids)


def written_into_the_table(token_ids, empty_ids, probability, generator):
    """The captions themselves were overwritten: after a few epochs none is left."""
    token_ids[_rows(token_ids, probability, generator)[:, 0]] = empty_ids
    return token_ids


def every_tenth_row(token_ids, empty_ids, probability, generator):
    """You drop always the same rows, at equal distances. Nothing is random, and where batches come
    in a fixed order those pictures never see their caption.
    """
    count = (torch.arange(1, len(token_ids) + 1) * probability).floor()
    drop = count > (torch.arange(len(token_ids)) * probability).floor()
    return torch.where(drop[:, None], empty_ids, token_ids)


def always_a_tenth(token_ids, empty_ids, probability, generator):
    """A tenth is dropped whatever was asked: `probability` is ignored."""
    return torch.where(_rows(token_ids, 0.1, generator), empty_ids, token_ids)


def rows_deleted(token_ids, empty_ids, probability, generator):
    """The chosen rows are gone: fewer captions than latents come out. They should be empty, not
    missing.
    """
    return token_ids[~_rows(token_ids, probability, generator)[:, 0]]


EXERCISE = Exercise(
    "07.drop_captions",
    "Sometimes say nothing (caption dropout)",
    2,
    8,
    2,
    drop_captions,
    cases,
    laws=(
        nothing_or_everything,
        a_row_is_whole_or_empty,
        share_is_as_asked,
        captions_are_untouched,
        same_generator_same_rows,
        rows_decide_by_themselves,
    ),
    mistakes=(
        whole_batch_at_once,
        probability_inverted,
        zeros_for_the_empty_prompt,
        single_words_dropped,
        written_into_the_table,
        every_tenth_row,
        always_a_tenth,
        rows_deleted,
    ),
    run=run,
    needs_gradient=False,  # whole numbers
)
