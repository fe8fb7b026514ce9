"""Several models on one object, click by click."""

from __future__ import annotations

import numpy as np
import pytest

import sam_widget as sw
from sam_widget.errors import MaskError, ModelError
from sam_widget.predictor.predictor import Predictor


def near(photo: np.ndarray, points: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """A disc around each click, added or removed."""
    mask = np.zeros(photo.shape[:2], bool)
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]]
    for (px, py), label in zip(points, labels, strict=True):
        mask[np.hypot(x - px, y - py) < 20] = bool(label)
    return mask


@pytest.fixture(scope="module")
def panel(predictor: Predictor) -> sw.teach.ModelRace:
    car = sw.teach.scene(6)
    return sw.teach.ModelRace(car.image, masks=car.masks, models={"tiny": predictor, "discs": near}, target=7, most=3)


def test_each_model_is_corrected_where_it_is_wrong(panel: sw.teach.ModelRace, predictor: Predictor) -> None:
    tiny, discs = panel.courses["tiny"], panel.courses["discs"]
    wanted = panel.masks[7]
    assert (tiny.points[0] == discs.points[0]).all(), "the middle of the object"
    assert wanted[int(tiny.points[0][1]), int(tiny.points[0][0])]
    for course in (tiny, discs):
        assert course.masks.shape == (3, *wanted.shape)
        for mask, (x, y), label, iou in zip(
            course.masks[:-1], course.points[1:], course.labels[1:], course.ious, strict=False
        ):
            inside = wanted[int(y), int(x)]
            assert bool(label) == inside
            assert mask[int(y), int(x)] != inside, "on an error of this model's last answer"
            assert iou == pytest.approx((mask & wanted).sum() / (mask | wanted).sum())
    assert discs.scores == (None, None, None)
    answer = predictor.predict(predictor.embed(panel.subject.photo), points=tiny.points[:1], labels=[1])
    assert tiny.scores[0] == pytest.approx(answer.scores[answer.best])
    assert (tiny.masks[0] == answer.masks[answer.best]).all()


def test_the_slider_shows_later_answers_and_another_object_starts_again(panel: sw.teach.ModelRace) -> None:
    course = panel.courses["discs"]
    before = [part.pixels for part in (panel.answers["discs"], panel.difference, panel.chart)]
    panel.clicks.value = 3
    assert panel.courses["discs"] is course
    after = [part.pixels for part in (panel.answers["discs"], panel.difference, panel.chart)]
    assert all((one != other).any() for one, other in zip(before, after, strict=True))
    assert f"discs: true IoU {course.ious[2]:.2f}, no score" in panel._lines["discs"].text
    assert f"score {panel.courses['tiny'].scores[2]:.2f}" in panel._lines["tiny"].text
    panel.choice.value = 0
    assert panel.courses["discs"] is not course


def test_only_differences_are_coloured(photo: np.ndarray) -> None:
    left, all_of_it = (
        lambda _photo, _points, _labels, to=to: np.arange(451) < np.full((300, 1), to) for to in (200, 451)
    )
    panel = sw.teach.ModelRace(
        photo, masks=[np.ones((300, 451), bool)], models={"left": left, "all": all_of_it}, most=1
    )
    shown = panel.difference.pixels.astype(int)
    assert (np.ptp(shown[:, 120:], axis=2) > 30).mean() > 0.9, "in one of them: coloured"
    half = np.asarray(photo)[:, :180].astype(int)
    assert np.abs(shown[:, :90].mean((0, 1)) - half.mean((0, 1))).max() < 5, "in both: the photo"


def test_an_exact_mask_stays(photo: np.ndarray) -> None:
    wanted = np.zeros((300, 451), bool)
    wanted[50:150, 50:150] = True
    panel = sw.teach.ModelRace(
        photo, masks=[wanted], models={"exact": lambda _photo, points, _labels: wanted if len(points) > 1 else ~wanted}
    )
    course = panel.courses["exact"]
    assert course.ious.tolist() == [0, 1, 1, 1, 1]
    assert len(course.points) == len(course.labels) == len(course.ms) == 2
    panel.clicks.value = 5
    assert "true IoU 1.00" in panel._lines["exact"].text


def test_no_model_too_many_and_masks_of_another_size_are_refused(photo: np.ndarray) -> None:
    mask = np.ones(photo.shape[:2], bool)
    for models in ({}, dict.fromkeys("abcde", near)):
        with pytest.raises(ModelError, match="give 1 to 4"):
            sw.teach.ModelRace(photo, masks=[mask], models=models)
    with pytest.raises(MaskError, match=r"at least one \(H, W\) mask"):
        sw.teach.ModelRace(photo, masks=[mask[:5]], models={"a": near})
