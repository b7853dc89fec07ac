"""What notebook 07 computes and shows: the small worlds, the tables, the figures' numbers."""

import json
import math
from pathlib import Path

import pytest
import torch
from diffusers.models import activations

from minisd import training
from minisd.attention import GEGLU, BasicTransformerBlock
from minisd.course import band, exercises
from minisd.course.bank.n07_conditioned_latent_unet import left_right, looks
from minisd.pipeline import TextToImagePipeline, from_uint8
from minisd.pipeline.text_to_image import WEIGHTS
from minisd.schedule import snr
from minisd.sizes import SIZES, ZERO_SNR
from minisd.unet import UNet2DConditionModel

TABLES = Path(__file__).parents[1] / "datasets" / "training"


def reference(id):
    return exercises()[id].reference


def test_sentences_are_true():
    pictures, sentences, on_the_left = left_right.draw_pairs(300, torch.Generator().manual_seed(0))
    for picture, sentence, first in zip(pictures, sentences, on_the_left):
        red, blue = picture[0] > picture[2], picture[2] > picture[0]
        assert red.sum() == blue.sum() == left_right.SQUARE**2
        stands_left = red.nonzero()[:, 1].max() < blue.nonzero()[:, 1].min()
        assert bool(stands_left) == (first == 0)
        about, relation, other = left_right.say(sentence).replace(" of", "_of").split()
        assert {about, other} == {"red", "blue"}
        assert bool(stands_left) == ((about == "red") == (relation == "left_of"))
    assert torch.equal(left_right.side_of(pictures), on_the_left)
    assert len(sentences.unique(dim=0)) == 4


@torch.no_grad()
def test_gate_is_the_packages_and_diffusers():
    hidden = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(0))
    for layer in (GEGLU(8, 6), activations.GEGLU(8, 6)):
        ours = reference("07.geglu")(hidden, layer.proj.weight, layer.proj.bias)
        torch.testing.assert_close(ours, layer(hidden))


@torch.no_grad()
def test_cached_latents_are_the_pipelines():
    pipe = TextToImagePipeline.from_pretrained("shapes32")
    images, captions = band.draw_one_object(5)
    assert len(images) == len(captions) == 5
    ours = reference("07.cache_latents")(pipe.vae, images, pipe.vae.config.scaling_factor, 2)
    torch.testing.assert_close(ours, pipe.encode(from_uint8(images)), atol=1e-4, rtol=1e-4)


def test_loss_is_the_packages(monkeypatch):
    def evenly(B, T, generator, device):  # the package's own draw prefers the middle
        return torch.randint(T, (B,), generator=generator, device=device)

    monkeypatch.setattr(training, "draw_timesteps", evenly)
    latents, prompts = torch.randn(6, 4, 8, 8), torch.randn(6, 5, 32)
    unet = UNet2DConditionModel(SIZES["tiny"].unet)
    generators = [torch.Generator().manual_seed(3) for _ in range(2)]
    ours = reference("07.conditioned_loss")(
        unet, latents, prompts, ZERO_SNR.alphas_cumprod, generators[0]
    )
    theirs = training.denoising_loss(
        unet, lambda ids: ids, ZERO_SNR, latents, prompts, generators[1]
    )
    torch.testing.assert_close(ours, theirs)


