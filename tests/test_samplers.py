"""Samplers: step for step against diffusers, and with a denoiser whose answer is exact."""

import math
from dataclasses import replace
from itertools import pairwise

import diffusers
import pytest
import torch
from torch.testing import assert_close

from minisd import samplers
from minisd.samplers import SAMPLERS, ddim, ddpm, guide, randn, timestep_grid
from minisd.schedule import NoiseSchedule

SD = NoiseSchedule()
PURE_NOISE = NoiseSchedule(
    prediction_type="v_prediction",
    rescale_betas_zero_snr=True,
    timestep_spacing="trailing",
    set_alpha_to_one=True,
)
SPACINGS = ["leading", "trailing", "linspace"]
NOISE = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
MIX = torch.randn(16, 16, generator=torch.Generator().manual_seed(1)) / 4


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def dummy(latents, timestep):
    """A network stand-in that mixes all pixels and depends on time."""
    mixed = (latents.flatten(2) @ MIX.to(latents)).tanh().view_as(latents)
    return mixed + 0.3 * torch.sin(0.7 * latents + float(timestep) / 250)


def their_trajectory(
    class_name, schedule, num_steps, takes_generator=True, options=None, step=None
):
    """Let diffusers sample with this schedule: [(timestep, latents after the step)]."""
    scheduler_class = getattr(diffusers, class_name)
    known = scheduler_class.__init__.__wrapped__.__code__.co_varnames  # what this class reads
    config = {key: value for key, value in schedule.to_dict().items() if key in known}
    scheduler = scheduler_class(**config, **(options or {}))
    return walk(scheduler, num_steps, takes_generator, step)


def walk(scheduler, num_steps, takes_generator=True, step=None):
    """Run diffusers' scheduler as its pipelines do: [(timestep, latents after the step)]."""
    scheduler.set_timesteps(num_steps)
    if hasattr(scheduler, "set_begin_index"):  # else equal timesteps, once rounded, confuse it
        scheduler.set_begin_index(0)
    draws = {"generator": seeded()} if takes_generator else {}
    x = NOISE * getattr(scheduler, "init_noise_sigma", 1.0)
    trajectory = []
    for t in scheduler.timesteps:
        scale = getattr(scheduler, "scale_model_input", lambda x, t: x)
        output = dummy(scale(x, t), t)
        x = scheduler.step(output, t, x, **draws, **(step or {})).prev_sample
        trajectory.append((float(t), x))
    return trajectory


def whole_steps(name, calls):
    """Join diffusers' calls to steps: PNDM and Heun look ahead in a call of its own.

    Heun looks ahead in each step but the last, PNDM in its first one.
    """
    times, latents = [t for t, _ in calls], [x for _, x in calls]
    if name == "heun":
        return list(zip(times[::2], [*latents[1::2], latents[-1]], strict=True))
    return list(zip([times[0], *times[2:]], latents[1:], strict=True)) if name == "pndm" else calls


def run(name, schedule, num_steps, denoise=dummy, noise=NOISE):
    return list(SAMPLERS[name](denoise, noise, schedule, num_steps, generator=seeded()))


def assert_same(steps, theirs, tolerance=1e-5):
    assert len(steps) == len(theirs)
    for step, (timestep, latents) in zip(steps, theirs):
        assert abs(step.timestep - timestep) < 1e-3
        difference = (step.latents - latents).abs().max() / latents.abs().max()
        assert difference < tolerance, f"{difference} at timestep {timestep}"


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("num_steps", [1, 3, 7, 50, 1000])
def test_timesteps_equal_diffusers(spacing, num_steps):
    schedule = replace(SD, timestep_spacing=spacing, steps_offset=int(num_steps < 1000))
    theirs = diffusers.DDIMScheduler(
        timestep_spacing=spacing, steps_offset=schedule.steps_offset, num_train_timesteps=1000
    )
    theirs.set_timesteps(num_steps)
    assert timestep_grid(schedule, num_steps) == theirs.timesteps.tolist()


