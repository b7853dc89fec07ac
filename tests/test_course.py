"""The checks are checked: every answer, right or wrong, must be told what it is."""

import dataclasses
import inspect
import itertools
import json
import math
import random

import pytest
import torch
from course_answers import NOISY, RIGHT, SHARES, answer, shares, single_edits, slipped, typed

from minisd import course
from minisd.course import cells, watch
from minisd.course import observe as observing
from minisd.course.compare import first_difference, same, tensors_in
from minisd.course.exercise import Verdict, call, name_of, sentence_of
from minisd.course.judge import judge_exercise
from minisd.course.keep import keep, kept, kept_path
from minisd.course.observe import all_alike, draw_cases, observe, observe_known
from minisd.course.probes import gradients
from minisd.course.registry import bank_names, find, find_prediction, load_bank

EXERCISES = list(course.exercises().values())
CODED = [exercise for exercise in EXERCISES if not exercise.id.endswith(".diagnose")]  # no clinics
EDITS = 10  # of each reference; of the UNet fewer, it is slow
each_exercise = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.id)
each_coded = pytest.mark.parametrize("exercise", CODED, ids=lambda e: e.id)


@pytest.fixture(autouse=True)
def session(tmp_path, monkeypatch):
    """Every test is a notebook of its own: nothing checked, nothing kept."""
    monkeypatch.setenv("MINISD_HOME", str(tmp_path / "my_minisd"))
    monkeypatch.setattr(cells, "_verdicts", {})
    monkeypatch.setattr(cells, "_failures", {})


# Every exercise of the bank


def test_ids_and_names_agree():
    assert len(EXERCISES) >= 23
    for exercise in EXERCISES:
        number, name = exercise.id.split(".")
        assert exercise.reference.__name__ == name
        assert exercise.stars in (1, 2, 3) and exercise.points > 0 and exercise.minutes > 0
        assert len(number) == 2 and course.exercises()[exercise.id] is exercise


@each_exercise
def test_reference_is_right(exercise):
    assert judge_exercise(exercise, typed(exercise.reference)) == Verdict("right", None, "Right.")


@each_exercise
def test_cases_can_tell(exercise):
    labels = list(draw_cases(exercise))
    assert labels[0] == "example"
    assert len(labels) >= 3
    takes_batches = [x for x in draw_cases(exercise)["example"] if isinstance(x, torch.Tensor)]
    if takes_batches and "batch" in (exercise.reference.__doc__ or ""):
        assert any(label.startswith("batch 1") for label in labels)


@each_exercise
def test_every_mistake_has_its_own_sentence(exercise):
    for mistake in exercise.mistakes:
        verdict = judge_exercise(exercise, mistake)
        assert verdict == Verdict("wrong", name_of(mistake), sentence_of(mistake))
        assert len(sentence_of(mistake).split()) > 3 and sentence_of(mistake)[-1] in ".?)!"
    assert len({name_of(mistake) for mistake in exercise.mistakes}) == len(exercise.mistakes)


@each_exercise
def test_no_two_mistakes_are_taken_for_one_another(exercise):
    seen = {m: observe_known(exercise, m) for m in (exercise.reference, *exercise.mistakes)}
    for one, other in itertools.combinations(seen, 2):
        assert not all_alike(seen[one], seen[other], exercise), (name_of(one), name_of(other))


@each_coded
def test_there_are_six_mistakes(exercise):
    assert len(exercise.mistakes) >= 6


def test_laws_explain_mistakes_that_the_bank_does_not_know():
    only_by_value, total = [], 0
    for exercise in CODED:
        unnamed = dataclasses.replace(exercise, mistakes=())
        for mistake in exercise.mistakes:
            verdict = judge_exercise(unnamed, mistake)
            assert verdict.status == "wrong"
            total += 1
            if verdict.mistake in ("other value", "not finite"):
                only_by_value.append(f"{exercise.id}: {name_of(mistake)}")
    assert len(only_by_value) <= 0.05 * total, only_by_value


