"""Read and write the config.json beside each part's weights, in diffusers' own format."""

import json
from dataclasses import asdict, fields
from pathlib import Path

# Settings of diffusers that change what is computed but no key: only these values are built here.
FIXED = {
    "act_fn": "silu", "flip_sin_to_cos": True, "freq_shift": 0, "center_input_sample": False,
    "resnet_time_scale_shift": "default", "downsample_padding": 1, "mid_block_scale_factor": 1,
    "shift_factor": None,
}  # fmt: skip


def read_config(config_class, path):
    """Build `config_class` from a config.json: absent keys keep defaults, unknown ones are ignored.

    Lists become tuples, so that a config can be compared and hashed.
    Raises ValueError where the file is no JSON object, or asks for what is not built here.
    """
    try:
        stored = json.loads(Path(path).read_text(encoding="utf-8"))
        stored = {key: tuple(v) if isinstance(v, list) else v for key, v in stored.items()}
    except (json.JSONDecodeError, UnicodeDecodeError, AttributeError) as error:
        raise ValueError(f"{path} should hold one JSON object, but it does not: {error}") from None
    for key, value in FIXED.items():
        if stored.get(key, value) != value:
            raise ValueError(f"{path} sets {key} to {stored[key]!r}; minisd only knows {value!r}")
    known = {field.name for field in fields(config_class)}
    return config_class(**{key: value for key, value in stored.items() if key in known})


def config_dict(config, **extra):
    """Return `config` as a dict for config.json; `extra` names its class to other programs."""
    return {**extra, **asdict(config)}