@pytest.mark.parametrize("num_steps", range(1, 1001, 37))
def test_trailing_takes_exactly_as_many_steps_as_asked(num_steps):
    grid = timestep_grid(PURE_NOISE, num_steps)
    assert len(grid) == num_steps and grid[0] == 999 and grid[-1] >= 0
    assert all(a > b for a, b in pairwise(grid))


@pytest.mark.parametrize("variance_type", ["fixed_small", "fixed_large"])
@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize(
    "schedule, num_steps",
    [
        (SD, 20),
        (replace(SD, timestep_spacing="trailing"), 50),
        (replace(SD, beta_schedule="squaredcos_cap_v2", timestep_spacing="linspace"), 7),
        (replace(SD, beta_schedule="linear", steps_offset=0), 250),
        (PURE_NOISE, 20),
    ],
)
def test_ddpm_equals_diffusers(schedule, num_steps, clip, variance_type):
    schedule = replace(schedule, clip_sample=clip, variance_type=variance_type)
    theirs = their_trajectory("DDPMScheduler", schedule, num_steps)
    assert_same(run("ddpm", schedule, num_steps), theirs, 1e-6)


def test_ddpm_equals_diffusers_at_full_steps():
    schedule = replace(SD, steps_offset=0)
    assert_same(
        run("ddpm", schedule, 1000), their_trajectory("DDPMScheduler", schedule, 1000), 1e-6
    )


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize(
    "schedule, num_steps", [(SD, 50), (SD, 20), (replace(SD, set_alpha_to_one=True), 7)]
)
def test_ddim_equals_diffusers(schedule, num_steps, spacing, clip, eta):
    schedule = replace(schedule, timestep_spacing=spacing, clip_sample=clip)
    theirs = their_trajectory("DDIMScheduler", schedule, num_steps, step={"eta": eta})
    assert_same(
        list(ddim(dummy, NOISE, schedule, num_steps, eta=eta, generator=seeded())), theirs, 1e-6
    )


@pytest.mark.parametrize("eta", [0.0, 0.5])
@pytest.mark.parametrize("num_steps", [1, 7, 20])
def test_ddim_from_pure_noise_equals_diffusers(num_steps, eta):
    theirs = their_trajectory("DDIMScheduler", PURE_NOISE, num_steps, step={"eta": eta})
    mine = list(ddim(dummy, NOISE, PURE_NOISE, num_steps, eta=eta, generator=seeded()))
    assert_same(mine, theirs, 1e-6)


@pytest.mark.parametrize("num_steps", [2, 10, 20])
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("karras", [False, True])
def test_sigma_samplers_equal_diffusers(num_steps, spacing, kind, karras):
    schedule = replace(SD, timestep_spacing=spacing, prediction_type=kind, use_karras_sigmas=karras)
    for name, class_name in [
        ("euler", "EulerDiscreteScheduler"),
        ("heun", "HeunDiscreteScheduler"),
        ("dpm_solver_pp_2m", "DPMSolverMultistepScheduler"),
    ]:
        theirs = their_trajectory(class_name, schedule, num_steps, takes_generator=False)
        # One case is over 1e-5: Heun's from 999 to 0 at once multiplies the rounding.
        one = (name, num_steps, spacing, kind) == ("heun", 2, "linspace", "epsilon")
        tolerance = 3e-5 if one else 1e-5
        assert_same(run(name, schedule, num_steps), whole_steps(name, theirs), tolerance)


@pytest.mark.parametrize("num_steps", [2, 10, 30])
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_euler_ancestral_and_pndm_equal_diffusers(num_steps, spacing, kind):
    schedule = replace(SD, timestep_spacing=spacing, prediction_type=kind)
    theirs = their_trajectory("EulerAncestralDiscreteScheduler", schedule, num_steps)
    assert_same(run("euler_ancestral", schedule, num_steps), theirs)
    only_plms = {"skip_prk_steps": True}
    theirs = their_trajectory("PNDMScheduler", schedule, num_steps, False, only_plms)
    assert_same(run("pndm", schedule, num_steps), whole_steps("pndm", theirs))


