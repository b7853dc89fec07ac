"""Notebook 10: the answers beside the package's own loader, safetensors and diffusers, and models
that are built of the learner's classes."""

import json
from dataclasses import replace

import diffusers
import pytest
import safetensors.torch
import torch
from course_answers import typed
from oracles import randomize, relative_error, saved_by_diffusers
from test_notebooks import NOTEBOOKS, shows_figure
from tiny import tiny_pipeline

from minisd import attention, resnet
from minisd.checkpoint import CheckpointError, load_module
from minisd.course import judge
from minisd.course import notebooks as nb
from minisd.course.bank.n10_real_stable_diffusion import quiet
from minisd.course.bank.n10_real_stable_diffusion.load_part import load_part
from minisd.course.bank.n10_real_stable_diffusion.parts import (
    count_by,
    kind_of,
    level_of,
    work_by_level,
)
from minisd.course.bank.n10_real_stable_diffusion.read_safetensors import read_safetensors
from minisd.course.bank.n10_real_stable_diffusion.tools import file_of
from minisd.course.bank.n10_real_stable_diffusion.transformer_parameters import (
    transformer_parameters,
)
from minisd.course.keep import keep
from minisd.course.own_machine import YOURS, own_machine, solutions
from minisd.pipeline import TextToImagePipeline
from minisd.pipeline.text_to_image import WEIGHTS
from minisd.random_model import random_model
from minisd.schedule import NoiseSchedule
from minisd.sizes import SIZES
from minisd.text_encoder import CLIPTextModel, TextConfig
from minisd.unet import UNet2DConditionModel, UNetConfig
from minisd.vae import AutoencoderKL, VAEConfig

