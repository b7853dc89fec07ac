"""The self-test and the view into the model that notebook 00 uses."""

import pytest
import torch

from minisd.course.looking import cross_attention_maps
from minisd.course.self_test import QUESTIONS, self_test
from minisd.pipeline import TextToImagePipeline

RIGHT = {"sum": 5, "mix": 1.0, "bayes": 0.75, "broadcast": (2, 4, 3), "einops": [2, 20, 3]}


def test_right_answers_miss_nothing(capsys):
    assert self_test(**RIGHT) == []
    assert capsys.readouterr().out.count("-> right") == len(QUESTIONS)


@pytest.mark.parametrize("name, wrong", [("sum", 7), ("mix", 1.4), ("bayes", 0.5),
                                         ("broadcast", (4, 1)), ("einops", "many")])  # fmt: skip
def test_a_miss_is_named_with_its_refresher(name, wrong, capsys):
    assert self_test(**RIGHT | {name: wrong}) == [name]
    assert f'not yet: see "{QUESTIONS[name][2]}" below' in capsys.readouterr().out


def test_nothing_answered_is_no_error(capsys):
    assert self_test() == list(QUESTIONS)
    assert capsys.readouterr().out.count("not answered") == len(QUESTIONS)
    with pytest.raises(ValueError, match="no question is named 'guess'"):
        self_test(guess=1)


def test_cross_attention_maps_are_the_shares_that_the_model_gives():
    pipe = TextToImagePipeline.from_pretrained("shapes32")
    prompt = "a large red heart above a small blue ring"
    noise = torch.Generator().manual_seed(3)
    image, words, maps = cross_attention_maps(pipe, prompt, noise, num_inference_steps=3)
    assert words == prompt.split()
    assert maps.shape == (len(words), pipe.unet.config.sample_size, pipe.unet.config.sample_size)
    shares = maps.sum(0)  # the rest goes to start, end and padding
    assert maps.min() > 0 and shares.max() < 1
    plain = pipe(prompt, generator=torch.Generator().manual_seed(3), num_inference_steps=3)[0]
    assert torch.equal(image, plain)
    assert not any(m._forward_hooks for m in pipe.unet.modules())  # nothing stays behind


def test_a_word_that_is_not_looked_at_gets_no_share(monkeypatch):
    """One layer's keys set so that every query takes the third word alone."""
    pipe = TextToImagePipeline.from_pretrained("shapes32")
    for name, module in pipe.unet.named_modules():
        if name.endswith("attn2"):
            real = module.to_k.forward

            def third_word_only(context, real=real):
                keys = torch.zeros_like(real(context))
                keys[:, 3] = 100  # after the start token: the third word
                return keys

            monkeypatch.setattr(module.to_k, "forward", third_word_only)
            monkeypatch.setattr(module.to_q, "forward", lambda x: torch.ones_like(x))
    _, words, maps = cross_attention_maps(pipe, "a large red heart", num_inference_steps=2)
    assert words[2] == "red"
    assert maps[2].min() > 0.99
