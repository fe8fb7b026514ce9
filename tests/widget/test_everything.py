"""Everything mode and export as a view asks for them, without a browser."""

from __future__ import annotations

import io
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

import sam_widget as sw
from sam_widget.export import FORMATS
from sam_widget.widget.requests import Format
from sam_widget.widget.sam_widget import SamWidget
from tests.widget.test_sam_widget import View, prompt

SIDE = 8


@pytest.fixture(scope="module")
def shared(photo: np.ndarray) -> Iterator[SamWidget]:
    widget = SamWidget(photo)
    yield widget
    widget.close()


@pytest.fixture
def widget(shared: SamWidget) -> Iterator[SamWidget]:
    """The widget with nothing done to it."""
    send = shared.send
    yield shared
    shared.send = send  # type: ignore[method-assign]
    while shared.session.can_undo:
        shared.undo()


def at_first(widget: SamWidget, found: int, do: Callable[[], object]) -> threading.Event:
    """Do something as soon as so many masks have been found, in the thread that finds them."""
    done = threading.Event()

    def look() -> None:
        under_way = widget.session.under_way
        if not done.is_set() and under_way is not None and len(under_way.objects) >= found:
            done.set()
            do()

    widget.session.on_change(look)
    return done


def test_everything_streams_into_every_view_and_all_else_is_answered_meanwhile(widget: SamWidget) -> None:
    asks, looks = View(widget, "asks"), View(widget, "looks")
    numbers: list[int] = []
    at_first(widget, 1, lambda: numbers.append(looks.post("predict", prompt=prompt((150, 120)))))
    shown: list[bool] = []
    widget.observe(lambda _: shown.append(looks.state == widget.state), "state")
    answer = asks.ask("everything", points_per_side=SIDE)
    assert answer["outcome"] == "done"
    assert looks.answer(numbers[0])["outcome"] == "done"
    order = [(m["client"], m["seq"]) for m in looks.messages if m["type"] == "answer"]
    assert order == [("looks", numbers[0]), ("asks", answer["seq"])]

    states = [m["fields"] for m in looks.messages if m["type"] == "update"]
    steps = [fields["everything"] for fields in states if fields.get("everything")]
    assert len(steps) > 1
    assert [step["done"] for step in steps] == sorted(step["done"] for step in steps)
    assert steps[-1]["total"] == SIDE**2
    widget.unobserve_all("state")
    assert len(shown) > len(steps)
    assert all(shown), "what a view puts together is the state"
    assert all(step["found"] == [] for step in steps), "only its changes are sent"
    changes = [m["found"] for m in looks.messages if m["type"] == "update" and m["found"]]
    added = [row["mask"] for change in changes for row in change["added"]]
    assert len(added) == len(set(added)) >= len(widget.objects), "each is sent once"
    assert looks.masks.keys() >= set(added) >= {name for change in changes for name in change["removed"]}
    assert widget.state["everything"] is None
    assert widget.state["objects"]
    for shown, item in zip(widget.state["objects"], widget.objects, strict=True):
        assert (looks.masks[shown["mask"]] == item.mask).all(), "what was sent while it was found is not sent again"
    assert looks.masks.keys() == asks.masks.keys()
    assert widget.prompt.points, "the click counts"
    widget.undo()
    assert widget.objects == ()
    assert widget.prompt.points


def test_a_view_stops_what_it_began_and_what_python_began(widget: SamWidget) -> None:
    view = View(widget)
    at_first(widget, 1, lambda: view.post("cancel"))
    assert view.ask("everything", points_per_side=SIDE)["outcome"] == "done"
    few = len(widget.objects)
    assert few >= 1
    last = [m["fields"]["everything"] for m in view.messages if m.get("fields", {}).get("everything")][-1]
    assert last["done"] < last["total"]
    widget.undo()

    stopped = at_first(widget, 1, lambda: view.post("cancel"))
    found = widget.everything(points_per_side=SIDE)
    assert stopped.is_set()
    assert 1 <= len(found) == len(widget.state["objects"]) <= few
    widget.undo()
    assert view.ask("cancel")["outcome"] == "done", "there is nothing to stop, and no harm in it"
    assert view.ask("everything", points_per_side=2)["outcome"] == "done"


