"""The widget without a browser: its replies to messages."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ipywidgets.embed import dependency_state, embed_data
from PIL import Image

import sam_widget as sw
from sam_widget.masks.runs import mask_from_runs
from sam_widget.masks.wire_codec import unpack_runs
from sam_widget.model.zoo import load_model
from sam_widget.predictor.predictor import EmbeddingCache
from sam_widget.widget.sam_widget import SamWidget
from sam_widget.widget.stage import Stage

# A preview's mask is its answer.
ANSWERS = ("answer", "preview_mask")


class View:
    """A view's end of the wire: sends requests, keeps what comes back."""

    def __init__(self, widget: SamWidget, client: str = "view") -> None:
        self.widget, self.client = widget, client
        self.seq = 0
        self.messages: list[dict[str, Any]] = []
        # The widget's, as the view puts it together from what comes.
        self.state: dict[str, Any] = dict(widget.state)
        self.masks: dict[str, np.ndarray] = {}
        self.pictures: dict[int, bytes] = {}
        self.files: dict[str, bytes] = {}
        self._news = threading.Condition()
        send = widget.send

        def spy(content: dict[str, Any], buffers: list[bytes] | None = None) -> None:
            send(content, buffers)
            self._take(content, buffers or [])

        widget.send = spy  # type: ignore[method-assign]

    def _take(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        with self._news:
            self.messages.append(content)
            if content["type"] in {"whole", "update"}:
                for data, buffer in zip(content["masks"], buffers, strict=True):
                    self.masks[data["id"]] = unpacked(buffer, data)
                self._follow(content)
            elif content["type"] == "preview_mask":
                self.masks[f"preview {content['seq']}"] = unpacked(buffers[0], content)
            elif content["type"] == "tile_picture":
                (self.pictures[content["seq"]],) = buffers
            elif content["type"] == "file":
                (self.files[content["name"]],) = buffers
            self._news.notify_all()

    def _follow(self, content: dict[str, Any]) -> None:
        if content["type"] == "whole":
            self.state = content["state"]
        elif self.state.get("revision") == content["since"]:
            objects, splice = list(self.state["objects"]), content["objects"]
            if splice is not None:
                objects[splice["start"] : splice["start"] + splice["removed"]] = splice["added"]
            before, change = self.state["everything"], content["found"] or {"removed": [], "added": []}
            self.state = {**self.state, **content["fields"], "objects": objects}
            if running := self.state["everything"]:
                found = [row for row in before["found"] if row["mask"] not in change["removed"]] if before else []
                self.state["everything"] = running | {"found": [*found, *change["added"]]}

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Wait until what has come back fulfils a condition."""
        with self._news:
            assert self._news.wait_for(condition, 60)

    def post(self, kind: str, **fields: Any) -> int:
        """Send a request without waiting; return its number."""
        self.seq += 1
        message = {"type": kind, "client": self.client, "seq": self.seq, **fields}
        self.widget._receive(self.widget, message, [])
        return self.seq

    def answer(self, seq: int) -> dict[str, Any]:
        """Wait for the answer to a request."""

        def found() -> list[dict[str, Any]]:
            mine = [m for m in self.messages if (m.get("client"), m.get("seq")) == (self.client, seq)]
            return [m for m in mine if m["type"] in ANSWERS]

        with self._news:
            assert self._news.wait_for(found, timeout=60), f"no answer to request {seq}"
            (only,) = found()
            return {"outcome": "done", **only}

    def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Send a request and wait for its answer."""
        return self.answer(self.post(kind, **fields))

    def tile(self, level: int, column: int = 0, row: int = 0, **rendering: Any) -> np.ndarray:
        """Ask for a tile and decode it."""
        usual = {"channels": [], "black": None, "white": None, "gamma": 1.0}
        seq = self.post("tile", level=level, column=column, row=row, rendering=usual | rendering)
        answer = self.answer(seq)
        assert answer["outcome"] == "done", answer
        return np.asarray(Image.open(io.BytesIO(self.pictures[seq])))


def unpacked(buffer: bytes, size: dict[str, int]) -> np.ndarray:
    shape = size["height"], size["width"]
    return mask_from_runs(unpack_runs(buffer, *shape), *shape)


def prompt(*points: tuple[float, float], box: dict[str, float] | None = None) -> dict[str, Any]:
    boxes = [] if box is None else [box]
    return {"points": [{"x": x, "y": y, "label": 1} for x, y in points], "boxes": boxes, "strokes": [], "mask": None}


@pytest.fixture
def widget(photo: np.ndarray) -> Iterator[SamWidget]:
    widget = SamWidget(photo)
    assert widget.session.embedding
    yield widget
    widget.close()


def wait_for(widget: SamWidget, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Wait until the widget's state fulfils a condition."""
    there = threading.Event()

    def look(change: Any) -> None:
        if condition(change["new"]):
            there.set()

    widget.observe(look, "state")
    if not condition(widget.state):
        assert there.wait(120), widget.state
    widget.unobserve(look, "state")
    return widget.state


def test_a_new_view_is_sent_every_mask(widget: SamWidget) -> None:
    widget.click(150, 120)
    view = View(widget)
    assert view.ask("hello")["outcome"] == "done"
    for shown, candidate in zip(widget.state["candidates"], widget.candidates, strict=True):
        np.testing.assert_array_equal(view.masks[shown["mask"]], candidate.mask)


def test_a_click_in_a_view_is_a_click_on_the_session(widget: SamWidget) -> None:
    view = View(widget)
    answer = view.ask("predict", prompt=prompt((150, 120)))
    assert answer["outcome"] == "done"
    assert answer["revision"] <= widget.state["revision"]
    assert widget.session.prompt == widget.prompt == sw.Prompt.from_arrays([(150, 120)])
    assert len(widget.candidates) == 3
    assert widget.chosen is widget.session.chosen
    assert widget.score == widget.chosen.score
    assert [c["score"] for c in widget.state["candidates"]] == [round(c.score, 4) for c in widget.candidates]
    assert {c["mask"] for c in widget.state["candidates"]} == set(view.masks)


def test_every_request_does_what_its_method_does(widget: SamWidget) -> None:
    view = View(widget)
    view.ask("predict", prompt=prompt((150, 120), box={"x0": 300, "y0": 250, "x1": 50, "y1": 20}))
    assert widget.prompt.box == sw.Box(50, 20, 300, 250)
    view.ask("choose", index=1)
    assert widget.chosen is widget.candidates[1]
    view.ask("accept", label="cat")
    assert [o.label for o in widget.objects] == ["cat"]
    view.ask("rename", objects=[widget.objects[0].id], label="tiger")
    assert [o["label"] for o in widget.state["objects"]] == ["tiger"]
    view.ask("remove", objects=[widget.objects[0].id])
    assert widget.objects == ()
    view.ask("undo")
    view.ask("undo")
    assert [o.label for o in widget.objects] == ["cat"]
    view.ask("redo")
    assert [o.label for o in widget.objects] == ["tiger"]
    view.ask("predict", prompt=prompt((150, 120)))
    view.ask("clear")
    assert widget.prompt.is_empty


def test_what_python_does_is_in_the_state_at_once(widget: SamWidget) -> None:
    widget.click(150, 120)
    widget.choose(2)
    assert widget.state["chosen"] == 2
    widget.accept("cat")
    (shown,) = widget.state["objects"]
    assert (shown["label"], shown["area"]) == ("cat", widget.objects[0].area)
    widget.drag(5, 5, 60, 60)
    assert widget.state["prompt"]["boxes"] == [{"x0": 5.0, "y0": 5.0, "x1": 60.0, "y1": 60.0}]
    widget.clear()
    widget.undo()
    widget.redo()
    assert widget.state["candidates"] == []


def test_the_newest_prompt_wins_and_every_request_has_one_answer(widget: SamWidget) -> None:
    view = View(widget)
    with widget.session._history.editing:  # The worker waits, so that prompts pile up.
        numbers = [view.post("predict", prompt=prompt((100 + k, 120))) for k in range(20)]
    outcomes = [view.answer(seq)["outcome"] for seq in numbers]
    assert outcomes[-1] == "done"
    assert outcomes.count("superseded") >= 18
    assert set(outcomes) == {"done", "superseded"}
    assert widget.prompt == sw.Prompt.from_arrays([(119, 120)])


def test_answers_name_the_view_that_asked(widget: SamWidget) -> None:
    one, two = View(widget, "one"), View(widget, "two")
    first, second = one.post("predict", prompt=prompt((150, 120))), two.post("undo")
    assert one.answer(first)["client"] == "one"
    assert two.answer(second)["client"] == "two"


@pytest.mark.parametrize(
    ("kind", "fields", "text"),
    [
        ("choose", {"index": 9}, "no candidate 9"),
        ("accept", {"label": ""}, "no mask to accept"),
        ("undo", {}, "nothing to undo"),
        ("remove", {"objects": ["x"]}, "no object"),
        ("rename", {"objects": ["x"], "label": "y"}, "no object"),
        ("everything", {"points_per_side": 10**9}, "1 to 128"),
        ("everything", {"points_per_side": 0}, "1 to 128"),
        ("export", {"format": "coco"}, "no objects"),
        ("export", {"format": "../../coco"}, "export.format cannot be read"),
        ("predict", {"prompt": prompt((5000, 1))}, "outside the image"),
        ("predict", {"prompt": prompt(box={"x0": 1, "y0": 1, "x1": 1, "y1": 1})}, "empty"),
        ("predict", {"prompt": 7}, "predict.prompt cannot be read: Expected `object`"),
        ("format_disk", {}, "unknown message type"),
    ],
)
def test_a_bad_request_is_answered_with_an_error_and_changes_nothing(
    widget: SamWidget, kind: str, fields: dict[str, Any], text: str
) -> None:
    view, before = View(widget), widget.session.state
    answer = view.ask(kind, **fields)
    assert answer["outcome"] == "error"
    assert text in answer["error"] or "share a row" in answer["error"]
    assert widget.session.state is before
    assert view.ask("predict", prompt=prompt((150, 120)))["outcome"] == "done"


@pytest.mark.parametrize("content", [None, 7, "x", [], {}, {"type": "undo"}, {"client": {}, "seq": []}])
def test_nonsense_is_answered_and_does_no_harm(widget: SamWidget, content: Any) -> None:
    view = View(widget)
    widget._receive(widget, content, [])
    assert view.messages[-1]["outcome"] == "error"


def test_a_failure_inside_the_model_reaches_the_view(widget: SamWidget, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("out of memory")

    view = View(widget)
    with monkeypatch.context() as patch:
        patch.setattr(widget.session.predictor.model, "decode", fail)
        assert "out of memory" in view.ask("predict", prompt=prompt((150, 120)))["error"]
    assert view.ask("predict", prompt=prompt((150, 120)))["outcome"] == "done"


def test_a_wrong_url_shows_in_the_widget_and_raises_on_use() -> None:
    widget = SamWidget("http://127.0.0.1:9/photo.jpg")
    state = wait_for(widget, lambda s: s["status"] == "error")
    assert "127.0.0.1:9/photo.jpg" in state["message"]
    assert state["image"] is None
    with pytest.raises(sw.ImageError, match=r"127\.0\.0\.1:9/photo\.jpg"):
        widget.click(1, 1)
    view = View(widget)
    assert view.ask("hello")["outcome"] == "done"
    assert "127.0.0.1:9/photo.jpg" in view.ask("predict", prompt=prompt((1, 1)))["error"]
    widget.close()


def test_an_unknown_model_is_refused_at_once(photo: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(photo).save(tmp_path / "photo.png")
    for make in (SamWidget, sw.Session, lambda _photo, **options: sw.Gallery(tmp_path, **options)):
        with pytest.raises(sw.ModelError, match=r"unknown model 'vitb'; did you mean 'vit_b'\?"):
            make(photo, model="vitb")
        with pytest.raises(sw.ModelError, match=r"no checkpoint at no/such\.pth"):
            make(photo, model="no/such.pth")


def test_a_misspelt_model_is_refused_without_torch() -> None:
    code = (
        "import sys, numpy as np, sam_widget as sw\n"
        "try:\n    sw.SamWidget(np.zeros((8, 8, 3), np.uint8), model='vitb')\n"
        "except sw.ModelError as error:\n    print(error, 'torch' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300).stdout
    assert "did you mean 'vit_b'?" in said
    assert said.strip().endswith("False")


def test_a_model_that_cannot_be_loaded_shows_in_the_widget(photo: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "broken.safetensors").write_bytes(b"no weights")
    widget = SamWidget(photo, model=tmp_path / "broken.safetensors")
    assert "broken.safetensors" in wait_for(widget, lambda s: s["status"] == "error")["message"]
    widget.close()


@pytest.mark.parametrize(
    "mistake",
    [
        lambda: SamWidget("no/such/photo.jpg"),
        lambda: sw.Session("no/such/photo.jpg"),
        lambda: sw.Gallery("no/such/folder"),
        lambda: sw.load_model("vitb"),
        lambda: sw.Predictor("vitb"),
        lambda: sw.segment_everything("tiny", "no/such/photo.jpg"),
        lambda: SamWidget.load("no/such/file.sam"),
        lambda: sw.Session.load("no/such/file.sam"),
    ],
)
def test_a_mistake_is_told_in_a_few_lines(mistake: Callable[[], object]) -> None:
    with pytest.raises(sw.SamWidgetError) as caught:
        mistake()
    told = traceback.format_exception(caught.value)
    assert len("".join(told).splitlines()) <= 16, "".join(told)
    assert "During handling" not in "".join(told)
    assert "direct cause" not in "".join(told)


def test_a_bad_image_raises_at_once() -> None:
    with pytest.raises(sw.ImageError, match=r"no such file: 'no/such/photo\.jpg'"):
        SamWidget("no/such/photo.jpg")
    with pytest.raises(sw.ImageError, match="16 values that are NaN"):
        SamWidget(np.full((4, 4), np.nan))


def test_unknown_options_are_refused(photo: np.ndarray) -> None:
    with pytest.raises(TypeError, match="'colour'"):
        SamWidget(photo, colour="red")  # type: ignore[call-arg]


def test_status_goes_from_loading_to_ready(photo: np.ndarray) -> None:
    widget = SamWidget(photo[:50])
    assert widget.state["status"] in {"loading", "embedding"}
    state = wait_for(widget, lambda s: s["status"] == "ready")
    assert state["image"]["height"] == 50
    widget.close()


def test_a_small_photo_travels_whole_and_exactly(widget: SamWidget, photo: np.ndarray) -> None:
    assert widget.state["image"]["levels"] == 1
    np.testing.assert_array_equal(View(widget).tile(0), photo)


def test_a_large_photo_travels_in_tiles_at_the_level_asked_for() -> None:
    rng = np.random.default_rng(0)
    photo = np.kron(rng.integers(0, 256, (30, 50, 3), dtype=np.uint8), np.ones((100, 100, 1), np.uint8))
    widget = SamWidget(photo)
    view = View(widget)
    state = wait_for(widget, lambda state: state["image"] is not None)
    assert {key: state["image"][key] for key in ("width", "height", "levels", "tile")} == {
        "width": 5000,
        "height": 3000,
        "levels": 3,
        "tile": 512,
    }
    np.testing.assert_array_equal(view.tile(0, 2, 1), photo[512:1024, 1024:1536])
    np.testing.assert_array_equal(view.tile(0, 9, 5), photo[2560:, 4608:])
    whole = view.tile(2)
    assert whole.shape == (750, 1250, 3)
    assert abs(whole.astype(int) - photo[2::4, 2::4]).mean() < 4, "JPEG, and the edges between the blocks"
    widget.close()


def test_tiles_are_there_before_the_model_and_while_it_works(photo: np.ndarray) -> None:
    gate = threading.Event()
    widget = SamWidget(photo)
    widget.session.on_change(lambda: gate.wait(30))
    view = View(widget)
    view.post("predict", prompt=prompt((150, 120)))
    assert view.tile(0).shape == photo.shape
    gate.set()
    widget.close()


def test_a_tile_that_cannot_be_is_an_error_and_nothing_else(widget: SamWidget) -> None:
    view = View(widget)
    usual = {"channels": [], "black": None, "white": None, "gamma": 1.0}
    for wrong in ({"level": 1}, {"column": -1}, {"rendering": usual | {"channels": [7]}}):
        answer = view.ask("tile", **({"level": 0, "column": 0, "row": 0, "rendering": usual} | wrong))
        assert answer["outcome"] == "error"
    assert view.tile(0).shape[2] == 3


def test_the_model_sees_what_a_view_tells_it_to(widget: SamWidget) -> None:
    view = View(widget)
    view.ask("predict", prompt=prompt((150, 120)))
    before = [c["score"] for c in widget.state["candidates"]]
    inverted = {"channels": [1], "black": 255.0, "white": 0.0, "gamma": 1.0}
    assert view.ask("render", rendering=inverted)["outcome"] == "done"
    assert widget.state["rendering"] == inverted
    assert [c["score"] for c in widget.state["candidates"]] != before
    assert widget.session.embedding.image_hash != widget.session.image_hash
    view.ask("undo")
    assert widget.state["rendering"]["channels"] == []
    assert [c["score"] for c in widget.state["candidates"]] == before
    assert view.ask("render", rendering=inverted | {"gamma": 0.0})["outcome"] == "error"
    assert widget.state["status"] == "ready"
    assert widget.state["rendering"]["channels"] == []


def test_closing_answers_what_is_asked_later(widget: SamWidget) -> None:
    view = View(widget)
    widget.close()
    assert view.ask("undo")["outcome"] == "superseded"


def test_a_download_shows_its_progress_and_then_the_model_answers(
    photo: np.ndarray, monkeypatch: pytest.MonkeyPatch, predictor: sw.Predictor
) -> None:
    def load(name: str, *, progress: Callable[[int, int], None]) -> object:
        assert name == "vit_b"
        for done in range(0, 400_000_001, 1_000_000):
            progress(done, 400_000_000)
        return predictor.model

    monkeypatch.setattr("sam_widget.predictor.interface._named", {})
    monkeypatch.setattr("sam_widget.predictor.predictor.load_model", load)
    messages: list[str] = []
    say = Stage.say

    def overheard(self: Stage, status: Any, text: str) -> None:
        messages.append(text)
        say(self, status, text)

    monkeypatch.setattr(Stage, "say", overheard)
    widget = SamWidget(photo, model="vit_b")
    assert widget.click(150, 120)
    downloads = [text for text in messages if "Downloading" in text]
    assert downloads[0] == "Downloading vit_b: 0% of 400 MB"
    assert downloads[-1] == "Downloading vit_b: 100% of 400 MB"
    assert len(downloads) == 101
    after = messages[messages.index(downloads[-1]) + 1 :]
    assert any(text.startswith("Embedding ") for text in after), "then it says what it is about"
    widget.close()


def what_is_done(widget: SamWidget) -> dict[str, Any]:
    passing = {"status", "message", "revision", "decode_ms"}
    return {key: value for key, value in widget.state.items() if key not in passing}


@pytest.mark.parametrize("part", ["encode", "decode"])
def test_too_little_memory_is_said_and_nothing_is_lost(
    photo: np.ndarray, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    model = load_model("tiny")
    widget = SamWidget(photo, model=sw.Predictor(model, cache=EmbeddingCache()))
    view = View(widget)
    widget.click(150, 120)
    cat = widget.accept("cat")
    widget.click(300, 200)
    before = what_is_done(widget)

    def too_large(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 5.00 GiB")

    with monkeypatch.context() as patch:
        patch.setattr(model, part, too_large)
        if part == "decode":
            answer = view.ask("predict", prompt=prompt((150, 120)))
        else:
            region = {"x0": 200, "y0": 100, "x1": 400, "y1": 280}
            answer = view.ask("sharpen", region=region, later=False)
    assert answer["outcome"] == "error"
    assert "has too little memory for tiny" in answer["error"]
    assert what_is_done(widget) == before
    assert [item.id for item in widget.objects] == [cat.id]
    assert widget.click(150, 120), "it still works"
    widget.close()


def test_opening_a_widget_does_not_wait_for_torch() -> None:
    code = (
        "import sys, threading, sam_widget as sw\n"
        "start = threading.Thread.start\n"
        "threading.Thread.start = lambda self: None if self.name == 'sam_widget' else start(self)\n"
        "sw.SamWidget(sw.sample('cat'))\n"
        "print('torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


def test_a_page_without_a_kernel_has_the_photo_and_the_masks(widget: SamWidget) -> None:
    widget.click(150, 120)
    widget.accept("cat")
    widget.click(300, 200)
    assert widget.saved == {}
    embedded = embed_data(views=[widget], state=dependency_state([widget]))
    state = embedded["manager_state"]["state"][widget.model_id]["state"]
    assert base64.b64decode(state["saved"]["picture"]).startswith(b"\x89PNG")
    masks = {m["id"]: unpacked(base64.b64decode(m["runs"]), m) for m in state["saved"]["masks"]}
    np.testing.assert_array_equal(masks[state["state"]["objects"][0]["mask"]], widget.objects[0].mask)
    for shown, candidate in zip(state["state"]["candidates"], widget.candidates, strict=True):
        np.testing.assert_array_equal(masks[shown["mask"]], candidate.mask)
    assert widget.saved == {}, "a view with a kernel requests what it needs"
