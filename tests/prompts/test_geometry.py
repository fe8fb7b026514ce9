"""Points, boxes and strokes validate themselves, and never change."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from sam_widget.errors import PromptError
from sam_widget.prompts.geometry import Box, BrushStroke, Point, Stroke


class TestPoint:
    def test_defaults_to_foreground(self) -> None:
        assert Point(1, 2) == Point(1.0, 2.0, 1)

    def test_stores_plain_numbers(self) -> None:
        point = Point(np.float32(1.5), np.int64(2), np.bool_(False))  # type: ignore[arg-type]
        assert [type(value) for value in (point.x, point.y, point.label)] == [float, float, int]
        assert point == Point(1.5, 2, 0)

    def test_is_frozen(self) -> None:
        with pytest.raises(dataclasses.FrozenInstanceError):
            Point(1, 2).x = 3  # type: ignore[misc]

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "3", b"3", None, [1], 1j, 10**400])
    def test_refuses_coordinates(self, value: object) -> None:
        with pytest.raises(PromptError, match="finite number"):
            Point(value, 0)  # type: ignore[arg-type]
        with pytest.raises(PromptError, match="y of a point"):
            Point(0, value)  # type: ignore[arg-type]

    @pytest.mark.parametrize("label", [-1, 2, 0.5, "1", None, math.nan, math.inf])
    def test_refuses_labels(self, label: object) -> None:
        with pytest.raises(PromptError, match="expected 1 .foreground. or 0 .background."):
            Point(0, 0, label)  # type: ignore[arg-type]


class TestBox:
    def test_measures(self) -> None:
        box = Box(1, 2, 5, 10)
        assert (box.width, box.height, box.area) == (4, 8, 32)
        assert box.xywh == (1, 2, 4, 8)
        assert box.corners == (1, 2, 5, 10)

    @pytest.mark.parametrize("corners", [(1, 2, 5, 10), (5, 10, 1, 2), (1, 10, 5, 2), (5, 2, 1, 10)])
    def test_from_corners_in_any_order(self, corners: tuple[float, float, float, float]) -> None:
        assert Box.from_corners(*corners) == Box(1, 2, 5, 10)

    @pytest.mark.parametrize("corners", [(5, 2, 1, 10), (1, 10, 5, 2), (1, 2, 1, 10), (1, 2, 5, 2)])
    def test_refuses_empty_and_reversed(self, corners: tuple[float, float, float, float]) -> None:
        with pytest.raises(PromptError, match="x1 > x0"):
            Box(*corners)

    def test_from_corners_refuses_a_line_and_nan(self) -> None:
        with pytest.raises(PromptError, match="empty"):
            Box.from_corners(3, 1, 3, 9)
        with pytest.raises(PromptError, match="finite"):
            Box.from_corners(math.nan, 1, 3, 9)

    def test_clip(self) -> None:
        assert Box(-5, 2, 50, 200).clip(40, 30) == Box(0, 2, 40, 30)
        inside = Box(1, 2, 3, 4)
        assert inside.clip(40, 30) == inside

    @pytest.mark.parametrize("corners", [(40, 0, 50, 10), (-9, 0, 0, 10), (0, 30, 5, 31), (0, -3, 5, 0)])
    def test_clip_refuses_a_box_outside(self, corners: tuple[float, float, float, float]) -> None:
        with pytest.raises(PromptError, match="40 pixels wide and 30 high"):
            Box(*corners).clip(40, 30)


class TestStrokes:
    def test_store_plain_numbers(self) -> None:
        stroke = Stroke(np.array([[1, 2], [3, 4]]), np.int64(0))  # type: ignore[arg-type]
        assert stroke == Stroke(((1.0, 2.0), (3.0, 4.0)), 0, closed=False)
        assert {type(value) for pair in stroke.vertices for value in pair} == {float}
        assert BrushStroke([(1, 2)], np.float32(3)) == BrushStroke(((1.0, 2.0),), 3.0, 1)  # type: ignore[arg-type]

    @pytest.mark.parametrize("vertices", [(), ((1,),), ((1, 2, 3),), ((1, math.nan),), (("1", 2),), 7, None])
    def test_refuse_vertices(self, vertices: object) -> None:
        for make in (Stroke, lambda v: BrushStroke(v, 3)):
            with pytest.raises(PromptError, match=r"vert|finite"):
                make(vertices)  # type: ignore[arg-type]

    def test_refuse_what_is_no_lasso_and_no_brush(self) -> None:
        with pytest.raises(PromptError, match="at least 3"):
            Stroke(((1, 2), (3, 4)), closed=True)
        with pytest.raises(PromptError, match="expected 1"):
            Stroke(((1, 2),), 2)
        for radius in (0, -1, math.nan, "3"):
            with pytest.raises(PromptError, match="radius of a brush"):
                BrushStroke(((1, 2),), radius)  # type: ignore[arg-type]

    def test_clip(self) -> None:
        stroke = Stroke(((-5, 2), (50, 99)), 0)
        assert stroke.clip(40, 30) == Stroke(((0, 2), (40, 30)), 0)
        assert stroke.clip(100, 100) == Stroke(((0, 2), (50, 99)), 0)
        with pytest.raises(PromptError, match="40 pixels wide and 30 high"):
            Stroke(((50, 5), (60, 9))).clip(40, 30)

    @pytest.mark.parametrize("far", [1e308, -1e10])
    def test_refuses_what_lies_far_off(self, far: float) -> None:
        """Its square overflows, or no longer tells pixels apart."""
        for make in (
            lambda: BrushStroke(((far, 1),), 3),
            lambda: BrushStroke(((1, 1),), abs(far)),
            lambda: Stroke(((1, 1), (2, far))),
        ):
            with pytest.raises(PromptError, match=r"expected a number of pixels between -1e\+09 and 1e\+09"):
                make()
