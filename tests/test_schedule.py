"""The noise: against diffusers, against Bayes' rule by brute force, and by its own laws."""

import json
import re

import diffusers
import pytest
import torch
from torch.testing import assert_close

from minisd.schedule import (
    NoiseSchedule,
    add_noise,
    posterior,
    rescale_zero_terminal_snr,
    snr,
    to_x0_and_epsilon,
    training_target,
)

BETAS = ["linear", "scaled_linear", "squaredcos_cap_v2"]
KINDS = ["epsilon", "sample", "v_prediction"]
READABLE = ["DDPM", "DDIM", "PNDM", "EulerDiscrete", "EulerAncestralDiscrete", "HeunDiscrete"]
READABLE = [
    name + "Scheduler" for name in [*READABLE, "DPMSolverMultistep", "FlowMatchEulerDiscrete"]
]


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("rescale", [False, True])
@pytest.mark.parametrize("kind", BETAS)
def test_betas_equal_diffusers_to_the_last_bit(kind, rescale):
    ends = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": kind}
    theirs = diffusers.DDIMScheduler(**ends, rescale_betas_zero_snr=rescale)
    mine = NoiseSchedule(**ends, rescale_betas_zero_snr=rescale)
    assert torch.equal(mine.betas, theirs.betas)
    assert torch.equal(mine.alphas_cumprod, theirs.alphas_cumprod)


def test_defaults_are_stable_diffusions():
    alphas_cumprod = NoiseSchedule().alphas_cumprod
    assert_close(alphas_cumprod[[0, -1]], torch.tensor([0.99914998, 0.00466010]), atol=1e-8, rtol=0)


def test_rescaling_ends_at_nothing_and_moves_the_root_on_a_straight_line():
    betas = NoiseSchedule().betas.double()
    rescaled = rescale_zero_terminal_snr(betas)
    before, after = ((1 - b).cumprod(0).sqrt() for b in (betas, rescaled))
    assert rescaled[-1] == 1 and after[-1] == 0
    assert_close(after[0], before[0])
    slopes = after.diff() / before.diff()
    assert_close(slopes, slopes[0].expand_as(slopes))


def test_one_jump_is_many_small_steps():
    schedule = NoiseSchedule(num_train_timesteps=50)
    picture = draw(1, 1, 2, 3)
    walked = picture
    for beta in schedule.betas.double():
        walked = (1 - beta) ** 0.5 * walked  # the mean: no noise added
    jumped = add_noise(
        picture, torch.zeros_like(picture), torch.tensor([49]), schedule.alphas_cumprod
    )
    assert_close(jumped, walked, atol=1e-6, rtol=1e-6)


def test_noising_and_velocity_equal_diffusers_each_picture_at_its_own_level():
    theirs = diffusers.DDIMScheduler()
    mine = NoiseSchedule(beta_schedule="linear", beta_start=0.0001, beta_end=0.02)
    images, noise = draw(5, 2, 3, 5).float(), draw(5, 2, 3, 5, seed=1).float()  # B = W, H != W
    timesteps = torch.tensor([0, 999, 500, 3, 700])
    assert torch.equal(
        add_noise(images, noise, timesteps, mine.alphas_cumprod),
        theirs.add_noise(images, noise, timesteps),
    )
    v = training_target(images, noise, timesteps, mine.alphas_cumprod, "v_prediction")
    assert torch.equal(v, theirs.get_velocity(images, noise, timesteps))


@pytest.mark.parametrize("kind", KINDS)
def test_a_true_answer_recovers_picture_and_noise(kind):
    schedule = NoiseSchedule(prediction_type=kind)
    x0, epsilon = draw(4, 3, 2, 4), draw(4, 3, 2, 4, seed=1)
    timesteps = torch.tensor([0, 10, 500, 999])
    noisy = add_noise(x0, epsilon, timesteps, schedule.alphas_cumprod)
    answer = schedule.target(x0, epsilon, timesteps)
    alpha_bar = schedule.alphas_cumprod[timesteps]
    assert_close(to_x0_and_epsilon(noisy, answer, alpha_bar, kind), (x0, epsilon))
    for i, t in enumerate(timesteps.tolist()):  # the same through one number, as samplers do
        single = schedule.x0_and_epsilon(noisy[i : i + 1], answer[i : i + 1], schedule.alpha_bar(t))
        assert_close(single, (x0[i : i + 1], epsilon[i : i + 1]), atol=1e-4, rtol=1e-4)


