"""Checkpoints: what was saved comes back; what is damaged, foreign or half-written is refused."""

import json
import os
import pickle
import shutil
import struct
from pathlib import Path

import pytest
import safetensors.torch
import torch

from minisd import checkpoint
from minisd.checkpoint import (
    CheckpointError,
    load_module,
    load_state,
    read_index,
    save_module,
    save_state,
    write_folder,
)
from minisd.sizes import SIZES
from minisd.text_encoder import CLIPTextModel, TextConfig
from minisd.unet import UNet2DConditionModel, UNetConfig
from minisd.vae import AutoencoderKL, VAEConfig

PARTS = {
    "unet": (UNet2DConditionModel, UNetConfig, SIZES["tiny"].unet),
    "vae": (AutoencoderKL, VAEConfig, SIZES["tiny"].vae),
    "text_encoder": (CLIPTextModel, TextConfig, TextConfig(60, 8, 16, 32, 1, 2)),
}


@pytest.fixture
def text_encoder():
    return CLIPTextModel(PARTS["text_encoder"][2])


@pytest.fixture
def saved(text_encoder, tmp_path):
    """A text encoder's folder: the smallest part stands for all."""
    save_module(text_encoder, tmp_path / "text_encoder")
    return tmp_path / "text_encoder"


def load(folder, **place):
    return load_module(CLIPTextModel, TextConfig, folder, **place)


def assert_same(module, expected):
    torch.testing.assert_close(module.state_dict(), expected.state_dict(), rtol=0, atol=0)


def rewrite(folder, change):
    """Apply `change` to the dict of tensors in a saved folder, leaving no sha256."""
    path = folder / "model.safetensors"
    tensors = safetensors.torch.load_file(path)
    change(tensors)
    safetensors.torch.save_file(tensors, path)


