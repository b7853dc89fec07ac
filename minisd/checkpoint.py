"""Save and load: model folders as diffusers lays them out, and the state of a training run.

A file appears under its name only when it is complete on disk, so whatever ends a save early leaves
the previous one whole. Weights and states carry a sha256: a flipped bit would load silently.
"""

import hashlib
import io
import json
import os
import pickle
import shutil
from contextlib import contextmanager
from pathlib import Path

import safetensors.torch
import torch

WEIGHT_NAMES = ("diffusion_pytorch_model", "model", "pytorch_model")
WEIGHT_ENDINGS = (  # the best first; an index lists the files of a part cut in pieces
    ".safetensors", ".safetensors.index.json", ".fp16.safetensors", ".safetensors.index.fp16.json",
    ".bin", ".bin.index.json", ".fp16.bin", ".bin.index.fp16.json",
)  # fmt: skip
INDEX = {
    "_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.42.1",
    "requires_safety_checker": False, "safety_checker": [None, None],
    "feature_extractor": [None, None],
    "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "text_encoder": ["transformers", "CLIPTextModel"],
}  # fmt: skip
PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")


class CheckpointError(Exception):
    """A file of a checkpoint is missing, damaged, or not what it should be; one sentence."""


@contextmanager
def reading(path):
    """Turn whatever goes wrong while reading `path` into one CheckpointError that names it.

    Truncated, empty and foreign files raise many types of exceptions, so this catches them all.
    """
    try:
        yield
    except CheckpointError:
        raise
    except Exception as error:
        reason = str(error).removeprefix(f"{path} ").strip().split("\n")[0]
        if isinstance(error, pickle.UnpicklingError):
            reason = "it holds more than tensors and numbers, or is damaged; no code of it was run"
        reason = getattr(error, "strerror", None) or reason or type(error).__name__
        raise CheckpointError(f"{path} cannot be read: {reason}") from error


@contextmanager
def writing(path):
    """Yield a temporary path beside `path`; it takes the name `path` once its bytes are on disk."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")  # one name, so that leftovers do not pile up
    try:
        yield temporary
        flush(temporary)
        os.replace(temporary, path)
    except (OSError, safetensors.SafetensorError) as error:
        raise CheckpointError(f"{path} was not written, what was there stays: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def flush(path):
    """Wait until a file's bytes are on the disk, not only in the system's memory."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def refuse_nan(value, name):
    """Raise CheckpointError if a tensor somewhere in nested dicts or lists is not finite."""
    if isinstance(value, dict | list | tuple):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            refuse_nan(part, f"{name}.{key}")
    elif isinstance(value, torch.Tensor) and not value.isfinite().all():
        raise CheckpointError(f"{name} holds NaN or infinite numbers in {value.dtype}: not saved")


def digest(tensors):
    """Return the sha256 of a dict of CPU tensors: names, formats, shapes and every byte."""
    sha = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        sha.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        sha.update(tensor.contiguous().flatten().view(torch.uint8).numpy())
    return sha.hexdigest()


def save_module(module, folder, dtype=None):
    """Write a part's config.json and weights into `folder`, in `dtype` (None: as they are).

    Raises CheckpointError, and writes nothing, if a weight is NaN or infinite in that dtype.
    """
    folder = Path(folder)
    tensors = {n: t.to("cpu", dtype).contiguous() for n, t in module.state_dict().items()}
    refuse_nan(tensors, folder.name)
    config = module.config.to_dict()
    name = "diffusion_pytorch_model" if "_class_name" in config else "model"  # diffusers' class
    with writing(folder / f"{name}.safetensors") as path:
        safetensors.torch.save_file(tensors, path, {"format": "pt", "sha256": digest(tensors)})
    with writing(folder / "config.json") as path:
        path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def load_module(module_class, config_class, folder, device="cpu", dtype=torch.float32):
    """Build a part from `folder`'s config.json and weights, on `device`, ready to evaluate.

    Raises CheckpointError unless every key and shape fits; pickled files run no code.
    """
    path = Path(folder, "config.json")
    with reading(path):
        config = config_class.from_json(path)
        with torch.device("meta"):  # shapes only: the random weights would be thrown away
            module = module_class(config)
    paths = [path.with_name(name + end) for end in WEIGHT_ENDINGS for name in WEIGHT_NAMES]
    path = next(filter(Path.exists, paths), paths[0])  # if there is none, reading will say so
    with reading(path):
        tensors = rename_old_keys(read_tensors(path))
        require_fit(tensors, module.state_dict(), path)
    tensors = {name: t.to(device, dtype, copy=True) for name, t in tensors.items()}
    module.load_state_dict(tensors, assign=True)
    return module.eval()


