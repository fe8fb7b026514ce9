"""Finding by words over the wire: what a view may ask, and what it is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import sam_widget as sw
from sam_widget.widget.sam_widget import SamWidget
from tests.finders import Squares
from tests.waiting import until
from tests.widget.test_sam_widget import View


@pytest.fixture
def finder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Squares:
    finder = Squares(request.node.nodeid)
    monkeypatch.setattr("sam_widget.automatic.finding.loading.finder_of", lambda _model: finder)
    return finder


@pytest.fixture
def widget(photo: np.ndarray, predictor: sw.Predictor) -> Iterator[SamWidget]:
    widget = SamWidget(photo, model=predictor)
    until(lambda: widget.state["status"] == "ready", what="the widget is ready")
    yield widget
    widget.close()


def find(view: View, *words: str, **fields: Any) -> dict[str, Any]:
    given = {"words": list(words), "like": [], "not_like": [], "threshold": None, "gesture": "typing", **fields}
    return view.ask("find", **given)


def ids(view: View) -> list[str]:
    return [one["id"] for one in view.state["search"]["instances"] if one["found"]]


def test_a_search_is_shown_with_its_masks_and_scores(widget: SamWidget, finder: Squares) -> None:
    view = View(widget)
    assert find(view, "cat", "cup")["outcome"] == "done"
    search = view.state["search"]
    assert (search["words"], search["threshold"], search["like"]) == (["cat", "cup"], 0.5, 0)
    assert [(one["word"], one["score"], one["found"]) for one in search["instances"]] == [
        (0, 0.9, True),
        (1, 0.8, True),
        (0, 0.6, True),
        (0, 0.2, False),
    ]
    assert [view.masks[one["mask"]].sum() for one in search["instances"]] == [400] * 4
    steps = [m["fields"]["everything"] for m in view.messages if m.get("fields", {}).get("everything")]
    assert [(step["kind"], step["done"], step["total"]) for step in steps][-1] == ("find", 2, 2)
    assert view.state["everything"] is None
    assert finder.encoded == 1


def test_masks_are_sent_once(widget: SamWidget, finder: Squares) -> None:
    view = View(widget)
    find(view, "cat")
    sent = len(view.masks)
    find(view, "cat", "cup")
    assert len(view.masks) == sent + 1
    assert finder.encoded == 1


def test_what_is_found_is_sifted_refused_refined_accepted_and_undone(widget: SamWidget, finder: Squares) -> None:
    view = View(widget)
    find(view, "cat", "cup")
    assert view.ask("sift", threshold=0.7, gesture="drag")["outcome"] == "done"
    assert ids(view) == ["0", "2"]
    view.ask("sift", threshold=0.1, gesture="drag")
    assert ids(view) == ["0", "2", "1", "3"]
    view.ask("refuse", instance="3")
    assert ids(view) == ["0", "2", "1"]
    assert view.state["search"]["not_like"] == 1
    view.ask("refine_found", instance="1")
    assert (view.state["label"], len(view.state["prompt"]["points"])) == ("cat", 1)
    view.ask("accept")
    assert [item["label"] for item in view.state["objects"]] == ["cat"]
    view.ask("accept_found", instances=["2"], label=None)
    view.ask("accept_found", instances=[], label="beast")
    assert [item["label"] for item in view.state["objects"]] == ["cat", "cup", "beast"]
    assert view.state["search"] is None
    view.ask("undo")
    assert [item["label"] for item in view.state["objects"]] == ["cat", "cup"]
    assert ids(view) == ["0"]
    view.ask("end_find")
    assert view.state["search"] is None
    assert view.ask("end_find")["outcome"] == "done"
    assert finder.encoded == 1


def test_an_object_is_an_example(widget: SamWidget, finder: Squares) -> None:
    view = View(widget)
    find(view, "cat")
    view.ask("accept_found", instances=["0"], label=None)
    assert find(view, like=[view.state["objects"][0]["id"]])["outcome"] == "done"
    assert ids(view) == ["1"]
    assert view.state["search"]["like"] == 1
    assert finder.encoded == 1


def test_typing_on_supersedes_and_is_undone_together(
    widget: SamWidget, finder: Squares, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = View(widget)
    started, go_on = threading.Event(), threading.Event()
    encode = finder._encode

    def slow(image: np.ndarray) -> Iterator[Any]:
        started.set()
        assert go_on.wait(60)
        return (yield from encode(image))

    monkeypatch.setattr(finder, "_encode", slow)
    fields = {"like": [], "not_like": [], "threshold": None, "gesture": "typing"}
    first = view.post("find", words=["ca"], **fields)
    assert started.wait(60)
    second = view.post("find", words=["cat"], **fields)
    go_on.set()
    assert view.answer(second)["outcome"] == "done"
    assert view.answer(first)["outcome"] == "superseded"
    assert view.state["search"]["words"] == ["cat"]
    find(view, "cat", "cup")
    view.ask("undo")
    assert view.state["search"] is None
    assert finder.encoded == 1


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        ("find", {"words": ["giraffe"]}, "near words: cat"),
        ("find", {"words": []}, "nothing to find"),
        ("find", {"words": ["x" * 101]}, "101 characters"),
        ("find", {"words": ["x" * 1001]}, "find.words"),
        ("find", {"words": [str(k) for k in range(17)]}, "17 phrases"),
        ("find", {"words": [7]}, "find.words"),
        ("find", {"words": ["\ud83d"]}, "find"),
        ("find", {"words": ["cat"], "threshold": 1.5}, "from 0 to 1"),
        ("find", {"words": ["cat"], "like": ["nosuch"]}, "no object 'nosuch'"),
        ("find", {"words": ["cat"], "like": ["a"] * 65}, "65 examples"),
        ("sift", {"threshold": 0.5, "gesture": ""}, "there is no search"),
        ("refuse", {"instance": "0"}, "there is no search"),
        ("accept_found", {"instances": [], "label": None}, "there is no search"),
        ("refine_found", {"instance": "0"}, "there is no search"),
    ],
)
def test_what_cannot_be_done_is_answered_and_changes_nothing(
    widget: SamWidget, finder: Squares, kind: str, fields: dict[str, Any], message: str
) -> None:
    view = View(widget)
    rest = {"words": [], "like": [], "not_like": [], "threshold": None, "gesture": ""} if kind == "find" else {}
    answer = view.ask(kind, **rest | fields)
    assert answer["outcome"] == "error"
    assert message in answer["error"]
    assert widget.session.position == 0
    assert finder.encoded == 0
    assert find(view, "cat")["outcome"] == "done"


def test_a_new_view_is_shown_the_search(widget: SamWidget, finder: Squares) -> None:
    find(View(widget), "cat")
    late = View(widget, "late")
    late.ask("hello")
    assert ids(late) == ["0", "1"]
    assert all(one["mask"] in late.masks for one in late.state["search"]["instances"])
    assert finder.encoded == 1
