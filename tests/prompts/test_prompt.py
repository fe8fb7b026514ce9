"""Prompts validate themselves, convert both ways and never change."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sam_widget.errors import PromptError, SamWidgetError
from sam_widget.prompts.prompt import Box, BrushStroke, Point, Prompt, Stroke

EMPTY = {"points": [], "boxes": [], "strokes": []}


class TestPrompt:
    def test_builds_up_without_changing(self) -> None:
        empty = Prompt()
        one = empty.with_point(1, 2)
        two = one.with_point(3, 4, 0).with_box(Box(0, 0, 9, 9))
        assert empty.is_empty
        assert not one.is_empty
        assert two == Prompt((Point(1, 2, 1), Point(3, 4, 0)), Box(0, 0, 9, 9))
        assert two.without_last_point().with_box(None) == one
        assert empty.without_last_point() == empty

    def test_several_boxes_and_strokes(self) -> None:
        first, second, lasso = Box(0, 0, 9, 9), Box(5, 5, 20, 20), Stroke(((1, 1), (5, 1), (1, 5)), closed=True)
        prompt = Prompt().with_box(first).with_another_box(second).with_stroke(lasso)
        assert prompt == Prompt(box=first, boxes=(second,), strokes=(lasso,))
        assert (prompt.boxes, prompt.box, prompt.strokes) == ((first, second), second, (lasso,))
        assert hash(prompt) == hash(Prompt(boxes=(first, second), strokes=(lasso,)))
        assert prompt != Prompt(boxes=(second, first), strokes=(lasso,))
        assert prompt.with_box(first).boxes == (first,)
        assert prompt.with_box(None).boxes == ()
        assert Prompt().box is None
        assert Prompt.from_arrays(box=[first.corners, second.corners]).boxes == (first, second)

    def test_a_box_or_a_mask_alone_is_not_empty(self) -> None:
        assert not Prompt(strokes=(Stroke(((1, 2),)),)).is_empty
        assert not Prompt(box=Box(0, 0, 1, 1)).is_empty
        assert not Prompt(mask=np.zeros((4, 4), np.float32)).is_empty

    def test_equality_looks_into_masks(self) -> None:
        logits = np.arange(16, dtype=np.float32).reshape(4, 4)
        assert Prompt(mask=logits) == Prompt(mask=logits.copy())
        assert hash(Prompt(mask=logits)) == hash(Prompt(mask=logits.copy()))
        assert Prompt(mask=logits) != Prompt(mask=logits + 1)
        assert Prompt(mask=logits) != Prompt()
        assert Prompt() != Prompt(mask=logits)
        assert Prompt().with_point(1, 2) != Prompt()
        assert Prompt() != ()

    def test_owns_its_mask(self) -> None:
        logits = np.zeros((4, 4), np.float32)
        prompt = Prompt(mask=logits)
        logits[:] = 7
        assert prompt.mask is not None
        assert prompt.mask.max() == 0
        with pytest.raises(ValueError, match="read-only"):
            prompt.mask[0, 0] = 1

    def test_accepts_sams_mask_shape(self) -> None:
        mask = Prompt(mask=np.zeros((1, 4, 6))).mask
        assert mask is not None
        assert (mask.shape, mask.dtype) == ((4, 6), np.float32)
        assert Prompt().with_mask(mask) == Prompt(mask=mask)

    @pytest.mark.parametrize(
        "mask", [np.zeros(4), np.zeros((2, 4, 4)), np.zeros((0, 4)), np.full((4, 4), np.nan), np.full((4, 4), np.inf)]
    )
    def test_refuses_masks(self, mask: np.ndarray) -> None:
        with pytest.raises(PromptError, match="low-resolution logits"):
            Prompt(mask=mask)

    def test_refuses_parts_of_another_type(self) -> None:
        with pytest.raises(PromptError, match="from_arrays"):
            Prompt(points=((1, 2),))  # type: ignore[arg-type]
        with pytest.raises(PromptError, match="from_arrays"):
            Prompt(box=(1, 2, 3, 4))  # type: ignore[arg-type]

    def test_check_inside_includes_the_edges(self) -> None:
        corners = Prompt().with_point(0, 0).with_point(40, 30)
        assert corners.check_inside(40, 30) == corners

    @pytest.mark.parametrize("xy", [(-0.1, 5), (40.1, 5), (5, -0.1), (5, 30.1)])
    def test_check_inside_refuses_points_outside(self, xy: tuple[float, float]) -> None:
        with pytest.raises(PromptError, match="0 <= x <= 40 and 0 <= y <= 30"):
            Prompt().with_point(*xy).check_inside(40, 30)

    def test_check_inside_clips_every_box_and_stroke(self) -> None:
        prompt = Prompt(boxes=(Box(-5, -5, 100, 10), Box(1, 1, 2, 2)), strokes=(Stroke(((-1, 5), (3, 5))),))
        inside = Prompt(boxes=(Box(0, 0, 40, 10), Box(1, 1, 2, 2)), strokes=(Stroke(((0, 5), (3, 5))),))
        assert prompt.check_inside(40, 30) == inside
        with pytest.raises(PromptError, match="scribble from"):
            Prompt(strokes=(Stroke(((50, 5), (60, 5))),)).check_inside(40, 30)

    def test_check_inside_clips_the_box(self) -> None:
        prompt = Prompt().with_box(Box(-5, -5, 100, 10)).check_inside(40, 30)
        assert prompt.box == Box(0, 0, 40, 10)
        with pytest.raises(PromptError, match="outside the image"):
            Prompt().with_box(Box(50, 50, 60, 60)).check_inside(40, 30)


class TestArrays:
    @pytest.mark.parametrize("convert", [list, np.array, tuple])
    def test_from_arrays(self, convert: Callable[[object], object]) -> None:
        prompt = Prompt.from_arrays(
            convert([(1, 2), (3, 4)]),  # type: ignore[arg-type]
            convert([1, 0]),  # type: ignore[arg-type]
            convert([0, 0, 9, 9]),  # type: ignore[arg-type]
        )
        assert prompt == Prompt((Point(1, 2, 1), Point(3, 4, 0)), Box(0, 0, 9, 9))

    def test_tensors(self) -> None:
        torch = pytest.importorskip("torch")
        prompt = Prompt.from_arrays(torch.tensor([[1.0, 2.0]]), torch.tensor([0]), torch.tensor([[0, 0, 9, 9]]))
        assert prompt == Prompt((Point(1, 2, 0),), Box(0, 0, 9, 9))

    def test_labels_default_to_foreground(self) -> None:
        assert Prompt.from_arrays([(1, 2), (3, 4)]).points == (Point(1, 2, 1), Point(3, 4, 1))

    def test_nothing_is_the_empty_prompt(self) -> None:
        assert Prompt.from_arrays().is_empty
        assert Prompt.from_arrays([], []).is_empty
        assert Prompt.from_arrays(np.zeros((0, 2))).is_empty

    def test_a_box_object_and_a_mask_pass_through(self) -> None:
        prompt = Prompt.from_arrays(box=Box(0, 0, 1, 1), mask=[[0.0, 1.0]])
        assert prompt == Prompt(box=Box(0, 0, 1, 1), mask=np.array([[0, 1]], np.float32))

    def test_to_arrays(self) -> None:
        xy, labels = Prompt((Point(1, 2, 1), Point(3, 4, 0))).to_arrays()
        np.testing.assert_array_equal(xy, np.array([(1, 2), (3, 4)], np.float32), strict=True)
        np.testing.assert_array_equal(labels, np.array([1, 0], np.int64), strict=True)

    def test_to_arrays_of_no_points(self) -> None:
        xy, labels = Prompt().to_arrays()
        assert (xy.shape, xy.dtype, labels.shape, labels.dtype) == ((0, 2), np.float32, (0,), np.int64)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"points": (1, 2)}, r"shape \(2,\), expected \(N, 2\)"),
            ({"points": [(1, 2, 3)]}, r"shape \(1, 3\)"),
            ({"points": [(1, 2), (3,)]}, "array of numbers"),
            ({"points": [("a", "b")]}, "array of numbers"),
            ({"points": [(1, math.nan)]}, "finite"),
            ({"points": [(1, 2)], "labels": [1, 0]}, "1 points but 2 labels"),
            ({"points": [(1, 2)], "labels": []}, "1 points but 0 labels"),
            ({"labels": [1]}, "0 points but 1 labels"),
            ({"points": [(1, 2)], "labels": [3]}, "label of a point is 3"),
            ({"box": (1, 2, 3)}, r"shape \(3,\)"),
            ({"box": [(0, 0, 1), (0, 0, 2)]}, r"shape \(2, 3\).*several boxes"),
            ({"box": (5, 5, 1, 1)}, "wrong way round"),
            ({"mask": [1, 2, 3]}, "low-resolution logits"),
            ({"mask": "cat"}, "mask cannot be read"),
        ],
    )
    def test_refuses(self, arguments: dict[str, object], message: str) -> None:
        with pytest.raises(PromptError, match=message):
            Prompt.from_arrays(**arguments)  # type: ignore[arg-type]


class TestDict:
    def test_round_trip_through_json(self) -> None:
        lasso = Stroke(((1, 2), (3, 4.5), (0, 9)), 0, closed=True)
        prompt = Prompt((Point(1.5, 2, 1), Point(3, 4, 0)), boxes=(Box(0, 0, 9, 9), Box(1, 1, 2, 2)), strokes=(lasso,))
        assert Prompt.from_dict(json.loads(json.dumps(prompt.to_dict()))) == prompt
        assert Prompt.from_dict(Prompt().to_dict()) == Prompt()

    def test_words_are_there_if_there_are_any(self) -> None:
        prompt = Prompt((Point(1, 2),), words="  red \n cup ")
        assert prompt.words == "red cup"
        assert Prompt.from_dict(json.loads(json.dumps(prompt.to_dict()))) == prompt
        assert "words" not in prompt.with_words("").to_dict()

    def test_leaves_the_mask_out(self) -> None:
        assert Prompt(mask=np.zeros((4, 4), np.float32)).to_dict() == {"points": [], "boxes": [], "strokes": []}

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (None, "prompt.* None"),
            ([], r"prompt.* \[\]"),
            ({}, r"prompt.* \{\}"),
            ({"points": []}, "boxes, points, strokes"),
            ({**EMPTY, "extra": 1}, "'extra'"),
            ({**EMPTY, "points": "ab"}, "points of a prompt.* str"),
            ({**EMPTY, "words": 3}, "words of a prompt are 3"),
            ({**EMPTY, "words": "a" * 101}, "words of a prompt are 101 characters"),
            ({**EMPTY, "points": None}, "points of a prompt.* NoneType"),
            ({**EMPTY, "points": [[1, 2]]}, r"point.* \[1, 2\]"),
            ({**EMPTY, "points": [{"x": 1, "y": 2}]}, "label, x, y"),
            ({**EMPTY, "points": [{"x": "1", "y": 2, "label": 1}]}, "x of a point.* '1'"),
            ({**EMPTY, "boxes": [[0, 0, 1, 1]]}, r"box.* \[0, 0, 1, 1\]"),
            ({**EMPTY, "boxes": {"x0": 1, "y0": 0, "x1": 0, "y1": 1}}, "boxes of a prompt.* dict"),
            ({**EMPTY, "boxes": [{"x0": 1, "y0": 0, "x1": 0, "y1": 1}]}, "x1 > x0"),
            ({**EMPTY, "strokes": [{"vertices": [[1, 2]], "label": 1}]}, "closed, label, vertices"),
            ({**EMPTY, "strokes": [{"vertices": [[1, 2]], "label": 1, "closed": True}]}, "1 vert"),
            ({**EMPTY, "strokes": [{"vertices": ["ab"], "label": 1, "closed": False}]}, "vertex.* 'a'"),
        ],
    )
    def test_refuses(self, data: object, message: str) -> None:
        with pytest.raises(PromptError, match=message):
            Prompt.from_dict(data)  # type: ignore[arg-type]


def test_prompt_errors_are_value_errors_of_this_package() -> None:
    with pytest.raises(SamWidgetError, match="x of a point.* nan"):
        Point(math.nan, 0)
    with pytest.raises(ValueError, match="finite"):
        Point(math.nan, 0)


def test_words_are_a_part_of_a_prompt() -> None:
    prompt = Prompt.from_arrays([(1, 2)], words="cat")
    assert prompt != prompt.with_words("dog")
    assert prompt == prompt.with_words("dog").with_words("cat")
    assert prompt.with_point(3, 4).with_box(Box(0, 0, 9, 9)).check_inside(10, 10).words == "cat"
    assert not Prompt(words="cat").is_empty
    assert Prompt(words=" ").is_empty
    assert Prompt(words="\ud83d").words == "\ufffd"


@pytest.mark.parametrize(
    ("parts", "count"),
    [
        ({"points": [Point(1, 1)] * 1001}, "1,001 points"),
        ({"boxes": [Box(0, 0, 9, 9)] * 33}, "33 boxes"),
        ({"strokes": [Stroke(((1, 1), (2, 2)))] * 33}, "33 strokes"),
        ({"strokes": [Stroke(((1, 1), (2, 2)) * 2000)] * 3}, "12,000 vertices"),
    ],
)
def test_what_a_prompt_costs_is_limited(parts: dict[str, Any], count: str) -> None:
    with pytest.raises(PromptError, match=f"a prompt of {count}.* a prompt of its own"):
        Prompt(**parts)


def test_what_a_stroke_costs_is_limited() -> None:
    for kind in (Stroke, lambda vertices: BrushStroke(vertices, 3)):
        with pytest.raises(PromptError, match="10,001 vertices"):
            kind(((1.0, 1.0),) * 10_001)
