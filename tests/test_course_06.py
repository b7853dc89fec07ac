"""Notebook 06: what its exercises and its command rest on."""

import json
from unittest import mock

import pytest
import torch
from oracles import randomize
from transformers.models.clip import modeling_clip

from minisd import course
from minisd.attention import scaled_dot_product_attention
from minisd.course import order
from minisd.course.bank.n06_text_encoder import looks
from minisd.course.fingerprint import fingerprint
from minisd.pipeline import TextToImagePipeline
from minisd.random_model import random_model
from minisd.text_encoder import CLIPEncoderLayer, CLIPTextModel, TextConfig
from minisd.truth import true_scenes
from minisd.world import compositions, parse, render


def reference(id):
    return course.exercises()[id].reference


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def pipe():
    pipe = random_model("tiny")
    randomize(pipe.unet)  # a newborn one says 0 to every prompt
    return pipe


def test_the_layer_is_the_packages():
    torch.manual_seed(0)
    theirs = CLIPEncoderLayer(TextConfig(9, 6, 8, 20, 1, 2))
    for weight in theirs.parameters():
        torch.nn.init.normal_(weight)
    ours = reference("06.EncoderLayer")(8, 2, 20)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    hidden = normal(3, 6, 8)
    mask = torch.ones(6, 6).tril().bool()
    torch.testing.assert_close(ours(hidden), theirs(hidden, mask))


def test_the_contrastive_loss_is_transformers():
    images, texts = (torch.nn.functional.normalize(normal(7, 5, seed=s), dim=-1) for s in (0, 1))
    scale = torch.tensor(1.3)
    theirs = modeling_clip.image_text_contrastive_loss(scale.exp() * texts @ images.T)
    torch.testing.assert_close(reference("06.contrastive_loss")(3 * images, texts, scale), theirs)


@pytest.mark.parametrize("positions", [True, False])
@pytest.mark.parametrize("causal", [True, False])
def test_order_is_lost_only_without_both(positions, causal):
    """Shuffled tokens give shuffled vectors exactly if nothing tells their order."""
    torch.manual_seed(1)
    trained = CLIPTextModel(TextConfig(9, 6, 8, 20, 2, 2)).eval()
    encoder = order.OrderTextModel(trained, positions, causal)
    ids, shuffle = torch.tensor([[1, 5, 3, 3, 8, 2]]), torch.tensor([4, 0, 5, 2, 1, 3])
    before, after = encoder(ids)[0], encoder(ids[:, shuffle])[0]
    same = torch.allclose(before[shuffle], after, atol=1e-5)
    assert same == (not positions and not causal)
    assert (looks.unlike(before, after) < 1e-5) == same
    if positions and causal:
        torch.testing.assert_close(encoder(ids), trained(ids))


def test_twins_exchange_their_colors():
    assert order.twin("a red ring and one blue cross") == "a blue ring and one red cross"
    assert order.twin(order.twin("an orange ring and a red cross")) == (
        "an orange ring and a red cross"
    )
    with pytest.raises(ValueError, match="two colors"):
        order.twin("a red ring")
    pairs = order.attribution_pairs()
    assert len(pairs) >= 50 and order.attribution_pairs(5) == pairs[:5]
    for pair in pairs:
        first, second = map(parse, pair)
        assert first != second and not compositions(first) + compositions(second)
        assert sorted(pair[0].split()) == sorted(pair[1].split())


def test_twins_get_one_picture_where_order_is_lost(pipe):
    pairs = order.attribution_pairs(2)
    for machine, same in ((pipe, False), (order.without_order(pipe), True)):
        images = order.draw_pairs(machine, pairs).int()
        assert ((images[0] - images[1]).abs().max() <= 1) == same
        assert not torch.equal(images[0, 0], images[0, 1])


def test_scores_are_drawn_from_two_noises(pipe):
    """Or the two shares of a model without order would be equal, whatever it draws."""
    with mock.patch.object(order, "judge_pairs", wraps=order.judge_pairs) as judge:
        order.scores(order.without_order(pipe), 2)
    images, pairs = judge.call_args.args
    assert pairs == order.attribution_pairs(2) and images.shape[:2] == (2, 2)
    assert all((a.int() - b.int()).abs().max() > 1 for a, b in zip(*images))


def test_pictures_are_judged_against_both_prompts():
    """True pictures of the first prompts on both sides."""
    pairs = order.attribution_pairs(6)
    scenes = true_scenes([pair[0] for pair in pairs], torch.Generator().manual_seed(0), "seen")
    images = render(scenes)
    own, other = order.judge_pairs(torch.stack([images, images]), pairs)
    assert own.tolist() == [[1] * 6, [0] * 6] and other.tolist() == [[0] * 6, [1] * 6]


def test_the_command_writes_its_table(pipe, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(order, "PICTURES", 64)
    pipe.save_pretrained(tmp_path / "model")
    file = tmp_path / "scores.json"
    arguments = ["order", str(file), "--model", str(tmp_path / "model"), "--steps", "2"]
    monkeypatch.setattr("sys.argv", [*arguments, "--batch", "2", "--prompts", "1"])
    order.main()
    saved = json.loads(file.read_text())
    assert saved["steps"] == 2 and list(saved["arms"]) == ["order kept", "order lost"]
    assert saved["weights"] == fingerprint(tmp_path / "model")
    lost = saved["arms"]["order lost"]
    assert lost["pictures of two objects"] == 2
    capsys.readouterr()
    rows = looks.order_scores(file)
    assert rows[1] == [*lost.values()][:3] and "after 2 more steps" in capsys.readouterr().out


def test_shares_of_places_sum_to_one(pipe):
    prompt = "a red ring"
    image, shares = looks.shares_of_places(pipe, prompt, torch.Generator().manual_seed(3))
    assert shares.shape == (24,) and abs(shares.sum() - 1) < 1e-4
    assert looks.named_places(prompt, 24)[:6] == ["start", "a", "red", "ring", "end", "pad"]
    parts = looks.summed(shares, 3)
    assert parts["words"] == round(shares[1:4].sum().item(), 2)
    assert abs(sum(parts.values()) - 1) < 0.03
    plain = pipe(prompt, generator=torch.Generator().manual_seed(3))[0]
    assert torch.equal(image, plain)


def test_other_padding_changes_nothing_else(pipe):
    changed = looks.padded_with(pipe, "<|startoftext|>")
    old, new = (machine.tokenizer(["a red ring"])[0] for machine in (pipe, changed))
    end = old.tolist().index(pipe.tokenizer.end_id)
    assert torch.equal(old[: end + 1], new[: end + 1])
    assert (new[end + 1 :] == pipe.tokenizer.start_id).all()
    assert isinstance(changed, TextToImagePipeline) and changed.unet is pipe.unet


def test_equal_scores_share_out_evenly_by_hand():
    """The numbers that notebook 06 writes beside its masks."""
    values, equal = torch.tensor([[[1.0], [2.0]]]), torch.zeros(1, 2, 1)
    mask = torch.ones(2, 2).tril().bool()
    assert scaled_dot_product_attention(equal, equal, values).flatten().tolist() == [1.5, 1.5]
    assert scaled_dot_product_attention(equal, equal, values, mask).flatten().tolist() == [1, 1.5]
