"""The tokenizer with CLIP's real vocabulary: equal to transformers' on thousands of prompts."""

import gzip
import random

import pytest
import torch
from fetch_clip_vocabulary import read_vocabulary
from test_tokenizer import random_prompts
from transformers import CLIPTokenizer as OracleTokenizer

from minisd.tokenizer import END, END_OF_WORD, START, SYMBOLS, CLIPTokenizer

NUM_PROMPTS = 6_000


@pytest.fixture(scope="module")
def tokenizer():
    lines = gzip.decompress(read_vocabulary()).decode().split("\n")
    merges = [tuple(line.split()) for line in lines[1:48_895]]
    pieces = [*sorted(SYMBOLS), *(s + END_OF_WORD for s in sorted(SYMBOLS))]
    pieces += [*("".join(pair) for pair in merges), START, END]
    return CLIPTokenizer({piece: i for i, piece in enumerate(pieces)}, merges)


@pytest.fixture(scope="module")
def oracle(tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    tokenizer.save_pretrained(folder)
    return OracleTokenizer.from_pretrained(folder)


def prompts(tokenizer, num_prompts, seed):
    """Half text of all kinds, half sentences of CLIP's own words with that text in between."""
    rng = random.Random(seed)
    words = [piece for piece in tokenizer.vocab if piece.endswith(END_OF_WORD)]
    for noise in random_prompts(num_prompts, seed):
        if rng.random() < 0.5:
            yield noise
        else:  # up to 90 words: more than the 77 tokens that fit
            chosen = rng.choices(words, k=rng.choice([1, 5, 20, 90]))
            text = tokenizer.decode([tokenizer.vocab[word] for word in chosen])
            cut = rng.randrange(len(text) + 1)
            yield text[:cut] + rng.choice([noise, "", " ", noise.upper()]) + text[cut:]


def test_the_vocabulary_is_clips(tokenizer):
    assert len(tokenizer) == 49_408 and (tokenizer.start_id, tokenizer.end_id) == (49_406, 49_407)
    assert tokenizer.encode("a photo of a cat") == [320, 1125, 539, 320, 2368]
    assert tokenizer([""])[0].tolist() == [49_406] + [49_407] * 76


def test_equals_transformers_on_thousands_of_prompts(tokenizer, oracle):
    assert len(tokenizer) == len(oracle)
    lengths = []
    for prompt in prompts(tokenizer, NUM_PROMPTS, seed=2):
        expected = oracle(prompt, verbose=False).input_ids
        assert [tokenizer.start_id, *tokenizer.encode(prompt), tokenizer.end_id] == expected, prompt
        lengths.append(len(expected))
    assert len(lengths) == NUM_PROMPTS and sum(n > 77 for n in lengths) > 500


def test_rows_equal_transformers_padded_and_truncated(tokenizer, oracle):
    texts = ["", "x" * 300, f"a {END} b{START}", *prompts(tokenizer, 500, seed=3)]
    expected = oracle(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
    torch.testing.assert_close(tokenizer(texts), expected, rtol=0, atol=0)
