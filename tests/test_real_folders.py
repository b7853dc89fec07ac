"""Model folders as others write them: diffusers and transformers of today, and older dialects."""

import inspect
import json
from dataclasses import replace

import diffusers
import pytest
import safetensors.torch
import torch
import transformers
from oracles import randomize, relative_error
from tiny import tiny_pipeline

from minisd.checkpoint import CheckpointError, load_module
from minisd.pipeline import TextToImagePipeline
from minisd.schedule import NoiseSchedule
from minisd.sizes import SIZES, attention_at
from minisd.text_encoder import CLIPTextModel, TextConfig
from minisd.unet import UNet2DConditionModel, UNetConfig
from minisd.vae import AutoencoderKL, VAEConfig

OURS = {
    "unet": (UNet2DConditionModel, UNetConfig),
    "vae": (AutoencoderKL, VAEConfig),
    "text_encoder": (CLIPTextModel, TextConfig),
}


TINY = SIZES["tiny"]
LIKE = {
    "SD 1.5": replace(TINY, schedule=NoiseSchedule()),
    "SD 2": replace(
        TINY, text=replace(TINY.text, hidden_act="gelu"),
        unet=replace(TINY.unet, **attention_at(True, True), attention_head_dim=(2, 4),
                     use_linear_projection=True),
        schedule=NoiseSchedule(prediction_type="v_prediction"),
    ),
}  # fmt: skip


def their_part(part, size=TINY):
    """A part of a size as diffusers or transformers build it, every weight random."""
    if part == "text_encoder":
        config = size.text.to_dict()
        return randomize(transformers.CLIPTextModel(transformers.CLIPTextConfig(**config)))
    their_class = {"unet": diffusers.UNet2DConditionModel, "vae": diffusers.AutoencoderKL}[part]
    return randomize(their_class.from_config(getattr(size, part).to_dict()))


def assert_loads(folder, part, expected):
    """Weights equal those of their model's state dict, one for one."""
    tensors = load_module(*OURS[part], folder).state_dict()
    expected = {name: t.float() for name, t in expected.items()}
    torch.testing.assert_close(tensors, expected, rtol=0, atol=0)


@pytest.mark.parametrize("part", OURS)
@pytest.mark.parametrize("variant", [None, "fp16"])
@pytest.mark.parametrize("pieces", [False, True], ids=["whole", "in pieces"])
@pytest.mark.parametrize("kind", ["safetensors", "bin"])
def test_weights_as_todays_libraries_save_them(tmp_path, part, variant, pieces, kind):
    theirs = their_part(part)
    theirs = theirs.half() if variant else theirs
    options = {"variant": variant, "max_shard_size": "30KB" if pieces else "5GB"}
    if part != "text_encoder":  # transformers 5 writes safetensors alone
        options["safe_serialization"] = kind == "safetensors"
    theirs.save_pretrained(tmp_path, **options)
    names = [path.name for path in tmp_path.iterdir() if "config" not in path.name]
    assert (len(names) > 2) == pieces and all("fp16" in name for name in names) == bool(variant)
    assert_loads(tmp_path, part, theirs.state_dict())


def test_old_text_encoders_in_pickled_pieces(tmp_path):
    theirs = their_part("text_encoder")
    (tmp_path / "config.json").write_text(json.dumps(SIZES["tiny"].text.to_dict()))
    old = {f"text_model.{name}": tensor for name, tensor in theirs.state_dict().items()}
    old["text_model.embeddings.position_ids"] = torch.arange(24)[None]
    names = sorted(old)
    weight_map = {}
    for i, part in enumerate((names[:9], names[9:])):
        file = f"pytorch_model-{i + 1:05}-of-00002.bin"
        torch.save({name: old[name] for name in part}, tmp_path / file)
        weight_map |= dict.fromkeys(part, file)
    index = {"metadata": {"total_size": 0}, "weight_map": weight_map}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    assert_loads(tmp_path, "text_encoder", theirs.state_dict())

    (tmp_path / "pytorch_model-00002-of-00002.bin").unlink()
    with pytest.raises(CheckpointError, match="00002-of-00002.bin cannot be read: No such file"):
        load_module(*OURS["text_encoder"], tmp_path)
    (tmp_path / "pytorch_model.bin.index.json").write_text(
        json.dumps({"weight_map": {"a": "../b"}})
    )
    with pytest.raises(CheckpointError, match=r"bin.index.json cannot be read: Invalid name"):
        load_module(*OURS["text_encoder"], tmp_path)


