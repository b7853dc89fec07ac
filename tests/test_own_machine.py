"""Your own Stable Diffusion: every part may be the learner's, however it is written."""

import sys

import pytest
import torch
from course_answers import typed
from test_course_08 import OTHERWISE
from torch import nn

from minisd import attention, course, pipeline, samplers
from minisd.course import own_machine as own
from minisd.course.keep import keep

PROMPTS = ["a large red heart above a crimson ring", "two green rings"]
PART_IDS = [part.id for part in own.PARTS]


def reference(id):
    return course.exercises()[id].reference


def paint(pipe, steps=3):
    seeds = [torch.Generator().manual_seed(n) for n in range(len(PROMPTS))]
    return pipe(PROMPTS, generator=seeds, num_inference_steps=steps).int()


@pytest.fixture(scope="module")
def expected():
    return paint(pipeline.TextToImagePipeline.from_pretrained("shapes32"))


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MINISD_HOME", str(tmp_path / "my_minisd"))
    return tmp_path / "my_minisd"


def known_names():
    """Every name that an exchange may touch, and what it means now."""
    modules = {name: vars(module).copy() for name, module in sys.modules.items()
               if name.startswith("minisd.")}  # fmt: skip
    return modules, dict(samplers.SAMPLERS), nn.GroupNorm


def test_nothing_kept_is_the_packages_own_machine(home, expected):
    with own.own_machine() as (pipe, whose):
        assert set(whose.values()) == {own.PACKAGES}
        assert torch.equal(paint(pipe), expected)


def test_kept_answers_draw_the_same_pictures(home, expected):
    for id in PART_IDS:
        assert keep(id, typed(reference(id), notebook=True)), id
    assert len(list(home.iterdir())) == len(PART_IDS)
    with own.own_machine() as (pipe, whose):
        assert whose == dict.fromkeys(PART_IDS, own.YOURS)
        assert pipe.unet.mid_block.resnets[0].__class__.__module__.startswith("my_minisd")
        assert (paint(pipe) - expected).abs().max() <= 1
    assert "15 of 15 parts are yours." in own.parts_table(whose)


WRITTEN = {  # as nobody wrote it in the package
    "01.Attention": """
class Attention(nn.Module):
    def __init__(self, dim, num_heads, context_dim=None, bias=False):
        super().__init__()
        self.num_heads = num_heads
        self.to_q = nn.Linear(dim, dim, bias)
        self.to_k, self.to_v = (nn.Linear(context_dim or dim, dim, bias) for _ in range(2))
        self.to_out = nn.Sequential(nn.Linear(dim, dim))

    def forward(self, x, context=None):
        words = x if context is None else context
        q, k, v = self.to_q(x), self.to_k(words), self.to_v(words)
        q, k, v = (y.unflatten(-1, (self.num_heads, -1)) for y in (q, k, v))
        scores = torch.einsum("blke,bske->bkls", q, k) * q.shape[-1] ** -0.5
        return self.to_out(torch.einsum("bkls,bske->blke", scores.softmax(-1), v).flatten(2))
""",
    "08.guide": OTHERWISE["08.guide"],
    "08.ddim_step": OTHERWISE["08.ddim_step"],
}


@pytest.mark.parametrize("ids", [[id] for id in WRITTEN] + [[*WRITTEN]])
def test_answers_written_otherwise_draw_the_same_pictures(ids, home, expected):
    for id in ids:
        mine = typed(reference(id), "import torch\n" + WRITTEN[id], notebook=True)
        assert keep(id, mine), id
    with own.own_machine() as (pipe, whose):
        assert [id for id, maker in whose.items() if maker == own.YOURS] == ids
        assert (paint(pipe) - expected).abs().max() <= 1


def test_solutions_of_the_notebooks_draw_the_same_pictures(expected):
    before = known_names()
    with own.own_machine(answers=own.solutions()) as (pipe, whose):
        assert (paint(pipe) - expected).abs().max() <= 1
        assert (
            nn.GroupNorm is not before[2]
            and attention.GEGLU is not before[0]["minisd.attention"]["GEGLU"]
        )
    assert known_names() == before


def test_all_is_put_back_after_an_exception():
    before = known_names()
    with pytest.raises(ZeroDivisionError), own.own_machine(answers=own.solutions()):
        raise ZeroDivisionError
    assert known_names() == before


@pytest.fixture(scope="module")
def quick():
    """Two steps are enough to see that a part is asked."""
    return paint(pipeline.TextToImagePipeline.from_pretrained("shapes32"), 2)


@pytest.mark.parametrize("id", PART_IDS)
def test_a_wrong_part_shows(id, quick):
    for mistake in course.exercises()[id].mistakes:
        try:
            with own.own_machine(answers={id: mistake}) as (pipe, whose):
                assert [i for i, maker in whose.items() if maker == own.YOURS] == [id]
                if (paint(pipe, 2) - quick).abs().max() > 1:
                    return
        except (TypeError, RuntimeError, ValueError, KeyError):  # it cannot even be built
            continue
    raise AssertionError(f"no mistake of {id} is seen in a picture")


def test_an_answer_that_was_spoiled_later_is_not_used(home, expected):
    path = keep("08.guide", typed(reference("08.guide"), notebook=True))
    with own.own_machine() as (_, whose):
        assert whose["08.guide"] == own.YOURS
    text = path.read_text(encoding="utf-8")
    assert "positive - negative" in text
    path.write_text(text.replace("positive - negative", "negative - positive"), encoding="utf-8")
    with own.own_machine() as (pipe, whose):
        assert whose["08.guide"] == own.PACKAGES
        assert torch.equal(paint(pipe), expected)


# Right answers that are no parts of any machine: they measure, or show what a part is for.
EXPERIMENTS = (
    "02.forward_step", "02.naive_std", "03.kl_gaussians", "03.exact_denoiser",
    "03.score_from_epsilon", "04.diagnose", "05.score_function_gradient", "08.convergence_order",
)  # fmt: skip


def test_every_right_answer_is_accounted_for():
    """Every exercise of the notebooks before the machine stands in one place."""
    elsewhere = [id for ids in own.ELSEWHERE.values() for id in ids]
    asked = [id for id in course.exercises() if id < "09"]
    assert sorted([*PART_IDS, *elsewhere, *EXPERIMENTS]) == sorted(asked)
