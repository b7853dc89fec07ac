"""09.word_heatmap: where does the word look?"""

import torch

from ...exercise import Exercise


def word_heatmap(weights, token, height, width):
    """Show how much each place looks at one word. Hertz et al. 2022, section 3.

    Cross-attention weights of a guided batch, the negative half first, (2B, K, height * width, S)
    -> (B, height, width), each map with maximum 1
    """
    _, prompt_half = weights.chunk(2)  # (B, K, L, S)
    share = prompt_half.mean(dim=1)[:, :, token]  # (B, L)
    maps = share.reshape(-1, height, width)
    return maps / maps.amax(dim=(1, 2), keepdim=True)


def _weights(generator, B, K, height, width, S):
    scores = 2 * torch.randn(2 * B, K, height * width, S, generator=generator)
    return scores.softmax(dim=-1)


def cases(generator):
    """Wide and high maps; as many words as places in one, so that exchanged axes do not raise."""
    return {
        "example": (_weights(generator, 2, 3, 2, 4, 5), 2, 2, 4),
        "batch 1": (_weights(generator, 1, 2, 3, 2, 4), 1, 3, 2),
        "S = L": (_weights(generator, 2, 2, 2, 3, 6), 3, 2, 3),
        "one head": (_weights(generator, 2, 1, 4, 2, 5), 0, 4, 2),
        "B = K": (_weights(generator, 4, 4, 2, 2, 7), 5, 2, 2),
    }


def _lit(row, column, height=2, width=5, B=2, K=4, S=6, token=3):
    """Weights in which one place alone looks at `token`, through one head alone."""
    weights = torch.full((2 * B, K, height * width, S), 0.01)
    weights[B:, 2, row * width + column, token] = 0.9
    return weights


def one_map_each(mine):
    """For B prompts there should be B maps of height by width, each with maximum 1."""
    maps = mine(_weights(torch.Generator().manual_seed(1), 3, 2, 2, 5, 6), 3, 2, 5)
    peaks = maps.flatten(1).amax(dim=1)
    return maps.shape == (3, 2, 5) and torch.allclose(peaks, torch.ones(3), atol=1e-5)


def lights_up_where_it_looks(mine):
    """The place in row 1 and column 3 alone looks at the word, but the map is brightest elsewhere.
    """  # fmt: skip
    maps = mine(_lit(1, 3), 3, 2, 5)
    return bool((maps.flatten(1).argmax(dim=1) == 8).all())


def negative_half_is_nobodys(mine):
    """The map changes with what the negative prompt's half looks at."""
    weights = _weights(torch.Generator().manual_seed(2), 2, 3, 2, 3, 5)
    other = weights.clone()
    other[:2] = other[:2].flip(2)
    return torch.allclose(mine(weights, 2, 2, 3), mine(other, 2, 2, 3), atol=1e-6)


def other_words_do_not_matter(mine):
    """The map of a word changes with the weights of other words."""
    weights = _weights(torch.Generator().manual_seed(3), 2, 3, 2, 3, 5)
    other = weights.clone()
    other[..., [0, 1, 3, 4]] = other[..., [0, 1, 3, 4]].flip(2)
    return torch.allclose(mine(weights, 2, 2, 3), mine(other, 2, 2, 3), atol=1e-6)


def every_head_counts(mine):
    """Shuffle the heads, and the map should stay; change one head alone, and it should move."""
    weights = _weights(torch.Generator().manual_seed(4), 2, 3, 2, 3, 5)
    maps = mine(weights, 2, 2, 3)
    stays = torch.allclose(maps, mine(weights[:, [2, 0, 1]], 2, 2, 3), atol=1e-5)
    changed = weights.clone()
    changed[:, 2] = changed[:, 2].flip(1)
    return stays and bool((maps - mine(changed, 2, 2, 3)).abs().max() > 1e-3)