@pytest.mark.parametrize("num_steps", [5, 20])
def test_sigma_samplers_from_pure_noise_equal_diffusers(num_steps):
    for name, class_name in [
        ("euler", "EulerDiscreteScheduler"),
        ("dpm_solver_pp_2m", "DPMSolverMultistepScheduler"),
    ]:
        theirs = their_trajectory(class_name, PURE_NOISE, num_steps, takes_generator=False)
        assert_same(run(name, PURE_NOISE, num_steps), theirs)
    theirs = their_trajectory("EulerAncestralDiscreteScheduler", PURE_NOISE, num_steps)
    assert_same(run("euler_ancestral", PURE_NOISE, num_steps), theirs)


@pytest.mark.parametrize("num_steps", [5, 20])
def test_heun_from_pure_noise_equals_diffusers_with_the_same_clamp(num_steps, monkeypatch):
    # diffusers' Heun has no switch for zero terminal SNR, so it is given the clamped table.
    class Clamped(diffusers.HeunDiscreteScheduler):
        def set_timesteps(self, *arguments, **options):
            table = PURE_NOISE.alphas_cumprod.clone()
            table[-1] = 2.0**-24
            self.alphas_cumprod = table
            super().set_timesteps(*arguments, **options)

    monkeypatch.setattr(diffusers, "ClampedHeun", Clamped, raising=False)
    Clamped.__init__.__wrapped__ = diffusers.HeunDiscreteScheduler.__init__.__wrapped__
    theirs = their_trajectory("ClampedHeun", PURE_NOISE, num_steps, takes_generator=False)
    assert_same(run("heun", PURE_NOISE, num_steps), whole_steps("heun", theirs))


@pytest.mark.parametrize("name", ["euler", "euler_ancestral", "heun", "dpm_solver_pp_2m"])
def test_sigma_samplers_clamp_pure_noise_to_sigma_4096(name):
    _, sigmas = samplers.sigma.sigma_grid(PURE_NOISE, timestep_grid(PURE_NOISE, 10))
    assert sigmas[0] == pytest.approx((2**24 - 1) ** 0.5, rel=1e-6)
    assert all(step.latents.isfinite().all() for step in run(name, PURE_NOISE, 10))


@pytest.mark.parametrize("name", ["pndm", "flow_euler"])
def test_pndm_and_flow_refuse_pure_noise_in_one_sentence(name):
    kinds = ["flow_prediction"] if name == "flow_euler" else ["epsilon", "v_prediction"]
    for kind in kinds:
        with pytest.raises(ValueError, match="zero terminal SNR") as caught:
            run(name, replace(PURE_NOISE, prediction_type=kind), 5)
        assert str(caught.value).count("\n") == 0 and str(caught.value).endswith(".")


@pytest.mark.parametrize("shift", [1.0, 3.0])
@pytest.mark.parametrize("num_steps", [1, 5, 20])
def test_flow_euler_equals_diffusers(num_steps, shift):
    schedule = NoiseSchedule(prediction_type="flow_prediction", shift=shift)
    theirs = their_trajectory("FlowMatchEulerDiscreteScheduler", schedule, num_steps)
    assert_same(run("flow_euler", schedule, num_steps), theirs)


# sampler: (diffusers' class, whether it draws noise, what its file says beside the betas)
FILES = {
    "ddpm": ("DDPMScheduler", True, {}),
    "ddim": ("DDIMScheduler", False, {"steps_offset": 1}),
    "pndm": ("PNDMScheduler", False, {"skip_prk_steps": True}),
    "euler": ("EulerDiscreteScheduler", False, {}),
    "euler_ancestral": ("EulerAncestralDiscreteScheduler", True, {}),
    "heun": ("HeunDiscreteScheduler", False, {}),
    "dpm_solver_pp_2m": ("DPMSolverMultistepScheduler", False, {"use_karras_sigmas": True}),
    "flow_euler": ("FlowMatchEulerDiscreteScheduler", False, {"shift": 3.0}),
}


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("name", FILES)
def test_configured_by_a_file_that_diffusers_wrote(tmp_path, name, kind):
    class_name, takes_generator, settings = FILES[name]
    if name != "flow_euler":  # which knows no betas, and one kind of prediction
        settings = {"beta_schedule": "scaled_linear", "prediction_type": kind, **settings}
    scheduler = getattr(diffusers, class_name)(**settings)
    scheduler.save_config(tmp_path)
    schedule = NoiseSchedule.from_json(tmp_path / "scheduler_config.json")
    theirs = whole_steps(name, walk(scheduler, 10, takes_generator))
    assert_same(run(name, schedule, 10), theirs)