def test_flow_target_is_the_way_from_picture_to_noise():
    images, noise = draw(2, 3), draw(2, 3, seed=1)
    assert_close(training_target(images, noise, None, None, "flow_prediction"), noise - images)


@pytest.mark.parametrize("alpha_bar", [0.0, torch.tensor(0.0), torch.zeros(2)])
def test_pure_noise_says_nothing_of_the_picture_but_v_does(alpha_bar):
    x0, epsilon = draw(2, 1, 2, 2), draw(2, 1, 2, 2, seed=1)
    assert_close(to_x0_and_epsilon(epsilon, -x0, alpha_bar, "v_prediction"), (x0, epsilon))
    with pytest.raises(ValueError, match="zero terminal SNR.*v_prediction"):
        to_x0_and_epsilon(epsilon, epsilon, alpha_bar, "epsilon")


@pytest.mark.parametrize("t, previous", [(0, -1), (1, 0), (40, 39), (40, 17), (99, 98)])
def test_posterior_is_bayes_rule_by_brute_force(t, previous):
    schedule = NoiseSchedule(num_train_timesteps=100, set_alpha_to_one=True, beta_end=0.1)
    alpha_bar, before = schedule.alpha_bar(t).double(), schedule.alpha_bar(previous).double()
    x0, xt = 0.7, -0.4
    x = torch.linspace(-8, 8, 2_000_001, dtype=torch.float64)  # every x_(t-1) there could be
    alpha = alpha_bar / before
    log_step = -((xt - alpha**0.5 * x) ** 2) / (2 * (1 - alpha))  # q(x_t | x_(t-1))
    mean, variance = posterior(torch.tensor([[xt]]), torch.tensor([[x0]]), alpha_bar, before)
    if before == 1:  # nothing is left to guess
        assert_close(mean.item(), x0)
        assert variance == 0
        return
    log_prior = -((x - before**0.5 * x0) ** 2) / (2 * (1 - before))  # q(x_(t-1) | x_0)
    weights = (log_step + log_prior).softmax(0)
    expected = (weights * x).sum()
    spread = (weights * (x - expected) ** 2).sum()
    assert_close(mean.item(), expected.item(), atol=1e-6, rtol=1e-6)
    assert_close(variance.item(), spread.item(), atol=1e-9, rtol=1e-5)


def test_posterior_takes_a_level_for_each_picture():
    x, x0 = draw(3, 1, 2, 3), draw(3, 1, 2, 3, seed=1)
    now, before = torch.tensor([0.1, 0.5, 0.9]), torch.tensor([0.2, 0.8, 1.0])
    mean, variance = posterior(x, x0, now, before)
    for i in range(3):
        one, its_variance = posterior(x[i], x0[i], now[i].item(), before[i].item())
        assert_close(mean[i], one, atol=1e-6, rtol=1e-6)
        assert_close(variance[i].item(), its_variance, atol=1e-6, rtol=1e-6)


def test_snr_is_a_ratio_of_variances():
    assert_close(snr(torch.tensor([0.0, 0.2, 0.5])), torch.tensor([0.0, 0.25, 1.0]))


def test_clipping_touches_the_picture_only():
    schedule = NoiseSchedule(clip_sample=True, clip_sample_range=0.5)
    x0, epsilon = torch.tensor([[-2.0, 0.1, 2.0]]), torch.ones(1, 3)
    noisy = 0.6 * x0 + 0.8 * epsilon
    clipped = schedule.x0_and_epsilon(noisy, epsilon, 0.36)
    assert_close(clipped, (torch.tensor([[-0.5, 0.1, 0.5]]), epsilon))


@pytest.mark.parametrize("class_name", READABLE)
def test_silent_files_mean_what_diffusers_assumes(tmp_path, class_name):
    # Every key is written out; of PNDM's two kinds minisd has the one of Stable Diffusion's file.
    options = {"skip_prk_steps": True} if class_name == "PNDMScheduler" else {}
    getattr(diffusers, class_name)(**options).save_config(tmp_path)
    full = NoiseSchedule.from_json(tmp_path / "scheduler_config.json")
    bare = tmp_path / "bare.json"
    bare.write_text(json.dumps({"_class_name": class_name}))
    assert NoiseSchedule.from_json(bare) == full
    assert full.class_name == class_name