def proportions_are_kept(mine):
    """A place that looks half as much at the word, in the mean of all heads, should be half as
    bright.
    """
    weights = torch.zeros(2, 2, 4, 3)
    weights[1, :, :, 1] = torch.tensor([[0.2, 0.4, 0.1, 0.2], [0.0, 0.0, 0.0, 0.6]])
    expected = torch.tensor([[[0.25, 0.5], [0.125, 1.0]]])
    return torch.allclose(mine(weights, 1, 2, 2), expected, atol=1e-5)


def _scaled(maps):
    return maps / maps.amax(dim=(1, 2), keepdim=True)


def the_empty_prompts_half(weights, token, height, width):
    """You show what the empty prompt looks at: it stands first in the batch."""
    negative_half, _ = weights.chunk(2)
    return _scaled(negative_half.mean(dim=1)[:, :, token].reshape(-1, height, width))


def both_halves_averaged(weights, token, height, width):
    """Half of your map belongs to the negative prompt."""
    negative, positive = weights.chunk(2)
    mean = (negative + positive).mean(dim=1) / 2
    return _scaled(mean[:, :, token].reshape(-1, height, width))


def one_token_late(weights, token, height, width):
    """The map belongs to the next token: does your index count the start token?"""
    return word_heatmap(weights, (token + 1) % weights.shape[-1], height, width)


def one_token_early(weights, token, height, width):
    """The map belongs to the token before."""
    return word_heatmap(weights, token - 1, height, width)


def what_one_place_looks_at(weights, token, height, width):
    """You took what one place looks at. The question is which places look at one word: a column of
    the table, not a row.
    """
    _, prompt_half = weights.chunk(2)
    share = prompt_half.mean(dim=1)[:, token]  # (B, S)
    if share.shape[1] != height * width:
        share = share.repeat(1, height * width)[:, : height * width]
    return _scaled(share.reshape(-1, height, width))


def height_and_width_exchanged(weights, token, height, width):
    """With another height than width the map is scrambled: places run along a row first."""
    _, prompt_half = weights.chunk(2)
    share = prompt_half.mean(dim=1)[:, :, token]
    return _scaled(share.reshape(-1, width, height).transpose(1, 2))


def not_brought_to_1(weights, token, height, width):
    """The maximum is not 1: maps of words that nobody looks at much stay black."""
    _, prompt_half = weights.chunk(2)
    return prompt_half.mean(dim=1)[:, :, token].reshape(-1, height, width)


def one_maximum_for_the_batch(weights, token, height, width):
    """A strong map next door darkens this one: each should have its own maximum."""
    maps = not_brought_to_1(weights, token, height, width)
    return maps / maps.max()


def first_head_only(weights, token, height, width):
    """One head is not the layer: what do the others look at?"""
    return word_heatmap(weights[:, :1], token, height, width)


def largest_head(weights, token, height, width):
    """At each place you show the head that looks most; the mean of all heads is asked for."""
    _, prompt_half = weights.chunk(2)
    return _scaled(prompt_half.amax(dim=1)[:, :, token].reshape(-1, height, width))


def softmax_over_places(weights, token, height, width):
    """A softmax on top flattens the map; only its scale should change."""
    maps = not_brought_to_1(weights, token, height, width)
    return _scaled(maps.flatten(1).softmax(dim=1).reshape(maps.shape))


def stretched_from_0_to_1(weights, token, height, width):
    """The least value is taken off first: a place that looks a little seems not to look at all.
    Only divide.
    """
    maps = not_brought_to_1(weights, token, height, width)
    return _scaled(maps - maps.amin(dim=(1, 2), keepdim=True))


EXERCISE = Exercise(
    "09.word_heatmap",
    "Where does the word look?",
    1,
    8,
    2,
    word_heatmap,
    cases,
    laws=(
        one_map_each,
        lights_up_where_it_looks,
        negative_half_is_nobodys,
        other_words_do_not_matter,
        every_head_counts,
        proportions_are_kept,
    ),
    mistakes=(
        the_empty_prompts_half,
        both_halves_averaged,
        one_token_late,
        one_token_early,
        what_one_place_looks_at,
        height_and_width_exchanged,
        not_brought_to_1,
        one_maximum_for_the_batch,
        first_head_only,
        largest_head,
        softmax_over_places,
        stretched_from_0_to_1,
    ),
)
