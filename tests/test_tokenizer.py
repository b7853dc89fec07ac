"""The tokenizer: equal to transformers', and byte-pair encoding by its laws."""

import json
import random
import unicodedata

import pytest
import torch
from tokenizers.normalizers import NFC
from transformers import CLIPTokenizer as OracleTokenizer

from minisd.tokenizer import END, START, CLIPTokenizer, bpe, learn_merges, letters, split_words

CAPTIONS = [
    "a small red circle on a white background",
    "two large green triangles and 3 blue squares, the left one's yellow",
    "the Cat doesn't like über-naïve cafés 漢字 漢 🎨🎨 !!! 2024",
]


@pytest.fixture(scope="module")
def tokenizer():
    return CLIPTokenizer.train(CAPTIONS, num_merges=150)


@pytest.fixture(scope="module")
def oracle(tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save_pretrained(folder)
    return OracleTokenizer.from_pretrained(folder)


their_nfc = NFC().normalize_str


def random_prompts(num_prompts, seed):
    """Text of all kinds: ASCII, accents, combining marks, CJK, emoji, any code point, traps."""
    rng = random.Random(seed)
    traps = [*" ".join(CAPTIONS).split(), START, END, END.upper(), END.upper() + "!!", "!" + START]
    traps += [" ", "\t\r\n", "\x1c", "\x85", "\u2028", "ΟΔΟΣ", "ſ", "'ſ", "'S", "İ", "12½", "''ll"]
    traps += ["e\u0301", "\u1100\u1161", "x" * 300, "<|", "|>", "</w>", "#version: 0.2", "\u200d"]
    ranges = [(32, 127), (32, 127), (0xA0, 0x250), (0x300, 0x370), (0x370, 0x700), (0x900, 0xE00)]
    ranges += [(0x3040, 0x3100), (0x4E00, 0x9FFF), (0xAC00, 0xD7A4), (0x1F300, 0x1F700)]

    def character():
        while True:  # only what the Unicode tables of both know: ours is newer for marks, theirs
            c = chr(rng.randrange(*rng.choice([*ranges, (0, 0x110000)])))  # for the rest
            known = unicodedata.category(c) not in ("Cn", "Cs")
            between = f"\u0345{c}\u0334"  # marks of the last and first class: any other moves
            if known and unicodedata.normalize("NFC", between) == their_nfc(between):
                return c

    for _ in range(num_prompts):
        length = rng.choice([0, 1, 3, 10, 30, 90])
        yield "".join(
            rng.choice(traps) if rng.random() < 0.2 else character() for _ in range(length)
        )


def test_equals_transformers_on_random_prompts(tokenizer, oracle):
    assert len(tokenizer) == len(oracle)
    for prompt in random_prompts(6000, seed=0):
        expected = oracle(prompt, verbose=False).input_ids
        assert [tokenizer.start_id, *tokenizer.encode(prompt), tokenizer.end_id] == expected, prompt


def test_batches_equal_transformers_padded_and_truncated(tokenizer, oracle):
    prompts = ["", "red", " ".join(CAPTIONS * 5), *random_prompts(100, seed=1)]
    expected = oracle(prompts, padding="max_length", truncation=True, return_tensors="pt").input_ids
    torch.testing.assert_close(tokenizer(prompts), expected, rtol=0, atol=0)
    assert tokenizer([""])[0].tolist() == [tokenizer.start_id] + [tokenizer.end_id] * 76
    assert tokenizer([]).shape == (0, 77)
    with pytest.raises(TypeError, match="one string"):
        tokenizer("red")


def test_a_long_prompt_keeps_its_end_and_the_cut_is_told(tokenizer):
    prompt = "red " * 75 + "blue square"
    row = tokenizer([prompt])[0].tolist()
    assert len(row) == 77 and row[-1] == tokenizer.end_id
    assert row[1:-1] == tokenizer.encode("red") * 75
    assert tokenizer.truncated(prompt) == "blue square"
    assert tokenizer.truncated("red " * 75) == ""
    assert tokenizer(["wörd" * 2500]).shape == (1, 77)  # 10,000 letters


def test_a_lone_surrogate_is_no_crash(tokenizer):
    assert tokenizer.encode("\ud800") == tokenizer.encode("?")


def test_pad_token_of_stable_diffusion_2(tokenizer, tmp_path):
    padded = CLIPTokenizer(tokenizer.vocab, tokenizer.merges, 20, pad_token="!")
    padded.save_pretrained(tmp_path)
    oracle = OracleTokenizer.from_pretrained(tmp_path)
    for tokens in (padded, CLIPTokenizer.from_pretrained(tmp_path)):
        assert (tokens.pad_id, tokens.model_max_length) == (0, 20)
        prompts = ["a red circle", "wow!! red!", ""]
        expected = oracle(prompts, padding="max_length", truncation=True, return_tensors="pt")
        torch.testing.assert_close(tokens(prompts), expected.input_ids, rtol=0, atol=0)
    # In the wild only special_tokens_map.json says it, next to a config that says otherwise.
    config = {"pad_token": END, "model_max_length": 10**30}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    special = {"pad_token": {"content": "!", "normalized": True}}
    (tmp_path / "special_tokens_map.json").write_text(json.dumps(special))
    tokens = CLIPTokenizer.from_pretrained(tmp_path)
    assert (tokens.pad_id, tokens.model_max_length) == (0, 77)


def test_reads_tokenizer_json_alone(tokenizer, oracle, tmp_path):
    oracle.save_pretrained(tmp_path)  # transformers 5 writes tokenizer.json, no vocab.json
    assert not (tmp_path / "vocab.json").exists()
    loaded = CLIPTokenizer.from_pretrained(tmp_path)
    assert loaded.vocab == tokenizer.vocab and loaded.merges == tokenizer.merges


def test_save_and_load(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    assert (tmp_path / "merges.txt").read_text(encoding="utf-8").startswith("#version: 0.2\n")
    loaded = CLIPTokenizer.from_pretrained(tmp_path)
    assert loaded.vocab == tokenizer.vocab and loaded.merges == tokenizer.merges
    with (tmp_path / "merges.txt").open("a") as file:
        file.write("zz qq\n")
    with pytest.raises(ValueError, match="1 pieces are not in both vocabulary and merges: zzqq"):
        CLIPTokenizer.from_pretrained(tmp_path)
    (tmp_path / "merges.txt").write_text("#version: 0.2\nr e\n")  # cut short
    with pytest.raises(ValueError, match="pieces are not in both vocabulary and merges"):
        CLIPTokenizer.from_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"neither vocab.json \+ merges.txt nor tokenizer.json"):
        CLIPTokenizer.from_pretrained(tmp_path / "elsewhere")


def test_vocabulary_is_laid_out_as_clips():
    tokenizer = CLIPTokenizer.train(["red red bed"])
    pieces = sorted(tokenizer.vocab, key=tokenizer.vocab.get)
    assert pieces[:3] == ["!", '"', "#"] and pieces[256:258] == ["!</w>", '"</w>']
    assert pieces[187:190] == ["ÿ", "Ā", "ā"]  # bytes that print come first
    assert pieces[512:] == ["ed</w>", "red</w>", "bed</w>", START, END]
    assert [tokenizer.vocab[p] for p in pieces] == list(range(len(tokenizer)))


def test_every_training_word_becomes_one_piece():
    tokenizer = CLIPTokenizer.train(CAPTIONS)
    for caption in CAPTIONS:
        assert len(tokenizer.encode(caption)) == len(split_words(caption))
    assert len(tokenizer.encode("reddish")) > 1


def test_decode_gives_the_words_back(tokenizer):
    for caption in CAPTIONS:
        assert tokenizer.decode(tokenizer.encode(caption)) == " ".join(split_words(caption))
        assert tokenizer.decode(tokenizer([caption])[0]) == " ".join(split_words(caption))
    assert tokenizer.decode(tokenizer.encode(" a  RED\ncircle </w> ")) == "a red circle </ w >"


def test_merges_by_hand():
    # counts: a+b 5+3, b+c</w> 5, b+d</w> 3; then ab+c</w> 5, ab+d</w> 3
    assert learn_merges({"abc": 5, "abd": 3}, 9) == [("a", "b"), ("ab", "c</w>"), ("ab", "d</w>")]
    assert learn_merges({"abc": 5, "abd": 3}, 1) == [("a", "b")]
    assert learn_merges({"xy": 1, "ab": 1}, 1) == [("a", "b</w>")]  # a tie: alphabetically first
    assert learn_merges({"aaaab": 2, "cde": 5}, 1) == [("a", "a")]  # three places, twice: 6 > 5
    assert learn_merges({"aaaab": 1, "cde": 5}, 1) == [("c", "d")]
    assert learn_merges({"a": 7}, 3) == []


def test_merges_equal_a_recount_after_every_step():
    rng = random.Random(0)
    words = {
        "".join(rng.choices("abcd", k=rng.randint(1, 8))): rng.randint(1, 9) for _ in range(40)
    }
    pieces = {word: letters(word) for word in words}
    for merge in learn_merges(words, 1000):
        counts = {}
        for word, parts in pieces.items():
            for pair in zip(parts, parts[1:]):
                counts[pair] = counts.get(pair, 0) + words[word]
        most = max(counts.values())
        assert merge == min(pair for pair in counts if counts[pair] == most)
        for word, parts in pieces.items():
            joined = []
            for part in parts:
                if joined and (joined[-1], part) == merge:
                    joined[-1] += part
                else:
                    joined.append(part)
            pieces[word] = joined
    assert all(len(parts) == 1 for parts in pieces.values())
    doubled = {word: 2 * words[word] for word in reversed(words)}
    assert learn_merges(doubled, 1000) == learn_merges(words, 1000)


def test_the_earliest_pair_is_joined_first_and_everywhere():
    assert bpe("abc", {("b", "c</w>"): 0, ("a", "b"): 1}) == ["a", "bc</w>"]
    assert bpe("abc", {("a", "b"): 0, ("b", "c</w>"): 1}) == ["ab", "c</w>"]
    assert bpe("ababx", {("a", "b"): 0}) == ["ab", "ab", "x</w>"]
    assert bpe("aaa", {("a", "a"): 0}) == ["aa", "a</w>"]
    assert bpe("abc", {}) == ["a", "b", "c</w>"]
    assert bpe("a", {("a", "a"): 0}) == ["a</w>"]
