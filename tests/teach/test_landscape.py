"""A grid of clicks: scores, levels and agreement."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sam_widget.predictor.predictor import Predictor
from sam_widget.teach.landscape import ClickLandscape, agreement_of


@pytest.fixture(scope="module")
def panel(photo: np.ndarray, predictor: Predictor) -> ClickLandscape:
    found = ClickLandscape(photo, model=predictor, side=6)
    found.run()
    return found


def test_each_cell_has_the_answer_to_its_click(panel: ClickLandscape, photo: np.ndarray, predictor: Predictor) -> None:
    logits, scores, which = predictor.masks_at(predictor.embed(photo), panel.points)
    assert list(which) == [number for number in range(36) for _ in range(3)]
    each = scores.numpy().reshape(36, 3)
    assert panel.score.ravel() == pytest.approx(each.max(axis=1), abs=1e-5)
    assert (panel.level.ravel() == each.argmax(axis=1)).all()
    low = predictor.unpad(logits.numpy(), predictor.embed(photo).image_size)[:3] > 0
    pairs = [(low[a] & low[b]).sum() / (low[a] | low[b]).sum() for a, b in ((0, 1), (0, 2), (1, 2))]
    assert panel.agreement[0, 0] == pytest.approx(np.mean(pairs), abs=1e-5)
    assert tuple(panel.points[7]) == (pytest.approx(451 * 1.5 / 6), 75)


def test_equal_masks_agree_and_disjoint_ones_do_not() -> None:
    masks = np.zeros((2, 3, 4, 4), bool)
    masks[0, :, :2] = True
    for number in range(3):
        masks[1, number, number] = True
    assert agreement_of(masks) == pytest.approx([1, 0])


def test_the_overlay_shows_what_is_selected(panel: ClickLandscape, photo: np.ndarray) -> None:
    seen = {}
    for name in ("score", "level", "agreement"):
        panel.view.value = name
        seen[name] = panel.map.pixels
        assert panel.overlay().shape == photo.shape
    assert (seen["score"] != seen["level"]).any()
    assert (seen["score"] != seen["agreement"]).any()


def test_the_answer_under_the_pointer_is_shown(panel: ClickLandscape) -> None:
    panel.look_at(200, 140)
    first = panel.mask.pixels
    panel.look_at(440, 20)
    assert (first != panel.mask.pixels).any()
    assert f"{panel.score[0, 5]:.2f}" in panel.here.text


def test_it_streams_and_runs_once_at_a_time(photo: np.ndarray, predictor: Predictor) -> None:
    panel = ClickLandscape(photo, model=predictor, side=8)
    known: list[int] = []
    show = panel.map.show

    def showing(*given: object, **options: object) -> None:
        known.append(int((~np.isnan(panel.score)).sum()))
        show(*given, **options)  # type: ignore[arg-type]

    panel.map.show = showing  # type: ignore[method-assign, assignment]
    threads = [panel.start(), panel.start()]
    for thread in threads:
        thread.join(60)
    assert known == [24, 48, 64]
    assert "64 clicks in" in panel.note.text


def test_one_core_is_used_and_the_others_afterwards(photo: np.ndarray, predictor: Predictor) -> None:
    panel = ClickLandscape(photo, model=predictor, side=4)
    before = torch.get_num_threads()
    used: list[int] = []
    panel.map.show = lambda *_given, **_options: used.append(torch.get_num_threads())  # type: ignore[method-assign]
    torch.set_num_threads(3)
    try:
        panel.run()
        assert used == [1]
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
