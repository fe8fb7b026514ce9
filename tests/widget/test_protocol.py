"""Valid and invalid messages."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sam_widget
from sam_widget.errors import PromptError, ProtocolError
from sam_widget.prompts.prompt import Prompt
from sam_widget.session.remote import remote
from sam_widget.widget import panels, protocol
from sam_widget.widget.conversions import MaskPrompts
from sam_widget.widget.protocol import Request
from sam_widget.widget.typescript import typescript
from sam_widget.widget.verbs import Verb, all_verbs, read_request, verbs_of
from tests.strategies import damaged, messages

VERBS = all_verbs()
ROOT = Path(__file__).resolve().parents[2]
REST = {"points": [], "boxes": [], "strokes": [], "mask": None}
CLICK: dict[str, Any] = {
    "type": "predict",
    "client": "a",
    "seq": 3,
    "prompt": REST | {"points": [{"x": 1, "y": 2.5, "label": 1}]},
}


RENDERING = {"channels": [2, -1, 0], "black": None, "white": 4.5, "gamma": 1.2}


def parse(content: object) -> Request:
    return read_request(content, VERBS)[1]


def test_the_typescript_is_generated_from_this_python() -> None:
    assert (ROOT / "js/src/protocol.ts").read_text(encoding="utf-8") == typescript()


class Toy:
    """A session of one verb and one method that is not a verb."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    @remote("rotate", latest=True)
    def turn(self, object_id: str, degrees: float, *, about: Sequence[str] = (), prompt: Prompt | None = None) -> None:
        """Turn an object.

        Not for views.
        """
        self.calls.append((object_id, degrees, about, prompt))

    @remote()
    def tell(self, request: Request, *object_ids: str) -> None:
        """Say which request it is."""
        self.calls.append((request.seq, object_ids))

    def erase_the_disk(self, path: str) -> None:
        self.calls.append(path)


def test_a_verb_takes_one_method_and_one_mark() -> None:
    toy, verbs = Toy(), verbs_of(Toy)
    assert set(verbs) == {"rotate", "tell"}

    def ask(kind: str, **fields: Any) -> None:
        verb, request = read_request({"type": kind, "client": "a", "seq": 7, **fields}, verbs)
        verb.call(toy, request, MaskPrompts())

    ask("rotate", object="id", degrees=90)
    ask("rotate", object="id", degrees=1.5, about=["x"], prompt=CLICK["prompt"])
    ask("tell", objects=["x", "y"])
    assert toy.calls == [("id", 90.0, (), None), ("id", 1.5, ["x"], Prompt().with_point(1, 2.5)), (7, ("x", "y"))]
    with pytest.raises(ProtocolError, match="unknown message type 'erase_the_disk'; expected one of rotate, tell"):
        ask("erase_the_disk", path="/")
    with pytest.raises(ProtocolError, match=r"rotate\.prompt\.points\[0\]\.x cannot be read: Expected `float`"):
        ask("rotate", object="id", degrees=1, prompt=REST | {"points": [{"x": "1", "y": 2, "label": 1}]})
    text = typescript(verbs)
    assert '/** Turn an object. */\nexport interface Rotate {\n  type: "rotate";\n  client: string;' in text
    assert "  object: string;\n  degrees: number;\n  about?: string[];\n  prompt?: PromptData | null;\n}" in text
    assert "export type Request = Rotate | Tell;" in text


def test_a_parameter_that_cannot_travel_is_found_when_the_verb_is_made() -> None:
    class Wrong:
        @remote()
        def load(self, weights: bytes) -> None: ...

    with pytest.raises(TypeError, match="bytes.* cannot be sent"):
        verbs_of(Wrong)


def test_words_of_a_prompt_are_sent_if_there_are_any() -> None:
    request: Any = parse({**CLICK, "prompt": {**CLICK["prompt"], "words": "red cup"}})
    assert request.prompt.words == "red cup"
    assert protocol.to_json(request)["prompt"]["words"] == "red cup"
    assert "words" not in protocol.to_json(parse(CLICK))["prompt"]