@each_exercise
def test_laws_hold_for_the_reference_and_say_what_they_are(exercise):
    for law in exercise.laws:
        assert law(exercise.reference), name_of(law)
        assert len(sentence_of(law).split()) > 3, name_of(law)


SHOWN = ("exception", "no exception", "wrong kind", "wrong shape", "wrong dtype")


@each_coded
def test_single_edits_of_the_reference_are_refused(exercise, monkeypatch, record_property):
    """What is accepted does what the reference does, on numbers that no check has seen. The rest
    is told: a law or a mistake is named (an endless loop, too), but for one in five.

    An exception shows its line, and a wrong form is shown beside the right one: such edits need no
    law, so of them nothing is learned about the laws, and they do not count.
    """
    monkeypatch.setattr(watch, "TIME_LIMIT", 5.0)  # an edit may make a loop endless
    edits = single_edits(exercise.reference)
    random.Random(0).shuffle(edits)
    edits = edits[: 6 if exercise.id == "04.UNet2DModel" else EDITS]
    refused, accepted = [], []
    for label, source in edits:
        answer = typed(exercise.reference, source)
        verdict = judge_exercise(exercise, answer)
        if verdict.status == "right":
            accepted.append((label, answer))
        else:
            refused.append((label, verdict.mistake))
    for seed in (1, 2):
        monkeypatch.setattr(observing, "SEED", seed)
        expected = observe(exercise, exercise.reference)
        for label, answer in accepted:
            assert all_alike(observe(exercise, answer), expected, exercise), label
    said = [mistake for _, mistake in refused if mistake not in SHOWN]
    mute = sum(mistake in ("other value", "not finite", None) for mistake in said)
    record_property("told", f"{len(said) - mute} of {len(said)}")
    assert len(refused) >= 0.6 * len(edits), [label for label, _ in accepted]
    assert mute <= 0.2 * len(refused) and mute <= max(1, 0.2 * len(said)), refused


# The universal bank: one slip in a small exercise of its own


SLIPS = {
    "nothing returned": "y = " + RIGHT.removeprefix("return "),
    "changed in place": "x /= x.sum(dim=1, keepdim=True)\nreturn x",
    "gradient cut": "return x / x.detach().sum(dim=1, keepdim=True)",
    "wrong dtype": "return (x / x.sum(dim=1, keepdim=True)).double()",
    "wrong device": "return x / (x.sum(dim=1, keepdim=True) * torch.ones(x.shape[1]))",
    "only a batch of one": "return x / x.sum(dim=1).reshape(1)",
    "not a batch of one": "return (x / x.sum(dim=1, keepdim=True)).squeeze()",
    "view of scattered memory": RIGHT.replace("x.sum", "x.view(-1).reshape(x.shape).sum"),
    "reads a global": "x = x + 0 * offset\n" + RIGHT,
    "constant of the example": "return x / x.mean(dim=1, keepdim=True) / 4",
    "global random numbers": "torch.manual_seed(0)\n" + RIGHT,
    "prints without end": "while True: print('row')",
    "endless loop": "while True: pass",
    "columns instead": "return x / x.sum(dim=0, keepdim=True)",
    "exception": "total = x.summ()\nreturn x / total",
    "wrong shape": "return x.sum(dim=1)",
    "wrong kind": "return x, x",
    "law: rows sum to one": "return x / x.sum(dim=1, keepdim=True) ** 1.5",
    "other value": RIGHT + " + 0.01 * (x - x.mean(dim=1, keepdim=True))",
}


@pytest.mark.parametrize("name", SLIPS)
def test_universal_mistakes_are_told(name, monkeypatch):
    if name == "endless loop":
        monkeypatch.setattr(watch, "TIME_LIMIT", 0.3)
    verdict = judge_exercise(SHARES, answer(SLIPS[name], offset=1.0))
    assert (verdict.status, verdict.mistake) == ("wrong", name), verdict
    assert "expected" not in verdict.message or name in ("wrong shape", "wrong kind")