def test_one_search_at_a_time_and_what_goes_wrong_is_told(widget: SamWidget, monkeypatch: pytest.MonkeyPatch) -> None:
    view = View(widget)
    numbers: list[int] = []
    at_first(widget, 0, lambda: numbers.append(view.post("everything", points_per_side=SIDE)))
    first = view.post("everything", points_per_side=2)
    assert view.answer(first)["outcome"] == "done"
    refused = view.answer(numbers[0])
    assert (refused["outcome"], "already" in refused["error"]) == ("error", True)

    before = widget.session.state
    ask, calls = widget.session.predictor.masks_at, iter(range(100))

    def fail(*arguments: Any, **named: Any) -> Any:
        if next(calls):
            raise RuntimeError("out of memory")
        return ask(*arguments, **named)

    monkeypatch.setattr(widget.session.predictor, "masks_at", fail)
    answer = view.ask("everything", points_per_side=SIDE)
    assert (answer["outcome"], "out of memory" in answer["error"]) == ("error", True)
    assert widget.session.state is before
    assert widget.state["everything"] is None
    monkeypatch.undo()
    assert view.ask("everything", points_per_side=2)["outcome"] == "done"


def test_found_objects_are_named_merged_and_deleted_together(widget: SamWidget) -> None:
    view = View(widget)
    view.ask("everything", points_per_side=SIDE)
    widget.add_objects(np.stack([np.eye(*widget.session.image.shape[:2], k=k, dtype=bool) for k in (0, 9)]))
    a, b, c, *_ = (item.id for item in widget.objects)
    count = len(widget.objects)
    view.ask("rename", objects=[a, b], label="leaf")
    assert [item.label for item in widget.objects].count("leaf") == 2
    view.ask("merge", objects=[a, b])
    view.ask("remove", objects=[a, c])
    assert len(widget.objects) == count - 3
    for _ in range(3):
        view.ask("undo")
    assert [item.id for item in widget.objects][:3] == [a, b, c]
    assert view.ask("remove", objects=[a, "gone"])["outcome"] == "error"
    assert len(widget.objects) == count


def test_a_closed_widget_ends_its_search(photo: np.ndarray) -> None:
    widget = SamWidget(photo)
    search = widget.session.begin_everything(points_per_side=SIDE)
    while not search.state.objects:
        assert search.advance()
    session = widget.session
    widget.close()
    assert session.under_way is None
    assert session.objects


# Of the others, `export` returns an object.
FILES = [name for name in FORMATS if FORMATS[name].suffix]


def test_the_formats_that_a_view_may_ask_for_are_those_that_are_files() -> None:
    assert set(get_args(Format)) == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_export_sends_a_file_that_is_read_back(widget: SamWidget, tmp_path: Path, name: str) -> None:
    view = View(widget)
    widget.add_objects(np.stack([np.eye(*widget.session.image.shape[:2], k=k, dtype=bool) for k in (0, 9)]))
    revision = widget.state["revision"]
    answer = view.ask("export", format=name)
    assert answer["outcome"] == "done", answer
    assert widget.state["revision"] == revision
    ((file, content),) = view.files.items()
    types = [m["type"] for m in view.messages]
    assert types[-2:] == ["file", "answer"]
    if FORMATS[name].suffix == "/":
        assert file == f"image-{name}.zip"
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert all(entry.startswith(f"image-{name}/") and ".." not in entry for entry in archive.namelist())
            archive.extractall(tmp_path)
        path = tmp_path / f"image-{name}"
    else:
        assert file == f"image{FORMATS[name].suffix}"
        path = tmp_path / file
        path.write_bytes(content)
    height, width = widget.session.image.shape[:2]
    assert len(list(sw.load_masks(path, format=name, size=(width, height)))) == 2
