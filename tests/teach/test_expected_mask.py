"""Drawing an expectation, and comparing it with the three masks."""

from __future__ import annotations

import numpy as np
import pytest

from sam_widget.errors import MaskError
from sam_widget.predictor.predictor import Predictor
from sam_widget.teach.drawing import YOURS
from sam_widget.teach.expected_mask import ExpectedMask
from tests.teach.test_picture import event

CLICKS = [(200, 200), (162, 117)]


@pytest.fixture
def panel(photo: np.ndarray, predictor: Predictor) -> ExpectedMask:
    return ExpectedMask(photo, clicks=CLICKS, model=predictor)


def test_a_drawing_is_compared_with_each_mask(panel: ExpectedMask, photo: np.ndarray, predictor: Predictor) -> None:
    answer = predictor.predict(predictor.embed(photo), points=[CLICKS[0]])
    ys, xs = np.nonzero(answer.masks[2])
    panel.draw([(xs.min(), ys.min()), (xs.max() + 1, ys.min()), (xs.max() + 1, ys.max() + 1), (xs.min(), ys.max() + 1)])
    assert panel.drawing.sum() == pytest.approx((np.ptp(xs) + 1) * (np.ptp(ys) + 1), rel=0.02)
    found = panel.reveal()
    for number, mask in enumerate(answer.masks):
        exact = (mask & panel.drawing).sum() / (mask | panel.drawing).sum()
        assert found.ious[number] == pytest.approx(exact)
    assert found.nearest == 2
    assert panel.kept == [found]
    assert f"{answer.scores[2]:.2f}" in panel._lines[2].text
    assert "mask 3 is nearest to yours" in panel.note.text


def test_nothing_is_revealed_before_something_is_drawn(panel: ExpectedMask) -> None:
    before = [picture.pixels for picture in panel.answers]
    with pytest.raises(MaskError, match="nothing is drawn"):
        panel.reveal()
    panel.show_button.click()
    assert "Draw first" in panel.note.text
    assert all((picture.pixels == old).all() for picture, old in zip(panel.answers, before, strict=True))
    assert panel.kept == []


def test_the_mouse_drags_an_outline_or_clicks_corners(panel: ExpectedMask) -> None:
    paper = panel.paper
    scale = paper.width / panel.subject.size[0]

    def at(x: float, y: float) -> dict[str, float]:
        return {"x": x * scale, "y": y * scale}

    event(paper, "mouse_down", **at(100, 100))
    for x, y in ((200, 100), (200, 200), (100, 200)):
        event(paper, "mouse_move", **at(x, y))
    event(paper, "mouse_up", **at(100, 200))
    assert panel.drawing.sum() == pytest.approx(10_000, rel=0.03)
    for x, y in ((300, 100), (340, 100), (340, 140), (300, 140)):
        event(paper, "mouse_down", **at(x, y))
        event(paper, "mouse_up", **at(x, y))
    assert panel.drawing[120, 320]
    assert panel.drawing.sum() == pytest.approx(11_600, rel=0.03)
    yellow = np.abs(paper.pixels[int(120 * scale), int(320 * scale)].astype(int) - YOURS).sum()
    assert yellow < 300
    panel.clear_button.click()
    assert not panel.drawing.any()


def test_the_next_click_starts_without_a_drawing(panel: ExpectedMask) -> None:
    panel.draw([(0, 0), (9, 0), (9, 9)])
    panel.next_button.click()
    assert panel.click == CLICKS[1]
    assert not panel.drawing.any()
    panel.next_button.click()
    assert panel.click == CLICKS[0]