def files(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


class Evil:
    """A pickle that leaves a mark when its code is run."""

    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return (open, (self.mark, "w"))


# What was saved comes back.


@pytest.mark.parametrize("part", PARTS)
def test_each_part_comes_back_the_same(part, tmp_path):
    module_class, config_class, config = PARTS[part]
    module = module_class(config)
    save_module(module, tmp_path)
    loaded = load_module(module_class, config_class, tmp_path)
    assert_same(loaded, module)
    assert loaded.config == config and not loaded.training
    assert all(p.requires_grad and p.device.type == "cpu" for p in loaded.parameters())


def test_float16_halves_the_file_and_loads_in_any_dtype(text_encoder, saved, tmp_path):
    save_module(text_encoder, tmp_path / "half", dtype=torch.float16)
    sizes = [(f / "model.safetensors").stat().st_size for f in (saved, tmp_path / "half")]
    assert sizes[1] < 0.7 * sizes[0]
    assert_same(load(tmp_path / "half"), text_encoder.half().float())
    assert load(saved, dtype=torch.bfloat16).final_layer_norm.weight.dtype == torch.bfloat16


def test_loaded_weights_do_not_follow_the_file(saved, text_encoder):
    loaded = load(saved)
    with (saved / "model.safetensors").open("rb+") as file:
        file.seek(-64, os.SEEK_END)
        file.write(b"\xff" * 64)
    assert_same(loaded, text_encoder)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.fp16.safetensors"])
def test_reads_the_other_file_names(saved, text_encoder, name):
    tensors = safetensors.torch.load_file(saved / "model.safetensors")
    (saved / "model.safetensors").unlink()
    if name.endswith(".bin"):
        torch.save(tensors, saved / name)
    else:
        safetensors.torch.save_file(tensors, saved / name)
    assert_same(load(saved), text_encoder)


def test_reads_older_key_names(saved, text_encoder, tmp_path):
    def age(tensors):
        for name in list(tensors):
            tensors["text_model." + name] = tensors.pop(name)
        tensors["text_model.embeddings.position_ids"] = torch.arange(8)

    rewrite(saved, age)
    assert_same(load(saved), text_encoder)

    vae = AutoencoderKL(PARTS["vae"][2])
    save_module(vae, tmp_path / "vae")
    path = tmp_path / "vae" / "diffusion_pytorch_model.safetensors"
    text = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    old = {}
    for name, tensor in safetensors.torch.load_file(path).items():
        for new_name, old_name in text.items():
            name = name.replace(f".{new_name}.", f".{old_name}.")
        old[name] = tensor
    assert any("proj_attn" in name for name in old)
    safetensors.torch.save_file(old, path)
    assert_same(load_module(AutoencoderKL, VAEConfig, tmp_path / "vae"), vae)


# Damaged, foreign and malicious files are refused, in one sentence that names the file.


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
@pytest.mark.parametrize("fault", ["truncated", "empty", "wrong magic", "folder"])
def test_damaged_files(saved, name, fault):
    path = saved / name
    data = path.read_bytes()
    path.unlink()
    if fault == "folder":
        path.mkdir()
    else:
        faults = {"truncated": data[: len(data) // 2], "empty": b"", "wrong magic": b"GIF89a" * 99}
        path.write_bytes(faults[fault])
    with pytest.raises(CheckpointError, match=f"{name} cannot be read") as error:
        load(saved)
    assert "\n" not in str(error.value) and str(error.value).count(name) == 1


def test_a_flipped_bit_in_the_weights(saved):
    path = saved / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"model.safetensors is damaged: its sha256"):
        load(saved)


def test_a_flipped_bit_anywhere_is_refused_or_harmless(saved, text_encoder):
    path = saved / "model.safetensors"
    data = path.read_bytes()
    refused = 0
    for position in range(0, len(data), 97):
        flipped = bytearray(data)
        flipped[position] ^= 1 << position % 8
        path.write_bytes(flipped)
        try:
            assert_same(load(saved), text_encoder)  # e.g. in the name of the sha256's own entry
        except CheckpointError:
            refused += 1
    assert refused > 0.9 * len(range(0, len(data), 97))


def test_a_malicious_pickle_runs_no_code(saved, tmp_path):
    (saved / "model.safetensors").unlink()
    mark = tmp_path / "mark"
    for write in (lambda thing, path: path.write_bytes(pickle.dumps(thing, 2)), torch.save):
        write({"weight": Evil(mark)}, saved / "pytorch_model.bin")
        with pytest.raises(CheckpointError, match=r"pytorch_model.bin .* no code of it was run"):
            load(saved)
    torch.save({"weight": 3}, saved / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="pytorch_model.bin"):
        load(saved)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("final_layer_norm.bias"), "keys .1.: final_layer_norm.bias is missing"),
        (lambda t: t.update(extra=torch.ones(2)), "extra is unexpected"),
        (
            lambda t: t.update({"final_layer_norm.bias": torch.ones(17)}),
            r"final_layer_norm.bias is \[17\] of torch.float32 instead of \[16\]",
        ),
        (
            lambda t: t.update({"final_layer_norm.bias": torch.ones(16, dtype=torch.int64)}),
            "final_layer_norm.bias is .* of torch.int64 instead of",
        ),
        (dict.clear, "missing"),
    ],
)
def test_keys_and_shapes_must_fit(saved, change, message):
    rewrite(saved, change)
    with pytest.raises(CheckpointError, match=rf"model.safetensors does not fit.*{message}"):
        load(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_size": 32}, "does not fit its config.json"),
        ({"hidden_act": "relu"}, "config.json cannot be read: hidden_act must be one of"),
        ({"hidden_size": "wide"}, "config.json cannot be read"),
    ],
)
def test_config_must_fit(saved, change, message):
    config = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(CheckpointError, match=message):
        load(saved)


def test_missing_weights(saved):
    (saved / "model.safetensors").unlink()
    with pytest.raises(
        CheckpointError, match="diffusion_pytorch_model.safetensors cannot be read: No su"
    ):
        load(saved)


# Nothing bad replaces something good.


@pytest.mark.parametrize(("value", "dtype"), [(torch.nan, None), (1e6, torch.float16)])
def test_weights_that_are_not_finite_are_not_saved(saved, text_encoder, value, dtype):
    before = files(saved)
    text_encoder.final_layer_norm.weight.data[3] = value
    with pytest.raises(CheckpointError, match="text_encoder.final_layer_norm.weight holds NaN or"):
        save_module(text_encoder, saved, dtype)
    assert files(saved) == before


