"""10.load_part: a folder from somebody else's disk becomes a part of your machine."""

import json
import tempfile
from dataclasses import fields
from pathlib import Path

import torch

from ....checkpoint import rename_old_keys
from ...exercise import Exercise
from .folders import CLASSES, FOLDERS, answer_of, weights_of, write_part
from .read_safetensors import read_safetensors
from .tools import nothing_lent


def load_part(part_class, config_class, folder):
    """Build a part from a folder in diffusers' layout, ready to evaluate.

    config.json gives the size: absent keys keep their defaults, unknown ones are left out, lists
    become tuples. Of several files of weights, the one with the shortest name counts. Raises an
    error unless every name and every shape fits.
    """
    stored = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    known = {field.name for field in fields(config_class)}
    settings = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in stored.items()
        if key in known
    }
    part = part_class(config_class(**settings))
    file = min(folder.glob("*.safetensors"), key=lambda file: len(file.name))  # the plainest name
    part.load_state_dict(rename_old_keys(read_safetensors(file.read_bytes())))
    return part.eval()


def run(load, what):
    """Write the folder, have it loaded, and ask the part. None where it is refused."""
    folder = FOLDERS[what]
    part_class, config_class, _ = CLASSES[folder.part]
    with tempfile.TemporaryDirectory() as scratch, nothing_lent():
        write_part(folder, Path(scratch))
        try:
            part = load(part_class, config_class, Path(scratch))
        except NotImplementedError:
            raise
        except Exception:  # how it is refused is up to the answer
            if folder.damage:
                return None
            raise
    if folder.damage:
        return ...  # it was loaded all the same, and a law says so
    training, settings = part.training, repr(part.config)
    with torch.no_grad():
        return {"answer": answer_of(part), "training": training, "settings": settings}


def cases(generator):
    """One folder a case; the parts' random weights are drawn inside."""
    first, *others = FOLDERS
    return {"example": (first,), **{what: (what,) for what in others}}


def _loaded(mine, what):
    folder = FOLDERS[what]
    with tempfile.TemporaryDirectory() as scratch, nothing_lent():
        write_part(folder, Path(scratch))
        return mine(*CLASSES[folder.part][:2], Path(scratch))


def settings_come_from_the_file(mine):
    """The part should have the settings of its config.json; yours has others."""
    return _loaded(mine, "a UNet, three times").config == CLASSES["unet"][2]


def absent_settings_keep_their_defaults(mine):
    """Old files leave out what is at its default. There, your part has other settings than the
    defaults of its configuration's class.
    """
    what = "an autoencoder with few settings"
    return _loaded(mine, what).config == CLASSES["vae"][2]


def weights_are_those_of_the_file(mine):
    """I compared the weights of your part with those of the file: they are not the same."""
    state = _loaded(mine, "a text encoder").state_dict()
    return all(state[name].equal(t) for name, t in weights_of(FOLDERS["a text encoder"]).items())


def old_names_find_their_place(mine):
    """A folder of 2022 should load as well, with the same weights under today's names."""
    state = _loaded(mine, "a text encoder of 2022").state_dict()
    return all(state[name].equal(t) for name, t in weights_of(FOLDERS["a text encoder"]).items())


def the_plainest_file_counts(mine):
    """Where the weights lie there several times (`.fp16`, `.non_ema`), the file with the shortest
    name should be read. Your part has the numbers of another.
    """
    what = "a UNet, three times"
    state, expected = _loaded(mine, what).state_dict(), weights_of(FOLDERS[what])
    return all(state[name].equal(tensor) for name, tensor in expected.items())


def weights_are_float32(mine):
    """Some files hold half precision, to be half as large. The part should compute in float32."""
    part = _loaded(mine, "an autoencoder of 2022, in half precision")
    return {parameter.dtype for parameter in part.parameters()} == {torch.float32}


def what_does_not_fit_is_refused(mine):
    """A file from which a weight is missing, or with one too many, or of another shape, should
    raise an error. One of them was loaded without a word.
    """
    damaged = [what for what in FOLDERS if FOLDERS[what].damage]
    return all(run(mine, what) is None for what in damaged)


def ready_to_evaluate(mine):
    """The part should come back ready to evaluate, and is still in training mode."""
    return not _loaded(mine, "a text encoder").training