@each_coded
def test_universal_mistakes_are_told_in_every_exercise(exercise):
    expected = observe_known(exercise, exercise.reference).values()
    arguments = draw_cases(exercise)["example"]
    slips = {"reads a global": "offset; return result"}
    if exercise.id != "04.ema_update":  # it works in place
        slips["nothing returned"] = "pass"
    if any(tensors_in(seen.result) for seen in expected) and exercise.run is call:
        slips["wrong dtype"] = "return tree_map(torch.Tensor.double, result)"
    flows = gradients(exercise, exercise.reference) if exercise.needs_gradient else None
    if any(gradient is not None for gradient in flows or ()):
        slips["gradient cut"] = "return tree_map(torch.Tensor.detach, result)"
    if exercise.run is call and tensors_in(arguments):
        slips["changed in place"] = "tensors_in(arguments)[0].add_(1); return result"
    if not any(seen.moved_random for seen in expected):
        slips["global random numbers"] = "torch.rand(1); return result"
    for name, slip in slips.items():
        assert judge_exercise(exercise, slipped(exercise, slip)).mistake == name


def test_nothing_is_held_against_a_right_answer():
    for body in (
        RIGHT,
        "return (x.T / x.sum(1)).T",
        "return x / torch.einsum('bd->b', x)[:, None]",
        "return x / (x @ torch.ones(x.shape[1], 1, device=x.device))",
        "return x / (x @ torch.ones(x.shape[1], 1).to(x.device))",
        "return x / torch.stack([row.sum() for row in x]).unsqueeze(1)",
        "out = torch.empty_like(x)\nfor i in range(len(x)): out[i] = x[i] / x[i].sum()\nreturn out",
        "return x / (x.sum(1, keepdim=True) + EPS)",
        "print('looking', x.shape)\n" + RIGHT,
    ):
        verdict = judge_exercise(SHARES, answer(body, EPS=1e-12))
        assert verdict.status == "right", (body, verdict)


def test_judge_is_silent(capfd):
    for body in (RIGHT, "print(x)\n" + RIGHT, "print(x)\nreturn x.foo", "pass"):
        judge_exercise(SHARES, answer(body))
    assert capfd.readouterr() == ("", "")


def test_difference_in_value_says_where():
    body = "y = x / x.sum(dim=1, keepdim=True)\ny[:, 1] += 0.25\ny[:, 2] -= 0.25\nreturn y"
    verdict = judge_exercise(SHARES, answer(body))
    received = shares(draw_cases(SHARES)["example"][0])[0, 1].item() + 0.25
    assert verdict.mistake == "other value"
    assert verdict.message.endswith(f"Case 'example' at [0, 1]: received {received:.6g}.")


def test_comparing_is_elementwise():
    zeros, nan = torch.zeros(1000), torch.tensor([math.nan, 1.0])
    one_off = zeros.clone()
    one_off[7] = 1e-3
    assert first_difference(one_off, zeros) == ("value", "[7]", "0.001")
    assert same(nan, nan.clone()) and not same(nan, torch.ones(2))
    assert same(torch.tensor(2.0), 2.0) and not same(2.0, torch.tensor(2.0))
    assert same((zeros, True), [zeros, True]) and not same((zeros, 1), (zeros, True))
    assert first_difference((zeros, one_off), (zeros, zeros))[1] == "result 2, [7]"
    assert first_difference(zeros, zeros[None])[0] == "shape"
    assert first_difference(zeros.double(), zeros)[0] == "dtype"
    assert first_difference(None, zeros)[0] == first_difference((zeros,), zeros)[0] == "kind"