def test_prediction_type_may_be_given_instead_of_the_schedules():
    by_schedule = list(ddim(dummy, NOISE, replace(SD, prediction_type="v_prediction"), 5))
    by_keyword = list(ddim(dummy, NOISE, SD, 5, prediction_type="v_prediction"))
    assert torch.equal(by_schedule[-1].latents, by_keyword[-1].latents)


def test_ddim_with_eta_1_is_ddpm_at_full_steps():
    schedule = NoiseSchedule(
        num_train_timesteps=200, beta_end=0.06, steps_offset=0, set_alpha_to_one=True
    )
    once = ddpm(dummy, NOISE, schedule, 200, generator=seeded())
    again = ddim(dummy, NOISE, schedule, 200, eta=1.0, generator=seeded())
    for a, b in zip(once, again, strict=True):
        assert_close(a.latents, b.latents, atol=2e-5, rtol=2e-5)


def test_ddim_with_eta_1_survives_pure_noise():
    # Rounding leaves 1 - alpha_bar' - sigma^2 just below 0 here; diffusers 0.42 returns nan.
    steps = list(ddim(dummy, NOISE, PURE_NOISE, 50, eta=1.0, generator=seeded()))
    again = run("ddpm", PURE_NOISE, 50)
    assert_close(steps[-1].latents, again[-1].latents, atol=1e-4, rtol=1e-4)


def test_ddim_is_euler_in_sigma_space():
    schedule = replace(SD, set_alpha_to_one=True)
    for a, b in zip(run("ddim", schedule, 20), run("euler", schedule, 20), strict=True):
        before = a.timestep - 50
        root = schedule.alpha_bar(before) ** 0.5
        assert_close(a.latents, root * b.latents, atol=2e-5, rtol=2e-5)


# The exact denoiser of a mixture of two Gaussians: no network, and every sampler must bring the
# mixture back.
WEIGHTS, MEANS, SPREAD = torch.tensor([0.3, 0.7]), torch.tensor([-1.5, 0.8]), 0.2


def exact(schedule, kind):
    """The best possible answer for mixture data at every (also fractional) timestep."""
    table = schedule.alphas_cumprod.double()

    def denoise(x, t):
        low = min(int(t), len(table) - 2)
        alpha_bar = torch.lerp(table[low], table[low + 1], float(t) - low)
        if kind == "flow_prediction":
            signal, noise = 1 - t / len(table), t / len(table)
        else:
            signal, noise = alpha_bar**0.5, (1 - alpha_bar) ** 0.5
        variance = signal**2 * SPREAD**2 + noise**2
        far = x[..., None] - signal * MEANS
        shares = (WEIGHTS.log() - far**2 / (2 * variance)).softmax(-1)
        x0 = (shares * (MEANS + signal * SPREAD**2 / variance * far)).sum(-1)
        if kind == "v_prediction" and noise == 1:
            return -x0
        epsilon = (x - signal * x0) / noise
        return {
            "epsilon": epsilon,
            "v_prediction": signal * epsilon - noise * x0,
            "flow_prediction": epsilon - x0,
        }[kind]

    return denoise


