"""The command line: what it writes, and one clear sentence for whatever goes wrong."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
import tqdm
from PIL import Image
from tiny import tiny_pipeline

from minisd.__main__ import main
from minisd.sizes import SIZES

SIDE = SIZES["tiny"].image_size


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The folder of a tiny model with random weights, which draws nonsense in milliseconds."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tiny_pipeline().save_pretrained(folder)
    return folder


def run(*arguments):
    """Run a command in a process of its own: (exit code, stdout, stderr)."""
    command = [sys.executable, "-m", "minisd", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True)
    return result.returncode, result.stdout, result.stderr


def draw(model, out, *arguments):
    """Sample in this process with two steps, and read the picture back."""
    code = main(["sample", *arguments, "--model", str(model), "--steps", "2", "--out", str(out)])
    assert code == 0
    return np.asarray(Image.open(out))


def sentence(capsys, *arguments):
    """Run a command that must fail, and return its one line."""
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as stop:  # argparse
        code = stop.code
    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == ""
    assert captured.err.startswith("minisd: ") and captured.err.count("\n") == 1, captured.err
    return captured.err


def test_help_is_quick_and_shows_examples():
    code = (
        "import sys\nfrom minisd.__main__ import main\n"
        "try: main(['sample', '--help'])\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        "assert 'torch' not in sys.modules"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "python -m minisd sample" in result.stdout and "--guidance" in result.stdout


def test_sample_in_a_process_of_its_own(model, tmp_path):
    out = tmp_path / "picture.png"
    code, stdout, stderr = run(
        "sample", "a red circle", "--model", model, "--steps", 2, "--out", out
    )
    assert (code, stderr) == (0, "")
    assert "a red circle" in stdout and str(out) in stdout and re.search(r"\d\.\d s", stdout)
    assert Image.open(out).size == (SIDE, SIDE)


def test_picture_i_uses_seed_plus_i(model, tmp_path):
    prompts = ["a red circle", "two blue squares"]
    both = draw(model, tmp_path / "both.png", *prompts, "--num-images", "2", "--seed", "5")
    assert both.shape == (2 * SIDE, 2 * SIDE, 3)  # four pictures, row by row
    tiles = [tile for row in np.vsplit(both, 2) for tile in np.hsplit(row, 2)]
    for i, prompt in enumerate([prompts[0], prompts[0], prompts[1], prompts[1]]):
        alone = draw(model, tmp_path / "alone.png", prompt, "--seed", str(5 + i))
        # A batch sums in another order than one picture does: a level may round the other way.
        assert np.abs(tiles[i].astype(int) - alone).max() <= 1
    assert np.abs(tiles[0].astype(int) - tiles[1]).max() > 10


def test_options_reach_the_picture(model, tmp_path):
    plain = draw(model, tmp_path / "a.png", "a red circle").astype(int)
    options = [
        ["--guidance", "9"],
        ["--sampler", "ddpm"],
        ["--negative", "a blue ring"],
        ["--seed", "1"],
    ]
    for option in options:
        assert np.abs(draw(model, tmp_path / "b.png", "a red circle", *option) - plain).max() > 0, (
            option
        )
    assert draw(model, tmp_path / "c.png", "a", "--height", "24", "--width", "32").shape == (
        24,
        32,
        3,
    )
    zoomed = draw(model, tmp_path / "d.png", "a red circle", "--zoom", "3")
    assert zoomed.shape == (3 * SIDE, 3 * SIDE, 3) and np.array_equal(
        zoomed, plain.repeat(3, 0).repeat(3, 1)
    )


def test_empty_prompt_is_no_prompt(model, tmp_path, capsys):
    guided = draw(model, tmp_path / "a.png", "", "--guidance", "7").astype(int)
    plain = draw(model, tmp_path / "b.png", "", "--guidance", "1")
    assert np.abs(guided - plain).max() <= 1  # nothing to be guided to
    captured = capsys.readouterr()
    assert "(no prompt)" in captured.out and "note" not in captured.err


@pytest.mark.parametrize(
    ("prompt", "named"),
    [
        ("a red zebra, left of a Blue circle!", ["zebra"]),
        ("ein roter Kreis im Übermaß ☃ 圆", ["ein", "roter", "kreis", "im", "übermaß", "☃", "圆"]),
        ("a circle <|endoftext|> a square", ["<|endoftext|>"]),
        ("all red ink", ["all", "ink"]),  # single tokens: the ends of "small" and "pink"
    ],
)
def test_words_never_seen_are_named(model, tmp_path, capsys, prompt, named):
    draw(model, tmp_path / "a.png", prompt)
    notes = capsys.readouterr().err.splitlines()
    assert notes[0] == "note: no training caption had: " + ", ".join(named)


def test_long_prompt_is_cut_and_said(model, tmp_path, capsys):
    draw(model, tmp_path / "a.png", "a red circle " * 1000 + "and a square")
    notes = capsys.readouterr().err.splitlines()
    assert len(notes) == 1 and "too long" in notes[0] and len(notes[0]) < 200


def test_a_long_unknown_word_stays_one_short_line(model, tmp_path, capsys):
    draw(model, tmp_path / "a.png", "x" * 10_000)
    notes = capsys.readouterr().err.splitlines()
    assert len(notes) == 2 and max(map(len, notes)) < 200


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--steps", "-3"], "'-3'"),
        (["--steps", "0"], "'0'"),
        (["--steps", "1001"], "1000"),
        (["--seed", "-1"], "'-1'"),
        (["--num-images", "two"], "'two'"),
        (["--guidance", "nan"], "'nan'"),
        (["--sampler", "euler2"], "euler2"),
        (["--device", "tpu"], "tpu"),
        (["--height", "17"], "17"),
        (["--wrong", "1"], "--wrong"),
    ],
)
def test_wrong_options(model, tmp_path, capsys, arguments, says):
    out = tmp_path / "a.png"
    said = sentence(capsys, "sample", "a", "--model", model, "--out", out, *arguments)
    assert says in said
    assert not out.exists()


def test_no_cuda_is_said(model, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    said = sentence(
        capsys, "sample", "a", "--model", model, "--device", "cuda", "--out", tmp_path / "a.png"
    )
    assert "--device cpu" in said


@pytest.mark.parametrize(
    ("name", "says"), [("missing/a.png", "missing"), ("a.jpg", ".png"), ("a", ".png")]
)
def test_bad_output_file_is_refused_before_drawing(tmp_path, capsys, name, says):
    # The model does not exist either: the output is looked at first.
    said = sentence(capsys, "sample", "a", "--model", "no-model", "--out", tmp_path / name)
    assert says in said


@pytest.mark.parametrize("command", ["sample", "evaluate"])
def test_missing_model(tmp_path, capsys, command):
    arguments = {"sample": ["a", "--out", tmp_path / "a.png", "--model"], "evaluate": []}[command]
    said = sentence(capsys, command, *arguments, "no-such-model")
    assert "no-such-model" in said and "shapes32" in said
    assert "download stable-diffusion-v1-5/stable-diffusion-v1-5" in said
    assert "license CreativeML OpenRAIL-M" in said and "no safety checker runs" in said


def test_no_model_given(tmp_path, capsys):
    said = sentence(capsys, "sample", "a", "--out", tmp_path / "a.png", "--model")
    assert "--model needs" in said and "stable-diffusion-v1-5/stable-diffusion-v1-5" in said


def test_sample_says_time_and_peak_memory(model, tmp_path, capsys):
    draw(model, tmp_path / "a.png", "a red circle", "--dtype", "bfloat16")
    said = capsys.readouterr().out.splitlines()[-1]
    found = re.search(r"1 picture in \d+\.\d s, at most (\d+\.\d) GB of memory -> ", said)
    assert found and 0.05 < float(found[1]) < 100


def test_progress_bar_counts_the_steps(model, tmp_path, monkeypatch):
    bars = []

    class Bar(tqdm.tqdm):
        def close(self):
            bars.append((self.n, self.total))
            super().close()

    monkeypatch.setattr(tqdm, "tqdm", Bar)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    draw(model, tmp_path / "a.png", "a red circle", "--sampler", "heun")
    assert (2, 2) in bars


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("model_index.json", None),
        ("model_index.json", b"{"),
        ("unet/diffusion_pytorch_model.safetensors", b""),
        ("vae/config.json", b"[1, 2"),
        ("tokenizer/vocab.json", b"[]"),
        ("tokenizer/vocab.json", b"\xff"),
        ("tokenizer/merges.txt", None),
        ("scheduler/scheduler_config.json", None),
        ("text_encoder/config.json", b'{"hidden_size": 7}'),
    ],
)
def test_broken_model(model, tmp_path, capsys, file, content):
    broken = tmp_path / "broken"
    for path in model.rglob("*"):
        if path.is_file():
            (broken / path.relative_to(model)).parent.mkdir(parents=True, exist_ok=True)
            (broken / path.relative_to(model)).write_bytes(path.read_bytes())
    assert (broken / file).exists()
    (broken / file).unlink()
    if content is not None:
        (broken / file).write_bytes(content)
    said = sentence(capsys, "sample", "a", "--model", broken, "--out", tmp_path / "a.png")
    assert len(said) > len("minisd: ") + 10


def test_no_traceback_from_a_process_of_its_own(tmp_path):
    code, stdout, stderr = run("sample", "a", "--model", "no-model", "--out", tmp_path / "a.png")
    assert (code, stdout) == (2, "")
    assert stderr.startswith("minisd: ") and stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--preset", "huge", "--steps", "1"], "huge"),
        (["--preset", "tiny"], "--minutes"),
        (["--preset", "tiny", "--steps", "1", "--minutes", "1"], "--minutes"),
        (["--preset", "tiny", "--steps", "-1"], "'-1'"),
        (["--preset", "tiny", "--minutes", "0"], "'0'"),
        (["--preset", "tiny", "--minutes", "inf"], "'inf'"),
        (["--preset", "tiny", "--steps", "1", "--from", "nowhere"], "nowhere"),
        (["--preset", "tiny", "--steps", "1", "--from", "shapes32"], "another UNet"),
    ],
)
def test_train_refuses(tmp_path, capsys, arguments, says):
    assert says in sentence(capsys, "train", "--out", tmp_path / "run", *arguments)
    assert not (tmp_path / "run" / "model").exists()


def test_interrupted_training_says_how_to_go_on(tmp_path, capsys, monkeypatch):
    def stop(*arguments, **options):
        (tmp_path / "plan.json").touch()  # the run has begun
        raise KeyboardInterrupt

    monkeypatch.setattr("minisd.runs.train", stop)
    assert main(["train", "--preset", "tiny", "--steps", "1", "--out", str(tmp_path)]) == 130
    assert "--resume" in capsys.readouterr().err


def test_a_fault_of_the_program_is_not_hidden(monkeypatch, tmp_path):
    def fail(*arguments, **options):
        raise KeyError("a bug")

    monkeypatch.setattr("minisd.runs.train", fail)
    with pytest.raises(KeyError):
        main(["train", "--preset", "tiny", "--steps", "1", "--out", str(tmp_path)])


def test_evaluate_prints_a_table_and_writes_json(model, tmp_path, capsys, monkeypatch):
    options = {}

    def score(pipe, **given):
        options.update(given, device=pipe.device.type)
        return {"seen": {"overall": 0.5}}

    monkeypatch.setattr("minisd.evaluate.evaluate", score)
    monkeypatch.setattr(
        "minisd.evaluate.format_table", lambda result: f"table of {result['model']}"
    )
    out = tmp_path / "scores.json"
    arguments = [
        "--prompts",
        "7",
        "--seed",
        "3",
        "--steps",
        "5",
        "--guidance",
        "2",
        "--device",
        "cpu",
    ]
    assert main(["evaluate", str(model), *arguments, "--json", str(out)]) == 0
    assert json.loads(out.read_text()) == {"model": str(model), "seen": {"overall": 0.5}}
    assert f"table of {model}" in capsys.readouterr().out
    assert options == {"prompts": 7, "seed": 3, "steps": 5, "guidance": 2.0, "sampler": "ddim",
                       "device": "cpu"}  # fmt: skip


def test_sampling_never_imports_the_checker(model, tmp_path):
    arguments = ["sample", "a red zebra", "--model", str(model), "--steps", "1"]
    code = (
        "import sys\nfrom minisd.__main__ import main\n"
        f"assert main({[*arguments, '--out', str(tmp_path / 'a.png')]!r}) == 0\n"
        "assert 'minisd.world' in sys.modules and 'minisd.world.checker' not in sys.modules"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
