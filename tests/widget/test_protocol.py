"""What may cross the wire, and what may not."""

from __future__ import annotations

import contextlib
import json
import random
from pathlib import Path
from typing import Any

import pytest

from sam_widget.errors import ProtocolError
from sam_widget.widget import protocol

ROOT = Path(__file__).resolve().parents[2]
REST = {"points": [], "boxes": [], "strokes": [], "mask": None}
CLICK = {
    "type": "predict",
    "client": "a",
    "seq": 3,
    "prompt": REST | {"points": [{"x": 1, "y": 2.5, "label": 1}]},
}


RENDERING = {"channels": [2, -1, 0], "black": None, "white": 4.5, "gamma": 1.2}


def test_the_typescript_is_generated_from_this_python() -> None:
    assert (ROOT / "js/src/protocol.ts").read_text(encoding="utf-8") == protocol.typescript()


def test_a_request_is_read_whole() -> None:
    request = protocol.parse_request(CLICK)
    assert request == protocol.Predict("a", 3, protocol.PromptData([protocol.PointData(1.0, 2.5, 1)], [], [], None))
    assert protocol.to_json(request) == CLICK


@pytest.mark.parametrize("kind", list(protocol.REQUESTS))
def test_every_request_survives_the_wire(kind: str) -> None:
    samples = {"client": "a", "seq": 1, "prompt": CLICK["prompt"], "index": 2, "label": "x", "object": "id"}
    samples |= {"color": 3, "objects": ["id", "id2"], "other": "id2", "gesture": "slider"}
    samples["settings"] = {"threshold": 0.5, "holes": 3, "islands": 4, "smoothing": 1.5}
    if kind == "brush":
        samples |= {"vertices": [1.0, 2.0], "radius": 3.0, "label": 0}
    samples |= {"level": 0, "column": 1, "row": 2, "rendering": RENDERING, "done": True}
    samples |= {"region": {"x0": 1.0, "y0": 2.0, "x1": 3.0, "y1": 4.0}, "later": True}
    samples |= {"points_per_side": 8, "format": "yolo"}
    fields = protocol._fields(protocol.REQUESTS[kind])
    content = {"type": kind, **{name: samples[name] for name in fields}}
    assert protocol.to_json(protocol.parse_request(json.loads(json.dumps(content)))) == content


def broken() -> list[Any]:
    point = {"x": 1, "y": 2, "label": 1}
    return [
        None,
        3,
        "predict",
        [],
        {},
        {"type": None},
        {"type": ["predict"]},
        {"type": "delete_everything", "client": "a", "seq": 1},
        {"type": "undo", "client": "a"},
        {"type": "undo", "client": 3, "seq": 1},
        {"type": "undo", "client": "a", "seq": "1"},
        {"type": "undo", "client": "a", "seq": True},
        {"type": "undo", "client": "a", "seq": 1, "extra": 1},
        {"type": "choose", "client": "a", "seq": 1, "index": 1.5},
        CLICK | {"prompt": None},
        CLICK | {"prompt": {"points": [point]}},
        CLICK | {"prompt": REST | {"points": {}}},
        CLICK | {"prompt": REST | {"points": [point | {"label": 2}]}},
        CLICK | {"prompt": REST | {"points": [point | {"label": True}]}},
        CLICK | {"prompt": REST | {"points": [point | {"x": float("nan")}]}},
        CLICK | {"prompt": REST | {"points": [point | {"x": None}]}},
        CLICK | {"prompt": REST | {"points": [point | {"x": "1"}]}},
        CLICK | {"prompt": REST | {"boxes": [{"x0": 1}]}},
        CLICK | {"prompt": REST | {"box": None}},
        CLICK | {"prompt": REST | {"strokes": [{"vertices": [1, "2"], "label": 1, "closed": True}]}},
        CLICK | {"prompt": REST | {"strokes": [{"vertices": [1, 2], "label": 1, "closed": 1}]}},
        CLICK | {"prompt": REST | {"mask": 7}},
        {"type": "brush", "client": "a", "seq": 1, "vertices": [1, 2], "radius": 3, "label": 2},
        {"type": "adjust", "client": "a", "seq": 1, "settings": {"threshold": 1}, "gesture": "x"},
        CLICK | {"prompt": {"points": {}, "box": None}},
        CLICK | {"prompt": {"points": [point | {"label": 2}], "box": None}},
        CLICK | {"prompt": {"points": [point | {"label": True}], "box": None}},
        CLICK | {"prompt": {"points": [point | {"x": float("nan")}], "box": None}},
        CLICK | {"prompt": {"points": [point | {"x": None}], "box": None}},
        CLICK | {"prompt": {"points": [point | {"x": "1"}], "box": None}},
        CLICK | {"prompt": {"points": [], "box": {"x0": 1}}},
        {"type": "render", "client": "a", "seq": 1, "rendering": RENDERING | {"channels": [0.5]}},
        {"type": "render", "client": "a", "seq": 1, "rendering": RENDERING | {"gamma": None}},
    ]


@pytest.mark.parametrize("content", broken(), ids=str)
def test_a_malformed_request_is_refused(content: Any) -> None:
    with pytest.raises(ProtocolError):
        protocol.parse_request(content)


def test_no_random_message_does_anything_but_be_read_or_refused() -> None:
    rng = random.Random(0)
    atoms: list[Any] = [None, True, 0, -1, 1e308, float("inf"), "", "predict", "a", [], {}, [None], {"x": 1}]

    def anything(depth: int = 0) -> Any:
        draw = rng.random()
        if depth > 3 or draw < 0.5:
            return rng.choice(atoms)
        if draw < 0.65:
            return [anything(depth + 1) for _ in range(rng.randrange(3))]
        keys = [
            "type",
            "client",
            "seq",
            "prompt",
            "points",
            "boxes",
            "strokes",
            "vertices",
            "settings",
            "index",
            "label",
            "object",
            "x",
            "y",
        ]
        return {rng.choice(keys): anything(depth + 1) for _ in range(rng.randrange(5))}

    for _ in range(3000):
        content: dict[str, Any] = {"type": rng.choice(list(protocol.REQUESTS)), "client": "a", "seq": 1}
        extra = anything()
        content |= extra if isinstance(extra, dict) else {"prompt": extra}
        with contextlib.suppress(ProtocolError):
            protocol.to_json(protocol.parse_request(content))