@pytest.mark.parametrize(
    "name, schedule",
    [
        *[(name, replace(SD, beta_end=0.02)) for name in SAMPLERS if name != "flow_euler"],
        *[(name, PURE_NOISE) for name in SAMPLERS if name not in ("flow_euler", "pndm")],
        ("flow_euler", NoiseSchedule(prediction_type="flow_prediction")),
    ],
)
def test_an_exact_denoiser_brings_the_data_back(name, schedule):
    noise = torch.randn(4_000, 1, generator=seeded(3), dtype=torch.float64)
    denoise = exact(schedule, schedule.prediction_type)
    drawn = run(name, schedule, 60, denoise, noise)[-1].latents
    left = drawn < -0.4
    assert abs(left.double().mean() - 0.3) < 0.03  # 4,000 draws: standard error .007
    for mean, side in zip(MEANS, (drawn[left], drawn[~left])):
        assert abs(side.mean() - mean) < 0.03
        # The last step's spread is lost: it goes from the lowest noise level to the mean.
        assert -0.05 < side.std() - SPREAD < 0.02


def test_dpm_solver_by_hand_on_three_uneven_steps(monkeypatch):
    grid = ([3, 2, 1], [8.0, 2.0, 1.0, 0.25])
    monkeypatch.setattr(samplers.sigma, "sigma_grid", lambda *args, **options: grid)
    says = {3: 1.0, 2: 3.0, 1: 2.0}
    x = torch.full((1, 1), 4.0, dtype=torch.float64)
    steps = samplers.dpm_solver_pp_2m(
        lambda latents, t: torch.full_like(latents, says[t]),
        x / 65**0.5,  # sigma 8
        replace(SD, num_train_timesteps=8),
        3,
        prediction_type="sample",
    )
    in_sigma_space = [
        step.latents.item() * math.hypot(sigma, 1) for step, sigma in zip(steps, grid[1][1:])
    ]
    assert_close(in_sigma_space, [1.75, 2.625, 1.40625])


def test_network_calls_per_step():
    for name in SAMPLERS:
        calls = {"heun": 19, "pndm": 11}.get(name, 10)
        asked = []

        def denoise(latents, timestep, asked=asked):
            asked.append(timestep)
            return dummy(latents, timestep)

        kind = "flow_prediction" if name == "flow_euler" else "epsilon"
        steps = run(name, replace(SD, prediction_type=kind), 10, denoise)
        assert len(steps) == 10 and len(asked) == calls, name
        assert all(type(t) in (int, float) for t in asked)
        assert steps[0].latents.shape == steps[0].denoised.shape == NOISE.shape


@pytest.mark.parametrize("name", SAMPLERS)
def test_generators_decide_and_nothing_else_changes(name):
    kind = "flow_prediction" if name == "flow_euler" else "epsilon"
    schedule, before = replace(SD, prediction_type=kind), NOISE.clone()
    weight = torch.ones((), requires_grad=True)
    torch.manual_seed(5)
    untouched = torch.get_rng_state()
    one, two = (
        run(name, schedule, 5, lambda x, t: weight * dummy(x, t))[-1].latents for _ in range(2)
    )
    assert torch.equal(one, two) and not one.requires_grad
    assert torch.equal(NOISE, before) and torch.equal(torch.get_rng_state(), untouched)


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_last_step_ends_at_the_denoised_picture(name):
    kind = "flow_prediction" if name == "flow_euler" else "epsilon"
    last = run(name, replace(SD, prediction_type=kind, set_alpha_to_one=True), 5)[-1]
    assert_close(last.latents, last.denoised, atol=1e-5, rtol=1e-5)


def test_one_generator_a_picture_gives_the_same_picture_in_any_batch():
    def by_pixel(x, t):
        return x.sin() * t / 1000

    together = list(ddpm(by_pixel, NOISE, SD, 5, generator=[seeded(7), seeded(8)]))[-1].latents
    alone = list(ddpm(by_pixel, NOISE[1:], SD, 5, generator=seeded(8)))[-1].latents
    assert torch.equal(together[1:], alone)
    with pytest.raises(ValueError, match="expected 2 generators"):
        randn((2, 3), [seeded()])


