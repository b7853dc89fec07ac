"""06.learn_merges: which letters belong together."""

from collections import Counter
from itertools import pairwise

from ....tokenizer import bpe, join, learn_merges, letters
from ...exercise import Exercise

SENNRICH = {"low": 5, "lower": 2, "newest": 6, "widest": 3}  # the example of the paper


def cases(generator):
    """(word_counts, num_merges)"""
    world = {"red": 20, "ring": 18, "rings": 6, "circle": 17, "circles": 5, "square": 19, "a": 90}
    return {
        "example": (dict(SENNRICH), 6),
        "one merge": ({"low": 3, "slow": 2}, 1),
        "until words are whole": ({"banana": 2, "ananas": 1, "nab": 4}, 50),
        "overlapping": ({"aaaa": 3, "xy": 5}, 4),
        "ties": ({"dog": 2, "cat": 2, "ant": 2}, 5),
        "nothing to join": ({"a": 7, "b": 1}, 3),
        "shapes": (world, 12),
        "counts": ({"xyz": 1000, "pqr": 1, "pqs": 1, "pqt": 1}, 2),
    }


def first_is_the_most_frequent(mine):
    """The first pair should be the one that occurs most often, counted over all words, each as
    often as it occurs: `e s` is met nine times in low 5, lower 2, newest 6, widest 3.
    """
    return [tuple(pair) for pair in mine(dict(SENNRICH), 1)] == [("e", "s")]


def number_of_merges(mine):
    """As many pairs should come back as asked for, and fewer only where every word is one piece
    already: `abc` allows two merges, whatever is asked.
    """
    numbers = [len(mine({"abc": 2}, n)) for n in (0, 1, 2, 5)]
    return numbers == [0, 1, 2, 2] and len(mine({"a": 3}, 4)) == 0 and len(mine(SENNRICH, 7)) == 7


def parts_are_known(mine):
    """Both parts of a merge should be a letter (or a last letter with its mark), or the result of
    an earlier merge.
    """
    known = {piece for word in SENNRICH for piece in letters(word)}
    for a, b in mine(dict(SENNRICH), 10):
        if a not in known or b not in known:
            return False
        known.add(a + b)
    return True


def ends_stay_at_the_end(mine):
    """The last letter of a word carries the mark </w>, and nothing is ever joined behind it."""
    merges = mine({"ab": 5, "ba": 4, "b": 9}, 9)
    return bool(merges) and all("</w>" not in a and b.endswith("</w>") for a, b in merges)


def counts_are_taken_as_they_are(mine):
    """A word that is met a million times should be joined before words that are met once."""
    return [tuple(p) for p in mine({"cd": 1, "ca": 1, "cb": 1, "xy": 10**6}, 1)] == [("x", "y</w>")]


def twice_the_counts(mine):
    """Twice every count should give the same merges."""
    twice = {word: 2 * count for word, count in SENNRICH.items()}
    return list(mine(twice, 8)) == list(mine(dict(SENNRICH), 8))


def every_place_in_a_word(mine):
    """A pair that stands at two places of a word should be joined at both: no pair is learned
    twice.
    """
    merges = list(mine({"banana": 3}, 9))
    return len(set(merges)) == len(merges) and len(merges) == 4


def words_become_whole(mine):
    """With merges enough, every word of the training text should become one piece."""
    counts = {"banana": 2, "ananas": 1, "newest": 6, "widest": 3}
    ranks = {tuple(pair): rank for rank, pair in enumerate(mine(counts, 99))}
    return all(len(bpe(word, ranks)) == 1 for word in counts)


def ties_go_to_the_first(mine):
    """Of pairs that are equally frequent the alphabetically first should be joined."""
    return [tuple(p) for p in mine({"dog": 2, "cat": 2}, 3)] == [
        ("a", "t</w>"), ("c", "at</w>"), ("d", "o"),
    ]  # fmt: skip


def overlaps_count(mine):
    """Every place counts, also where two overlap: `a a` stands at two places before the last
    letter of `aaaa`, and three such words outweigh five pairs of `x y`.
    """
    return [tuple(pair) for pair in mine({"aaaa": 3, "xy": 5}, 1)] == [("a", "a")]


def order_of_the_words_is_free(mine):
    """The order in which the words stand in the dictionary should change nothing."""
    counts = {"dog": 2, "cat": 2, "ant": 2, "newest": 6}
    return list(mine(counts, 9)) == list(mine(dict(reversed(counts.items())), 9))


