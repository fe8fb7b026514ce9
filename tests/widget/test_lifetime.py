"""What a widget leaves behind, and what does not end it: closing, failing publishes, failing observers."""

from __future__ import annotations

import gc
import logging
import threading
import weakref
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import sam_widget as sw
from sam_widget.widget.publisher import Publisher
from sam_widget.widget.sam_widget import SamWidget
from sam_widget.widget.state import MaskNames, Rows
from tests.waiting import until
from tests.widget.test_sam_widget import View, prompt, wait_for


def test_a_closed_widget_is_freed_with_its_session(photo: np.ndarray, predictor: sw.Predictor) -> None:
    left: list[weakref.ref[Any]] = []
    for _ in range(20):
        widget = SamWidget(photo, model=predictor)
        widget.click(150, 120)
        widget.accept("cat")
        widget.close()
        left += [weakref.ref(widget), weakref.ref(widget.session)]
        del widget

    def freed() -> bool:
        gc.collect()
        return all(reference() is None for reference in left)

    # A worker's thread holds what it is doing until it has seen that its widget is closed.
    until(freed, what="the widgets and their sessions are freed")


def test_an_idle_widget_is_freed_as_soon_as_it_is_closed(photo: np.ndarray, predictor: sw.Predictor) -> None:
    left: list[weakref.ref[Any]] = []
    for _ in range(20):
        widget = SamWidget(photo, model=predictor)
        widget.click(150, 120)
        wait_for(widget, lambda state: state["status"] == "ready")
        widget.close()
        left += [weakref.ref(widget), weakref.ref(widget.session)]
        del widget
        gc.collect()
        assert [reference() for reference in left] == [None] * len(left)


def test_closed_widgets_leave_neither_threads_nor_files_nor_objects(
    photo: np.ndarray, predictor: sw.Predictor, tmp_path: Path
) -> None:
    def use(name: str) -> None:
        widget = SamWidget(photo, model=predictor, autosave=tmp_path / name)
        widget.click(150, 120)
        widget.accept("cat")
        widget.close()

    def held() -> tuple[int, int, Counter[str]]:
        gc.collect()
        kinds = (type(item) for item in gc.get_objects())
        counted = (
            kind for kind in kinds if str(kind.__module__).partition(".")[0] in {"sam_widget", "ipywidgets", "comm"}
        )
        return threading.active_count(), psutil.Process().num_fds(), Counter(kind.__qualname__ for kind in counted)

    use("first.sam")
    before = held()
    for k in range(5):
        use(f"{k}.sam")
    until(lambda: held() == before, what=f"threads, files and objects are {before}")


def test_a_publish_that_fails_ends_neither_the_edit_nor_the_worker(
    photo: np.ndarray, predictor: sw.Predictor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    widget = SamWidget(photo, model=predictor)
    wait_for(widget, lambda state: state["status"] == "ready")
    view = View(widget)

    def fail(*_: object) -> None:
        raise UnicodeEncodeError("utf-8", "\ud83d", 0, 1, "surrogates not allowed")

    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(Publisher, "publish", fail)
        assert view.ask("predict", prompt=prompt((150, 120)))["outcome"] == "done"
        assert len(widget.candidates) == 3
    assert "could not be brought up to date" in caplog.text
    assert view.ask("accept", label="cat")["outcome"] == "done"
    assert [item["label"] for item in widget.state["objects"]] == ["cat"]
    widget.close()


def test_an_observer_that_fails_stops_neither_opening_nor_editing(
    photo: np.ndarray, predictor: sw.Predictor, caplog: pytest.LogCaptureFixture
) -> None:
    widget = SamWidget(photo, model=predictor)

    def fail(_change: object) -> None:
        raise RuntimeError("the observer's own fault")

    widget.observe(fail, ["prompt", "candidates", "objects"])
    with caplog.at_level(logging.ERROR):
        widget.click(150, 120)
        widget.accept("cat")
    wait_for(widget, lambda state: state["status"] == "ready")
    assert [item["label"] for item in widget.state["objects"]] == ["cat"]
    assert "an observer of the image has failed" in caplog.text
    assert "the observer's own fault" in caplog.text
    widget.close()


def test_half_a_letter_in_a_label_does_not_keep_the_state_from_travelling() -> None:
    names, item = MaskNames(), sw.Session(np.zeros((20, 30, 3), np.uint8)).add_objects(np.ones((20, 30), bool))[0]
    object.__setattr__(item, "label", "cat \ud83d")
    rows, _ = Rows().follow((item,), names)
    assert rows.data[0]["label"] == "cat ?"


def test_objects_that_have_not_changed_are_not_made_again() -> None:
    session, names = sw.Session(np.zeros((20, 30, 3), np.uint8)), MaskNames()
    session.add_objects(np.stack([np.eye(20, 30, k=k, dtype=bool) for k in range(5)]))

    before, _ = Rows().follow(session.objects, names)
    session.rename(session.objects[2].id, "cat")
    after, _ = before.follow(session.objects, names)
    assert [a is b for a, b in zip(before.data, after.data, strict=True)] == [True, True, False, True, True]
    assert after.data[2]["label"] == "cat"


def test_the_repr_is_one_line(photo: np.ndarray, predictor: sw.Predictor) -> None:
    widget = SamWidget(photo, model=predictor)
    wait_for(widget, lambda state: state["status"] == "ready")
    widget.click(150, 120)
    widget.accept("cat")
    assert repr(widget) == "<SamWidget of the image: ready, 1 object>"
    widget.close()
