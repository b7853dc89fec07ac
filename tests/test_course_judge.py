"""What the judge says first, whose work it knows, and how it stops what has no end."""

import ast
import inspect
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from course_answers import RIGHT, SHARES, answer, slipped
from torch.distributions import Normal, kl_divergence

from minisd import course, schedule
from minisd.course import watch
from minisd.course.borrowed import plain
from minisd.course.judge import judge_exercise
from minisd.course.registry import find
from minisd.vae import DiagonalGaussian

# The order of speech: two faults in one answer, and the one that is told

TWO_FAULTS = {
    ("columns instead", "reads a global"): "offset\nreturn x / x.sum(dim=0, keepdim=True)",
    ("changed in place", "exception"): "x *= 2\nassert x.shape[1] == 4\n" + RIGHT,
    ("exception", "wrong shape"): "assert x.shape[1] == 4\nreturn x.sum(dim=1)",
    ("wrong shape", "law: rows sum to one"): RIGHT.replace("return", "y =") + "\nreturn y[:, 1:]",
    ("law: rows sum to one", "borrowed"): "return torch.softmax(x, dim=1) ** 2",
}


@pytest.mark.parametrize("told, untold", TWO_FAULTS)
def test_of_two_faults_the_surer_one_is_told(told, untold):
    verdict = judge_exercise(SHARES, answer(TWO_FAULTS[told, untold], offset=1.0))
    assert verdict.mistake == told


def test_values_that_lie_elsewhere_are_told_so():
    elsewhere = "y = x / x.sum(dim=1, keepdim=True)\ny[:, 0] -= 2\ny[:, 1] += 2\nreturn y"
    near = RIGHT + " + 0.01 * (x - x.mean(dim=1, keepdim=True))"
    far, close = (judge_exercise(SHARES, answer(body)) for body in (elsewhere, near))
    assert far.mistake == close.mistake == "other value"
    x = SHARES.cases(torch.Generator().manual_seed(course.observe.SEED))["example"][0]
    right = x / x.sum(dim=1, keepdim=True)
    low, high = right[:, 0].min() - 2, right[:, 1].max() + 2
    lie, should = (f"[{a:.3g}, {b:.3g}]" for a, b in ((low, high), right.aminmax()))
    assert f" Your values lie in {lie}, expected {should}. Case" in far.message
    assert "expected" not in close.message


# Borrowed answers

LENT = {
    "softmax": lambda x: x.softmax(0),
    "log_softmax": lambda x: torch.log_softmax(x, 0),
    "logsumexp": lambda x: x.logsumexp(0),
    "softmin": lambda x: F.softmin(x, 0),
    "scaled_dot_product_attention": lambda x: F.scaled_dot_product_attention(x, x, x),
    "multi_head_attention_forward": lambda x: F.multi_head_attention_forward(
        x, x, x, 4, 2, torch.ones(12, 4), torch.ones(12), None, None, False, 0.0, x[0], x[0, 0]
    ),
    "group_norm": lambda x: F.group_norm(x, 2),
    "layer_norm": lambda x: F.layer_norm(x, (4,)),
    "batch_norm": lambda x: F.batch_norm(x, None, None, training=True),
    "instance_norm": lambda x: F.instance_norm(x),
    "kl_div": lambda x: F.kl_div(x, x, reduction="sum"),
    "kl_divergence": lambda x: kl_divergence(Normal(x, x), Normal(x, x)),
    "normal": lambda x: torch.normal(x, x, generator=torch.Generator()),
    "minisd.make_betas": lambda x: schedule.make_betas("linear", 2, 0.1, 0.2),
    "minisd.DiagonalGaussian": lambda x: DiagonalGaussian(x, x).kl(),
}
FORBIDDEN = [(e.id, name) for e in course.exercises().values() for name in e.forbidden]


@pytest.mark.parametrize("id, name", FORBIDDEN)
def test_every_forbidden_lender_is_heard(id, name):
    exercise = find(id)
    mine = slipped(exercise, "lend(); return result")
    lend = partial(LENT[name], torch.ones(2, 4, 4))
    getattr(mine, "forward", mine).__globals__["lend"] = lend
    verdict = judge_exercise(exercise, mine)
    assert (verdict.status, verdict.mistake) == ("wrong", "borrowed")
    lender, _, function = name.rpartition(".")
    whose = "minisd's own" if lender else "torch's"
    assert f": {whose} {plain(function)} did the work." in verdict.message


def noise_schedule(kind, num_train_timesteps, beta_start, beta_end):
    kind = "squaredcos_cap_v2" if kind == "cosine" else kind
    betas = schedule.make_betas(kind, num_train_timesteps, beta_start, beta_end)
    return betas, (1 - betas).cumprod(dim=0)


def kl_gaussians(mean_p, var_p, mean_q, var_q):
    p, q = Normal(mean_p, var_p**0.5), Normal(mean_q, var_q**0.5)
    return kl_divergence(p, q).sum(dim=-1)


def kl_to_standard_normal(mean, logvar):
    return DiagonalGaussian(mean, logvar).kl()


@pytest.mark.parametrize(
    "id, mine, lender",
    [
        ("02.noise_schedule", noise_schedule, "minisd's own make_betas"),
        ("03.kl_gaussians", kl_gaussians, "torch's kl_divergence"),
        ("05.kl_to_standard_normal", kl_to_standard_normal, "minisd's own DiagonalGaussian"),
    ],
)
def test_whole_answers_of_others_are_seen(id, mine, lender):
    verdict = course.judge(id, mine)
    assert verdict.mistake == "borrowed" and lender in verdict.message


# What has no end


def test_time_is_limited_on_every_system():
    assert watch.TIME_LIMIT == 10
    nodes = list(ast.walk(ast.parse(inspect.getsource(watch))))
    imported = {
        alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names
    }
    imported |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    assert "threading" in imported
    assert not imported & {"signal", "os", "multiprocessing", "subprocess"}  # Windows: no fork
