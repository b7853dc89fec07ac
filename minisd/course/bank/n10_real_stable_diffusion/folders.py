"""Small folders as people download them, for exercise 10.load_part: one part in each."""

import json
from dataclasses import dataclass, fields, replace
from functools import cache

import torch

from ....text_encoder import CLIPTextModel, TextConfig
from ....unet import UNet2DConditionModel, UNetConfig
from ....vae import AutoencoderKL, VAEConfig
from .rename_old_keys import old_names
from .tools import file_of

CLASSES = {  # part: its class, its configuration's, and a small size
    "text_encoder": (CLIPTextModel, TextConfig, TextConfig(11, 6, 8, 12, 2, 2)),
    "vae": (AutoencoderKL, VAEConfig, VAEConfig(8, block_out_channels=(4, 8), norm_num_groups=2)),
    "unet": (
        UNet2DConditionModel,
        UNetConfig,
        UNetConfig(
            sample_size=4,
            block_out_channels=(8, 16),
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            layers_per_block=1,
            cross_attention_dim=8,
            attention_head_dim=2,
            norm_num_groups=4,
        ),
    ),
}


@dataclass(frozen=True)
class Folder:
    """A part's folder: which part, in which dialect, and whether its files fit one another."""

    part: str
    dtype: torch.dtype = torch.float32
    of_2022: bool = False  # the names of that time
    few_settings: bool = False  # only those that differ from the defaults, as old files have it
    copies: bool = False  # the weights three times: plain, in half precision, before averaging
    damage: str = ""  # "missing", "unexpected", "shape": what does not fit


FOLDERS = {
    "a text encoder": Folder("text_encoder"),
    "a text encoder of 2022": Folder("text_encoder", of_2022=True),
    "an autoencoder with few settings": Folder("vae", few_settings=True),
    "an autoencoder of 2022, in half precision": Folder("vae", torch.float16, of_2022=True),
    "a UNet, three times": Folder("unet", copies=True),
    "a weight is missing": Folder("text_encoder", damage="missing"),
    "a weight too many": Folder("vae", damage="unexpected"),
    "a weight of another shape": Folder("text_encoder", damage="shape"),
}


@cache
def shapes_of(part):
    """{name: shape} of a part's weights. (The device "meta" takes a second to start.)"""
    part_class, _, config = CLASSES[part]
    with torch.random.fork_rng(devices=[]):
        return {n: t.shape for n, t in part_class(config).state_dict().items()}


def weights_of(folder, seed=0):
    """Random weights that fit the part, and then what was done to them: {name: tensor}."""
    generator = torch.Generator().manual_seed(seed)
    shapes, config = shapes_of(folder.part), CLASSES[folder.part][2]
    tensors = {n: 0.3 * torch.randn(shape, generator=generator) for n, shape in shapes.items()}
    last = list(tensors)[-1]
    if folder.damage == "missing":
        del tensors[last]
    elif folder.damage == "unexpected":
        tensors["decoder.conv_last.weight"] = torch.zeros(2)
    elif folder.damage == "shape":
        tensors[last] = torch.zeros(3)
    if folder.of_2022 and folder.part == "text_encoder":
        tensors = {f"text_model.{name}": tensor for name, tensor in tensors.items()}
        ids = torch.arange(config.max_position_embeddings)[None]
        tensors["text_model.embeddings.position_ids"] = ids
    elif folder.of_2022:
        tensors = old_names(tensors)
    return {n: t.to(folder.dtype) if t.is_floating_point() else t for n, t in tensors.items()}


def write_part(folder, place):
    """Write config.json and the weights into the folder `place`, a Path, as diffusers does."""
    _, config_class, config = CLASSES[folder.part]
    settings = config.to_dict() | {"_diffusers_version": "0.6.0", "transformers_version": "4.22"}
    if folder.few_settings:
        for field in fields(config_class):
            if getattr(config, field.name) == field.default:
                del settings[field.name]
    (place / "config.json").write_text(json.dumps(settings, indent=2), encoding="utf-8")
    name = "model" if folder.part == "text_encoder" else "diffusion_pytorch_model"
    files = {"": weights_of(folder)}
    if folder.copies:
        files[".fp16"] = weights_of(replace(folder, dtype=torch.float16))
        files[".non_ema"] = weights_of(folder, seed=1)
    for which, tensors in files.items():
        data = file_of(tensors, {"format": "pt"})
        (place / f"{name}{which}.safetensors").write_bytes(data)


def answer_of(part):
    """What a loaded part says to a fixed question: a tensor."""
    generator = torch.Generator().manual_seed(5)
    if isinstance(part, CLIPTextModel):
        return part(torch.tensor([[9, 3, 4, 10, 10], [9, 7, 10, 10, 10]]))
    if isinstance(part, AutoencoderKL):
        return part.decode(torch.randn(1, 4, 3, 2, generator=generator))
    latents, context = (torch.randn(s, generator=generator) for s in ((1, 4, 4, 6), (1, 5, 8)))
    return part(latents, 300, context)
