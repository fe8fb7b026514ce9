"""Filling of polygons and ellipses, against the centres of pixels; what is far off or not a number."""

from __future__ import annotations

import numpy as np
import pytest

from sam_widget.errors import MaskError
from sam_widget.masks.runs import mask_from_runs
from sam_widget.masks.scanlines import checked_points, clipped, runs_from_ellipse, runs_from_polygons, runs_from_turns

RANDOM = np.random.default_rng(4)


def test_clipping_leaves_what_is_near_alone() -> None:
    ring = RANDOM.uniform(-30, 60, (12, 2))
    assert clipped(ring, 30, 30) is ring


@pytest.mark.parametrize("far", [1e3, 1e8, 1e300])
def test_a_corner_far_off_changes_no_pixel_of_the_image(far: float) -> None:
    ring = np.array([(10.0, 10.0), (far, 10.0), (far, far), (10.0, far)])
    near = clipped(ring, 40, 50)
    assert near.min() >= -50
    assert near.max() <= 100
    mask = mask_from_runs(runs_from_polygons([ring], 40, 50), 40, 50)
    assert mask[10:, 10:].all()
    assert mask.sum() == 30 * 40


@pytest.mark.parametrize(
    "ring", [[(0, np.nan), (1, 1), (2, 2)], [(np.inf, 0), (1, 1), (2, 2)], [1, 2, 3], [("a", "b")]]
)
def test_corners_are_finite_pairs(ring: object) -> None:
    with pytest.raises(MaskError, match="a polygon has"):
        checked_points(ring)  # type: ignore[arg-type]


def test_turns_at_one_place_cancel() -> None:
    # In a mask 4 pixels wide: on at 1, off at 3 of row 0; twice at 2 of row 1, which is nothing.
    turns = np.array([3, 1, 5 + 2, 5 + 2], np.int64)
    assert runs_from_turns(turns, 4).tolist() == [[1, 2]]


@pytest.mark.parametrize("angle", [0.0, 30.0, 90.0, 200.0])
def test_an_ellipse_fills_the_pixels_whose_centres_it_holds(angle: float) -> None:
    runs = runs_from_ellipse((20.3, 14.8), (15.0, 6.0), angle, 30, 40)
    rows, columns = np.indices((30, 40))
    x, y, turn = columns + 0.5 - 20.3, rows + 0.5 - 14.8, np.radians(angle)
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    np.testing.assert_array_equal(mask_from_runs(runs, 30, 40), (along / 15) ** 2 + (across / 6) ** 2 < 1)


@pytest.mark.parametrize(
    ("centre", "radii", "complaint"),
    [
        ((1e12, 0), (3, 3), "far off"),
        ((np.nan, 0), (3, 3), "far off"),
        ((5, 5), (np.inf, 3), "far off"),
        ((5, 5), (0, 3), "more than 0"),
        ((5, 5), (3, -1), "more than 0"),
    ],
)
def test_an_ellipse_that_cannot_be_is_refused(
    centre: tuple[float, float], radii: tuple[float, float], complaint: str
) -> None:
    with pytest.raises(MaskError, match=complaint):
        runs_from_ellipse(centre, radii, 0.0, 10, 10)