def test_a_full_disk(saved, text_encoder, monkeypatch):
    before = files(saved)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.os, "fsync", full)
    text_encoder.final_layer_norm.weight.data += 1
    with pytest.raises(CheckpointError, match="what was there stays: .*No space left"):
        save_module(text_encoder, saved)
    assert files(saved) == before  # and no temporary is left


class Killed(BaseException):
    """Not an Exception: nothing may catch it."""


def kill_at(monkeypatch, fatal_rename):
    """Kill this process at its nth rename: a dead process renames and deletes nothing more."""
    renames = 0
    rename = os.replace

    def replace(source, target):
        nonlocal renames
        renames += 1
        if renames >= fatal_rename:
            raise Killed
        rename(source, target)

    monkeypatch.setattr(checkpoint.os, "replace", replace)
    monkeypatch.setattr(checkpoint.shutil, "rmtree", lambda *a, **k: None)
    monkeypatch.setattr(Path, "unlink", lambda *a, **k: None)


def write_model(folder, number):
    """Write a tiny text encoder and, for the rest, stand-ins that all say `number`."""
    model = CLIPTextModel(PARTS["text_encoder"][2])
    torch.nn.init.constant_(model.final_layer_norm.bias, number)
    with write_folder(folder) as new:
        save_module(model, new / "text_encoder")
        for part in ("unet", "vae"):
            (new / part / "config.json").write_text(str(number))
        scheduler = {"_class_name": "DDIMScheduler", "number": number}
        (new / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler))


def number_of(folder):
    """Return the number of a whole model; fail where two models are mixed."""
    assert read_index(folder)["_class_name"] == "StableDiffusionPipeline"
    numbers = {int((folder / part / "config.json").read_text()) for part in ("unet", "vae")}
    numbers.add(int(load(folder / "text_encoder").final_layer_norm.bias[0]))
    scheduler = json.loads((folder / "scheduler" / "scheduler_config.json").read_text())
    (number,) = numbers | {scheduler["number"]}
    return number


def test_a_folder_is_replaced_at_once(tmp_path):
    folder = tmp_path / "model"
    for number in (1, 2):
        write_model(folder, number)
        assert number_of(folder) == number
        assert [p.name for p in tmp_path.iterdir()] == ["model"]
    index = json.loads((folder / "model_index.json").read_text())
    assert index["scheduler"] == ["diffusers", "DDIMScheduler"]
    assert index["safety_checker"] == index["feature_extractor"] == [None, None]
    assert index["requires_safety_checker"] is False
    with pytest.raises(ZeroDivisionError), write_folder(folder) as new:
        (new / "unet" / "config.json").write_text(str(1 / 0))
    assert number_of(folder) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("fatal_rename", [1, 2, 3, 4])  # two files, old folder away, new one in
