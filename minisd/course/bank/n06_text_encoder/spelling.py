"""06.bpe: a word in pieces."""

from itertools import pairwise

from ....tokenizer import bpe, join, learn_merges, letters
from ...exercise import Exercise

TEXT = {"low": 5, "lower": 2, "newest": 6, "widest": 3, "banana": 4}


def ranked(merges):
    """{pair: as which one it was learned}"""
    return {pair: rank for rank, pair in enumerate(merges)}


def cases(generator):
    """(word, ranks)"""
    ranks = ranked(learn_merges(TEXT, 12))
    # "abc": the pair learned first stands on the right, and is the shorter one's rival.
    rivals = ranked([("b", "c</w>"), ("a", "b"), ("ab", "c</w>"), ("c", "b"), ("d", "c")])
    right_first = ranked([("b", "c"), ("a", "b"), ("a", "bc")])
    deep = ranked([("a", "b"), ("c", "d"), ("cd", "e"), ("ab", "cd"), ("abcd", "e")])
    return {
        "example": ("lowest", ranks),
        "of the training text": ("newest", ranks),
        "twice in one word": ("bananana", ranks),
        "rivals": ("abc", rivals),
        "rivals in the middle": ("dcbabcx", rivals),
        "built from the right": ("abcx", right_first),
        "a longer one was learned later": ("abcdex", deep),
        "strange letters": ("xyz", ranks),
        "no merges": ("ring", {}),
        "one letter": ("a", ranks),
    }


def pieces_make_the_word(mine):
    """Put together, the pieces should be the word and the mark of its end."""
    ranks = ranked(learn_merges(TEXT, 9))
    words = "lowest", "widen", "banana", "quiz", "w"
    return all("".join(mine(word, ranks)) == word + "</w>" for word in words)


def without_merges_letters(mine):
    """Where no merge was learned, the pieces should be single letters, the last one marked."""
    return list(mine("ring", {})) == ["r", "i", "n", "g</w>"]


def words_of_the_text_are_whole(mine):
    """With all merges of a training text, each of its words should be one piece."""
    ranks = ranked(learn_merges(TEXT, 99))
    return all(len(mine(word, ranks)) == 1 for word in TEXT)


def earlier_merge_wins(mine):
    """Where two known pairs overlap, the one that was learned earlier should be joined, wherever in
    the word it stands.
    """
    early_right = ranked([("b", "c</w>"), ("a", "b")])
    early_left = ranked([("a", "b"), ("b", "c</w>")])
    return list(mine("abc", early_right)) == ["a", "bc</w>"] and list(mine("abc", early_left)) == [
        "ab", "c</w>",
    ]  # fmt: skip


def unknown_letters_pass(mine):
    """Letters that no merge knows should come out as they went in."""
    return list(mine("qqq", ranked(learn_merges(TEXT, 5)))) == ["q", "q", "q</w>"]


def every_place(mine):
    """A pair that stands at several places of a word should be joined at each."""
    return list(mine("ababx", {("a", "b"): 0})) == ["ab", "ab", "x</w>"]


def until_none_is_left(mine):
    """After a merge new neighbors stand side by side: go on until none of the pairs is known."""
    ranks = ranked([("a", "b"), ("ab", "c"), ("abc", "d</w>")])
    return list(mine("abcd", ranks)) == ["abcd</w>"]


def _join_first(pieces, pair):
    for i in range(len(pieces) - 1):
        if (pieces[i], pieces[i + 1]) == pair:
            return [*pieces[:i], "".join(pair), *pieces[i + 2 :]]
    return pieces


def longest_piece_from_the_left(word, ranks):
    """You take the longest piece you know, from the left. It is the ORDER in which the merges were
    learned that decides.
    """
    known, pieces, rest = {"".join(pair) for pair in ranks}, [], word + "</w>"
    while rest:
        lengths = [n for n in range(len(rest), 0, -1) if rest[:n] in known]
        n = lengths[0] if lengths else len(rest) if len(rest) == 5 else 1
        pieces.append(rest[:n])
        rest = rest[n:]
    return pieces


def from_left_to_right(word, ranks):
    """You join the leftmost pair that you know; one that was learned earlier may stand further
    right, and goes first.
    """
    pieces = letters(word)
    while pair := next((pair for pair in pairwise(pieces) if pair in ranks), None):
        pieces = join(pieces, pair)
    return pieces


def one_place_only(word, ranks):
    """A pair that stands twice in a word was joined once."""
    pieces = letters(word)
    for pair in sorted(ranks, key=ranks.get):
        pieces = _join_first(pieces, pair)
    return pieces


def end_mark_forgotten(word, ranks):
    """The last letter carries no </w>: `circle` and the beginning of `circles` look the same."""
    pieces = list(word)
    while (pair := min(pairwise(pieces), key=lambda p: ranks.get(p, 1e9), default=None)) in ranks:
        pieces = join(pieces, pair)
    return pieces


def latest_merge_first(word, ranks):
    """You apply the newest merge first; what was learned late is built upon what was learned
    early.
    """
    pieces = letters(word)
    while (pair := max(pairwise(pieces), key=lambda p: ranks.get(p, -1), default=None)) in ranks:
        pieces = join(pieces, pair)
    return pieces


def one_merge_and_stop(word, ranks):
    """After one merge new pairs stand side by side; go on until none of them is known."""
    pieces = letters(word)
    pair = min(pairwise(pieces), key=lambda p: ranks.get(p, 1e9), default=None)
    return join(pieces, pair) if pair in ranks else pieces


def one_walk_along_the_word(word, ranks):
    """You walk along the letters once. A joined piece is a new neighbor: look at all pairs again
    after each merge, and take the one that was learned earliest.
    """
    pieces = letters(word)
    for pair in pairwise(letters(word)):
        if pair in ranks:
            pieces = join(pieces, pair)
    return pieces


def longest_pair_first(word, ranks):
    """You join the pair that makes the longest piece. It is the order in which the merges were
    learned that decides.
    """
    pieces = letters(word)
    while known := [pair for pair in pairwise(pieces) if pair in ranks]:
        pieces = join(pieces, max(known, key=lambda pair: len("".join(pair))))
    return pieces


def mark_cut_off(word, ranks):
    """The pieces are right but for the mark at the end: without it nobody knows where one word ends
    and the next begins.
    """
    return [piece.removesuffix("</w>") for piece in bpe(word, ranks)]


EXERCISE = Exercise(
    "06.bpe",
    "Spelling a new word",
    stars=2,
    minutes=12,
    points=3,
    reference=bpe,
    cases=cases,
    laws=(
        without_merges_letters, pieces_make_the_word, unknown_letters_pass, every_place,
        until_none_is_left, words_of_the_text_are_whole, earlier_merge_wins,
    ),
    mistakes=(
        longest_piece_from_the_left, from_left_to_right, one_place_only, end_mark_forgotten,
        latest_merge_first, one_merge_and_stop, longest_pair_first, mark_cut_off,
        one_walk_along_the_word,
    ),
)  # fmt: skip
