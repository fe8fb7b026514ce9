"""The evaluation protocol, on masks whose answers are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sam_widget as sw
from sam_widget.learn.__main__ import main
from sam_widget.learn.evaluate import Answer, Disc, ModelMethod, Sample, evaluate, next_click, samples, table


class Oracle:
    """Answers with the truth from the second click on, and with nothing before; sure of itself either way."""

    name = "oracle"

    def __init__(self, mask: np.ndarray) -> None:
        self.mask = mask
        self.clicks: list[tuple[float, float, int]] = []

    def start(self, _image: np.ndarray) -> None:
        self.clicks = []

    def answer(self, points: np.ndarray, labels: np.ndarray, box: np.ndarray | None) -> Answer:
        if box is not None:
            return Answer(self.mask[None], np.array([1.0]))
        self.clicks.append((*points[-1], int(labels[-1])))
        right = self.mask if len(points) > 1 else np.zeros_like(self.mask)
        return Answer(np.stack([right, self.mask]), np.array([0.9, 0.1]))


@pytest.fixture
def square() -> Sample:
    mask = np.zeros((40, 60), bool)
    mask[10:21, 20:31] = True
    return Sample("square", np.zeros((40, 60, 3), np.uint8), mask)


def test_the_first_click_is_the_centre_and_figures_are_right(square: Sample) -> None:
    oracle = Oracle(square.mask)
    figures = evaluate(oracle, [square])
    assert oracle.clicks[0] == (25.5, 15.5, 1)
    assert figures.clicks == [[0.0, 1.0, 1.0, 1.0, 1.0]]
    assert figures.oracle == [1.0]
    assert figures.box == [1.0]
    assert np.mean(figures.score_error) == pytest.approx((0 + 0.9 + 4 * 0.1) / 6)
    assert "| oracle | 0.000 | 1.000 | 1.000 | 1.000 | 1.000 |" in table([figures])


def test_the_next_click_is_in_the_deepest_error(square: Sample) -> None:
    spilled = np.ones_like(square.mask)
    point, label = next_click(spilled, square.mask)
    assert label == 0
    assert not square.mask[int(point[1]), int(point[0])]
    half = square.mask.copy()
    half[:, 24:] = False
    point, label = next_click(half, square.mask)
    assert label == 1
    assert square.mask[int(point[1]), int(point[0])]
    assert point[0] > 24


def test_the_disc(square: Sample) -> None:
    disc = Disc()
    disc.start(square.image)
    answer = disc.answer(np.array([[30.0, 20.0], [33.0, 20.0]]), np.array([1, 0]), None)
    (mask,) = answer.masks
    assert mask[20, 25]
    assert not mask[20, 33]
    assert not mask[5, 5]
    (box,) = disc.answer(np.zeros((0, 2)), np.zeros(0), np.array([20, 10, 31, 21])).masks
    np.testing.assert_array_equal(box, square.mask)


def write_photos(folder: Path, photo: np.ndarray) -> None:
    (folder / "images").mkdir()
    (folder / "masks").mkdir()
    Image.fromarray(photo).save(folder / "images/cat.png")
    mask = np.zeros(photo.shape[:2], bool)
    mask[80:200, 90:280] = True
    Image.fromarray(mask).save(folder / "masks/cat_0.png")
    Image.fromarray(~mask).save(folder / "masks/cat_1.png")


def test_the_model_is_measured_through_the_public_predictor(
    tmp_path: Path, photo: np.ndarray, predictor: sw.Predictor
) -> None:
    write_photos(tmp_path, photo)
    data = list(samples(tmp_path))
    assert [sample.name for sample in data] == ["cat_0", "cat_1"]
    figures = evaluate(ModelMethod(predictor), data)
    assert np.array(figures.clicks).shape == (2, 5)
    assert all(best >= course[0] - 1e-9 for best, course in zip(figures.oracle, figures.clicks, strict=True))


def test_the_command_prints_the_table(tmp_path: Path, photo: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    write_photos(tmp_path, photo)
    assert main(["evaluate", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "2 masks on 1 photos" in printed
    assert "| tiny |" in printed
    assert "| disc |" in printed


def test_a_wrong_folder_is_a_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(tmp_path)]) == 1
    assert "images/NAME.jpg" in capsys.readouterr().err
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "images/a.png")
    Image.fromarray(np.zeros((3, 4), bool)).save(tmp_path / "masks/a_0.png")
    assert main(["evaluate", str(tmp_path)]) == 1
    assert "a_0.png" in capsys.readouterr().err
