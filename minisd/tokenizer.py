"""Words to numbers: CLIP's byte-pair encoding (Sennrich et al. 2016; Radford et al. 2021).

A word starts as its UTF-8 bytes, the last one marked `</w>`. Pairs of neighbors that were frequent
in the training text are joined, the earliest learned pair first: a common word becomes one piece,
a rare word a few, and no word is unknown, for every byte is a piece of its own.
"""

import json
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import torch

END_OF_WORD = "</w>"
START, END = "<|startoftext|>", "<|endoftext|>"
# CLIP's own pattern for a word, with a-z for \p{L} and 0-9 for \p{N}, which the standard library's
# `re` does not know: other scripts are matched by their `outline`.
WORD = re.compile(
    r"<\|startoftext\|>|<\|endoftext\|>|'(?:s|t|re|ve|m|ll|d)|[a-z]+|[0-9]|[^\sa-z0-9]+", re.ASCII
)
# One printable character per byte, GPT-2's table: bytes that print as themselves, then the others.
PRINTABLE = {*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
OTHERS = sorted({*range(256)} - PRINTABLE)
SYMBOLS = [chr(b if b in PRINTABLE else 256 + OTHERS.index(b)) for b in range(256)]
BYTES = {symbol: byte for byte, symbol in enumerate(SYMBOLS)}


def to_symbols(word: str) -> str:
    """Write a word's UTF-8 bytes as symbols: "é" -> "Ã©"."""
    return "".join(SYMBOLS[byte] for byte in word.encode(errors="replace"))


def outline(text: str) -> str:
    """Put an ASCII stand-in for each other character: z letter, 0 number, " " space, ~ the rest."""
    text = text.replace("\x85", " ")  # "next line" is white space without being a separator (Z)
    kinds = {"L": "z", "N": "0", "Z": " "}  # z and ~ occur in no contraction, in no special token
    kind = unicodedata.category
    return "".join(c if c.isascii() else kinds.get(kind(c)[0], "~") for c in text)


def split_words(text: str) -> list[str]:
    """Lower-case and split text: runs of letters, single digits, runs of anything else, 's 't ...

    White space separates and vanishes. Same words as transformers' CLIPTokenizer.
    """
    if text.isascii():
        return WORD.findall(text.lower())
    text = unicodedata.normalize("NFC", text)
    text = "".join(c.lower() for c in text)  # one by one: str.lower() would write a final sigma
    return [text[slice(*match.span())] for match in WORD.finditer(outline(text))]


def letters(word: str) -> list[str]:
    """Split a word into letters, the last one marked: "red" -> ["r", "e", "d</w>"]."""
    return [*word[:-1], word[-1] + END_OF_WORD]


def join(pieces: list[str], pair: tuple[str, str]) -> list[str]:
    """Join every occurrence of a neighboring pair, from left to right."""
    joined, i = [], 0
    while i < len(pieces):
        step = 2 if tuple(pieces[i : i + 2]) == pair else 1
        joined.append("".join(pieces[i : i + step]))
        i += step
    return joined


def learn_merges(word_counts: dict[str, int], num_merges: int) -> list[tuple[str, str]]:
    """Join the most frequent pair of neighbors, again and again. Sennrich et al. 2016, Algorithm 1.

    Every place counts ("aaaa" holds "aa" three times); of equally frequent pairs the alphabetically
    first is joined. Gives `num_merges` pairs, fewer only when every word has become one piece.
    """
    words = {word: letters(word) for word in word_counts}
    counts, homes = Counter(), defaultdict(set)  # of each pair: how often, and in which words

    def add(word: str, sign: int) -> None:
        for pair in pairwise(words[word]):
            counts[pair] += sign * word_counts[word]
            homes[pair].add(word)

    for word in words:
        add(word, +1)
    merges = []
    while counts and len(merges) < num_merges:
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append(best)
        for word in homes.pop(best):  # only these words change, so only their pairs are recounted
            add(word, -1)
            words[word] = join(words[word], best)
            add(word, +1)
        counts = +counts  # forget pairs that no longer occur
    return merges


def bpe(word: str, ranks: dict[tuple[str, str], int]) -> list[str]:
    """Spell a word in pieces: join the pair that was learned earliest until none is left.

    `ranks` says of each pair as which one it was learned: {pair: 0, 1, 2, ...}.
    """
    pieces = letters(word)
    while len(pieces) > 1:
        earliest = min(pairwise(pieces), key=lambda pair: ranks.get(pair, len(ranks)))
        if earliest not in ranks:
            break
        pieces = join(pieces, earliest)
    return pieces


class CLIPTokenizer:
    """Prompts <-> numbers, equal to transformers' CLIPTokenizer with the same two files.

    `vocab` maps each piece to its number, `merges` lists the pairs in the order learned.
    `pad_token` fills short prompts up: the end token (Stable Diffusion 1), "!" = 0 (2).
    """

    def __init__(
        self,
        vocab: dict[str, int],
        merges: list[tuple[str, str]],
        model_max_length: int = 77,
        pad_token: str = END,
    ):
        made = {*SYMBOLS, *(s + END_OF_WORD for s in SYMBOLS), *(a + b for a, b in merges)}
        odd = {*made, START, END, pad_token} ^ vocab.keys()  # more specials like <this> may occur
        if odd := sorted(p for p in odd if p not in vocab or not re.fullmatch("<.*>", p)):
            raise ValueError(f"{len(odd)} pieces are not in both vocabulary and merges: {odd[0]}")
        if model_max_length < 2:
            raise ValueError(f"model_max_length is {model_max_length}; start and end need 2.")
        self.vocab, self.merges = vocab, merges
        self.model_max_length, self.pad_token = model_max_length, pad_token
        self.start_id, self.end_id, self.pad_id = vocab[START], vocab[END], vocab[pad_token]
        self.ranks = {pair: rank for rank, pair in enumerate(merges)}
        self.pieces = {number: piece for piece, number in vocab.items()}
        self.special = re.compile("|".join(map(re.escape, dict.fromkeys([START, END, pad_token]))))
        self.known: dict[str, list[int]] = {}  # words met before: captions repeat theirs

    def __len__(self) -> int:
        return max(self.pieces) + 1  # rows that the text encoder's embedding needs

    @classmethod
    def train(
        cls, captions: Iterable[str], num_merges: int | None = None, model_max_length: int = 77
    ) -> "CLIPTokenizer":
        """Learn pieces from captions; without `num_merges` until every word is one piece.

        Numbers are laid out as CLIP's: 256 bytes, 256 bytes that end a word, merges, start, end.
        """
        words = Counter(word for caption in captions for word in split_words(caption))
        counts = {to_symbols(word): count for word, count in words.items()}
        if num_merges is None:
            num_merges = sum(map(len, counts))  # never reached: a word of n letters takes n - 1
        merges = learn_merges(counts, num_merges)
        alphabet = sorted(SYMBOLS)  # printable characters first, as in CLIP's file
        pieces = [*alphabet, *(s + END_OF_WORD for s in alphabet), *(a + b for a, b in merges)]
        pieces = dict.fromkeys([*pieces, START, END])  # "a"+"bc" and "ab"+"c" are one piece
        return cls({piece: i for i, piece in enumerate(pieces)}, merges, model_max_length)

    def encode(self, text: str) -> list[int]:
        """Spell a text in numbers, uncut and without start and end. Never fails on a str.

        A special token written out in the text becomes that token, as in transformers.
        """
        numbers, position = [], 0
        for match in self.special.finditer(text):
            numbers += self._encode_plain(text[position : match.start()])
            numbers.append(self.vocab[match.group()])
            position = match.end()
        return numbers + self._encode_plain(text[position:])

    def _encode_plain(self, text: str) -> list[int]:
        numbers = []
        for word in split_words(text):
            if word not in self.known:
                parts = ("<|", word[2:-2], "|>") if word in (START, END) else (word,)
                spelled = [piece for part in parts for piece in bpe(to_symbols(part), self.ranks)]
                self.known[word] = [self.vocab[piece] for piece in spelled]
            numbers += self.known[word]
        return numbers

    def decode(self, numbers: Iterable[int]) -> str:
        """Turn numbers back into lower-case text; start, end and padding are left out.

        Words come back one space apart: "circle," becomes "circle ,".
        """
        skip = {self.start_id, self.end_id, self.pad_id}
        pieces = (self.pieces[int(n)] for n in numbers if int(n) not in skip)
        symbols = "".join(pieces).replace(END_OF_WORD, " ")  # no symbol is a space
        data = bytes(BYTES.get(symbol, ord(" ")) for symbol in symbols)
        return data.decode(errors="replace").strip()

    def truncated(self, text: str) -> str:
        """Return the end of a prompt that `__call__` cuts off for lack of room, mostly ""."""
        return self.decode(self.encode(text)[self.model_max_length - 2 :])

    def __call__(self, prompts: list[str]) -> torch.Tensor:
        """Prompts -> (B, S): start, at most S - 2 pieces, end, padding; S = model_max_length.

        A long prompt loses its last words, never its end; the empty prompt is start, end, padding.
        """
        if isinstance(prompts, str):
            raise TypeError("Expected a list of prompts, got one string; write [prompt].")
        rows = []
        for prompt in prompts:
            row = [self.start_id, *self.encode(prompt)[: self.model_max_length - 2], self.end_id]
            rows.append(row + [self.pad_id] * (self.model_max_length - len(row)))
        return torch.tensor(rows, dtype=torch.int64).reshape(-1, self.model_max_length)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write vocab.json, merges.txt and two small configs: the files that transformers reads."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        special = {"bos_token": START, "eos_token": END, "unk_token": END}
        special["pad_token"] = self.pad_token
        config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": self.model_max_length}
        files = {"tokenizer_config.json": config | special, "special_tokens_map.json": special}
        for name, content in (files | {"vocab.json": self.vocab}).items():
            text = json.dumps(content, ensure_ascii=False, indent=2)
            (folder / name).write_text(text, encoding="utf-8")
        lines = ["#version: 0.2", *(f"{a} {b}" for a, b in self.merges)]
        (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> "CLIPTokenizer":
        """Read vocab.json + merges.txt, or tokenizer.json alone (as transformers 5 writes).

        ValueError or OSError if a file is missing or is not what it should be.
        """
        names = "vocab.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"
        paths = [Path(folder, name) for name in names]
        vocab, whole, config, special = (
            json.loads(path.read_text(encoding="utf-8")) if path.exists() else {} for path in paths
        )
        if vocab:
            lines = Path(folder, "merges.txt").read_text(encoding="utf-8").split("\n")
            merges = [line for line in lines if line and not line.startswith("#version")]
        elif whole:
            vocab, merges = whole["model"]["vocab"], whole["model"]["merges"]
        else:
            raise ValueError(f"{folder} has neither vocab.json + merges.txt nor tokenizer.json.")
        merges = [tuple(pair.split() if isinstance(pair, str) else pair) for pair in merges]
        pad_token = (config | special).get("pad_token") or END
        pad_token = pad_token["content"] if isinstance(pad_token, dict) else pad_token
        length = config.get("model_max_length", 77)
        length = length if length < 10**6 else 77  # transformers writes 10**30 for "not said"
        return cls(vocab, merges, length, pad_token)
