"""A widget whose photo is embedded by a server."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sam_widget as sw
from sam_widget.errors import ModelError, OutOfReachError
from sam_widget.predictor import connection, interface, served
from sam_widget.predictor.embeddings import EmbeddingCache
from sam_widget.serve.embedder import Embedder
from tests.serve.test_proxy import free_port
from tests.serving import TOKENS, checkpoint, process, serving
from tests.waiting import until


@pytest.fixture(autouse=True)
def on_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAM_WIDGET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(connection, "_PAUSES", (0.01,))
    monkeypatch.setattr(connection, "_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(served, "CACHE", EmbeddingCache())
    monkeypatch.setattr(interface, "_named", {})


def test_the_widget_says_its_place_in_the_queue_and_then_answers(
    photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = threading.Event()
    batch = Embedder._batch
    monkeypatch.setattr(Embedder, "_batch", lambda self: free.wait(60) and batch(self))
    with serving() as address:
        other = sw.connect(f"{address}?token={TOKENS['bob']}")
        waits = threading.Thread(target=other.embed, args=(photo[:200],))
        waits.start()
        until(lambda: other.server.about().queue == 1, seconds=30, what="the other photo waits")
        widget = sw.SamWidget(photo, model=f"{address}?token={TOKENS['ada']}")
        until(lambda: "number 2 in the queue" in widget.state["message"], seconds=60, what="it waits")
        assert widget.state["status"] == "embedding"
        free.set()
        until(lambda: widget.state["status"] == "ready", seconds=60, what="it is ready")
        waits.join()
        widget.click(200, 200)
        assert widget.chosen is not None
        assert TOKENS["ada"] not in str(widget.state)
        widget.close()


def test_while_the_server_is_gone_tiny_answers_in_sight_and_then_it_answers_again(
    photo: np.ndarray, tmp_path: Path
) -> None:
    """A process is killed and started again on the same port; its model is not `tiny`."""
    model = str(checkpoint(tmp_path / "big.safetensors"))
    options = ["--model", model, "--port"]
    token = {"SAM_WIDGET_TOKEN": "t" * 20}
    with process(tmp_path, *options, "0", **token) as (server, given):
        widget = sw.SamWidget(photo, model=given, autosave=tmp_path / "cat.sam")
        until(lambda: widget.state["status"] == "ready", seconds=60, what="it is ready")
        widget.click(200, 200)
        widget.accept("before")
        server.send_signal(signal.SIGKILL)
        server.wait()
    # What is embedded works without the server.
    widget.click(100, 100)
    assert widget.state["meanwhile"] == ""
    assert "model" not in widget.state["candidates"][0]
    # Another photo is answered by tiny, and says so.
    other = sw.SamWidget(photo[:200], model=given, autosave=tmp_path / "other.sam")
    until(lambda: other.state["status"] == "ready", seconds=60, what="it is ready all the same")
    address = given.partition("?")[0]
    assert other.state["meanwhile"] == f"The server {address} does not answer; tiny answers meanwhile."
    other.click(100, 100)
    assert {one["model"] for one in other.state["candidates"]} == {"tiny"}
    kept = other.accept("meanwhile")
    other.click(300, 100)
    assert "t" * 20 not in str(other.state)

    port = given.split(":")[2].partition("/")[0]
    with process(tmp_path, *options, port, **token):
        until(lambda: other.state["meanwhile"] == "", seconds=60, what="the server is back")
        until(lambda: "model" not in other.state["candidates"][0], seconds=30, what="it is decoded again")
        assert other.objects == (kept,)
        other.accept("after")
    ours, its = sw.load_model("tiny").weights_id, other.session.predictor.model.weights_id
    widget.close()
    other.close()
    record = sw.Session.load(tmp_path / "other.sam", model="tiny")
    made = {item.label: record.maker_of(item) or ours for item in record.objects}
    assert made == {"meanwhile": ours, "after": its}
    assert [item.label for item in sw.Session.load(tmp_path / "cat.sam", model="tiny").objects] == ["before"]


@pytest.mark.parametrize(("kind", "by"), [("widget", "address"), ("widget", "environment"), ("gallery", "address")])
def test_a_server_that_starts_after_the_photo_is_opened(
    photo: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, by: str
) -> None:
    """Its process is then killed, and started again; all that is accepted meanwhile stays."""
    big = checkpoint(tmp_path / "big.safetensors")
    token, port = "t" * 20, free_port()
    options, given = ["--model", str(big), "--port", str(port)], f"http://127.0.0.1:{port}/?token={token}"
    model = None if by == "environment" else given
    monkeypatch.setenv("SAM_WIDGET_SERVER", given if by == "environment" else "")
    if kind == "gallery":
        folder = tmp_path / "photos"
        folder.mkdir()
        for number in (1, 2):
            Image.fromarray(photo[: 100 * number + 100]).save(folder / f"{number}.png")
        widget: sw.SamWidget = sw.Gallery(folder, model=model, sessions=tmp_path)
        file = tmp_path / "1.png.sam"
    else:
        file = tmp_path / "cat.sam"
        widget = sw.SamWidget(photo, model=model, autosave=file)
    until(lambda: widget.state["status"] == "ready", seconds=60, what="it is ready all the same")
    assert widget.state["meanwhile"] == f"The server {given.partition('?')[0]} does not answer; tiny answers meanwhile."
    assert widget.state["model"] == given.partition("?")[0]
    widget.click(100, 100)
    assert {one["model"] for one in widget.state["candidates"]} == {"tiny"}
    widget.accept("meanwhile")
    widget.click(60, 60)
    assert token not in str(widget.state)
    with process(tmp_path, *options, SAM_WIDGET_TOKEN=token) as (server, _):
        until(lambda: widget.state["meanwhile"] == "", seconds=60, what="the server is there")
        until(lambda: "model" not in widget.state["candidates"][0], seconds=30, what="it is decoded again")
        assert widget.state["model"] == "big"
        widget.accept("after")
        server.send_signal(signal.SIGKILL)
        server.wait()
    widget.click(120, 100)
    assert widget.state["meanwhile"] == "", "what is embedded needs no server"
    if isinstance(widget, sw.Gallery):
        gallery = widget
        gallery.go(1)
        until(lambda: "tiny answers" in gallery.state["meanwhile"], seconds=60, what="another photo says so")
        gallery.click(100, 100)
        with process(tmp_path, *options, SAM_WIDGET_TOKEN=token):
            until(lambda: gallery.state["meanwhile"] == "", seconds=60, what="the server is there again")
            until(lambda: "model" not in gallery.state["candidates"][0], seconds=30, what="it is decoded again")
        gallery.go(0)
    ours, its = sw.load_model("tiny").weights_id, widget.session.predictor.model.weights_id
    widget.close()
    assert its.startswith("big-")
    record = sw.Session.load(file, model="tiny")
    made = {item.label: record.maker_of(item) or ours for item in record.objects}
    assert made == {"meanwhile": ours, "after": its}
    assert token not in file.read_bytes().decode("latin-1")


def test_in_a_script_the_prompt_raises_until_the_server_is_there(photo: np.ndarray, tmp_path: Path) -> None:
    port = free_port()
    session = sw.Session(photo, model=f"http://127.0.0.1:{port}/?token={TOKENS['ada']}", autosave=tmp_path / "cat.sam")
    assert session.predictor.model.name == session.model_name == f"http://127.0.0.1:{port}/"
    for ask in (lambda: session.click(200, 200), session.everything, lambda: session.find("cat")):
        with pytest.raises(OutOfReachError, match="does not answer"):
            ask()
    assert session.state.prompt.is_empty
    with serving(port=port):
        session.click(200, 200)
        session.accept("cat")
    assert session.predictor.model.name == "tiny"
    session.close()
    again = sw.Session.load(tmp_path / "cat.sam", model="tiny")
    assert again.maker_of(again.objects[0]) is None


def test_what_time_does_not_change_is_an_error_at_once(photo: np.ndarray) -> None:
    with serving() as address:
        with pytest.raises(ModelError, match="token is missing or wrong"):
            sw.Session(photo, model=f"{address}?token=wrong-0123456789")
        widget = sw.SamWidget(photo, model=f"{address}?token=wrong-0123456789")
        until(lambda: widget.state["status"] == "error", seconds=60, what="it says so")
        assert "token is missing or wrong" in widget.state["message"]
        widget.close()
