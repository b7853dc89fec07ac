"""06.encode: a prompt as numbers, word by word."""

import re

import torch

from ...exercise import Exercise


def encode(prompt, vocabulary, max_length):
    """Say a prompt in exactly `max_length` numbers: <start>, its words, <end>, then <pad>.

    `vocabulary` is {word: number}, with <pad>, <start>, <end> and <unk> among the words. Capitals
    and spaces do not matter, a punctuation mark is a word of its own, a word that is not known
    becomes <unk>. Of a long prompt the last words are lost, never the <end>.
    """
    words = re.findall(r"\w+|[^\w\s]", prompt.lower())
    tokens = ["<start>", *words[: max_length - 2], "<end>"]
    tokens += ["<pad>"] * (max_length - len(tokens))
    return [vocabulary.get(token, vocabulary["<unk>"]) for token in tokens]


WORDS = ["a", "red", "blue", "circle", "square", "and", ",", "two", "circles"]
SPECIAL = ["<pad>", "<start>", "<end>", "<unk>"]


def numbered(words):
    """{word: its place in the list}"""
    return {word: number for number, word in enumerate(words)}


VOCABULARY = numbered([*SPECIAL, *WORDS])
OTHER = numbered([*WORDS[::-1], "<end>", "<unk>", "<start>", "<pad>"])  # as in CLIP, at the end


def cases(generator):
    """(prompt, vocabulary, max_length)"""
    long = "a red circle and a blue square and two blue circles, and a circle"
    return {
        "example": ("A red circle, a blue square", VOCABULARY, 12),
        "empty": ("", VOCABULARY, 6),
        "long": (long, VOCABULARY, 8),
        "just too long": ("a red circle and a square", VOCABULARY, 7),
        "just fits": ("a red circle", VOCABULARY, 5),
        "unknown words": ("a crimson circle and a HUGE red circle", VOCABULARY, 16),
        "another vocabulary": ("Two  circles,a blue octagon and a square", OTHER, 14),
        "nothing but spaces": ("  \t ", OTHER, 4),
    }


def numbers_of(mine, prompt, max_length=10, vocabulary=VOCABULARY):
    """Ask an answer."""
    return list(mine(prompt, vocabulary, max_length))


def as_many_as_asked_for(mine):
    """Every prompt should become exactly max_length numbers, or prompts of different length could
    not be stacked into one tensor.
    """
    prompts = "", "a red circle", "a red circle and a blue square and a red square", "x y z " * 9
    return all(len(numbers_of(mine, p, n)) == n for p in prompts for n in (4, 8, 20))


def one_start_one_end_then_padding(mine):
    """The numbers should be <start>, words, one <end>, and from there on <pad> alone: of short
    prompts, long ones and the empty one.
    """
    for prompt in ("", "a", "a red circle", "a red circle and a blue square, two circles"):
        numbers = numbers_of(mine, prompt, 8)
        if numbers[0] != 1 or numbers.count(1) != 1 or numbers.count(2) != 1:
            return False
        end = numbers.index(2)
        if 0 in numbers[:end] or any(number != 0 for number in numbers[end + 1 :]):
            return False
    return True


def the_empty_prompt_is_a_prompt(mine):
    """The empty prompt should be <start>, <end> and padding."""
    return numbers_of(mine, "", 5) == [1, 2, 0, 0, 0]


def marks_are_looked_up(mine):
    """In another vocabulary the four marks stand at other numbers: look them up, like words."""
    numbers = numbers_of(mine, "a crimson circle", 6, OTHER)
    marks = [OTHER[mark] for mark in ("<start>", "<unk>", "<end>", "<pad>")]
    return [numbers[place] for place in (0, 2, 4, -1)] == marks


def words_come_back(mine):
    """Read the numbers backward through the vocabulary: other words come back than went in."""
    prompt = "two red circles and a blue square"
    words = {number: word for word, number in OTHER.items()}
    said = [words.get(number) for number in numbers_of(mine, prompt, 12, OTHER)]
    return [word for word in said if word not in SPECIAL] == prompt.split()


def capitals_and_spaces_do_not_matter(mine):
    """'A Red  CIRCLE' should become the same numbers as 'a red circle'."""
    return numbers_of(mine, " A Red  CIRCLE ") == numbers_of(mine, "a red circle")


def unknown_words_keep_their_place(mine):
    """A word that is not in the vocabulary should take one place and be <unk> there: every word
    after it stands where it would stand anyway.
    """
    known, unknown = numbers_of(mine, "a red circle"), numbers_of(mine, "a crimson circle")
    return unknown == [3 if number == VOCABULARY["red"] else number for number in known]


def commas_are_words(mine):
    """A comma should be a word of its own, with or without spaces around it."""
    expected = [1, *(VOCABULARY[word] for word in ("red", ",", "blue")), 2, 0]
    return all(numbers_of(mine, p, 6) == expected for p in ("red, blue", "red,blue", "red , blue"))


def _words(prompt):
    return re.findall(r"\w+|[^\w\s]", prompt.lower())


def _numbers(tokens, vocabulary):
    return [vocabulary.get(token, vocabulary["<unk>"]) for token in tokens]


def _padded(tokens, max_length):
    return tokens + ["<pad>"] * (max_length - len(tokens))