def test_guidance_laws():
    context = torch.randn(2, 5, 4, generator=seeded(1))
    negative = torch.randn(2, 5, 4, generator=seeded(2))
    batches = []

    def denoise(latents, timestep, context):
        batches.append(len(latents))
        return latents * context.mean(dim=(1, 2)).view(-1, 1, 1, 1) + timestep

    def guided(scale, negative=negative):
        return guide(denoise, context, negative, scale)(NOISE, 7)

    wanted, unwanted = denoise(NOISE, 7, context), denoise(NOISE, 7, negative)
    batches.clear()
    assert torch.equal(guided(1), wanted) and batches == [2]  # half the price
    assert_close(guided(0), unwanted)
    assert batches == [2, 4]  # one call for both prompts
    assert_close(guided(7.5), unwanted + 7.5 * (wanted - unwanted))
    assert_close(guided(7.5, context), wanted)
    with pytest.raises(ValueError, match="one shape"):
        guided(2, negative[:, :3])


@pytest.mark.parametrize("num_steps", [0, -3, 1001, 2.5, None])
@pytest.mark.parametrize("name", SAMPLERS)
def test_a_bad_number_of_steps_is_refused(name, num_steps):
    kind = "flow_prediction" if name == "flow_euler" else "epsilon"
    with pytest.raises(ValueError, match="num_inference_steps must be a whole number from 1 to"):
        run(name, replace(SD, prediction_type=kind), num_steps)


@pytest.mark.parametrize("name", SAMPLERS)
def test_what_cannot_be_sampled_is_refused(name):
    with pytest.raises(ValueError, match="prediction_type"):
        next(SAMPLERS[name](dummy, NOISE, SD, 5, prediction_type="noise"))
    if name in ("ddpm", "ddim", "pndm", "flow_euler"):  # the others stop short of pure noise
        with pytest.raises(ValueError, match="zero terminal SNR"):
            next(SAMPLERS[name](dummy, NOISE, replace(PURE_NOISE, prediction_type="epsilon"), 5))


def test_too_large_an_offset_is_refused():
    with pytest.raises(ValueError, match="steps_offset 1 moves"):
        next(ddpm(dummy, NOISE, SD, 1000))


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("skip", [0, 3, 9])
def test_from_a_noised_picture_a_step_holds_what_its_level_says(name, skip):
    kind = "flow_prediction" if name == "flow_euler" else "epsilon"
    schedule = replace(SD, prediction_type=kind, timestep_spacing="trailing")
    image = torch.randn(2, 3, 4, 4, generator=seeded(9))

    def denoise(latents, timestep):  # knows the picture
        if kind == "flow_prediction":
            return (latents - image) / (timestep / 1000)
        alpha_bar = schedule.alpha_bar(int(timestep))
        signal, noise = alpha_bar**0.5, (1 - alpha_bar) ** 0.5
        return (latents - signal * image) / noise

    start = {"image": image, "skip": skip, "generator": seeded()}
    steps = list(SAMPLERS[name](denoise, NOISE, schedule, 10, **start))
    assert len(steps) == 10 - skip and steps[-1].level == (1.0, 0.0)
    assert_close(steps[-1].denoised, image, atol=1e-3, rtol=1e-3)
    if name not in ("ddpm", "euler_ancestral"):  # these two draw fresh noise
        for step in steps[:-1]:
            signal, noise = step.level
            assert_close(step.latents, signal * image + noise * NOISE, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sampler_goes_on_from_latents_that_were_changed_in_place(name):
    schedule = replace(SD, prediction_type="flow_prediction" if name == "flow_euler" else "epsilon")
    asked, firsts = [], []

    def denoise(latents, timestep):
        asked.append(latents.abs().max())
        return dummy(latents, timestep)

    for step in SAMPLERS[name](denoise, NOISE, schedule, 4, generator=seeded()):
        step.latents.zero_()
        firsts.append(len(asked))  # where the next step's first question will stand
    assert [asked[i] for i in firsts[:-1]] == [0, 0, 0] and NOISE.abs().max() > 0