SHIPPED = WEIGHTS / "shapes32"
PARTS = {
    "unet": (UNet2DConditionModel, UNetConfig),
    "vae": (AutoencoderKL, VAEConfig),
    "text_encoder": (CLIPTextModel, TextConfig),
}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Nothing was kept before."""
    monkeypatch.setenv("MINISD_HOME", str(tmp_path / "my_minisd"))


@pytest.fixture(scope="module")
def real_unet():
    with torch.device("meta"):
        return UNet2DConditionModel(SIZES["sd15"].unet)


def test_all_transformers_of_the_real_unet(real_unet):
    blocks = [m for m in real_unet.modules() if isinstance(m, attention.Transformer2DModel)]
    counted = [sum(p.numel() for p in block.parameters()) for block in blocks]
    widths = [block.norm.num_channels for block in blocks]
    assert [transformer_parameters(width, 768) for width in widths] == counted
    assert len(blocks) == 16


def test_levels_and_kinds_miss_nothing(real_unet):
    whole = sum(p.numel() for p in real_unet.parameters())
    by_level = count_by(real_unet, lambda key: level_of(key, 4))
    assert sum(by_level.values()) == sum(count_by(real_unet, kind_of).values()) == whole
    at_64 = sum(
        p.numel()
        for name, p in real_unet.named_parameters()
        if name.startswith(("conv_", "down_blocks.0.", "up_blocks.3."))
    )
    assert by_level[0,] == at_64
    assert sum(work_by_level(real_unet).values()) == pytest.approx(803.3e9, rel=1e-3)


@pytest.mark.parametrize("part", PARTS)
def test_reads_what_safetensors_reads(part, tmp_path):
    (path,) = (SHIPPED / part).glob("*.safetensors")
    theirs = safetensors.torch.load_file(path)
    ours = read_safetensors(path.read_bytes())
    assert ours.keys() == theirs.keys()
    assert all(ours[name].dtype == t.dtype and ours[name].equal(t) for name, t in theirs.items())


def test_files_of_the_exercise_are_safetensors():
    tensors = {"a.b": torch.randn(2, 3), "half": torch.randn(4).bfloat16(),
               "ids": torch.arange(3), "one": torch.tensor(0.5)}  # fmt: skip
    for turned in (False, True):
        theirs = safetensors.torch.load(file_of(tensors, {"format": "pt"}, turned))
        assert all(theirs[name].equal(tensor) for name, tensor in tensors.items())


@pytest.mark.parametrize("part", PARTS)
def test_loads_what_the_package_loads(part):
    ours, theirs = (load(*PARTS[part], SHIPPED / part) for load in (load_part, load_module))
    assert ours.config == theirs.config and not ours.training
    states = ours.state_dict(), theirs.state_dict()
    assert all(states[0][name].equal(tensor) for name, tensor in states[1].items())


def test_loads_what_diffusers_saves(tmp_path):
    config = SIZES["tiny"].unet
    theirs = diffusers.UNet2DConditionModel.from_config(config.to_dict()).eval()
    theirs.save_pretrained(tmp_path)
    ours = load_part(*PARTS["unet"], tmp_path)
    generator = torch.Generator().manual_seed(0)
    latents, context = (torch.randn(s, generator=generator) for s in ((1, 4, 8, 8), (1, 5, 32)))
    with torch.no_grad():
        expected = theirs(latents, 300, context).sample
        torch.testing.assert_close(ours(latents, 300, context), expected, rtol=1e-5, atol=1e-5)


BORROWED = {
    "10.read_safetensors": "import safetensors.torch\n\n\n"
    "def read_safetensors(data):\n    return safetensors.torch.load(data)\n",
    "10.load_part": "from minisd.checkpoint import load_module\n\n\n"
    "def load_part(part_class, config_class, folder):\n"
    "    return load_module(part_class, config_class, folder)\n",
}


@pytest.mark.parametrize("id", BORROWED)
def test_somebody_elses_reader_is_no_answer(id):
    name = id.split(".")[1]
    space = {"__name__": "__main__"}
    exec(compile(BORROWED[id], f"<borrowed {name}>", "exec"), space)
    verdict = judge(id, space[name])
    assert verdict.status == "wrong" and "yourself" in verdict.message, verdict


CLASSES = {
    "01.Attention": attention.Attention,
    "04.ResnetBlock2D": resnet.ResnetBlock2D,
    "07.BasicTransformerBlock": attention.BasicTransformerBlock,
}


@pytest.mark.parametrize("ids", [[], ["01.Attention", "04.ResnetBlock2D"], [*CLASSES]])
def test_a_folder_is_loaded_into_the_learners_classes(ids):
    for id in ids:
        assert keep(id, typed(CLASSES[id], notebook=True))
    latents, context = torch.randn(1, 4, 8, 8), torch.randn(1, 24, 128)
    package = load_module(*PARTS["unet"], SHIPPED / "unet")
    with own_machine() as (_, whose), torch.no_grad():
        mine = load_part(*PARTS["unet"], SHIPPED / "unet")
        answer = mine(latents, 300, context)
    assert [id for id, maker in whose.items() if maker == YOURS] == ids
    for id, given in CLASSES.items():
        found = {type(m) for m in mine.modules() if type(m).__name__ == given.__name__}
        assert len(found) == 1
        assert found.pop().__module__.startswith("my_minisd_" if id in ids else "minisd.")
    with torch.no_grad():
        torch.testing.assert_close(answer, package(latents, 300, context), rtol=1e-4, atol=1e-4)


def test_the_solutions_draw_what_diffusers_draws_of_its_own_folder(tmp_path):
    pipe = tiny_pipeline()
    pipe.schedule = NoiseSchedule()  # Stable Diffusion's own, whose last step ends at alpha_bar[0]
    for part in (pipe.unet, pipe.vae, pipe.text_encoder):
        randomize(part)
    folder = saved_by_diffusers(pipe, tmp_path)
    options = {"num_inference_steps": 4, "guidance_scale": 5.0, "height": 32, "width": 24}

    def draw(machine, output_type):
        seed = torch.Generator().manual_seed(0)
        return machine("two green rings", generator=seed, output_type=output_type, **options)

    theirs = diffusers.StableDiffusionPipeline.from_pretrained(folder)
    expected = draw(theirs, "pt").images
    with own_machine(folder, answers=solutions()) as (machine, whose):
        drawn = draw(machine, "float")
    assert set(whose.values()) == {YOURS}
    assert relative_error(drawn / 2 + 0.5, expected) <= 1e-5


def test_an_answer_for_quick_gelu_is_refused_where_the_folder_says_gelu(tmp_path):
    pipe = tiny_pipeline()
    pipe.text_encoder = CLIPTextModel(replace(pipe.text_encoder.config, hidden_act="gelu"))
    pipe.save_pretrained(tmp_path / "model")
    with (
        pytest.raises(CheckpointError, match="quick_gelu and .* hidden_act is 'gelu'") as caught,
        own_machine(tmp_path / "model", answers=solutions()),
    ):
        pass
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("what", quiet.QUIET)
def test_quiet_mistakes_change_the_picture_and_only_the_copy(what):
    pipe = TextToImagePipeline.from_pretrained(SHIPPED)

    def draw(machine):
        start = torch.Generator().manual_seed(0)
        return machine("two yellow rings", num_inference_steps=2, generator=start)

    before = draw(pipe)
    same = bool((draw(quiet.spoiled(pipe, what)) == before).all())
    assert same == (what == "as it should be")
    assert (draw(pipe) == before).all()


def test_the_notebook_draws_with_the_folder_that_it_is_given(tmp_path, monkeypatch):
    """Its last figure, and the cells that this needs; without a folder nothing runs that branch."""
    ids = "set-up-code", "tools", "tiny-folder", "load-part", "load-part-check", "draw-with", "real"
    notebook = nb.read(NOTEBOOKS[-1])
    notebook["cells"] = [cell for cell in notebook["cells"] if cell["id"] in ids]
    random_model("tiny").save_pretrained(tmp_path / "model")
    monkeypatch.setenv("MINISD_SD15", str(tmp_path / "model"))
    real = nb.execute(notebook, tmp_path).notebook["cells"][-1]
    assert shows_figure(real) and "No folder" not in str(real["outputs"])


def test_a_file_that_does_not_fit_is_refused_by_both(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(SIZES["tiny"].vae.to_dict()))
    tensors = AutoencoderKL(SIZES["tiny"].vae).state_dict()
    del tensors["post_quant_conv.bias"]
    safetensors.torch.save_file(tensors, tmp_path / "diffusion_pytorch_model.safetensors")
    with pytest.raises(CheckpointError, match="post_quant_conv.bias is missing"):
        load_module(*PARTS["vae"], tmp_path)
    with pytest.raises(RuntimeError, match=r"Missing.*post_quant_conv.bias"):
        load_part(*PARTS["vae"], tmp_path)


REPLACED = """
def rename_old_keys(tensors):
    renamed = {}
    for name, tensor in tensors.items():
        if not name.endswith(".position_ids"):
            for old, new in (("text_model.", ""), ("query", "to_q"), ("key", "to_k")):
                name = name.replace(old, new)
            name = name.replace("value", "to_v").replace("proj_attn", "to_out.0")
            renamed[name] = tensor
    return renamed
"""


def test_other_names_are_explained_by_a_law():
    space = {"__name__": "__main__"}
    exec(compile(REPLACED, "<replaced>", "exec"), space)
    verdict = judge("10.rename_old_keys", space["rename_old_keys"])
    assert verdict.mistake == "law: only whole parts", verdict