def _count(words, word_counts):
    counts = Counter()
    for word, pieces in words.items():
        for pair in pairwise(pieces):
            counts[pair] += word_counts[word]
    return counts


def _frequent_then_alphabetical(counts):
    return min(counts, key=lambda pair: (-counts[pair], pair))


def _learn(word_counts, num_merges, spell=letters, count=_count, join=join,
           choose=_frequent_then_alphabetical):  # fmt: skip
    words, merges = {word: spell(word) for word in word_counts}, []
    while len(merges) < num_merges and (counts := count(words, word_counts)):
        merges.append(choose(counts))
        words = {word: join(pieces, merges[-1]) for word, pieces in words.items()}
    return merges


def counts_of_the_words_ignored(word_counts, num_merges):
    """A word that is met a thousand times counts as much as one that is met once."""
    return _learn(dict.fromkeys(word_counts, 1), num_merges)


def counted_only_once(word_counts, num_merges):
    """The pairs were counted once, at the beginning. After the first merge those counts are out of
    date, and pairs of a joined piece and its neighbor never appear.
    """
    counts = _count({word: letters(word) for word in word_counts}, word_counts)
    return sorted(counts, key=lambda pair: (-counts[pair], pair))[:num_merges]


def one_place_in_a_word_only(word_counts, num_merges):
    """`banana` holds the pair `a n` twice, and you joined it once."""

    def join_first(pieces, pair):
        for i in range(len(pieces) - 1):
            if (pieces[i], pieces[i + 1]) == pair:
                return [*pieces[:i], "".join(pair), *pieces[i + 2 :]]
        return pieces

    return _learn(word_counts, num_merges, join=join_first)


def ties_the_other_way(word_counts, num_merges):
    """Of equally frequent pairs you take the alphabetically last: the statement wants the first,
    or two machines would learn two vocabularies.
    """
    return _learn(
        word_counts, num_merges, choose=lambda counts: max(counts, key=lambda p: (counts[p], p))
    )


def ties_as_they_come(word_counts, num_merges):
    """Of equally frequent pairs you take the one that was met first, so the order of the
    dictionary decides. Say which one goes first.
    """
    return _learn(word_counts, num_merges, choose=lambda counts: max(counts, key=counts.get))


def no_mark_at_the_end(word_counts, num_merges):
    """An `s` at the end of a word and an `s` inside look the same: nothing marks the end, and text
    could not be put together again.
    """
    return _learn(word_counts, num_merges, spell=list)


def joined_across_words(word_counts, num_merges):
    """The last letter of a word was joined with the first letter of the next."""

    def count(words, word_counts):
        counts = _count(words, word_counts)
        for (_, left), (_, right) in pairwise(words.items()):
            counts[left[-1], right[0]] += max(word_counts.values())
        return counts

    return _learn(word_counts, num_merges, count=count)


def rarest_pair(word_counts, num_merges):
    """You join the pair that is met least often."""
    return _learn(
        word_counts, num_merges, choose=lambda counts: min(counts, key=lambda p: (counts[p], p))
    )


def longest_pair(word_counts, num_merges):
    """You prefer long pieces to frequent ones."""

    def choose(counts):
        return min(counts, key=lambda pair: (-len("".join(pair)), -counts[pair], pair))

    return _learn(word_counts, num_merges, choose=choose)


def words_with_the_pair_counted(word_counts, num_merges):
    """You count the words that hold a pair. A pair that stands at several places of one word
    counts at each of them.
    """

    def count(words, word_counts):
        counts = Counter()
        for word, pieces in words.items():
            for pair in set(pairwise(pieces)):
                counts[pair] += word_counts[word]
        return counts

    return _learn(word_counts, num_merges, count=count)


EXERCISE = Exercise(
    "06.learn_merges",
    "Learning which letters belong together",
    stars=3,
    minutes=20,
    points=4,
    reference=learn_merges,
    cases=cases,
    laws=(
        number_of_merges, ends_stay_at_the_end, counts_are_taken_as_they_are,
        first_is_the_most_frequent, twice_the_counts, parts_are_known, every_place_in_a_word,
        words_become_whole, ties_go_to_the_first, overlaps_count, order_of_the_words_is_free,
    ),
    mistakes=(
        counts_of_the_words_ignored, counted_only_once, one_place_in_a_word_only,
        ties_the_other_way, ties_as_they_come, no_mark_at_the_end, joined_across_words, rarest_pair,
        longest_pair, words_with_the_pair_counted,
    ),
)  # fmt: skip
