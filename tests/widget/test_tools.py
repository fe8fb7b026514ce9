"""The tools beyond clicking, as a view asks for them and as a script does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import sam_widget as sw
from sam_widget.masks.cleanup import MaskSettings
from sam_widget.prompts.prompt import Box, Prompt, Stroke
from sam_widget.widget.sam_widget import SamWidget
from tests.widget.test_sam_widget import View

REST: dict[str, Any] = {"points": [], "boxes": [], "strokes": [], "mask": None}
FACE: dict[str, Any] = REST | {"points": [{"x": 175.0, "y": 130.0, "label": 1}]}
OFF = {"threshold": 0.0, "holes": 0, "islands": 0, "smoothing": 0.0, "specks": True}


@pytest.fixture
def widget(photo: np.ndarray) -> Iterator[SamWidget]:
    widget = SamWidget(photo)
    assert widget.session.embedding
    yield widget
    widget.close()


def test_a_prompt_of_everything_travels_both_ways(widget: SamWidget) -> None:
    view = View(widget)
    prompt = {
        "points": [{"x": 175.0, "y": 130.0, "label": 1}],
        "boxes": [{"x0": 90.0, "y0": 60.0, "x1": 290.0, "y1": 240.0}, {"x0": 1.0, "y0": 2.0, "x1": 30.0, "y1": 40.0}],
        "strokes": [
            {"vertices": [100.0, 100.0, 200.0, 100.0, 150.0, 200.0], "label": 1, "closed": True},
            {"vertices": [10.0, 250.0, 60.0, 260.0], "label": 0, "closed": False},
        ],
        "mask": None,
    }
    assert view.ask("predict", prompt=prompt)["outcome"] == "done"
    assert widget.state["prompt"] == prompt
    assert widget.prompt == Prompt.from_arrays([(175, 130)], box=[(90, 60, 290, 240), (1, 2, 30, 40)]).with_stroke(
        Stroke(((100, 100), (200, 100), (150, 200)), closed=True)
    ).with_stroke(Stroke(((10, 250), (60, 260)), 0))
    assert all(c["stability"] is not None for c in widget.state["candidates"])


def test_a_refined_prompt_is_built_upon_by_the_name_of_its_mask(widget: SamWidget) -> None:
    view = View(widget)
    view.ask("predict", prompt=FACE)
    assert widget.state["refines"]
    assert not widget.state["takes_words"], "tiny takes none"
    view.ask("refine")
    name = widget.state["prompt"]["mask"]
    logits = widget.prompt.mask
    assert isinstance(name, str)
    more = widget.state["prompt"] | {"points": [*FACE["points"], {"x": 200.0, "y": 150.0, "label": 1}]}
    assert view.ask("predict", prompt=more)["outcome"] == "done"
    np.testing.assert_array_equal(widget.prompt.mask, logits)
    assert widget.state["prompt"]["mask"] == name
    view.ask("undo")
    view.ask("undo")
    assert widget.state["prompt"]["mask"] is None
    assert view.ask("predict", prompt=more)["outcome"] == "done", "a view may build on what was undone meanwhile"
    assert "not known" in view.ask("predict", prompt=more | {"mask": "another"})["error"]


def test_paint_and_settings_show_in_the_masks_that_are_sent(widget: SamWidget) -> None:
    view = View(widget)
    view.ask("predict", prompt=FACE)
    assert (widget.state["painted"], widget.state["settings"]) == (False, OFF)
    view.ask("brush", vertices=[10.0, 10.0, 30.0, 10.0], radius=5.0, label=1)
    assert widget.state["painted"]
    shown = widget.state["candidates"][widget.state["chosen"]]
    assert view.masks[shown["mask"]][10, 10:30].all()
    view.ask("brush", vertices=[20.0, 10.0], radius=3.0, label=0)
    shown = widget.state["candidates"][widget.state["chosen"]]
    assert not view.masks[shown["mask"]][10, 20]
    for threshold in (0.2, 0.4):
        view.ask("adjust", settings=OFF | {"threshold": threshold}, gesture="drag")
    assert widget.state["settings"]["threshold"] == 0.4
    view.ask("undo")
    assert widget.state["settings"] == OFF
    assert widget.state["painted"]


def test_settings_of_one_drag_supersede_each_other(widget: SamWidget) -> None:
    view = View(widget)
    view.ask("predict", prompt=FACE)
    with widget.session._history.editing:  # The worker waits, so that requests pile up.
        first = view.post("adjust", settings=OFF | {"threshold": 0.1}, gesture="one")
        numbers = [view.post("adjust", settings=OFF | {"holes": k}, gesture="two") for k in range(20)]
    outcomes = [view.answer(seq)["outcome"] for seq in (first, *numbers)]
    assert outcomes[-1] == "done"
    assert outcomes.count("superseded") >= 18
    assert widget.session.state.settings == MaskSettings(holes=19, specks=True)


def test_objects_are_edited_merged_subtracted_and_recoloured(widget: SamWidget) -> None:
    view = View(widget)
    for x, y in ((175.0, 130.0), (400.0, 50.0), (60.0, 260.0)):
        view.ask("predict", prompt=REST | {"points": [{"x": x, "y": y, "label": 1}]})
        view.ask("accept", label="")
    first, second, third = widget.objects
    view.ask("edit", object=second.id)
    assert widget.state["editing"] == second.id
    assert widget.state["prompt"]["points"] == [{"x": 400.0, "y": 50.0, "label": 1}]
    view.ask("brush", vertices=[5.0, 5.0], radius=4.0, label=1)
    view.ask("accept", label="")
    assert widget.state["editing"] is None
    assert widget.objects[1].mask[5, 5]
    view.ask("merge", objects=[first.id, second.id])
    assert [o["id"] for o in widget.state["objects"]] == [first.id, third.id]
    view.ask("undo")
    view.ask("recolor", object=third.id, color=6)
    assert widget.state["objects"][2]["color"] == 6
    row, column = np.argwhere(third.mask)[0]
    widget.edit(second.id)
    widget.brush([(column + 0.5, row + 0.5)], 1)
    cover = widget.accept()
    view.ask("subtract", object=third.id, other=cover.id)
    np.testing.assert_array_equal(widget.objects[2].mask, third.mask & ~cover.mask)
    assert not widget.objects[2].mask[row, column]


def test_a_script_does_all_of_it_on_the_widget(widget: SamWidget) -> None:
    widget.drag(90, 65, 285, 235)
    widget.drag(10, 10, 40, 40, add=True)
    widget.lasso([(100, 100), (200, 100), (150, 200)])
    widget.scribble([(20, 250), (60, 260)], label=0)
    widget.click(150, 120)
    widget.move_point(0, 151, 121)
    widget.move_box(1, 12, 12, 44, 44)
    assert widget.prompt.boxes[1] == Box(12, 12, 44, 44)
    widget.remove_stroke(1)
    widget.remove_box(1)
    widget.remove_point(0)
    widget.refine()
    widget.adjust(smoothing=1.5)
    widget.brush([(5, 5)], 3)
    cat = widget.accept("cat")
    widget.rename(cat.id, "tiger")
    widget.recolor(cat.id, 3)
    widget.edit(cat.id)
    tiger = widget.accept()
    assert (tiger.label, tiger.color, tiger.id) == ("tiger", 3, cat.id)
    widget.click(400, 50)
    widget.brush([(440, 290)], 5)
    other = widget.accept("other")
    merged = widget.merge([cat.id, other.id], "both")
    assert widget.objects == (merged,)
    widget.undo()
    rest = widget.subtract(other.id, cat.id)
    np.testing.assert_array_equal(rest.mask, other.mask & ~tiger.mask)
    widget.remove(cat.id)
    assert widget.objects == (rest,)


@pytest.mark.parametrize(
    ("kind", "fields", "text"),
    [
        ("brush", {"vertices": [1.0, 2.0], "radius": 3.0, "label": 1}, "no mask to paint on"),
        ("brush", {"vertices": [1.0, 2.0, 3.0], "radius": 3.0, "label": 1}, "x and y in turn"),
        ("brush", {"vertices": [0.0] * 50_000, "radius": 3.0, "label": 1}, "brush.vertices cannot be read"),
        ("refine", {}, "no mask to refine"),
        ("adjust", {"settings": OFF | {"holes": -3}, "gesture": "x"}, "adjust.settings.holes cannot be read"),
        ("adjust", {"settings": OFF | {"holes": 10**400}, "gesture": "x"}, "adjust.settings.holes cannot"),
        ("edit", {"object": "x"}, "no object"),
        ("merge", {"objects": []}, "0 objects to merge"),
        ("merge", {"objects": ["x", "y"]}, "no object"),
        ("subtract", {"object": "x", "other": "y"}, "no object"),
        ("recolor", {"object": "x", "color": -1}, "no object"),
        (
            "predict",
            {"prompt": REST | {"boxes": [{"x0": 0, "y0": 0, "x1": 9, "y1": 9}] * 100}},
            "predict.prompt.boxes cannot",
        ),
        ("predict", {"prompt": REST | {"strokes": [{"vertices": [], "label": 1, "closed": False}]}}, "vertices"),
    ],
)
def test_a_bad_request_is_answered_with_an_error_and_changes_nothing(
    widget: SamWidget, kind: str, fields: dict[str, Any], text: str
) -> None:
    view, before = View(widget), widget.session.state
    answer = view.ask(kind, **fields)
    assert answer["outcome"] == "error"
    assert text in answer["error"]
    assert widget.session.state is before


def test_no_method_is_missing_on_the_widget() -> None:
    methods = {name for name in dir(sw.Session) if not name.startswith("_") and callable(getattr(sw.Session, name))}
    headless = {"on_change", "set_prompt", "preview", "predict_best", "begin_everything", "maker_of", "resume"}
    headless |= {"stand_in", "answer_again"}
    assert methods - headless <= set(dir(SamWidget))
