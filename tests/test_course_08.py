"""What notebook 08 stands on: its samplers, its exact world, and its measured chart."""

import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch
from course_answers import typed

from minisd import course, samplers
from minisd.course import sampler_chart
from minisd.course.bank.n08_guidance_and_samplers import mixture
from minisd.course.bank.n08_guidance_and_samplers.ddim_step import ddim_step
from minisd.course.bank.n08_guidance_and_samplers.heun import heun
from minisd.course.bank.n08_guidance_and_samplers.rescale import rescaled_guide
from minisd.course.judge import judge_exercise
from minisd.pipeline import TextToImagePipeline
from minisd.samplers.sigma import sigma_grid
from minisd.samplers.steps import timestep_grid
from minisd.schedule import NoiseSchedule

CHART = Path(__file__).parents[1] / "datasets" / "samplers" / "chart.json"


def guess(latents, _):
    """An x_0 that depends on what is seen, and bends."""
    return torch.tanh(2 * latents) + 0.3 * torch.sin(3 * latents)


@pytest.mark.parametrize("name", sampler_chart.ON_LEVELS)
@pytest.mark.parametrize("karras", [True, False])
def test_samplers_of_the_exercises_are_those_of_the_package(name, karras):
    schedule = dataclasses.replace(
        NoiseSchedule(), use_karras_sigmas=karras, timestep_spacing="trailing"
    )
    noise = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    *_, last = getattr(samplers, name)(guess, noise, schedule, 7, prediction_type="sample")
    grid = timestep_grid(schedule, 7, fractional=name != "dpm_solver_pp_2m")
    _, sigmas = sigma_grid(schedule, grid, widest=name == "dpm_solver_pp_2m")
    start = noise
    if name == "dpm_solver_pp_2m":  # its latents have unit variance, a picture's share in it
        start = noise * (1 + sigmas[0] ** -2) ** 0.5
    end = sampler_chart.ON_LEVELS[name](guess, start, sigmas)
    torch.testing.assert_close(end, last.latents, rtol=1e-4, atol=1e-4)


def test_ddim_step_is_the_packages():
    schedule = dataclasses.replace(
        NoiseSchedule(), timestep_spacing="trailing", set_alpha_to_one=True
    )
    latents = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    generators = [torch.Generator().manual_seed(1) for _ in range(2)]
    steps = samplers.ddim(
        guess, latents, schedule, 5, eta=0.7, prediction_type="sample", generator=generators[0]
    )
    for step in steps:
        t = int(step.timestep)
        noise = torch.randn(latents.shape, generator=generators[1])
        table = schedule.alphas_cumprod
        latents = ddim_step(latents, guess(latents, t), t, t - 200, table, 0.7, noise)
        torch.testing.assert_close(latents, step.latents, rtol=1e-4, atol=1e-5)


def test_the_exact_end_is_where_tiny_steps_lead():
    noise = mixture.many_starts(20)
    walked = heun(mixture.mixture_denoiser(), noise, mixture.karras(3000))
    torch.testing.assert_close(
        walked, mixture.exact_end(14.6 * noise, 14.6, 0.029), rtol=0, atol=1e-6
    )


def test_the_denoiser_of_the_bells_is_the_best():
    generator = torch.Generator().manual_seed(0)
    number, sigma = 400_000, 0.7
    which = torch.randint(len(mixture.CENTERS), (number,), generator=generator)
    clean = mixture.CENTERS[which] + mixture.WIDTH * torch.randn(number, 1, generator=generator)
    x = clean + sigma * torch.randn(number, 1, generator=generator)
    answer = mixture.mixture_denoiser()(x / (sigma**2 + 1) ** 0.5, sigma)
    for low in (-2.0, -1.0, 0.0, 1.0):  # the mean of all that could be behind such an x
        near = (x > low) & (x < low + 0.2)
        assert abs(clean[near].mean() - answer[near].mean()) < 0.01


def test_rescaling_gives_the_width_of_the_prompt():
    outputs = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))

    def network(latents, timestep, context):
        return context[:, 0]

    positive, negative = outputs[:, :, None]
    latents = torch.zeros(3, 4)
    whole = rescaled_guide(network, positive, negative, 9.0, 1.0)(latents, 0)
    torch.testing.assert_close(whole.std(dim=1), outputs[0].std(dim=1))
    nothing = rescaled_guide(network, positive, negative, 9.0, 0.0)(latents, 0)
    torch.testing.assert_close(nothing, outputs[1] + 9 * (outputs[0] - outputs[1]))