def _plainest(folder):
    return min(folder.glob("*.safetensors"), key=lambda file: len(file.name))


def _known(config_class, folder):
    """What config.json says of the settings that the class knows, lists as tuples."""
    stored = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    names = {field.name for field in fields(config_class)}
    return {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items() if k in names}


def _filled(part, folder, find=_plainest, rename=rename_old_keys, **options):
    tensors = rename(read_safetensors(find(folder).read_bytes()))
    part.load_state_dict(tensors, **options)
    return part.eval()


def not_strict(part_class, config_class, folder):
    """`strict=False` makes the message go away and not the problem: a weight that is missing keeps
    the random numbers it was born with, and nobody is told.
    """
    part = part_class(config_class(**_known(config_class, folder)))
    return _filled(part, folder, strict=False)


def weights_never_loaded(part_class, config_class, folder):
    """The size is right, but the part still has the random weights it was born with: the file's
    never got into it.
    """
    return part_class(config_class(**_known(config_class, folder))).eval()


def names_of_2022_not_translated(part_class, config_class, folder):
    """A folder of 2022 does not load: its weights have the names of that time. You have written
    something for that.
    """
    part = part_class(config_class(**_known(config_class, folder)))
    return _filled(part, folder, rename=dict)


def the_first_file_taken(part_class, config_class, folder):
    """One folder holds the weights three times, and you took the first in the alphabet: in half
    precision, or from before averaging. The plain name, without `.fp16` or `.non_ema`, is the one.
    """
    part = part_class(config_class(**_known(config_class, folder)))
    return _filled(part, folder, find=lambda folder: min(folder.glob("*.safetensors")))


def absent_settings_are_none(part_class, config_class, folder):
    """A setting that the file leaves out became None. The configuration's class has a default for
    each: hand over what is there, and no more.
    """
    known = _known(config_class, folder)
    settings = {field.name: known.get(field.name) for field in fields(config_class)}
    return _filled(part_class(config_class(**settings)), folder)


def heads_counted_from_a_width(part_class, config_class, folder):
    """The UNet loads and answers wrongly: its heads are cut otherwise. `attention_head_dim` is a
    slip of the pen that became a standard: it is the *number* of heads.
    """
    settings = _known(config_class, folder)
    if "attention_head_dim" in settings:
        width = settings["attention_head_dim"]
        heads = tuple(channels // width for channels in settings["block_out_channels"])
        settings["attention_head_dim"] = heads
    return _filled(part_class(config_class(**settings)), folder)


def still_in_training_mode(part_class, config_class, folder):
    """The part comes back in training mode. Nothing in this one minds; dropout or batch norm in
    another would.
    """
    return load_part(part_class, config_class, folder).train()


def left_in_half_precision(part_class, config_class, folder):
    """A file in half precision made a part in half precision: on a processor that is slow, or not
    possible at all. The file's numbers should be copied into the part's own float32.
    """
    part = part_class(config_class(**_known(config_class, folder)))
    return _filled(part, folder, assign=True)


def lists_left_as_lists(part_class, config_class, folder):
    """JSON knows no tuples, and your configuration now holds lists: it can be changed by accident,
    and no longer equals the one that was saved.
    """
    known = _known(config_class, folder)
    lists = {k: list(v) if isinstance(v, tuple) else v for k, v in known.items()}
    return _filled(part_class(config_class(**lists)), folder)


EXERCISE = Exercise(
    "10.load_part",
    "Somebody else's folder",
    stars=3,
    minutes=20,
    points=4,
    reference=load_part,
    cases=cases,
    laws=(
        settings_come_from_the_file,
        absent_settings_keep_their_defaults,
        weights_are_those_of_the_file,
        old_names_find_their_place,
        the_plainest_file_counts,
        weights_are_float32,
        what_does_not_fit_is_refused,
        ready_to_evaluate,
    ),
    mistakes=(
        not_strict,
        weights_never_loaded,
        names_of_2022_not_translated,
        the_first_file_taken,
        absent_settings_are_none,
        heads_counted_from_a_width,
        still_in_training_mode,
        left_in_half_precision,
        lists_left_as_lists,
    ),
    run=run,
    needs_gradient=False,
)