def old_attention_name(name):
    """The key that the VAE's attention had in older files."""
    new_to_old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    for new, old in new_to_old.items():
        name = name.replace(f".{new}.", f".{old}.")
    return name


def test_an_old_vae_in_pieces(tmp_path):
    theirs = their_part("vae")
    theirs.save_pretrained(tmp_path, max_shard_size="30KB")
    path = tmp_path / "diffusion_pytorch_model.safetensors.index.json"
    index = json.loads(path.read_text())
    for file in set(index["weight_map"].values()):
        tensors = safetensors.torch.load_file(tmp_path / file)
        tensors = {old_attention_name(name): tensor for name, tensor in tensors.items()}
        safetensors.torch.save_file(tensors, tmp_path / file)
    aged = {old_attention_name(name): file for name, file in index["weight_map"].items()}
    assert aged.keys() != index["weight_map"].keys()
    path.write_text(json.dumps(index | {"weight_map": aged}))
    assert_loads(tmp_path, "vae", theirs.state_dict())


def test_full_precision_is_preferred_to_half(tmp_path):
    theirs = their_part("text_encoder")
    theirs.save_pretrained(tmp_path)
    weights = {name: tensor.clone() for name, tensor in theirs.state_dict().items()}
    theirs.half().save_pretrained(tmp_path, variant="fp16")
    assert_loads(tmp_path, "text_encoder", weights)


def test_weights_of_another_model_are_named(tmp_path):
    theirs = their_part("unet")
    theirs.save_pretrained(tmp_path, max_shard_size="30KB")
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"layers_per_block": 2}))
    words = (
        r"index.json does not fit its config.json, differing keys \(\d+\): "
        r"down_blocks.0.resnets.1.conv1.bias is missing; [^;]+; [^;]+"
    )
    with pytest.raises(CheckpointError, match=words) as caught:
        load_module(*OURS["unet"], tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (UNetConfig, diffusers.UNet2DConditionModel),
        (VAEConfig, diffusers.AutoencoderKL),
        (TextConfig, transformers.CLIPTextConfig),
    ],
)
def test_what_a_config_does_not_say_is_as_theirs(tmp_path, ours, theirs):
    (tmp_path / "config.json").write_text("{}")
    config = ours.from_json(tmp_path / "config.json")
    if theirs is transformers.CLIPTextConfig:
        defaults = theirs().to_dict()
    else:
        parameters = inspect.signature(theirs.__init__).parameters
        defaults = {name: parameter.default for name, parameter in parameters.items()}
    for name, value in vars(config).items():
        assert value == defaults[name], name


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [("unet", "flip_sin_to_cos", False), ("unet", "act_fn", "gelu"), ("unet", "freq_shift", 1),
     ("unet", "resnet_time_scale_shift", "scale_shift"), ("vae", "shift_factor", 0.1)],
)  # fmt: skip
def test_settings_that_would_draw_something_else_are_refused(tmp_path, part, key, value):
    their_part(part).save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(CheckpointError, match=f"config.json.* sets {key} to .*; minisd only knows"):
        load_module(*OURS[part], path.parent)