def test_a_request_is_read_whole() -> None:
    request: Any = parse(CLICK)
    assert (request.client, request.seq) == ("a", 3)
    assert request.prompt == protocol.PromptData([protocol.PointData(1.0, 2.5, 1)], [], [], None)
    assert protocol.to_json(request) == CLICK


@settings(max_examples=20)
@given(data=st.data())
@pytest.mark.parametrize("verb", VERBS.values(), ids=list(VERBS))
def test_every_request_survives_the_wire(verb: Verb, data: st.DataObject) -> None:
    content = data.draw(messages(verb.request))
    assert protocol.to_json(parse(json.loads(json.dumps(content)))) == content


SETTINGS = {"threshold": 0.5, "holes": 3, "islands": 4, "smoothing": 1.5, "specks": False}
POINT = {"x": 1, "y": 2, "label": 1}
BOX = {"x0": 1, "y0": 2, "x1": 3, "y1": 4}
STROKE = {"vertices": [1, 2], "label": 1, "closed": True}
UNDO = {"type": "undo", "client": "a", "seq": 1}
BRUSH = UNDO | {"type": "brush", "vertices": [1, 2], "radius": 3, "label": 1}


def said(**fields: Any) -> dict[str, Any]:
    return CLICK | {"prompt": REST | fields}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "a message must be an object with a type, not NoneType"),
        (3, "not int"),
        ("predict", "not str"),
        ([], "not list"),
        ({}, "unknown message type None"),
        ({"type": ["predict"]}, "unknown message type ['predict']"),
        ({"type": "delete_everything"}, "unknown message type 'delete_everything'"),
        ({"type": "__init__"}, "unknown message type '__init__'"),
        ({"type": "\ud83d"}, r"unknown message type '\ud83d'"),
        ({"type": "undo", "client": "a"}, "undo cannot be read: Object missing required field `seq`"),
        (UNDO | {"client": 3}, "undo.client cannot be read: Expected `str`, got `int`"),
        (UNDO | {"client": "\ud83d"}, "undo.client cannot be read"),
        (UNDO | {"seq": "1"}, "undo.seq cannot be read: Expected `int`, got `str`"),
        (UNDO | {"seq": True}, "undo.seq cannot be read: Expected `int`, got `bool`"),
        (UNDO | {"seq": 10**400}, "undo.seq cannot be read"),
        (UNDO | {"extra": 1}, "undo cannot be read: Object contains unknown field `extra`"),
        (UNDO | {"\ud800": 1}, "undo cannot be read: 'utf-8' codec"),
        (UNDO | {"type": "choose", "index": 1.5}, "choose.index cannot be read: Expected `int`, got `float`"),
        (UNDO | {"type": "accept", "label": "cat \ud83d"}, "accept.label cannot be read: expected text without halves"),
        (
            UNDO | {"type": "accept", "label": "x" * 1001},
            "accept.label cannot be read: Expected `str` of length",
        ),
        (
            UNDO | {"type": "remove", "objects": ["x"] * 10_001},
            "remove.objects cannot be read: Expected `array`",
        ),
        (UNDO | {"type": "remove", "objects": ["x", 3]}, "remove.objects[1] cannot be read"),
        (UNDO | {"type": "export", "format": "../coco"}, "export.format cannot be read: Invalid enum value '../coco'"),
        (CLICK | {"prompt": None}, "predict.prompt cannot be read: Expected `object`, got `null`"),
        (
            CLICK | {"prompt": {"points": [POINT]}},
            "predict.prompt cannot be read: Object missing",
        ),
        (said(points={}), "predict.prompt.points cannot be read: Expected `array`, got `object`"),
        (said(points=[POINT, POINT | {"label": 2}]), "predict.prompt.points[1].label cannot be read"),
        (said(points=[POINT | {"label": True}]), "predict.prompt.points[0].label cannot be read"),
        (said(points=[POINT | {"x": float("nan")}]), "predict.prompt.points[0].x cannot be read"),
        (said(points=[POINT | {"y": float("-inf")}]), "predict.prompt.points[0].y cannot be read"),
        (said(points=[POINT | {"x": 10**400}]), "predict.prompt.points[0].x cannot be read"),
        (said(points=[POINT | {"x": None}]), "predict.prompt.points[0].x cannot be read: Expected `float`, got `null`"),
        (said(points=[POINT] * 10_000), "predict.prompt.points cannot be read: Expected `array` of length <= 1000"),
        (said(boxes=[{"x0": 1}]), "predict.prompt.boxes[0] cannot be read: Object missing required field `y0`"),
        (said(boxes=[BOX] * 33), "predict.prompt.boxes cannot be read: Expected `array` of length <= 32"),
        (said(box=None), "predict.prompt cannot be read: Object contains unknown field `box`"),
        (said(strokes=[STROKE | {"vertices": [1, "2"]}]), "predict.prompt.strokes[0].vertices[1] cannot be read"),
        (said(strokes=[STROKE | {"vertices": [1] * 20_002}]), "predict.prompt.strokes[0].vertices cannot be read"),
        (said(strokes=[STROKE | {"closed": 1}]), "predict.prompt.strokes[0].closed cannot be read"),
        (said(strokes=[STROKE] * 33), "predict.prompt.strokes cannot be read: Expected `array` of length <= 32"),
        (said(mask=7), "predict.prompt.mask cannot be read: Expected `str | null`, got `int`"),
        (BRUSH | {"vertices": None}, "brush.vertices cannot be read: Expected `array`, got `null`"),
        (BRUSH | {"radius": float("inf")}, "brush.radius cannot be read"),
        (UNDO | {"type": "adjust", "settings": {"threshold": 1}, "gesture": "x"}, "adjust.settings cannot be read"),
        (
            UNDO | {"type": "adjust", "settings": SETTINGS | {"smoothing": 1e9}, "gesture": "x"},
            "adjust.settings.smoothing cannot be read",
        ),
        (UNDO | {"type": "render", "rendering": RENDERING | {"channels": [0.5]}}, "render.rendering.channels[0]"),
        (UNDO | {"type": "render", "rendering": RENDERING | {"gamma": None}}, "render.rendering.gamma"),
    ],
    ids=str,
)
def test_a_malformed_request_is_refused_by_the_path_that_is_wrong(content: Any, complaint: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        parse(content)
    assert complaint in str(refused.value)
    assert len(str(refused.value)) < 500


class Heard:
    """Takes every verb, and does nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_given, **_named: None


@given(data=st.data())
def test_any_message_is_read_or_refused_with_an_error_of_this_package(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(list(VERBS.values())))
    content = data.draw(messages(kind.request))
    for _ in range(data.draw(st.integers(0, 2))):
        content = data.draw(damaged(content))
    with contextlib.suppress(ProtocolError, PromptError):
        verb, request = read_request(content, VERBS)
        assert protocol.to_json(request) | content == protocol.to_json(request)
        verb.call(Heard(), request, MaskPrompts())


@settings(max_examples=10)
@given(data=st.data())
@pytest.mark.parametrize(
    "kind",
    [*get_args(protocol.Reply), protocol.State, panels.GalleryData, panels.PlaceData, panels.SearchedData],
)
def test_what_the_kernel_sends_is_json_of_its_type(kind: type, data: st.DataObject) -> None:
    content = data.draw(messages(kind))
    message = msgspec.convert(json.loads(json.dumps(content)), kind)
    assert protocol.to_json(message) == content


def test_the_frontend_is_built_from_a_package_that_has_none_yet(tmp_path: Path) -> None:
    here = Path(sam_widget.__file__).parent
    ignored = shutil.ignore_patterns("static", "weights", "photos", "__pycache__")
    shutil.copytree(here, tmp_path / "sam_widget", ignore=ignored)
    written = tmp_path / "protocol.ts"
    command = [sys.executable, "-m", "sam_widget.widget.typescript", str(written)]
    subprocess.run(command, check=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)}, timeout=100)
    assert "export type Request" in written.read_text(encoding="utf-8")
