"""Training: the loop, its averages, resuming, and that it learns."""

import csv
import dataclasses
import json
import os
import signal
import threading

import pytest
import torch
from torch import nn

from minisd import recipes, runs
from minisd.checkpoint import load_state
from minisd.pipeline import TextToImagePipeline
from minisd.recipes import training_scenes
from minisd.runs import train
from minisd.schedule import NoiseSchedule
from minisd.sketch import Sketch, sketch_loss
from minisd.text_encoder import CLIPTextModel, TextConfig
from minisd.training import (
    TrainingState,
    denoising_loss,
    draw_timesteps,
    drop_captions,
    fastest_dtype,
    fit,
    learning_rate_factor,
    step_generator,
    vae_loss,
)
from minisd.world import FULL, contains_held_out, sample_scenes


def quadratic(state):
    """A loss whose batch is a function of the step alone."""
    layer = state.modules["layer"]

    def compute_loss(step):
        x = torch.randn(8, 3, generator=step_generator(0, step, "cpu"))
        return (layer(x) - x.flip(1)).square().mean()

    return compute_loss


def linear_state():
    torch.manual_seed(0)
    return TrainingState({"layer": nn.Linear(3, 3)}, learning_rate=0.1)


def run_steps(state, num_steps, stop=None):
    losses = []
    for step in fit(state, quadratic(state), num_steps):
        losses.append(step.loss.item())
        if step.number == stop:
            break
    return losses


def test_fit_learns():
    losses = run_steps(linear_state(), 200)
    assert losses[-1] < 0.01 * losses[0]


def test_a_resumed_fit_equals_an_unbroken_one_bit_for_bit():
    whole, first, second = linear_state(), linear_state(), linear_state()
    losses = run_steps(whole, 60)
    begun = run_steps(first, 60, stop=23)
    second.load_state_dict(first.state_dict())
    assert begun + run_steps(second, 60) == losses
    for part in ("modules", "averages"):
        ours, theirs = getattr(second, part).state_dict(), getattr(whole, part).state_dict()
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs), part


@pytest.mark.parametrize("lost", ["optimizer", "averages"])
def test_the_resume_test_notices_what_is_lost(lost):
    whole, first, second = linear_state(), linear_state(), linear_state()
    run_steps(whole, 60)
    run_steps(first, 60, stop=23)
    second.load_state_dict(first.state_dict() | {lost: linear_state().state_dict()[lost]})
    run_steps(second, 60)
    assert not torch.equal(second.averages["layer"].weight, whole.averages["layer"].weight)


def test_averages_are_exponential_moving_averages():
    state = linear_state()
    expected = state.modules["layer"].weight.detach().clone()
    for step in fit(state, quadratic(state), 30):
        decay = min(state.ema_decay, (1 + step.number) / (10 + step.number))
        expected = decay * expected + (1 - decay) * state.modules["layer"].weight.detach()
    torch.testing.assert_close(state.averages["layer"].weight, expected)
    assert not state.averages["layer"].weight.requires_grad


def test_learning_rate_rises_then_falls():
    factors = [learning_rate_factor(step, 1000) for step in range(1000)]
    assert max(factors) == pytest.approx(1.0, abs=0.02)
    assert factors.index(max(factors)) in range(95, 105)
    assert factors[-1] == pytest.approx(0.02, abs=1e-3)
    assert factors[0] < 0.02


def test_step_generators_differ_by_seed_and_step():
    draws = {
        torch.rand(1, generator=step_generator(seed, step, "cpu")).item()
        for seed in range(5)
        for step in range(20)
    }
    assert len(draws) == 100