@pytest.mark.parametrize(
    "name, body",
    {
        "generator ignored": "return x + 0.1 * torch.zeros_like(x)",
        "global random numbers": "generator.seed()\nreturn x + 0.1 * torch.randn(x.shape)",
    }.items(),
)
def test_random_numbers_come_from_the_generator(name, body):
    assert judge_exercise(NOISY, typed(NOISY.reference)).status == "right"
    verdict = judge_exercise(NOISY, answer(body, "noisy(x, generator=None)"))
    assert verdict.mistake == name


def test_judging_leaves_random_numbers_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    judge_exercise(SHARES, answer("torch.manual_seed(1)\n" + RIGHT))
    assert torch.rand(3).equal(expected)


@pytest.mark.parametrize(
    "body, lender",
    [
        ("return torch.softmax(x.log(), dim=1)", "torch's softmax"),
        ("return x.log().softmax(1)", "torch's softmax"),
        ("return torch.nn.functional.softmax(x.log(), 1)", "torch's softmax"),
        ("return torch.nn.Softmax(dim=1)(x.log())", "torch's softmax"),
        ("return torch.nn.functional.normalize(x, p=1, dim=1)", "torch's normalize"),
        ("return given(x)", "minisd's own shares"),
    ],
)
def test_borrowed_answers_are_seen(body, lender):
    verdict = judge_exercise(SHARES, answer(body, given=shares))
    assert (verdict.status, verdict.mistake) == ("wrong", "borrowed")
    assert verdict.message.startswith("Right, but it is ") and lender in verdict.message


def test_the_package_is_no_lender():
    assert course.judge("01.softmax", find("01.softmax").reference).mistake == "borrowed"
    assert course.judge("01.softmax", lambda s, dim=-1: torch.softmax(s, dim)).mistake == "borrowed"
    attention = find("01.Attention").reference
    for mine in (type("Attention", (attention,), {}), attention):
        assert course.judge("01.Attention", mine).mistake == "borrowed"
    add_noise = find("02.add_noise").reference

    def jump(images, noise, timesteps, alphas_cumprod):
        return add_noise(images, noise, timesteps, alphas_cumprod)

    assert course.judge("02.add_noise", jump).mistake == "borrowed"


STUBS = {
    "raises": "raise NotImplementedError",
    "docstring": '"""What to do."""',
    "pass": "pass",
    "dots": "...",
    "docstring and raise": '"""What to do."""\nraise NotImplementedError("your turn")',
}


@pytest.mark.parametrize("body", STUBS.values(), ids=STUBS)
def test_stub_is_not_attempted(body):
    assert judge_exercise(SHARES, answer(body)).status == "not_attempted"


def test_stub_of_a_class_is_not_attempted():
    class Attention(torch.nn.Module):
        def __init__(self, dim, num_heads, context_dim=None, bias=False):
            super().__init__()
            self.to_q = torch.nn.Linear(dim, dim)

        def forward(self, x, context=None):
            """Look."""

    class Nothing(torch.nn.Module):
        pass

    for mine in (Attention, Nothing, None, ...):
        assert course.judge("01.Attention", mine).status == "not_attempted"
    for exercise in EXERCISES:
        assert judge_exercise(exercise, None).status == "not_attempted"


def test_answers_of_another_kind_are_told():
    assert course.judge("01.softmax", torch.ones(3)).mistake == "not a function"
    assert course.judge("01.softmax", 3).mistake == "not a function"
    assert course.judge("01.softmax", torch.nn.Softmax).mistake == "not a function"
    assert course.judge("01.Attention", lambda x: x).mistake == "not a class"


def test_trace_shows_only_own_lines():
    body = "scores = torch.nn.functional.linear(x, x[:, :2])\nreturn scores"
    message = judge_exercise(SHARES, answer(body)).message
    first, *lines = message.splitlines()
    assert first.startswith("RuntimeError: ")
    assert lines == ["    line 2, in shares:  scores = torch.nn.functional.linear(x, x[:, :2])"]