@pytest.mark.parametrize("like", LIKE)
@pytest.mark.parametrize("variant", [None, "fp16"])
def test_a_folder_that_diffusers_saved_draws_the_same_picture(tmp_path, variant, like):
    size = LIKE[like]
    tokens = tmp_path / "tokenizer"
    tiny_pipeline().tokenizer.save_pretrained(tokens)
    tokenizer = transformers.CLIPTokenizer.from_pretrained(tokens)
    text_encoder = transformers.CLIPTextModel(
        transformers.CLIPTextConfig(**size.text.to_dict() | {"vocab_size": len(tokenizer)})
    )
    theirs = diffusers.StableDiffusionPipeline(
        unet=their_part("unet", size), vae=their_part("vae"), text_encoder=randomize(text_encoder),
        tokenizer=tokenizer, scheduler=diffusers.DDIMScheduler(
            beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, clip_sample=False,
            set_alpha_to_one=False, steps_offset=1, prediction_type=size.schedule.prediction_type,
        ),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    theirs.set_progress_bar_config(disable=True)
    theirs = theirs.to(torch.float16) if variant else theirs
    theirs.save_pretrained(tmp_path / "model", variant=variant)
    assert not (tmp_path / "model" / "tokenizer" / "merges.txt").exists()  # tokenizer.json alone
    options = {"num_inference_steps": 4, "guidance_scale": 5.0, "negative_prompt": "a heart",
               "num_images_per_prompt": 2, "height": 32, "width": 24}  # fmt: skip

    def seeds():
        return [torch.Generator().manual_seed(i) for i in range(2)]

    expected = theirs.to(torch.float32)(
        "two green rings", generator=seeds(), output_type="pt", **options
    ).images
    ours = TextToImagePipeline.from_pretrained(tmp_path / "model")
    drawn = ours("two green rings", generator=seeds(), output_type="float", **options)
    assert relative_error(drawn / 2 + 0.5, expected) <= 1e-5


def test_a_folder_in_the_dialect_of_the_published_stable_diffusion_1_5(tmp_path):
    folder = tmp_path / "model"
    pipe = tiny_pipeline()
    pipe.schedule = NoiseSchedule()
    pipe.save_pretrained(folder)
    options = {"num_inference_steps": 3, "output_type": "float"}
    expected = pipe("a heart", generator=torch.Generator().manual_seed(0), **options)

    def age(path, rename):
        tensors = safetensors.torch.load_file(path)
        safetensors.torch.save_file({rename(name): t for name, t in tensors.items()}, path)

    age(folder / "text_encoder" / "model.safetensors", lambda name: f"text_model.{name}")
    age(folder / "vae" / "diffusion_pytorch_model.safetensors", old_attention_name)
    half = {"conv_in.weight": torch.zeros(1, dtype=torch.float16)}
    for name in ("fp16", "non_ema"):  # they lie beside the weights that are wanted
        safetensors.torch.save_file(
            half, folder / "unet" / f"diffusion_pytorch_model.{name}.safetensors"
        )
    scheduler = {
        "_class_name": "PNDMScheduler", "_diffusers_version": "0.6.0", "beta_end": 0.012,
        "beta_schedule": "scaled_linear", "beta_start": 0.00085, "num_train_timesteps": 1000,
        "set_alpha_to_one": False, "skip_prk_steps": True, "steps_offset": 1,
        "trained_betas": None, "clip_sample": False,
    }  # fmt: skip
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler))
    vae = json.loads((folder / "vae" / "config.json").read_text())
    del vae["scaling_factor"]
    (folder / "vae" / "config.json").write_text(json.dumps(vae))
    index = json.loads((folder / "model_index.json").read_text())
    checker = {"safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"]}
    (folder / "model_index.json").write_text(json.dumps(index | checker))
    for name in ("safety_checker", "feature_extractor"):
        (folder / name).mkdir()

    drawn = TextToImagePipeline.from_pretrained(folder)(
        "a heart", generator=torch.Generator().manual_seed(0), **options
    )
    assert torch.equal(drawn, expected)
