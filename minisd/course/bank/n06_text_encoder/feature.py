"""06.prompt_feature: one vector for a whole prompt."""

import torch

from ...exercise import Exercise

END, PAD = 9, 0


def prompt_feature(hidden, token_ids, end_id):
    """Take each prompt's state at its first <end>. Radford et al. 2021, section 2.4.

    (B, S, D), (B, S) integers, the number of <end> -> (B, D)
    """
    first = (token_ids == end_id).int().argmax(dim=1)  # (B,); of equal ones argmax takes the first
    rows = torch.arange(len(hidden), device=hidden.device)
    return hidden[rows, first]


def prompts(*lengths, S=6, pad=END, end=END, generator=None):
    """Prompts of so many words: <start>, words, <end>, padding. -> (B, S)"""
    rows = torch.randint(2, 8, (len(lengths), S), generator=generator)
    rows[:, 0] = 1
    for row, length in zip(rows, lengths):
        row[1 + length :] = pad
        row[1 + length] = end
    return rows


def cases(generator):
    """hidden, token_ids, end_id"""

    def hidden(B, S, D):
        return torch.randn(B, S, D, generator=generator)

    lengths = (2, 0, 3)
    return {
        "example": (hidden(3, 6, 4), prompts(*lengths, generator=generator), END),
        "batch 1": (hidden(1, 6, 4), prompts(2, generator=generator), END),
        "padded with 0": (hidden(3, 6, 4), prompts(1, 4, 0, pad=0, generator=generator), END),
        "end in the middle of the numbers": (
            hidden(3, 6, 5), prompts(2, 3, 1, pad=0, end=5, generator=generator).where(
                torch.arange(6) != 1, 7), 5,
        ),
        "full": (hidden(2, 5, 3), prompts(3, 3, S=5, generator=generator), END),
        "B = S = D": (hidden(4, 4, 4), prompts(0, 1, 2, 1, S=4, generator=generator), END),
    }  # fmt: skip


def one_row_a_prompt(mine):
    """One vector of width D should come back for each prompt: (B, D)."""
    hidden, ids, end = cases(torch.Generator().manual_seed(1))["example"]
    return mine(hidden, ids, end).shape == (3, 4)


def only_the_first_end_counts(mine):
    """The vector should be the state at the prompt's first <end>, and no other place should have a
    say in it.
    """
    for label, (hidden, ids, end) in cases(torch.Generator().manual_seed(2)).items():
        marked, found = torch.zeros_like(hidden), ids == end
        if label == "full":
            continue
        first = [row.tolist().index(True) for row in found]
        for row, place in enumerate(first):
            marked[row, place] = row + 1
        expected = torch.arange(1.0, len(ids) + 1)[:, None].expand(len(ids), hidden.shape[2])
        if not torch.equal(mine(marked, ids, end), expected):
            return False
    return True


def padding_does_not_matter(mine):
    """What stands after the first <end> should not matter: pad with <end> or with another number,
    and change the states there.
    """
    generator = torch.Generator().manual_seed(3)
    hidden, lengths = torch.randn(3, 6, 4, generator=generator), (1, 3, 0)
    with_end, with_zero = prompts(*lengths, S=6), prompts(*lengths, S=6, pad=PAD)
    other = hidden.clone()
    for row, length in zip(other, lengths):
        row[2 + length :] += 1
    found = [mine(h, ids, END) for h in (hidden, other) for ids in (with_end, with_zero)]
    return all(torch.equal(found[0], vector) for vector in found[1:])


def prompts_keep_to_themselves(mine):
    """Change the words of one prompt, to make it longer: another prompt's vector changes."""
    hidden = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(4))
    before, after = (mine(hidden, prompts(1, n), END) for n in (1, 3))
    return torch.equal(before[0], after[0])


def _places(hidden, places):
    return hidden[torch.arange(len(hidden), device=hidden.device), places]


def _first(token_ids, end_id):
    return (token_ids == end_id).int().argmax(dim=1)


def last_place(hidden, token_ids, end_id):
    """You take the last place of all, which is padding wherever a prompt is short."""
    return hidden[:, -1]


def mean_over_all_places(hidden, token_ids, end_id):
    """You take a mean over all places. Padding takes part: a short prompt is mostly padding."""
    return hidden.mean(dim=1)


def mean_over_the_words(hidden, token_ids, end_id):
    """You take a mean over the words. That is another model's way: CLIP lets one place collect all
    that came before it.
    """
    before = torch.arange(hidden.shape[1], device=hidden.device)
    before = before <= _first(token_ids, end_id)[:, None]
    return (hidden * before[..., None]).sum(dim=1) / before.sum(dim=1)[:, None]


def first_place(hidden, token_ids, end_id):
    """You take the first place. Looking back only, it has seen nothing but itself: every prompt
    gets the same vector.
    """
    return hidden[:, 0]


def last_end(hidden, token_ids, end_id):
    """Where prompts are padded with <end> you take the last of them, not the one behind the
    words.
    """
    return _places(hidden, hidden.shape[1] - 1 - _first(token_ids.flip(1), end_id))


def largest_number(hidden, token_ids, end_id):
    """You take the place of the largest number. In CLIP's vocabulary that happens to be <end>;
    which number it is here, `end_id` says.
    """
    return _places(hidden, token_ids.argmax(dim=1))


def place_of_the_first_prompt(hidden, token_ids, end_id):
    """All prompts are read at the place where the first one ends; each ends elsewhere."""
    return hidden[:, _first(token_ids, end_id)[0]]


def word_before_the_end(hidden, token_ids, end_id):
    """One place too early: the last word has not been told that nothing follows."""
    return _places(hidden, _first(token_ids, end_id) - 1)


def every_prompt_at_every_place(hidden, token_ids, end_id):
    """(B, B, D) comes out: every prompt is read at the end of every other. The rows need an index
    of their own, one for each prompt.
    """
    return hidden[:, _first(token_ids, end_id)]


EXERCISE = Exercise(
    "06.prompt_feature",
    "One vector for a whole prompt",
    stars=1,
    minutes=6,
    points=1,
    reference=prompt_feature,
    cases=cases,
    laws=(
        one_row_a_prompt, padding_does_not_matter, prompts_keep_to_themselves,
        only_the_first_end_counts,
    ),
    mistakes=(
        last_place, mean_over_all_places, mean_over_the_words, first_place, last_end,
        largest_number, place_of_the_first_prompt, word_before_the_end, every_prompt_at_every_place,
    ),
)  # fmt: skip