def test_killed_while_a_folder_is_saved(tmp_path, monkeypatch, fatal_rename):
    folder = tmp_path / "model"
    write_model(folder, 1)
    with monkeypatch.context() as patch:
        kill_at(patch, fatal_rename)
        with pytest.raises(Killed):
            write_model(folder, 2)
    assert len(list(tmp_path.iterdir())) > 1  # what a dead process leaves
    assert number_of(folder) == 1
    write_model(folder, 3)
    assert number_of(folder) == 3
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_killed_after_the_last_rename(tmp_path, monkeypatch):
    folder = tmp_path / "model"
    write_model(folder, 1)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.shutil, "rmtree", lambda *a, **k: None)
        write_model(folder, 2)
    assert number_of(folder) == 2  # the old one beside it is not picked up
    write_model(folder, 3)
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_the_new_folder_cannot_take_its_place(tmp_path, monkeypatch):
    folder, rename = tmp_path / "model", os.replace
    write_model(folder, 1)

    def replace(source, target):
        if Path(source).name.endswith(".new"):
            raise OSError(5, "Input/output error")
        rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.os, "replace", replace)
        with pytest.raises(CheckpointError, match="model was not written: .*Input/output error"):
            write_model(folder, 2)
    assert number_of(folder) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_a_folder_with_other_files_is_not_replaced(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(CheckpointError, match="also holds thesis.txt: save to another folder"):
        write_model(tmp_path, 1)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_folder_that_lacks_something(tmp_path):
    with pytest.raises(CheckpointError, match=r"^there is no folder .*model; a model folder has"):
        read_index(tmp_path / "model")
    write_model(tmp_path / "model", 1)
    for name in ("unet/config.json", "scheduler/scheduler_config.json", "model_index.json"):
        shutil.copytree(tmp_path / "model", tmp_path / "broken", dirs_exist_ok=True)
        (tmp_path / "broken" / name).unlink()
        with pytest.raises(CheckpointError, match=f"broken has no {name}; a model folder has"):
            read_index(tmp_path / "broken")
    (tmp_path / "broken" / "model_index.json").write_text("[1, 2")
    with pytest.raises(CheckpointError, match="model_index.json cannot be read"):
        read_index(tmp_path / "broken")


# The state of a training run.


def training_state():
    """Return a model, its optimizer and a state as a training run would save it."""
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 3)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.randn(5, 3)).square().mean().backward()
    optimizer.step()
    rng = torch.get_rng_state()
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "rng": rng}
    return state | {"step": 7, "name": "tiny", "rates": [0.1, 0.2], "averages": {}}


def test_state_comes_back_the_same(tmp_path):
    state = training_state()
    save_state(tmp_path / "run" / "state.pt", state)
    loaded = load_state(tmp_path / "run" / "state.pt")
    assert loaded.pop("name") == state.pop("name")
    torch.testing.assert_close(loaded, state, rtol=0, atol=0)
    torch.set_rng_state(loaded["rng"])
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["state.pt"]


@pytest.mark.parametrize("fault", ["truncated", "empty", "flipped bit", "pickle", "torch", "none"])
def test_damaged_states(tmp_path, fault):
    path = tmp_path / "state.pt"
    save_state(path, training_state())
    data = path.read_bytes()
    if fault == "truncated":
        path.write_bytes(data[:-10])
    elif fault == "empty":
        path.write_bytes(b"")
    elif fault == "flipped bit":
        middle = len(data) // 2
        path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
    elif fault == "pickle":
        path.write_bytes(pickle.dumps(Evil(tmp_path / "mark")))
    elif fault == "torch":
        torch.save(training_state(), path)
    else:
        path.unlink()
    with pytest.raises(CheckpointError, match="state.pt"):
        load_state(path)
    assert not (tmp_path / "mark").exists()


def test_a_malicious_state_runs_no_code(tmp_path):
    path = tmp_path / "state.pt"
    save_state(path, {"step": Evil(tmp_path / "mark")})  # saving runs nothing, loading would
    with pytest.raises(CheckpointError, match="no code of it was run"):
        load_state(path)
    assert not (tmp_path / "mark").exists()


def test_the_previous_state_stays(tmp_path, monkeypatch):
    path = tmp_path / "state.pt"
    save_state(path, training_state())
    bad = training_state()
    bad["optimizer"]["state"][0]["exp_avg"][0, 0] = torch.inf
    with pytest.raises(CheckpointError, match="state.pt.optimizer.state.0.exp_avg holds NaN"):
        save_state(path, bad)
    assert load_state(path)["step"] == 7
    with monkeypatch.context() as patch:
        kill_at(patch, 1)
        with pytest.raises(Killed):
            save_state(path, training_state() | {"step": 8})
    assert len(list(tmp_path.iterdir())) == 2
    assert load_state(path)["step"] == 7
    save_state(path, training_state() | {"step": 9})
    assert load_state(path)["step"] == 9
    assert [p.name for p in tmp_path.iterdir()] == ["state.pt"]


def test_header_of_the_weights_file_says_its_format(saved):
    data = (saved / "model.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    metadata = json.loads(data[8 : 8 + length])["__metadata__"]
    assert metadata["format"] == "pt" and len(metadata["sha256"]) == 64