def cut_after_adding_the_end(prompt, vocabulary, max_length):
    """A long prompt loses its <end>: make room for it before cutting."""
    tokens = ["<start>", *_words(prompt), "<end>"][:max_length]
    return _numbers(_padded(tokens, max_length), vocabulary)


def not_cut(prompt, vocabulary, max_length):
    """A long prompt gives more than max_length numbers: the network has no places for them."""
    return _numbers(_padded(["<start>", *_words(prompt), "<end>"], max_length), vocabulary)


def no_end(prompt, vocabulary, max_length):
    """Nothing marks where the prompt ends. Even a prompt without words has an end."""
    tokens = ["<start>", *_words(prompt)[: max_length - 1]]
    return _numbers(_padded(tokens, max_length), vocabulary)


def unknown_words_dropped(prompt, vocabulary, max_length):
    """An unknown word vanishes, and all later words move up: say <unk> and keep the place."""
    return encode(" ".join(w for w in _words(prompt) if w in vocabulary), vocabulary, max_length)


def unknown_words_become_0(prompt, vocabulary, max_length):
    """An unknown word became number 0, which belongs to another word (in the example to <pad>:
    silence in the middle of a sentence).
    """
    tokens = ["<start>", *_words(prompt)[: max_length - 2], "<end>"]
    return [vocabulary.get(token, 0) for token in _padded(tokens, max_length)]


def marks_known_by_heart(prompt, vocabulary, max_length):
    """The four marks are 0, 1, 2, 3 in the example's vocabulary only: elsewhere those numbers
    belong to words. Look the marks up like words.
    """
    numbers = [1, *(vocabulary.get(w, 3) for w in _words(prompt)[: max_length - 2]), 2]
    return numbers + [0] * (max_length - len(numbers))


def a_tensor_comes_back(prompt, vocabulary, max_length):
    """The numbers are right, but they come back as a tensor; the statement asks for a list."""
    return torch.tensor(encode(prompt, vocabulary, max_length))


def split_at_spaces_only(prompt, vocabulary, max_length):
    """'circle,' with its comma is looked up as one word, and is unknown."""
    tokens = ["<start>", *prompt.lower().split()[: max_length - 2], "<end>"]
    return _numbers(_padded(tokens, max_length), vocabulary)


def punctuation_thrown_away(prompt, vocabulary, max_length):
    """The comma is gone: it is a word of its own, and it may tell where a thing ends."""
    return encode(re.sub(r"[^\w\s]", " ", prompt), vocabulary, max_length)


def capitals_kept(prompt, vocabulary, max_length):
    """'RED' is unknown to you although 'red' is in the vocabulary."""
    tokens = ["<start>", *re.findall(r"\w+|[^\w\s]", prompt)[: max_length - 2], "<end>"]
    return _numbers(_padded(tokens, max_length), vocabulary)


def start_forgotten(prompt, vocabulary, max_length):
    """The first number is a word. Every prompt begins with the same mark: a reader that only looks
    back needs somewhere to look at the very beginning.
    """
    tokens = [*_words(prompt)[: max_length - 1], "<end>"]
    return _numbers(_padded(tokens, max_length), vocabulary)


def padded_on_the_left(prompt, vocabulary, max_length):
    """Padding in front moves the words of every prompt by another amount: the network is told the
    place of each word, and the same word would be met at all of them.
    """
    tokens = ["<start>", *_words(prompt)[: max_length - 2], "<end>"]
    return _numbers(["<pad>"] * (max_length - len(tokens)) + tokens, vocabulary)


def padded_before_the_end(prompt, vocabulary, max_length):
    """<end> sits at the very last place, far from the last word."""
    tokens = _padded(["<start>", *_words(prompt)[: max_length - 2]], max_length - 1)
    return _numbers([*tokens, "<end>"], vocabulary)


def not_padded(prompt, vocabulary, max_length):
    """A short prompt gives fewer than max_length numbers: such rows make no tensor."""
    return _numbers(["<start>", *_words(prompt)[: max_length - 2], "<end>"], vocabulary)


def empty_prompt_all_padding(prompt, vocabulary, max_length):
    """The empty prompt became nothing but padding. It has its own <start> and <end>: it will be
    the unconditional input of guidance, an ordinary prompt that has no words.
    """
    if not prompt.strip():
        return [vocabulary["<pad>"]] * max_length
    return encode(prompt, vocabulary, max_length)


EXERCISE = Exercise(
    "06.encode",
    "Words to numbers",
    stars=1,
    minutes=12,
    points=2,
    reference=encode,
    cases=cases,
    laws=(
        as_many_as_asked_for,
        one_start_one_end_then_padding,
        the_empty_prompt_is_a_prompt,
        capitals_and_spaces_do_not_matter,
        unknown_words_keep_their_place,
        marks_are_looked_up,
        words_come_back,
        commas_are_words,
    ),
    mistakes=(
        cut_after_adding_the_end, not_cut, no_end, unknown_words_dropped, unknown_words_become_0,
        split_at_spaces_only, punctuation_thrown_away, capitals_kept, start_forgotten,
        padded_on_the_left, padded_before_the_end, not_padded, empty_prompt_all_padding,
        marks_known_by_heart, a_tensor_comes_back,
    ),
)  # fmt: skip