class Spy(nn.Module):
    """Answers with what it is told to; remembers what it saw."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, latents, timesteps, context):
        self.seen = latents, timesteps, context
        return self.answer(latents, timesteps)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_denoising_loss_is_zero_for_a_model_that_knows(kind):
    schedule = NoiseSchedule(prediction_type=kind)
    latents = torch.randn(64, 4, 3, 5)
    ab = schedule.alphas_cumprod

    def oracle(noisy, t):
        a = ab[t].reshape(-1, 1, 1, 1)
        noise = (noisy - a.sqrt() * latents) / (1 - a).sqrt()
        return noise if kind == "epsilon" else a.sqrt() * noise - (1 - a).sqrt() * latents

    spy = Spy(oracle)
    generator = torch.Generator().manual_seed(0)
    ids = torch.zeros(64, 7).long()
    loss = denoising_loss(spy, lambda ids: ids, schedule, latents, ids, generator)
    assert loss < 1e-9
    assert spy.seen[1].unique().numel() > 40  # each picture has its own noise level
    zero = denoising_loss(Spy(lambda x, t: 0 * x), lambda i: i, schedule, latents, ids, generator)
    assert 0.7 < zero < 1.3  # unit variance in, unit variance asked for


def test_vae_loss_counts_error_and_kl():
    class FakeVAE:
        def encode(self, images):
            from minisd.vae import DiagonalGaussian

            mean = torch.full((2, 4, 2, 2), 2.0)
            return DiagonalGaussian(mean, torch.full_like(mean, -30.0))

        def decode(self, latents):
            return torch.full((2, 3, 8, 8), 0.5)

    images = torch.zeros(2, 3, 8, 8)
    loss = vae_loss(FakeVAE(), images, 0.1, None)
    kl_per_number = 0.5 * (4 + 0 - 1 + 30)
    assert loss.item() == pytest.approx(0.25 + 0.1 * kl_per_number, rel=1e-4)


def test_captions_are_dropped_at_the_asked_rate():
    ids, empty = torch.ones(10_000, 5).long(), torch.zeros(5).long()
    dropped = drop_captions(ids, empty, 0.1, torch.Generator().manual_seed(0))
    share = (dropped == 0).all(dim=1).float().mean()
    assert 0.09 < share < 0.11
    assert ((dropped == 0).all(dim=1) | (dropped == 1).all(dim=1)).all()


def test_no_training_scene_is_held_out_and_the_first_block_is_the_worlds():
    scenes = training_scenes(10_000, seed=3)
    assert len(scenes) == 10_000
    assert not contains_held_out(scenes).any()
    first = sample_scenes(recipes.BLOCK, torch.Generator().manual_seed(3), "seen")
    assert torch.equal(scenes.x[: recipes.BLOCK], first.x)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "a"
    train("tiny", out, steps=24)
    return out


def weights(out):
    pipe = TextToImagePipeline.from_pretrained(out / "model")
    parts = (pipe.unet, pipe.vae, pipe.text_encoder)
    return [tensor for part in parts for tensor in part.state_dict().values()]


def test_a_run_writes_model_scores_samples_and_curve(finished):
    rows = list(csv.DictReader((finished / "scores.csv").open()))
    assert " ".join(rows[0]) == "minute step count color size shape binding relation overall"
    assert [int(row["step"]) for row in rows] == [12, 24]
    assert (finished / "samples-000024.png").stat().st_size > 1000
    assert (finished / "loss.png").stat().st_size > 1000
    assert weights(finished)


def test_latents_have_unit_variance_by_the_measured_scale(finished):
    pipe = TextToImagePipeline.from_pretrained(finished / "model")
    from minisd.pipeline import from_uint8
    from minisd.world import render

    latents = pipe.encode(from_uint8(render(training_scenes(256, 0), 32)))
    assert latents.std().item() == pytest.approx(1.0, abs=0.05)
    assert pipe.vae.config.scaling_factor != 0.18215


@pytest.mark.parametrize("part", ["vae", "sketch", "unet"])
def test_a_stopped_run_resumes_to_the_same_weights(finished, tmp_path, monkeypatch, part):
    """SIGTERM in the middle of a part: the step is finished, the state saved; then --resume."""
    out = tmp_path / "b"
    real_fit, main = runs.fit, threading.main_thread()

    def fit_and_stop(state, *rest):
        for step in real_fit(state, *rest):
            if part in state.modules and step.number == 7:
                assert threading.current_thread() is main
                os.kill(os.getpid(), signal.SIGTERM)
            yield step

    monkeypatch.setattr(runs, "fit", fit_and_stop)
    with pytest.raises(KeyboardInterrupt):
        train("tiny", out, steps=24)
    assert load_state(out / f"{part}.pt")["state"]["step"] in (7, 8)
    monkeypatch.setattr(runs, "fit", real_fit)
    train("tiny", out, steps=24, resume=True)
    assert all(torch.equal(a, b) for a, b in zip(weights(out), weights(finished), strict=True))


def test_a_run_goes_on_from_a_model(tmp_path):
    train("tiny", tmp_path / "first", steps=3)
    first, second = tmp_path / "first" / "model", tmp_path / "second"
    train("tiny", second, steps=4, seed=1, start=str(first))
    before, after = (TextToImagePipeline.from_pretrained(f) for f in (first, second / "model"))
    assert before.tokenizer.vocab == after.tokenizer.vocab
    for a, b in zip(before.vae.parameters(), after.vae.parameters(), strict=True):
        assert torch.equal(a, b)
    moved = [
        (a - b).abs().max().item() / a.abs().max().item()
        for a, b in zip(before.unet.parameters(), after.unet.parameters(), strict=True)
        if a.dim() > 1
    ]
    assert 0 < max(moved) < 0.2  # a few small steps away: fresh weights differ by about 1
    state = load_state(second / "unet.pt")["state"]
    assert state["step"] == 4
    plan = json.loads((second / "plan.json").read_text())
    assert plan["vae_steps"] == plan["text_steps"] == 0  # nothing of these was trained here


def test_a_run_goes_on_from_its_own_size_alone(tmp_path):
    with pytest.raises(ValueError, match="another UNet"):
        train("tiny", tmp_path / "run", steps=1, start="shapes32")
    assert not (tmp_path / "run" / "plan.json").exists()
    train("tiny", tmp_path / "run", steps=1)  # the folder is as free as before


def test_a_sketch_learns_the_average_picture_of_each_caption():
    torch.manual_seed(0)
    text_encoder = CLIPTextModel(TextConfig(8, 4, 16, 32, 1, 2))
    state = TrainingState(
        {"text_encoder": text_encoder, "sketch": Sketch(16, 2, channels=3, side=2)}, 1e-2
    )
    ids = torch.tensor([[6, 1, 2, 7], [6, 2, 1, 7]]).repeat_interleave(8, dim=0)  # one order each
    latents = torch.randn(16, 3, 2, 2)
    parts = state.modules["sketch"], state.modules["text_encoder"]
    for step in fit(state, lambda _: sketch_loss(*parts, latents, ids), 300):
        last = step.loss.item()
    means = latents.view(2, 8, 3, 2, 2).mean(1)
    least = (latents.view(2, 8, 3, 2, 2) - means[:, None]).square().mean().item()
    assert last == pytest.approx(least, rel=1e-2)  # no guess from captions alone does better
    with torch.no_grad():
        guessed = parts[0](parts[1](ids[[0, 8]]))
    torch.testing.assert_close(guessed, means, atol=0.05, rtol=0)


def test_the_denoiser_goes_on_from_the_lessons(tmp_path, monkeypatch):
    seen = {}
    new_denoiser = recipes.new_denoiser

    def watch(preset, unet, text_encoder, device):
        seen["after"] = text_encoder.embeddings.token_embedding.weight.clone()
        return new_denoiser(preset, unet, text_encoder, device)

    monkeypatch.setattr(recipes, "new_denoiser", watch)
    train("tiny", tmp_path / "g", steps=4)
    saved = load_state(tmp_path / "g" / "sketch.pt")["state"]
    plan = json.loads((tmp_path / "g" / "plan.json").read_text())
    assert saved["step"] == plan["text_steps"] == 4
    name = "text_encoder.embeddings.token_embedding.weight"
    assert torch.equal(seen["after"], saved["averages"][name])


def test_the_lessons_hear_full_captions_only(tmp_path, monkeypatch):
    """With brief ones among them the order of words was not learned."""
    full, heard = [], []
    say, lesson = recipes.training_captions, runs.sketch_loss

    def watch_saying(scenes, tokenizer, count, seed, mentions=None):
        ids = say(scenes, tokenizer, count, seed, mentions)
        if mentions == FULL:
            full.extend(map(tuple, ids.flatten(0, 1).tolist()))
        return ids

    def watch_lesson(sketch, text_encoder, latents, ids):
        heard.extend(map(tuple, ids.tolist()))
        return lesson(sketch, text_encoder, latents, ids)

    monkeypatch.setattr(recipes, "training_captions", watch_saying)
    monkeypatch.setattr(runs, "sketch_loss", watch_lesson)
    train("tiny", tmp_path / "i", steps=4)
    assert heard and set(heard) <= set(full)


def test_levels_are_drawn_everywhere_and_most_around_the_middle():
    drawn = draw_timesteps(20_000, 1000, torch.Generator().manual_seed(0))
    assert drawn.min() == 0 and drawn.max() == 999
    tenths = torch.bincount(drawn // 100, minlength=10) / len(drawn)
    assert tenths.min() > 0.04  # the anywhere half alone gives each tenth .05
    assert 0.15 < tenths[5] < 0.25 and tenths[5] == tenths.max()
    again = draw_timesteps(20_000, 1000, torch.Generator().manual_seed(0))
    assert torch.equal(drawn, again)


def test_each_part_trains_on_batches_of_its_own_size(tmp_path, monkeypatch):
    recipe = dataclasses.replace(recipes.RECIPES["tiny"], batch_size=3, vae_batch_size=5)
    monkeypatch.setitem(recipes.RECIPES, "tiny", recipe)
    seen = {"vae": set(), "unet": set()}
    vae_loss, denoising_loss = runs.vae_loss, runs.denoising_loss

    def watch_vae(vae, images, *rest):
        seen["vae"].add(len(images))
        return vae_loss(vae, images, *rest)

    def watch_unet(unet, text_encoder, schedule, latents, token_ids, generator):
        seen["unet"] |= {len(latents), len(token_ids)}
        return denoising_loss(unet, text_encoder, schedule, latents, token_ids, generator)

    monkeypatch.setattr(runs, "vae_loss", watch_vae)
    monkeypatch.setattr(runs, "denoising_loss", watch_unet)
    train("tiny", tmp_path / "f", steps=2)
    assert seen == {"vae": {5}, "unet": {3}}


def test_the_price_of_a_latent_rises_late_and_stays():
    strengths = [recipes.kl_strength(step, 1000) for step in range(1000)]
    assert strengths[0] == 0
    assert strengths[375] == pytest.approx(1 / 16, rel=0.01)
    assert strengths == sorted(strengths)
    assert set(strengths[750:]) == {1.0}


def test_minutes_become_a_stored_number_of_steps(tmp_path, monkeypatch):
    monkeypatch.setattr(recipes, "time_steps", lambda *args: 0.01)
    many = dataclasses.replace(recipes.RECIPES["tiny"], text_steps=10_000)  # the share decides
    monkeypatch.setitem(recipes.RECIPES, "tiny", many)

    class EnoughError(Exception):
        pass

    def stop(self):
        raise EnoughError

    monkeypatch.setattr(runs.Run, "train_vae", stop)
    with pytest.raises(EnoughError):
        train("tiny", tmp_path / "c", minutes=2)
    plan = json.loads((tmp_path / "c" / "plan.json").read_text())
    seconds = 0.01 * (plan["vae_steps"] + plan["text_steps"] + plan["unet_steps"])
    assert seconds == pytest.approx((120 - many.starting) * (1 - recipes.LOOKING), rel=1e-3)
    assert plan["text_steps"] == pytest.approx(0.1 * seconds / 0.01, rel=1e-2)
    assert (
        runs.Run("tiny", tmp_path / "c", 9, None, 0, True, "cpu").plan.unet_steps
        == (plan["unet_steps"])
    )


def test_bad_runs_are_refused_in_one_sentence(finished, tmp_path):
    with pytest.raises(ValueError, match="unknown preset 'huge'; known: tiny"):
        train("huge", tmp_path / "d", steps=1)
    with pytest.raises(ValueError, match="add --resume"):
        train("tiny", finished, steps=1)
    with pytest.raises(ValueError, match="holds no run to resume"):
        train("tiny", tmp_path / "d", steps=1, resume=True)
    with pytest.raises(ValueError, match="begun with --preset tiny --seed 0"):
        train("tiny", finished, steps=1, seed=1, resume=True)
    assert not (tmp_path / "d").exists()


def test_a_loss_that_is_not_a_number_ends_the_run_and_keeps_the_last_good_state(
    tmp_path, monkeypatch
):
    real = runs.denoising_loss
    calls = []

    def poisoned(*args):
        calls.append(1)
        return real(*args) * (float("nan") if len(calls) > 14 else 1)

    monkeypatch.setattr(runs, "denoising_loss", poisoned)
    with pytest.raises(ValueError, match="loss of unet is nan at step"):
        train("tiny", tmp_path / "e", steps=24)
    saved = load_state(tmp_path / "e" / "unet.pt")["state"]
    assert saved["step"] == 12
    assert all(t.isfinite().all() for t in saved["modules"].values())


def test_too_few_minutes_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="takes about 1 seconds: give more than 0.01 minutes"):
        train("tiny", tmp_path / "h", minutes=0.01)
    assert not (tmp_path / "h").exists()


@pytest.mark.parametrize(("real", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_an_old_gpu_that_only_imitates_bfloat16_trains_in_float32(monkeypatch, real, dtype):
    def is_supported(including_emulation=True):
        return including_emulation or real

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_supported)
    assert fastest_dtype("cuda") == dtype