def test_exception_in_one_case_says_which_arguments():
    message = judge_exercise(SHARES, answer("assert x.shape[1] == 4, 'no'\n" + RIGHT)).message
    assert "(2, 6) float32" in message and "AssertionError: no" in message


def test_endless_loops_end(monkeypatch):
    monkeypatch.setattr(watch, "TIME_LIMIT", 0.3)
    stubborn = "while True:\n    try:\n        sum(range(1000))\n    except Exception: pass"
    verdict = judge_exercise(SHARES, answer(stubborn))
    assert verdict.mistake == "endless loop" and "restart" not in verdict.message
    assert ", in shares:  " in verdict.message
    forever = "import time\nfor _ in range(6):\n    try: time.sleep(0.5)\n    except: pass"
    monkeypatch.setattr(watch, "TRIES", 2)
    verdict = judge_exercise(SHARES, answer(forever))
    assert verdict.mistake == "endless loop" and "restart the kernel" in verdict.message


# What a notebook sees


def test_check_hands_back_what_the_notebook_goes_on_with(capsys):
    exercise = find("01.softmax")
    right, stub = (
        typed(exercise.reference, notebook=True),
        typed(exercise.reference, "def softmax(scores, dim=-1):\n    raise NotImplementedError\n"),
    )
    assert course.check("01.softmax", stub) is exercise.reference
    assert "not attempted yet" in capsys.readouterr().out
    assert course.check("01.softmax", exercise.reference) is exercise.reference  # cell run twice
    assert "First run the cell with your code" in capsys.readouterr().out
    assert course.check("01.softmax", exercise.mistakes[0]) is exercise.reference
    assert sentence_of(exercise.mistakes[0]) in capsys.readouterr().out
    assert course.check("01.softmax", right) is right
    assert capsys.readouterr().out == (
        "01.softmax: right, 2 points. The notebook goes on with yours.\n"
        "Kept for later notebooks: my_minisd/01.softmax.py\n"
    )


@pytest.mark.parametrize(
    "body",
    ["exit()", "if x.shape == (2, 3): exit()\n" + RIGHT, "raise KeyboardInterrupt",
     "return shares(x)", "raise SystemError from None",
     "class Odd:\n    def __eq__(self, other): raise ValueError\nreturn Odd()", "return 1j",
     "return {'a': x}", "return 'text'", "return x.to_sparse()", "return torch.full_like(x, nan)"],
)  # fmt: skip
def test_check_never_raises(body, monkeypatch, capsys):
    monkeypatch.setattr(cells, "find", lambda id: SHARES)
    mine = answer(body, nan=math.nan)
    assert course.check("01.shares", mine) is shares
    assert "not right yet" in capsys.readouterr().out


def test_check_shows_what_the_answer_prints(monkeypatch, capsys):
    monkeypatch.setattr(cells, "find", lambda id: SHARES)
    course.check("01.shares", answer("for i in range(30): print('row', i)\n" + RIGHT))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| row 0" and lines[20] == "| ... and 10 lines more"


def test_an_answer_that_still_runs_has_not_forgotten_its_return():
    exercise = find("04.UNet2DModel")
    source = inspect.getsource(exercise.reference)
    without_time = typed(exercise.reference, source.replace("resnet(x, time)", "resnet(x)"))
    verdict = judge_exercise(exercise, without_time)  # the block stumbles over None for a time
    assert verdict.mistake == "exception" and "resnet(x)" in verdict.message


def test_third_attempt_points_to_the_hints(capsys):
    mistake = find("01.softmax").mistakes[0]
    for number in range(1, 4):
        course.check("01.softmax", mistake)
        assert ("hint" in capsys.readouterr().out) == (number == 3)


