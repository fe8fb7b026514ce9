"""Strokes are converted to pixels."""

from __future__ import annotations

import numpy as np
import pytest

from sam_widget.errors import PromptError
from sam_widget.prompts import strokes
from sam_widget.prompts.geometry import BrushStroke, Stroke
from sam_widget.prompts.strokes import Layer, along, enclosed, innermost, length, paint


def test_a_dab_is_a_disc_of_pixel_centres() -> None:
    painted = paint(np.zeros((40, 50), bool), [BrushStroke(((20, 10),), 6)])
    y, x = np.mgrid[:40, :50] + 0.5
    np.testing.assert_array_equal(painted, (x - 20) ** 2 + (y - 10) ** 2 <= 36)


def test_a_stroke_covers_everything_near_its_line() -> None:
    painted = paint(np.zeros((40, 50), bool), [BrushStroke(((5, 5), (35, 25), (45, 5)), 3)])
    y, x = np.mgrid[:40, :50] + 0.5
    centres = np.stack((x, y), axis=-1)
    line = np.concatenate([np.linspace(a, b, 2000) for a, b in (((5, 5), (35, 25)), ((35, 25), (45, 5)))])
    nearest = np.array([[np.hypot(*(line - c).T).min() for c in row] for row in centres])
    assert not (painted & (nearest > 3.01)).any()
    assert not (~painted & (nearest < 2.99)).any()


def test_strokes_add_and_erase_in_their_order_and_leave_the_original() -> None:
    mask = np.zeros((20, 20), bool)
    add, erase = BrushStroke(((10, 10),), 5), BrushStroke(((10, 10),), 5, 0)
    assert paint(mask, [add]).any()
    assert not paint(mask, [add, erase]).any()
    assert paint(mask, [erase, add]).any()
    assert not mask.any()


def test_a_layer_paints_what_its_strokes_paint() -> None:
    rng = np.random.default_rng(0)
    strokes = tuple(
        BrushStroke(tuple(map(tuple, rng.uniform(-5, 45, (3, 2)))), rng.uniform(0.5, 9), int(rng.integers(2)))
        for _ in range(12)
    )
    layer = Layer(strokes, (40, 40))
    for mask in (np.zeros((40, 40), bool), np.ones((40, 40), bool), rng.random((40, 40)) < 0.5):
        np.testing.assert_array_equal(layer.over(mask), paint(mask, strokes))


def test_a_brush_thinner_than_a_pixel_still_paints_one() -> None:
    assert paint(np.zeros((9, 9), bool), [BrushStroke(((4.1, 4.9),), 0.01)]).sum() == 1


@pytest.mark.parametrize("vertices", [((-100, -100),), ((900, 5), (901, 7))])
def test_what_lies_outside_is_cut_off(vertices: tuple[tuple[float, float], ...]) -> None:
    assert not paint(np.zeros((9, 9), bool), [BrushStroke(vertices, 3)]).any()
    assert paint(np.zeros((9, 9), bool), [BrushStroke(((-2, 4),), 4)])[:, :2].any()


def test_a_lasso_encloses() -> None:
    square = enclosed(Stroke(((2, 3), (8, 3), (8, 9), (2, 9)), closed=True), 12, 10)
    assert square[4:8, 3:7].all()
    assert not square[:2].any()
    assert not square[:, 9:].any()
    assert 36 <= square.sum() <= 49


def test_the_innermost_point_of_a_crescent_lies_in_it() -> None:
    angles = np.linspace(0.6, 2 * np.pi - 0.6, 60)
    outer, inner = (
        np.stack((np.cos(angles), np.sin(angles)), 1) * 100,
        np.stack((np.cos(angles), np.sin(angles)), 1) * 60,
    )
    crescent = Stroke(tuple(map(tuple, np.concatenate((outer, inner[::-1])) + 150)), closed=True)
    x, y = innermost(crescent)
    assert enclosed(crescent, 300, 300)[int(y), int(x)]
    assert 70 < np.hypot(x - 150, y - 150) < 90


def test_the_innermost_point_of_a_line_is_near_it() -> None:
    x, y = innermost(Stroke(((5, 5), (25, 5), (15, 5)), closed=True))
    assert 5 <= x <= 25
    assert abs(y - 5) < 1


def test_points_along_a_stroke_are_at_equal_distances() -> None:
    stroke = Stroke(((0, 0), (30, 0), (30, 10)))
    assert length(stroke) == 40
    assert along(stroke, 4) == [(5, 0), (15, 0), (25, 0), (30, 5)]
    assert along(Stroke(((7, 8),)), 1) == [(7, 8)]


@pytest.mark.parametrize("radius", [0.2, 3, 17.5, 60, 5000])
def test_a_stroke_covers_what_is_near_its_segments(radius: float) -> None:
    rng, (y, x) = np.random.default_rng(0), np.mgrid[:60, :80] + 0.5
    reach = max(radius, 0.5**0.5)
    for count in (1, 2, 3, 9):
        for _ in range(20):
            vertices = rng.uniform(-40, 120, (count, 2)).round(int(rng.integers(3)))
            nearest = np.full(x.shape, np.inf)
            for (xa, ya), (xb, yb) in zip(vertices, vertices[1:] if count > 1 else vertices, strict=False):
                dx, dy = xb - xa, yb - ya
                at = np.clip(((x - xa) * dx + (y - ya) * dy) / ((dx * dx + dy * dy) or 1), 0, 1)
                nearest = np.minimum(nearest, np.hypot(x - xa - at * dx, y - ya - at * dy))
            painted = paint(np.zeros(x.shape, bool), [BrushStroke(tuple(map(tuple, vertices)), radius)])
            clear = abs(nearest - reach) > 1e-9  # On the edge itself, rounding decides.
            np.testing.assert_array_equal(painted[clear], (nearest <= reach)[clear])


def worst(radius: float, count: int) -> BrushStroke:
    """A stroke from edge to edge, again and again, that leaves a corner of a 1024 x 768 image uncovered."""
    xy = [(0.0 if k % 2 else 1000.0, 60.0 + k % 7) if k % 3 else (500.0, 760.0 - k % 5) for k in range(count)]
    return BrushStroke(tuple(xy), radius)


def test_the_cost_of_a_stroke_is_that_of_its_rows_not_of_its_area(monkeypatch: pytest.MonkeyPatch) -> None:
    computed = []
    interval = strokes._interval
    monkeypatch.setattr(
        strokes, "_interval", lambda start, *rest: (computed.append(len(start)), interval(start, *rest))[1]
    )
    paint(np.zeros((768, 1024), bool), [worst(60, 3000)])
    assert sum(computed) <= 768 * 3000
    computed.clear()
    with pytest.raises(PromptError, match=r"9,000 vertices with a radius of 60 pixels .* several strokes"):
        paint(np.zeros((768, 1024), bool), [worst(60, 9000)])
    assert sum(computed) <= strokes.MOST_ROWS + strokes._CHUNK


@pytest.mark.parametrize("label", [0, 1])
def test_a_brush_that_has_covered_everything_stops(label: int, monkeypatch: pytest.MonkeyPatch) -> None:
    computed = []
    interval = strokes._interval
    monkeypatch.setattr(
        strokes, "_interval", lambda start, *rest: (computed.append(len(start)), interval(start, *rest))[1]
    )
    vertices = tuple((float(x), float(y)) for x, y in np.random.default_rng(0).uniform(0, 60, (10_000, 2)))
    mask = paint(np.full((60, 80), not label), (BrushStroke(vertices, 5000, label),))
    assert (mask == bool(label)).all()
    assert len(computed) == 1 < 60 * 10_000 / strokes._CHUNK