def test_sides_of_noise_are_a_coin():
    noise = torch.randn(2000, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert 0.46 < left_right.side_of(noise).float().mean() < 0.54


def test_good_guesses_are_what_the_nearest_picture_counts():
    generator = torch.Generator().manual_seed(0)
    a, b, level = *torch.randn(2, 12, generator=generator), torch.tensor(0.1)
    noise = torch.randn(40_000, 12, generator=generator)
    noisy = level**0.5 * a + (1 - level) ** 0.5 * noise
    right = (noisy - level**0.5 * a).norm(dim=1) < (noisy - level**0.5 * b).norm(dim=1)
    expected = left_right.share_of_good_guesses(snr(level), (a - b).norm())
    assert abs(right.float().mean() - expected) < 0.01
    assert left_right.share_of_good_guesses(0.0, 3.0) == 0.5


def test_a_sentence_is_worth_all_in_pure_noise_and_nothing_in_none():
    worth = left_right.worth_of_the_sentence(torch.tensor([0.0, 0.05, 100.0]), 6.0)
    assert abs(worth[0] - 9) < 1e-3 and worth[2] < 1e-6
    # The middle by brute force: a pair at -3 and 3 on one axis.
    generator = torch.Generator().manual_seed(1)
    side = torch.randint(2, (100_000,), generator=generator) * 2.0 - 1
    level = 0.05 / 1.05
    x_t = level**0.5 * 3 * side + (1 - level) ** 0.5 * torch.randn(100_000, generator=generator)
    best = 3 * (3 * level**0.5 * x_t / (1 - level)).tanh()
    assert abs(((best - 3 * side) ** 2).mean() - worth[1]) < 0.1


def test_recipes_share_start_and_data(monkeypatch):
    seen = []
    real = left_right.add_noise
    monkeypatch.setattr(
        left_right, "add_noise", lambda *given: seen.append(given[:3]) or real(*given)
    )
    for schedule, error in left_right.RECIPES.values():
        (look,) = left_right.train(schedule, error, num_steps=1, look_every=1)
        assert look.step == 1 and look.pictures.shape == (256, 3, 8, 8)
        assert 0 <= look.obeys_sentence <= 1 and 0 <= look.obeys_noise <= 1
    for others in seen[1:]:
        assert all(torch.equal(*pair) for pair in zip(seen[0], others))


def test_rebuilt_and_deafened_networks():
    torch.manual_seed(0)
    unet = UNet2DConditionModel(SIZES["tiny"].unet).eval()
    x, prompts = torch.randn(2, 4, 8, 8), torch.randn(2, 5, 32)
    with torch.no_grad():
        before = unet(x, 500, prompts)

        class Mine(BasicTransformerBlock):
            """A learner's."""

        looks.rebuild(unet, Mine)
        assert looks.blocks_of(unet) and all(type(b) is Mine for b in looks.blocks_of(unet))
        torch.testing.assert_close(unet(x, 500, prompts), before)
        with looks.deafened(unet):
            torch.testing.assert_close(unet(x, 500, prompts), unet(x, 500, 3 * prompts))
        assert not torch.allclose(unet(x, 500, prompts), unet(x, 500, 3 * prompts))


def test_order_of_learning_reads_gaps(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text(
        "minute,step,count,relation,binding,overall\n1,5,0.4,nan,0.1,0\n2,9,0.6,,0.2,0\n3,9,0.8,0.5,nan,0\n"
    )
    order = looks.order_of_learning(path)
    assert [(name, minute) for name, _, minute in order] == [
        ("count", 2.0), ("relation", 3.0), ("binding", None),
    ]  # fmt: skip
    assert [round(mean, 3) for _, mean, _ in order] == [0.6, 0.5, 0.15]
    path.write_text("minute,step,count,relation,overall\n1,5,0.4,nan,0\n")
    name, mean, minute = looks.order_of_learning(path)[-1]
    assert (name, minute) == ("relation", None) and math.isnan(mean)


def test_saved_tables_fit_the_notebook():
    runs = looks.read_json(TABLES / "band.json")["runs"]
    for run in runs.values():
        assert run["step"] == [*range(0, band.STEPS + 1, band.LOOK_EVERY)]
        assert run["right captions"][-1] < run["no captions"][-1] < run["wrong captions"][-1]
    steps, low, high = looks.band_of(runs)
    assert len(steps) == len(low) and all(a < b for a, b in zip(low, high))
    sides = looks.read_json(TABLES / "sides.json")["runs"]
    assert list(sides) == list(left_right.RECIPES)
    for run in sides["v, zero terminal SNR"].values():
        assert run["obeys sentence"][-1] > 0.9
    for run in sides["epsilon, Stable Diffusion's schedule"].values():
        early = [share for step, share in zip(run["step"], run["obeys sentence"]) if step <= 150]
        assert max(early) < 0.65
        assert run["obeys noise"][0] > 0.75
    first, second = looks.relation_by_reader(TABLES / "readers.csv").values()
    assert 0.25 < first < 0.5 < 0.95 < second


def test_band_is_of_the_shipped_latents():
    path = WEIGHTS / "shapes32" / "vae" / "config.json"
    scale = json.loads(path.read_text())["scaling_factor"]
    measured = looks.read_json(TABLES / "band.json")["latent scale of the shipped model"]
    assert measured == pytest.approx(scale), (
        "the shipped model is another: python -m minisd.course.band datasets/training/band.json"
    )


def test_a_band_run_is_a_function_of_its_seed():
    pipe = TextToImagePipeline.from_pretrained("shapes32")
    held_back = band.hold_back(pipe)
    assert held_back.timesteps.unique().numel() == band.NUM_HELD_BACK
    first, again, other = (band.new_state(pipe.tokenizer, seed=s).modules for s in (0, 0, 1))
    losses = [held_back.losses(parts) for parts in (first, again, other)]
    assert losses[0] == losses[1] != losses[2]
    assert set(losses[0]) == {"right captions", "wrong captions", "no captions"}
