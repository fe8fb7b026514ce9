"""Outlines are compared within a tolerance, and means are as sure as the photos behind them."""

from __future__ import annotations

import numpy as np
import pytest

from sam_widget.learn.evaluate.certainty import bootstrap, boundary_f


def square(top: int, left: int, side: int) -> np.ndarray:
    mask = np.zeros((200, 300), bool)
    mask[top : top + side, left : left + side] = True
    return mask


def test_an_outline_within_the_tolerance_is_the_same() -> None:
    wanted = square(50, 50, 80)
    assert boundary_f(wanted, wanted) == 1
    assert boundary_f(square(51, 52, 80), wanted) == pytest.approx(1)  # 0.8% of the diagonal are 2.9 pixels.
    assert 0 < boundary_f(square(50, 60, 80), wanted) < 0.8
    assert boundary_f(square(0, 200, 40), wanted) == 0
    assert boundary_f(wanted & False, wanted) == 0
    assert boundary_f(wanted & False, wanted & False) == 1


def test_the_border_of_the_photo_is_no_outline() -> None:
    left = np.zeros((200, 300), bool)
    left[:, :150] = True
    longer = left.copy()
    longer[:, :151] = True
    assert boundary_f(left, longer) == pytest.approx(1)
    assert boundary_f(np.ones((200, 300), bool), left) == 0


def test_photos_are_resampled_and_not_samples() -> None:
    values = np.array([0.0] * 50 + [1.0] * 50)
    alone, together = [f"{k}" for k in range(100)], [f"{k // 50}" for k in range(100)]
    low, high = bootstrap(values, alone)
    assert low == pytest.approx(0.4, abs=0.03)
    assert high == pytest.approx(0.6, abs=0.03)
    assert bootstrap(values, together) == (0, 1)
