import csv
import io

import matplotlib.pyplot
import numpy as np
import pytest
import torch

from minisd import plot


def pictures(n, height=4, width=6):
    generator = torch.Generator().manual_seed(n)
    shape = (n, height, width, 3)
    return torch.randint(256, shape, generator=generator, dtype=torch.uint8).numpy()


def drawn(figure):
    """Draw it to memory, so that a figure that cannot be drawn fails its test."""
    figure.savefig(io.BytesIO())


def test_to_uint8_reads_both_forms_alike():
    images = pictures(5)
    np.testing.assert_array_equal(plot.to_uint8(images), images)
    np.testing.assert_array_equal(plot.to_uint8(torch.from_numpy(images)), images)
    floats = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
    np.testing.assert_array_equal(plot.to_uint8(floats.requires_grad_()), images)
    np.testing.assert_array_equal(plot.to_uint8(floats.detach().double().numpy()), images)
    assert plot.to_uint8(torch.full((1, 1, 2, 2), 7.0)).tolist() == [[[[255] * 3] * 2] * 2]
    assert plot.to_uint8(torch.full((1, 1, 2, 2), -7.0)).max() == 0


def test_to_uint8_names_what_it_wanted():
    for wrong in (pictures(1)[0], torch.zeros(1, 4, 8, 8), torch.zeros(1, 3, 8, 8).int()):
        with pytest.raises(ValueError, match="expected uint8"):
            plot.to_uint8(wrong)


def test_tile_puts_every_picture_in_its_place():
    images = pictures(5)
    sheet = plot.tile(images, columns=2, gap=3)
    assert sheet.shape == (3 * 4 + 2 * 3, 2 * 6 + 3, 3) and sheet.dtype == np.uint8
    for i, image in enumerate(images):
        top, left = i // 2 * 7, i % 2 * 9
        np.testing.assert_array_equal(sheet[top : top + 4, left : left + 6], image)
    assert (sheet[-4:, -6:] == 255).all()  # the sixth place is empty
    assert (sheet[4:7] == 255).all() and (sheet[:, 6:9] == 255).all()


def test_tile_of_one_is_the_picture_itself_and_of_four_a_square():
    np.testing.assert_array_equal(plot.tile(pictures(1), gap=5), pictures(1)[0])
    assert plot.tile(pictures(4)).shape == (8, 12, 3)
    assert plot.tile(pictures(3), columns=9).shape == (4, 18, 3)
    for wrong in (lambda: plot.tile(pictures(0)), lambda: plot.tile(pictures(2), columns=0)):
        with pytest.raises(ValueError):
            wrong()


def test_image_grid_shows_pictures_unsmoothed_with_their_captions():
    images, captions = pictures(3), ["a red circle", "a very long caption " * 4, "three stars"]
    figure = plot.image_grid(images, captions, columns=2)
    assert len(figure.axes) == 4
    for ax, image, caption in zip(figure.axes, images, captions):
        (shown,) = ax.images
        np.testing.assert_array_equal(shown.get_array(), image)
        assert shown.get_interpolation() == "nearest"
        assert ax.get_xlabel().split() == caption.split()
        assert max(map(len, ax.get_xlabel().split("\n"))) < 30
    assert not figure.axes[3].images
    drawn(figure)
    with pytest.raises(ValueError, match="one caption a picture"):
        plot.image_grid(images, captions[:2])


def test_strips_label_each_column_with_its_timestep():
    states = torch.rand(4, 3, 8, 8) * 2 - 1
    figure = plot.noising_strip(states, torch.tensor([0, 250, 500, 999]))
    assert [ax.get_xlabel() for ax in figure.axes] == ["t = 0", "t = 250", "t = 500", "t = 999"]
    figure = plot.denoising_strip(states, [999, 500.5, 250, 0], noisy=states.flip(0))
    assert len(figure.axes) == 8
    np.testing.assert_array_equal(
        figure.axes[0].images[0].get_array(), plot.to_uint8(states[3:])[0]
    )
    np.testing.assert_array_equal(figure.axes[4].images[0].get_array(), plot.to_uint8(states)[0])
    assert figure.axes[5].get_xlabel() == "t = 500.5" and figure.axes[1].get_xlabel() == ""
    with pytest.raises(ValueError, match="one timestep a picture"):
        plot.noising_strip(states, [0, 1])