def read_tensors(path):
    """Read a file of named tensors, or all that an index lists; a sha256 is checked if stored."""
    with reading(path):
        if path.suffix == ".json":
            files = sorted(set(json.loads(path.read_text("utf-8"))["weight_map"].values()))
            return {k: t for file in files for k, t in read_tensors(path.with_name(file)).items()}
        if path.suffix == ".bin":
            return torch.load(path, map_location="cpu", weights_only=True)  # runs no code
        with safetensors.safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no dict)
            expected = (file.metadata() or {}).get("sha256")
        if expected and digest(tensors) != expected:
            raise CheckpointError(f"{path} is damaged: its sha256 is not the one stored in it")
        return tensors


def rename_old_keys(tensors):
    """Translate the key names of older files: CLIP's prefix, the VAE's attention."""
    renames = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
    return {
        ".".join(renames.get(p, p) for p in name.removeprefix("text_model.").split(".")): tensor
        for name, tensor in tensors.items()
        if not name.endswith(".position_ids")  # 0, 1, 2, ...: nothing that was learned
    }


def require_fit(tensors, expected, path):
    """Raise CheckpointError, with the first differing keys, unless names and shapes agree."""
    missing = [f"{name} is missing" for name in sorted(expected.keys() - tensors.keys())]
    unexpected = [f"{name} is unexpected" for name in sorted(tensors.keys() - expected.keys())]
    different = [
        f"{name} is {list(t.shape)} of {t.dtype} instead of {list(expected[name].shape)} of floats"
        for name, t in sorted(tensors.items())
        if name in expected and (t.shape != expected[name].shape or not t.is_floating_point())
    ]
    if n := len(missing + unexpected + different):
        some = "; ".join(missing[:3] + unexpected[:3] + different[:3])
        raise CheckpointError(f"{path} does not fit its config.json, differing keys ({n}): {some}")


def read_index(folder):
    """Check that `folder` has a model's parts and return its model_index.json as a dict."""
    folder = Path(folder)
    restore(folder)
    configs = [f"{part}/config.json" for part in PARTS[:3]] + ["scheduler/scheduler_config.json"]
    for name in ("", "model_index.json", *configs, "tokenizer"):
        if not (folder / name).exists():
            fault = f"{folder} has no {name}" if name else f"there is no folder {folder}"
            raise CheckpointError(
                f"{fault}; a model folder has model_index.json, {', '.join(PARTS)}"
            )
    with reading(folder / "model_index.json"):
        return dict(json.loads((folder / "model_index.json").read_text(encoding="utf-8")))


@contextmanager
def write_folder(folder):
    """Yield a new folder for a model's parts; at the end it takes the place of `folder` at once.

    Until then the previous model stays as it was. Raises CheckpointError, before any work, where
    `folder` holds anything but a model: replacing it would delete that.
    """
    folder = Path(folder).resolve()
    old = restore(folder)
    new = folder.with_name(f".{folder.name}.new")
    for left in (old, new):  # by a save that was killed
        shutil.rmtree(left, ignore_errors=True)
    if foreign := {path.name for path in folder.glob("*")} - {*PARTS, "model_index.json"}:
        raise CheckpointError(f"{folder} also holds {min(foreign)}: save to another folder")
    try:
        for part in PARTS:
            (new / part).mkdir(parents=True)
        yield new
        config = json.loads((new / "scheduler" / "scheduler_config.json").read_text("utf-8"))
        index = INDEX | {"scheduler": ["diffusers", config["_class_name"]]}
        (new / "model_index.json").write_text(json.dumps(index, indent=2) + "\n", "utf-8")
        for path in filter(Path.is_file, new.rglob("*")):
            flush(path)
        if folder.exists():
            os.replace(folder, old)
        os.replace(new, folder)
    except OSError as error:
        raise CheckpointError(f"{folder} was not written: {error}") from error
    finally:
        restore(folder)
        for left in (old, new):
            shutil.rmtree(left, ignore_errors=True)


def restore(folder):
    """Bring the previous model back if a save ended between its two renames; return its name."""
    folder = Path(folder).resolve()
    old = folder.with_name(f".{folder.name}.old")
    if old.exists() and not folder.exists():
        os.replace(old, folder)
    return old


def save_state(path, state):
    """Write nested dicts and lists of tensors and numbers: all that a resumed training needs.

    Raises CheckpointError, and leaves the previous file alone, if a number in a tensor is NaN.
    """
    refuse_nan(state, Path(path).name)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    with writing(path) as temporary, open(temporary, "wb") as file:
        file.write(hashlib.sha256(buffer.getbuffer()).digest())
        file.write(buffer.getbuffer())


def load_state(path, device="cpu"):
    """Read what `save_state` wrote, running no code. Raises CheckpointError if it is damaged."""
    with reading(path):
        data = memoryview(Path(path).read_bytes())
        if hashlib.sha256(data[32:]).digest() != data[:32]:
            raise CheckpointError(f"{path} is damaged or no training state: its sha256 differs")
        return torch.load(io.BytesIO(data[32:]), map_location=device, weights_only=True)
