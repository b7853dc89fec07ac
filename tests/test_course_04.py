"""Notebook 04's clinic: what a run leaves behind, that each patient is ill, that all are stored."""

import csv
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import safetensors.torch
import torch
from matplotlib.image import imread
from test_notebooks import NOTEBOOKS

from minisd.course import clinic
from minisd.course import notebooks as nb
from minisd.course.bank.n04_unet import patients, ward

CLINIC = Path(__file__).parents[1] / "datasets" / "clinic"


def files_of(run):
    return [f"{run.replace(' ', '-')}-{weights}.png" for weights in ("raw", "slow")]


def rows_of(folder):
    with open(folder / "losses.csv", newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def weights_in(folder):
    """The healthy network, rebuilt from its file."""
    unet = clinic.UNet2DModel(3, clinic.WIDTHS, clinic.GROUPS)
    unet.load_state_dict(safetensors.torch.load_file(folder / "healthy.safetensors"), strict=True)
    return unet


def test_a_run_leaves_its_losses_and_pictures(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(clinic, "draw", partial(clinic.draw, num_steps=2))
    monkeypatch.setattr(clinic, "MILESTONES", (1,))

    def run(*only, steps):
        arguments = ["clinic", str(tmp_path), "--steps", str(steps), "--only", *only]
        monkeypatch.setattr("sys.argv", arguments)
        clinic.main()

    run("patient 3", "healthy", steps=2)
    pictures = [*files_of("healthy"), *files_of("patient 3"), "milestones.png"]
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {*pictures, "losses.csv", "healthy.safetensors"}
    for name in pictures[:4]:
        assert imread(tmp_path / name).shape == imread(CLINIC / name).shape
    header, *rows = rows_of(tmp_path)
    assert header == ["run", "step", "raw", "slow"]
    assert [row[:2] for row in rows] == [
        ["healthy", "0"], ["healthy", "2"], ["patient 3", "0"], ["patient 3", "2"],
    ]  # fmt: skip
    assert all(0 < float(loss) < 2 for row in rows for loss in row[2:])
    assert rows[0][2] != rows[1][2] and weights_in(tmp_path).conv_out.weight.abs().max() > 0
    run("patient 3", steps=1)
    assert rows_of(tmp_path)[:3] == [header, *rows[:2]]  # the other run's rows stay
    assert [row[:2] for row in rows_of(tmp_path)[3:]] == [["patient 3", "0"], ["patient 3", "1"]]
    assert capsys.readouterr().out.count("patient 3: loss") == 2


def outcome(run):
    """After one step from the same seed: weights, slow copy, and what the weights draw."""
    run = replace(run, seed=0)
    *_, (_, model, slow) = clinic.train(run, 1)
    drawn = clinic.draw(run, model, 2, torch.Generator().manual_seed(0), num_steps=4)
    return {
        "weights": [*model.state_dict().values()],
        "slow copy": [*slow.state_dict().values()],
        "drawn": [drawn],
    }


@pytest.fixture(scope="module")
def healthy():
    return outcome(clinic.HEALTHY)


ALL = {"weights", "slow copy", "drawn"}
DIFFER = {
    "no time embedding": ALL,
    "slow copy too slow": {"slow copy"},
    "buffers averaged": {"slow copy"},
    "trained on [0, 1], shown as [-1, 1]": ALL,
    "noise added in the last step": {"drawn"},
    "alpha for alpha-bar in the sampler": {"drawn"},
    "skips not connected": ALL,
    "without skips": ALL,
    "last convolution not zeroed": ALL,
}


@pytest.mark.parametrize("cause", DIFFER)
def test_each_is_ill_where_its_fault_lies(cause, healthy):
    ill = outcome((clinic.ILL | clinic.ABLATIONS)[cause])
    differ = {
        part
        for part in ALL
        if any(not a.equal(b) for a, b in zip(ill[part], healthy[part], strict=True))
    }
    assert differ == DIFFER[cause]


def test_everybody_was_tried():
    assert {*DIFFER} == {*clinic.ILL, *clinic.ABLATIONS} - {"healthy"}
    assert {*patients.PATIENTS.values()} == {*clinic.ILL} < {*patients.CAUSES}
    assert outcome(clinic.HEALTHY)["drawn"][0].equal(outcome(clinic.HEALTHY)["drawn"][0])


@pytest.mark.parametrize("run", clinic.RUNS)
def test_every_run_is_stored(run):
    losses = ward.read_losses(CLINIC)
    assert list(losses) == list(clinic.RUNS)
    assert list(losses[run]["step"]) == list(range(0, clinic.STEPS + 1, clinic.LOOK_EVERY))
    for name, healthy in zip(files_of(run), files_of("healthy")):
        picture, other = imread(CLINIC / name), imread(CLINIC / healthy)
        assert picture.shape == other.shape
        assert (picture == other).all() == (run == "healthy")


def test_the_healthy_network_and_its_milestones_are_stored():
    assert weights_in(CLINIC).conv_out.weight.isfinite().all()
    assert imread(CLINIC / "milestones.png").ndim == 3


def test_the_notebook_also_runs_with_loaded_weights():
    """TRAIN = False, the other way of the switch; all states of test_notebooks train."""
    notebook = nb.read(NOTEBOOKS[4])
    (cell,) = [cell for cell in notebook["cells"] if cell["id"] == "loss-and-draw"]
    source = "".join(cell["source"])
    assert "TRAIN, num_steps = True, 1000" in source
    cell["source"] = source.replace("TRAIN, num_steps = True", "TRAIN, num_steps = False")
    run = nb.execute(notebook, NOTEBOOKS[4].parent).notebook
    assert not any("on track" in str(cell.get("outputs")) for cell in run["cells"])