def test_loss_curve_smooths_with_the_mean_of_the_past():
    losses = np.arange(100.0) % 7
    figure = plot.loss_curve(range(100), losses)
    raw, mean = (line.get_ydata() for line in figure.axes[0].lines)
    np.testing.assert_array_equal(raw, losses)
    expected = [losses[max(0, i - 4) : i + 1].mean() for i in range(100)]
    np.testing.assert_allclose(mean, expected, rtol=1e-9, atol=1e-9)
    drawn(plot.loss_curve([0], [1.0]))
    drawn(plot.loss_curve([0, 1], [1.0, float("nan")]))
    with pytest.raises(ValueError, match="a step for each loss"):
        plot.loss_curve([0, 1], [1.0])


def test_score_curves_read_rows_and_file_alike(tmp_path):
    rows = [
        {"minute": 1, "step": 10, "count": 0.5, "relation": "", "overall": 0.1},
        {"minute": 2, "step": 20, "count": 0.9, "relation": 0.4, "overall": 0.3},
    ]
    with open(tmp_path / "scores.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    for figure in (plot.score_curves(rows), plot.score_curves(tmp_path / "scores.csv")):
        lines = {line.get_label(): line for line in figure.axes[0].lines}
        assert list(lines) == ["count", "relation", "overall"]
        np.testing.assert_array_equal(lines["relation"].get_ydata(), [np.nan, 0.4])
        np.testing.assert_array_equal(lines["overall"].get_xdata(), [1, 2])
        styles = {(line.get_color(), line.get_linestyle()) for line in lines.values()}
        assert len(styles) == 3
        drawn(figure)


def test_obedience_bars_are_as_high_as_the_scores():
    def part(score):
        category = {"score": score, "interval": [score - 0.05, score + 0.02], "prompts": 4}
        return {
            "overall": score,
            "overall_interval": [score - 0.01, score + 0.01],
            "categories": {"counting": category, "size": category},
        }

    figure = plot.obedience_bars({"seen": part(0.9), "held_out": part(0.7), "vae_ceiling": 0.99})
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    np.testing.assert_allclose(heights, [0.9] * 3 + [0.7] * 3)
    drawn(figure)


def test_curve_draws_any_number_of_lines():
    lines = {f"line {i}": np.arange(5) * i for i in range(9)}
    figure = plot.curve(range(5), lines, xlabel="t")
    assert [line.get_label() for line in figure.axes[0].lines] == list(lines)
    drawn(figure)


def test_figures_show_in_a_notebook_and_none_stays_open():
    figure = plot.curve([0, 1], {"y": [0, 1]})
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert matplotlib.pyplot.get_fignums() == []


def test_machine_map_lights_one_notebooks_parts():
    def bold(figure):
        texts = figure.axes[0].texts
        return {text.get_text() for text in texts if text.get_fontweight() == "bold"}

    for number in range(11):
        figure = plot.machine_map(lit=f"{number:02}")
        drawn(figure)
        assert bool(bold(figure)) == (number > 0)
        assert all(f"{number:02}" in text for text in bold(figure) if number in (1, 2, 3, 5, 6))
    assert bold(plot.machine_map("01")) == {"attention 01"}
    with pytest.raises(ValueError, match="expected a notebook"):
        plot.machine_map(lit="1")


def test_attention_maps_show_a_panel_for_the_picture_and_each_word():
    maps = torch.rand(3, 8, 8)
    figure = plot.attention_maps(
        torch.zeros(32, 32, 3, dtype=torch.uint8), ["a", "red", "ring"], maps
    )
    assert [ax.get_xlabel() for ax in figure.axes] == ["picture", "a", "red", "ring"]
    shown = torch.as_tensor(figure.axes[2].images[0].get_array())
    torch.testing.assert_close(shown, maps[1])
    assert {tuple(ax.images[0].get_clim()) for ax in figure.axes[1:]} == {(0, maps.max().item())}
    with pytest.raises(ValueError, match="one map a word"):
        plot.attention_maps(torch.zeros(32, 32, 3, dtype=torch.uint8), ["a"], maps)