OTHERWISE = {  # right answers that are written in another way
    "08.guide": """
def guide(denoise, context, negative_context, guidance_scale):
    def answer(latents, timestep):
        contexts = torch.cat([context, negative_context])
        out = denoise(torch.cat([latents] * 2), timestep, contexts)
        p, n = out[: len(latents)], out[len(latents) :]
        return guidance_scale * p + (1 - guidance_scale) * n

    return answer
""",
    "08.ddim_step": """
def ddim_step(latents, x0, timestep, previous_timestep, alphas_cumprod, eta, noise):
    if previous_timestep < 0:
        return x0
    a, b = alphas_cumprod[timestep], alphas_cumprod[previous_timestep]
    epsilon = (latents - a.sqrt() * x0) / (1 - a).sqrt()
    sigma = eta * torch.sqrt((1 - b) / (1 - a)) * torch.sqrt(1 - a / b)
    return b.sqrt() * x0 + (1 - b - sigma**2).sqrt() * epsilon + sigma * noise
""",
    "08.euler": """
def euler(denoise, noise, sigmas):
    s = torch.tensor(sigmas, dtype=noise.dtype, device=noise.device)
    x = noise * s[0]
    for a, b in zip(s, s[1:]):
        x0 = denoise(x / torch.sqrt(a * a + 1), a)
        x = x0 + b / a * (x - x0)
    return x
""",
    "08.heun": """
def heun(denoise, noise, sigmas):
    def slope(x, s):
        return (x - denoise(x * (1 + s * s) ** -0.5, s)) / s

    x = noise * sigmas[0]
    for a, b in zip(sigmas[:-1], sigmas[1:]):
        d = slope(x, a)
        if b == 0:
            return x - a * d
        x = x + (b - a) / 2 * (d + slope(x + (b - a) * d, b))
    return x
""",
    "08.dpm_solver_pp_2m": """
def dpm_solver_pp_2m(denoise, noise, sigmas):
    x, old, old_h = noise * sigmas[0], None, None
    for a, b in zip(sigmas, sigmas[1:]):
        x0 = denoise(x / math.sqrt(a**2 + 1), torch.tensor(a))
        if b == 0:
            return x0
        h = math.log(a) - math.log(b)
        d = x0 if old is None else x0 + h / old_h / 2 * (x0 - old)
        x = math.exp(-h) * x - math.expm1(-h) * d
        old, old_h = x0, h
    return x
""",
    "08.convergence_order": """
def convergence_order(num_steps, errors, floor=0.0):
    keep = errors > 10 * floor
    x, y = torch.log(num_steps[keep]), torch.log(errors[keep])
    return -((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum()
""",
}


@pytest.mark.parametrize("id", OTHERWISE)
def test_other_ways_to_write_it_are_right(id):
    exercise = course.exercises()[id]
    mine = typed(exercise.reference, OTHERWISE[id].lstrip(), notebook=True)
    mine.__globals__.update(math=math, torch=torch)
    assert judge_exercise(exercise, mine).status == "right"


@pytest.fixture(scope="module")
def pipe():
    """The shipped model: the chart is about it."""
    return TextToImagePipeline.from_pretrained("shapes32")


def test_the_network_is_told_the_timestep_of_the_level(pipe, monkeypatch):
    told = []

    def network(latents, timestep, context):
        told.append(timestep)
        return torch.zeros_like(latents)

    monkeypatch.setattr(pipe, "unet", _Spy(pipe.unet, network))
    denoise = sampler_chart.denoiser_of(pipe, ["a red circle"], guidance_scale=1)
    levels = sampler_chart.levels_of(pipe)
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    for t in (0, 10, 500, 998):
        answer = denoise(latents, float(levels[t]))
        alpha_bar = pipe.schedule.alpha_bar(t)
        expected, _ = pipe.schedule.x0_and_epsilon(latents, 0 * latents, alpha_bar)
        torch.testing.assert_close(answer, expected, rtol=1e-4, atol=1e-4)
    assert told == pytest.approx([0, 10, 500, 998], abs=1e-6)


class _Spy:
    """A network in place of another's `forward`, its settings kept."""

    def __init__(self, unet, answer):
        self.config, self.conv_in, self.answer = unet.config, unet.conv_in, answer

    def __call__(self, *arguments):
        return self.answer(*arguments)


def test_levels_begin_and_end_where_they_should(pipe):
    levels = sampler_chart.levels_to_zero(pipe, 6)
    assert len(levels) == 7 and levels == sorted(levels, reverse=True)
    assert levels[0] == pytest.approx(25) and levels[-1] == 0
    assert levels[-2] == pytest.approx(float(sampler_chart.levels_of(pipe)[0]))


def test_evaluations_are_counted(pipe):
    prompts = ["a red circle", "a blue ring"]
    for sampler, steps, asked in (("heun", 3, 5), ("dpm_solver_pp_2m", 3, 3), ("ddpm", 2, 2)):
        images, questions = sampler_chart.draw(pipe, sampler, steps, prompts)
        assert questions == asked and images.shape == (2, 32, 32, 3)
    alone, _ = sampler_chart.draw(pipe, "dpm_solver_pp_2m", 3, prompts[1:])
    together, _ = sampler_chart.draw(pipe, "dpm_solver_pp_2m", 3, prompts)
    assert sampler_chart.apart(alone, together[1:]) < 1  # noise hangs on the prompt alone


def test_the_committed_chart_is_whole():
    chart = json.loads(CHART.read_text(encoding="utf-8"))
    jobs = [(row["sampler"], row["steps"]) for row in chart["rows"]]
    assert jobs == [(name, n) for name, counts in sampler_chart.STEPS.items() for n in counts]
    for row in chart["rows"]:
        assert row["evaluations"] == row["steps"] * (2 if row["sampler"] == "heun" else 1) - (
            row["sampler"] == "heun"
        )
        assert len(row["correct"]) == len(chart["prompts"])
        assert row["obedience"] == pytest.approx(row["correct"].count("1") / len(row["correct"]))
        assert row["interval"][0] <= row["obedience"] <= row["interval"][1]
    assert chart["seed"] == sampler_chart.SEED and chart["guidance"] == sampler_chart.GUIDANCE
    assert chart["sigma_max"] == sampler_chart.SIGMA_MAX
