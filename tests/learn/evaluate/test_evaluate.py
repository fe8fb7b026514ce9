"""The evaluation protocol, on masks whose answers are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sam_widget as sw
from sam_widget.learn.__main__ import main
from sam_widget.learn.evaluate.evaluate import Answer, ModelMethod, Sample, evaluate, samples
from sam_widget.learn.evaluate.report import calibration, contact_sheet, intervals, table, write
from sam_widget.masks.distance import next_click


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
    assert figures.score_error == pytest.approx((0 + 0.9 + 4 * 0.1) / 6)
    assert "| oracle | 0.000 | 1.000 | 1.000 | 1.000 | 1.000 | - | - | 0.217 |" in table([figures])
    first, last, boxed = figures.masks(0)
    assert not first.any()
    np.testing.assert_array_equal(last, square.mask)
    np.testing.assert_array_equal(boxed, square.mask)


class Slow(Oracle):
    """Adds a row of the truth with each click."""

    def answer(self, points: np.ndarray, _labels: np.ndarray, box: np.ndarray | None) -> Answer:
        rows = np.cumsum(self.mask.any(1))[:, None]
        return Answer((self.mask & (rows <= len(points)) if box is None else self.mask)[None])


def test_clicks_are_counted_to_85_and_90(square: Sample) -> None:
    figures = evaluate(Slow(square.mask), [square], clicks=20)
    (course,) = figures.clicks
    assert course == [pytest.approx(n / 11) for n in range(1, 11)]  # ended at 10 of 11 rows, which is over 0.90
    assert figures.clicks_to(0.85).tolist() == [10]
    assert figures.clicks_to(0.95).tolist() == [20]
    assert "| 10.0 | 10.0 |" in table([figures])
    figures = evaluate(Slow(square.mask), [square], clicks=7)
    assert len(figures.clicks[0]) == 7
    assert "| - | - |" in table([figures])
    with pytest.raises(sw.SamWidgetError, match="need 5 or more"):
        evaluate(Slow(square.mask), [square], clicks=4)


def test_answers_are_grouped_by_their_score(square: Sample) -> None:
    figures = evaluate(Oracle(square.mask), [square])
    predicted, true, count = calibration(figures)
    np.testing.assert_allclose(predicted, [5.5 / 6])  # 0.9 five times and 1.0 share the last bin
    np.testing.assert_allclose(true, [5 / 6])
    assert count.tolist() == [6]
    predicted, true, count = calibration(figures, bins=20)
    np.testing.assert_allclose(predicted, [0.9, 1.0])
    np.testing.assert_allclose(true, [0.8, 1.0])
    assert count.tolist() == [5, 1]


def test_contact_sheets_show_the_worst_or_the_best_first(square: Sample) -> None:
    hard = Sample("hard", np.full((40, 60, 3), 200, np.uint8), square.mask)
    figures = evaluate(Slow(square.mask), [square])
    other = evaluate(Oracle(square.mask), [hard])
    for name in ("samples", "clicks", "box", "answers", "points", "outlines"):
        getattr(other, name).extend(getattr(figures, name))
    sheet = contact_sheet(other, count=1, height=40)
    assert sheet.shape == (64, 5 * 64, 3)
    assert (sheet[24, 4] == 0).all(), "the black photo, which the slow method fails on"
    assert len(contact_sheet(other, count=8, height=40)) == 2 * 64
    best = contact_sheet(other, best=True, count=1, height=40)
    assert (best[24, 4] > 0).all(), "the light photo, which is answered perfectly"


def test_intervals_name_the_difference(square: Sample) -> None:
    figures = [evaluate(Oracle(square.mask), [square]), evaluate(Slow(square.mask), [square])]
    figures[1].name = "slow"
    said = intervals(figures).splitlines()
    assert len(said) == 5
    assert said[2].startswith("| oracle | ")
    assert said[4].startswith("| oracle above slow | ")
    assert "outline F, 5 clicks" in said[0]


def test_all_is_written(square: Sample, tmp_path: Path) -> None:
    figures = [evaluate(Oracle(square.mask), [square]), evaluate(Slow(square.mask), [square], clicks=20)]
    figures[1].name = "../slow one"
    write(figures, tmp_path / "out")
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [
        "best-..-slow-one.png",
        "best-oracle.png",
        "failures-..-slow-one.png",
        "failures-oracle.png",
        "reliability.png",
        "samples.csv",
    ]
    lines = (tmp_path / "out/samples.csv").read_text().splitlines()
    assert lines[0] == "method,sample,box,oracle_1," + ",".join(f"click_{n}" for n in range(1, 11))
    assert lines[1] == "oracle,square,1.0000,1.0000,0.0000,1.0000,1.0000,1.0000,1.0000,,,,,"
    assert lines[2].startswith("../slow one,square,1.0000,0.0909,0.0909,0.1818,")
    assert Image.open(tmp_path / "out/reliability.png").size > (300, 300)


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


def write_photos(folder: Path, photo: np.ndarray) -> None:
    (folder / "images").mkdir()
    (folder / "masks").mkdir()
    Image.fromarray(photo).save(folder / "images/cat.png")
    mask = np.zeros(photo.shape[:2], bool)
    mask[len(mask) // 4 : len(mask) * 2 // 3, mask.shape[1] // 5 : mask.shape[1] * 3 // 5] = True
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
    write_photos(tmp_path, np.ascontiguousarray(photo[::3, ::3]))
    out = tmp_path / "report"
    assert main(["evaluate", str(tmp_path), "--rivals", "disc", "felzenszwalb", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "2 masks on 1 photos" in printed
    means, sure = printed.split("with 95% intervals")
    rows = {line.split("|")[1].strip(): line for line in means.splitlines() if line.startswith("| ")}
    assert set(rows) == {"", "---", "tiny", "disc", "Felzenszwalb"}
    assert "| tiny above disc |" in sure
    assert rows["disc"].count(" - ") == 3, "no NoC with 5 clicks, no score"
    assert " - " not in rows["tiny"], "20 clicks, and a score"
    assert (out / "failures-tiny.png").exists()
    assert main(["evaluate", str(tmp_path), "--rivals", "watershed"]) == 1
    assert "random-walker" in capsys.readouterr().err


def test_a_wrong_folder_is_a_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(tmp_path)]) == 1
    assert "images/NAME.jpg" in capsys.readouterr().err
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "images/a.png")
    Image.fromarray(np.zeros((3, 4), bool)).save(tmp_path / "masks/a_0.png")
    assert main(["evaluate", str(tmp_path)]) == 1
    assert "a_0.png" in capsys.readouterr().err