def test_report_counts_the_notebook(tmp_path, capsys):
    softmax, mask = find("01.softmax"), find("01.attention_mask")
    course.check("01.softmax", typed(softmax.reference, notebook=True))
    course.check("01.attention_mask", mask.mistakes[0])
    course.check("01.attention_mask", mask.reference)  # the check cell alone, once more
    capsys.readouterr()
    course.report(json=tmp_path / "report.json")
    shown = capsys.readouterr().out
    written = json.loads((tmp_path / "report.json").read_text())
    mine = [e for e in EXERCISES if e.id.startswith("01.")]
    assert written["points"] == 2 and written["max_points"] == sum(e.points for e in mine)
    assert [row["id"] for row in written["exercises"]] == [e.id for e in mine]
    rows = {row["id"]: row for row in written["exercises"]}
    assert rows["01.softmax"] == {
        "id": "01.softmax", "status": "right", "points": 2, "mistake": None,
    }  # fmt: skip
    assert rows["01.attention_mask"] == {
        "id": "01.attention_mask", "status": "wrong", "points": 0,
        "mistake": name_of(mask.mistakes[0]),
    }  # fmt: skip
    assert rows["01.Attention"]["status"] == "not_attempted"
    assert name_of(mask.mistakes[0]) in shown and f"2 of {written['max_points']} points" in shown
    assert "02." not in shown


def test_report_judges_what_was_kept_before(capsys):
    softmax = find("01.softmax")
    course.check("01.softmax", typed(softmax.reference, notebook=True))
    cells._verdicts.clear()  # another day
    course.report()
    assert f"2 of {sum(e.points for e in EXERCISES)} points" in capsys.readouterr().out
    kept_path("01.softmax").write_text("def softmax(scores, dim=-1):\n    return scores\n")
    course.report()
    assert "\n0 of " in capsys.readouterr().out


@each_coded
def test_kept_answers_run_by_themselves(exercise):
    assert keep(exercise.id, typed(exercise.reference, notebook=True)) == kept_path(exercise.id)
    assert judge_exercise(exercise, kept(exercise.id)).status == "right"


def test_kept_answers_bring_their_helpers(monkeypatch):
    source = (
        "HALF = 0.5\n\ndef total(x):\n    return x.sum(dim=1, keepdim=True)\n\n"
        "def shares(x):\n    return rearrange(x, 'b d -> b d') / (total(x) * HALF * 2)\n"
    )
    from einops import rearrange

    mine = typed(shares, source, notebook=True)
    mine.__globals__["rearrange"] = rearrange
    assert judge_exercise(SHARES, mine).status == "right"
    keep("01.shares", mine)
    assert judge_exercise(SHARES, kept("01.shares")).status == "right"
    assert kept("01.other") is None
    kept_path("01.shares").write_text("1 / 0")
    assert kept("01.shares") is None


def test_home_is_beside_the_notebook(tmp_path, monkeypatch):
    monkeypatch.delenv("MINISD_HOME")
    monkeypatch.chdir(tmp_path)
    assert kept_path("01.softmax") == tmp_path / "my_minisd" / "01.softmax.py"
    (tmp_path / "notebooks").mkdir()  # started in the project's folder
    assert kept_path("01.softmax") == tmp_path / "notebooks" / "my_minisd" / "01.softmax.py"


def test_predictions_are_answered(capsys):
    ids = [p.id for name in bank_names() for p in getattr(load_bank(name), "PREDICTIONS", ())]
    assert ids and len(set(ids)) == len(ids)
    for id in ids:
        prediction = find_prediction(id)
        course.predict(id)
        asked = capsys.readouterr().out
        assert prediction.question in asked and len(prediction.answers) >= 2
        for choice, reply in prediction.answers.items():
            assert f'predict("{id}", "{choice}")' in asked
            course.predict(id, choice)
            assert reply in capsys.readouterr().out
        course.predict(id, "none of them")
        assert prediction.question in capsys.readouterr().out


def test_unknown_ids_are_named():
    for ask in (lambda: course.judge("01.sofmax", None), lambda: course.check("77.x", None),
                 lambda: course.predict("01.softmax")):  # fmt: skip
        with pytest.raises(ValueError, match="expected the id of one"):
            ask()