def test_diffusers_reads_what_we_write(tmp_path):
    mine = NoiseSchedule(
        prediction_type="v_prediction", rescale_betas_zero_snr=True, timestep_spacing="trailing"
    )
    mine.save(tmp_path / "scheduler_config.json")
    assert NoiseSchedule.from_json(tmp_path / "scheduler_config.json") == mine
    theirs = diffusers.DDIMScheduler.from_pretrained(tmp_path)
    assert torch.equal(theirs.alphas_cumprod, mine.alphas_cumprod)
    for key in set(mine.to_dict()) - {"_class_name", "variance_type"}:
        assert theirs.config[key] == mine.to_dict()[key]


@pytest.mark.parametrize(
    "bad, words",
    [
        ({"beta_schedule": "sigmoid"}, "beta_schedule must be one of linear"),
        ({"prediction_type": "noise"}, "prediction_type must be one of epsilon"),
        ({"timestep_spacing": "even"}, "timestep_spacing must be one of leading"),
        ({"variance_type": "learned"}, "variance_type must be one of fixed_small"),
        ({"num_train_timesteps": 0}, "num_train_timesteps must be a positive integer, got 0"),
        ({"beta_start": 0.5}, "expected 0 < beta_start <= beta_end < 1"),
    ],
)
def test_bad_settings_are_refused_at_once(bad, words):
    with pytest.raises(ValueError, match=words):
        NoiseSchedule(**bad)


@pytest.mark.parametrize(
    "text, words",
    [
        ("[1, 2]", "should hold one JSON object"),
        ("{broken", "should hold one JSON object"),
        ('{"trained_betas": [0.1, 0.2]}', r"trained_betas to \[0.1, 0.2\]; minisd only knows None"),
    ],
)
def test_bad_files_are_refused(tmp_path, text, words):
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(ValueError, match=words):
        NoiseSchedule.from_json(tmp_path / "c.json")


@pytest.mark.parametrize(
    "class_name, setting, known",
    [
        ("PNDMScheduler", {"skip_prk_steps": False}, True),
        ("DDIMScheduler", {"thresholding": True}, False),
        ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}, "dpmsolver++"),
        ("DPMSolverMultistepScheduler", {"solver_order": 3}, 2),
        ("DPMSolverMultistepScheduler", {"solver_type": "heun"}, "midpoint"),
        ("DPMSolverMultistepScheduler", {"final_sigmas_type": "sigma_min"}, "zero"),
        ("DPMSolverMultistepScheduler", {"lambda_min_clipped": -5.1}, float("-inf")),
        ("DPMSolverMultistepScheduler", {"use_lu_lambdas": True}, False),
        ("EulerDiscreteScheduler", {"sigma_min": 0.0}, None),
        ("EulerDiscreteScheduler", {"sigma_max": 80.0}, None),
        ("EulerDiscreteScheduler", {"timestep_type": "continuous"}, "discrete"),
        ("EulerDiscreteScheduler", {"interpolation_type": "log_linear"}, "linear"),
        ("FlowMatchEulerDiscreteScheduler", {"stochastic_sampling": True}, False),
    ],
)
def test_another_trajectory_than_minisds_is_refused(tmp_path, class_name, setting, known):
    getattr(diffusers, class_name)(**setting).save_config(tmp_path)
    ((key, value),) = setting.items()
    words = f"sets {key} to {value!r}; minisd only knows {known!r}."
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        NoiseSchedule.from_json(tmp_path / "scheduler_config.json")
    assert "\n" not in str(caught.value)


def test_a_schedule_cannot_change_and_knows_its_device():
    schedule = NoiseSchedule()
    with pytest.raises(AttributeError):
        schedule.beta_end = 0.5
    moved = schedule.to("meta")
    assert moved.alphas_cumprod.device.type == "meta" and moved == schedule
    assert {schedule: "a key"}[NoiseSchedule()] == "a key"
