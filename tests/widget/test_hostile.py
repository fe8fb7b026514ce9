"""Malformed, hostile and out-of-order messages do not change the state or end the kernel."""

from __future__ import annotations

import copy
import random
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from sam_widget.errors import SamWidgetError
from sam_widget.session.session import Session
from sam_widget.widget.requests import ViewRequests
from sam_widget.widget.sam_widget import SamWidget
from sam_widget.widget.verbs import read_request, verbs_of
from tests.widget.test_sam_widget import ANSWERS, View, prompt, wait_for

VERBS = verbs_of(ViewRequests) | verbs_of(Session)
POISON: list[Any] = [
    *(None, True, -1, 0, 7, 2**63, 1e308, float("nan"), float("inf"), "", "x" * 10_000, "__class__", "<img src=x>"),
    *([], {}, [[]], [None] * 50, {"type": "undo"}, {"x": 1, "y": 1, "label": 1}, b"bytes", "../../etc/passwd", "\0"),
]


@pytest.fixture(scope="module")
def widget() -> Iterator[SamWidget]:
    rng = np.random.default_rng(0)
    widget = SamWidget(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8))
    wait_for(widget, lambda state: state["status"] == "ready")
    widget.click(30, 30)
    widget.accept("first")
    widget.click(20, 40)
    yield widget
    widget.close()


def requests(widget: SamWidget) -> list[dict[str, Any]]:
    """One good request of every kind."""
    settings = widget.state["settings"]
    samples = {
        "prompt": {**prompt((20, 20), box={"x0": 5, "y0": 5, "x1": 50, "y1": 40})},
        "index": 1,
        "label": "cat",
        "object": widget.objects[0].id,
        "objects": [widget.objects[0].id],
        "other": widget.objects[0].id,
        "color": 3,
        "vertices": [5.0, 5.0, 20.0, 20.0],
        "radius": 3.0,
        "settings": settings,
        "gesture": "g",
        "rendering": widget.state["rendering"],
        "level": 0,
        "column": 0,
        "row": 0,
        "done": True,
        "points_per_side": 2,
        "format": "coco",
        "region": {"x0": 5, "y0": 5, "x1": 25, "y1": 25},
        "later": True,
    }
    found = []
    for kind, verb in VERBS.items():
        fields = [argument.field for argument in verb.arguments if argument.field]
        if all(name in samples for name in fields):
            found.append({"type": kind, **{name: samples[name] for name in fields}})
    return found


def spoilt(request: dict[str, Any], rng: random.Random) -> Any:
    """The request with something poisonous somewhere in it, or something missing or added."""
    message = copy.deepcopy(request)
    place: Any = message
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            break
        key = rng.choice(keys)
        if isinstance(place[key], dict | list) and place[key] and rng.random() < 0.7:
            place = place[key]
            continue
        draw = rng.random()
        if draw < 0.15 and isinstance(place, dict):
            del place[key]
        elif draw < 0.3 and isinstance(place, dict):
            place[rng.choice(["__init__", "extra", "type"])] = rng.choice(POISON)
        else:
            place[key] = rng.choice(POISON)
        break
    return message if rng.random() < 0.97 else rng.choice(POISON)


def is_request(message: Any) -> bool:
    try:
        read_request(message, VERBS)
    except SamWidgetError:
        return False
    return True


def test_what_is_no_request_changes_nothing(widget: SamWidget) -> None:
    rng, view = random.Random(0), View(widget)
    good = requests(widget)
    assert len(good) > 15
    before, revision = widget.session.state, widget.state["revision"]
    sent = 0
    while sent < 1500:
        message = spoilt({**rng.choice(good), "client": "liar", "seq": rng.randrange(9)}, rng)
        if is_request(message):
            continue
        sent += 1
        widget._receive(widget, message, [b"\xff" * 9])
        assert view.messages[-1]["outcome"] == "error", message
        assert len(view.messages[-1]["error"]) < 500
    assert widget.session.state is before
    assert widget.state["revision"] == revision
    assert view.ask("choose", index=2)["outcome"] == "done"


def test_requests_in_any_order_and_from_many_threads_are_answered_and_leave_a_sound_state(widget: SamWidget) -> None:
    view = View(widget, "judge")
    sent: list[tuple[str, int]] = []
    good = requests(widget)

    def flood(client: str) -> None:
        rng = random.Random(client)
        for seq in range(120):
            request = {**rng.choice(good), "client": client, "seq": seq}
            if rng.random() < 0.4:
                request = spoilt(request, rng)
            widget._receive(widget, request, [])
            if is_request(request):
                sent.append((request["client"], request["seq"]))

    threads = [threading.Thread(target=flood, args=(f"client {k}",)) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()
    assert len(set(sent)) > 150
    view.ask("cancel")
    wait_for(widget, lambda state: state["everything"] is None)
    last = view.ask("predict", prompt=prompt((30, 30)))
    assert last["outcome"] == "done"
    asked = Counter(sent)
    # Tiles and the like are answered in parallel to the others, and maybe after them.
    view.wait_until(lambda: asked <= Counter((m["client"], m["seq"]) for m in view.messages if m["type"] in ANSWERS))
    state, session = widget.state, widget.session
    assert [o["label"] for o in state["objects"]] == [o.label for o in session.objects]
    assert len(state["candidates"]) == len(session.candidates) == len(widget.candidates)
    assert state["chosen"] == session.state.chosen_index
    for item in (*session.candidates, *session.objects):
        assert item.mask.shape == (60, 80)
