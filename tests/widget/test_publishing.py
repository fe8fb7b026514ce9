"""An edit sends only its changes; a new view receives the whole state."""

from __future__ import annotations

import gc
import json
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from sam_widget.errors import SamWidgetError
from sam_widget.widget.sam_widget import SamWidget
from sam_widget.widget.throttle import Throttle
from tests.waiting import until
from tests.widget.test_sam_widget import View, prompt, wait_for


@pytest.fixture
def widget(photo: np.ndarray) -> Iterator[SamWidget]:
    widget = SamWidget(photo)
    wait_for(widget, lambda state: state["status"] == "ready")
    yield widget
    widget.close()


def add_objects(widget: SamWidget, count: int) -> None:
    """Add small objects of one pixel each."""
    height, width = widget.session.image.shape[:2]
    label_map = np.zeros((height, width), np.int32)
    label_map.reshape(-1)[: 2 * count : 2] = np.arange(1, count + 1)
    widget.session.add_objects(label_map)
    assert len(widget.objects) == count


def sent(view: View, act: Callable[[], object]) -> list[dict[str, Any]]:
    """Return the updates that something sends."""
    before = len(view.messages)
    act()
    return [message for message in view.messages[before:] if message["type"] == "update"]


def size(messages: list[dict[str, Any]]) -> int:
    return len(json.dumps([{**m, "since": 0, "fields": {**m["fields"], "revision": 0}} for m in messages]))


def test_a_click_sends_the_same_among_a_thousand_objects(widget: SamWidget) -> None:
    view = View(widget)

    def click() -> int:
        (update,) = sent(view, lambda: view.ask("predict", prompt=prompt((150, 120))))
        assert update["objects"] is None
        assert len(update["masks"]) == 3
        widget.clear()
        return size([{**update, "masks": [], "fields": {**update["fields"], "candidates": []}}])

    click()
    first = click()
    add_objects(widget, 1000)
    click()
    assert click() == first < 1000
    assert view.state == widget.state


def test_an_edit_of_one_object_sends_one(widget: SamWidget) -> None:
    add_objects(widget, 50)
    view, ids = View(widget), [item.id for item in widget.objects]
    (update,) = sent(view, lambda: widget.rename(ids[20], "cat"))
    assert (update["objects"]["start"], update["objects"]["removed"]) == (20, 1)
    assert [row["label"] for row in update["objects"]["added"]] == ["cat"]
    assert update["masks"] == []
    (update,) = sent(view, lambda: widget.remove(ids[0]))
    assert update["objects"] == {"start": 0, "removed": 1, "added": []}
    widget.click(150, 120)
    (update,) = sent(view, lambda: widget.accept("dog"))
    assert (update["objects"]["start"], update["objects"]["removed"], update["masks"]) == (49, 0, [])
    assert [row["label"] for row in update["objects"]["added"]] == ["dog"]
    assert view.state == widget.state


def test_no_object_is_made_again_for_a_click(widget: SamWidget) -> None:
    add_objects(widget, 400)
    widget.click(150, 120)
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    def calls_of(act: Callable[[], object]) -> int:
        nonlocal calls
        calls = 0
        sys.setprofile(count)
        try:
            act()
        finally:
            sys.setprofile(None)
        return calls

    gc.collect()
    widget.choose(1)
    many = calls_of(lambda: widget.choose(2))
    widget.session.keep(widget.objects[0].id)
    widget.choose(1)
    assert many <= 1.1 * calls_of(lambda: widget.choose(2))


def test_what_a_view_puts_together_is_the_state_and_a_new_one_gets_it_whole(widget: SamWidget) -> None:
    rng, view = np.random.default_rng(1), View(widget)
    acts: list[Callable[[], object]] = [
        lambda: widget.click(*rng.integers(20, 280, 2).astype(float)),
        lambda: widget.choose(int(rng.integers(len(widget.candidates)))),
        widget.accept,
        lambda: widget.session.keep(*(item.id for item in widget.objects[1:])),
        lambda: widget.merge([item.id for item in widget.objects[:2]]),
        lambda: widget.rename(widget.objects[len(widget.objects) // 2].id, f"name {rng.integers(99)}"),
        lambda: widget.edit(widget.objects[0].id),
        lambda: add_objects_to(widget),
        widget.undo,
        widget.undo,
        widget.redo,
        widget.clear,
    ]
    for step in range(150):
        try:
            acts[int(rng.integers(len(acts)))]()
        except (SamWidgetError, IndexError, ValueError):
            continue
        assert view.state == widget.state, step
        named = {item["mask"] for item in (*view.state["candidates"], *view.state["objects"])}
        assert named <= view.masks.keys(), step
    late = View(widget, "late")
    late.state = {}
    late.ask("hello")
    assert late.state == widget.state
    masks = [(row["mask"], item.mask) for row, item in zip(late.state["objects"], widget.objects, strict=True)]
    for name, mask in masks:
        np.testing.assert_array_equal(late.masks[name], mask)
        np.testing.assert_array_equal(view.masks[name], mask)


def add_objects_to(widget: SamWidget) -> None:
    mask = np.zeros(widget.session.image.shape[:2], bool)
    mask[3:9, 3:9] = True
    widget.session.add_objects(mask)


def test_the_trait_follows_once_for_a_burst(widget: SamWidget, monkeypatch: pytest.MonkeyPatch) -> None:
    until(lambda: widget._later._timer is None, seconds=30, what="the trait has been sent")
    keys: list[object] = []
    monkeypatch.setattr(widget, "send_state", keys.append)
    widget.click(150, 120)
    for index in (0, 1, 2):
        widget.choose(index)
    assert keys == []
    assert widget.state["chosen"] == 2
    assert widget.get_state("state")["state"] is widget.state, "a page that opens gets it at once"
    until(lambda: keys == ["state"], seconds=30, what="the trait has been sent once")


def test_a_throttle_acts_once_for_all_that_ask_and_after_the_last() -> None:
    done, asked = threading.Event(), 0

    def act() -> None:
        nonlocal asked
        asked += 1
        done.set()
        raise RuntimeError("it is logged, and the next time comes")

    throttle = Throttle(act, seconds=0.02)
    for expected in (1, 2):
        for _ in range(5):
            throttle.ask()
        assert done.wait(30)
        done.clear()
        assert asked == expected
    throttle.close()
    throttle.ask()
    assert throttle._timer is None
