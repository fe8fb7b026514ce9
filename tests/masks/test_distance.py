from __future__ import annotations

import numpy as np
import pytest

from sam_widget.masks import distance
from sam_widget.masks.distance import inner_distance, next_click


def test_the_border_of_the_image_counts_as_outside() -> None:
    depth = inner_distance(np.ones((5, 7), bool))
    assert depth.shape == (5, 7)
    assert depth[0].max() == pytest.approx(1, abs=0.05)
    assert depth.argmax() // 7 == 2


def test_without_opencv_the_distances_are_about_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    region = np.random.default_rng(0).random((40, 40)) > 0.02
    fast = inner_distance(region)
    monkeypatch.setattr(distance, "cv2", None)
    np.testing.assert_allclose(inner_distance(region), fast, rtol=0.06, atol=0.06)


def test_a_click_is_where_the_error_is_deepest() -> None:
    wanted = np.zeros((20, 30), bool)
    wanted[5:15, 5:15] = True
    point, label = next_click(np.zeros_like(wanted), wanted)
    assert label == 1
    assert wanted[int(point[1]), int(point[0])]
    spilled = wanted.copy()
    spilled[:, 18:] = True
    point, label = next_click(spilled, wanted)
    assert label == 0
    assert point[0] > 18
