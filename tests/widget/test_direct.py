"""The direct line: previews that bypass Jupyter's messages, and nothing else."""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import stat
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_widget.widget import direct
from sam_widget.widget.direct import Address, Listener, framed, length_of
from sam_widget.widget.sam_widget import SamWidget
from tests.widget.test_sam_widget import View, prompt, unpacked, wait_for


class Line:
    """A page's end of a direct line."""

    def __init__(self, address: Address, widget: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", address.port), timeout=60)
        self.socket.sendall(address.greeting(widget))

    def ask(self, kind: str, seq: int, **fields: Any) -> None:
        self.say(json.dumps({"type": kind, "client": "page", "seq": seq, **fields}).encode())

    def say(self, message: bytes) -> None:
        self.socket.sendall(framed(message))

    def hear(self) -> tuple[dict[str, Any], bytes]:
        message = self._exactly(length_of(self._exactly(4)))
        (length,) = struct.unpack("<I", message[:4])
        return json.loads(message[4 : 4 + length]), message[4 + length :]

    def _exactly(self, size: int) -> bytes:
        read = b""
        while len(read) < size:
            part = self.socket.recv(size - len(read))
            if not part:
                raise EOFError
            read += part
        return read

    def expect_hung_up(self) -> None:
        with contextlib.suppress(ConnectionResetError):  # It hung up with something of ours unread.
            assert self.socket.recv(1) == b""


@pytest.fixture
def connection_file(tmp_path: Path) -> Path:
    return tmp_path / "kernel-5e1f.json"


@pytest.fixture
def listening(connection_file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    """As in a Jupyter kernel."""
    listener = Listener(connection_file)
    monkeypatch.setattr("sam_widget.widget.sam_widget.listener", lambda: listener)
    yield listener
    listener.close()


@pytest.fixture
def widget(listening: Listener, photo: np.ndarray) -> Iterator[SamWidget]:  # noqa: ARG001  it is there before
    widget = SamWidget(photo)
    wait_for(widget, lambda state: state["status"] == "ready")
    yield widget
    widget.close()


@pytest.fixture
def line(widget: SamWidget, connection_file: Path) -> Line:
    address = Address.beside(connection_file)
    assert address is not None
    return Line(address, widget.model_id)


def test_a_preview_over_the_line_is_the_one_that_jupyter_brings(widget: SamWidget, line: Line) -> None:
    view = View(widget)
    view.ask("preview", prompt=prompt((150, 120)))
    (usual,) = [message for message in view.messages if message["type"] == "preview_mask"]
    heard = len(view.messages)
    line.ask("preview", 7, prompt=prompt((150, 120)))
    message, mask = line.hear()
    assert message == {**usual, "client": "page", "seq": 7}
    np.testing.assert_array_equal(unpacked(mask, message), view.masks[f"preview {view.seq}"])
    assert len(view.messages) == heard, "Jupyter's messages are left alone"


def test_every_preview_of_a_burst_is_answered_once_and_the_last_with_its_mask(widget: SamWidget, line: Line) -> None:
    with widget.session._history.editing:  # The worker waits, so that they pile up.
        for seq in range(200):
            line.ask("preview", seq, prompt=prompt((50 + seq, 120)))
        heard = [line.hear()[0] for _ in range(198)]  # All but the one at work and the last.
    heard += [line.hear()[0] for _ in range(2)]
    assert sorted(message["seq"] for message in heard) == list(range(200))
    assert [message["seq"] for message in heard if message["type"] == "preview_mask"][-1] == 199
    assert {message["outcome"] for message in heard if message["type"] == "answer"} <= {"superseded"}
    assert widget._replies.open == 0


def test_an_empty_prompt_and_a_failing_model_are_answered_over_the_line(
    widget: SamWidget, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.ask("preview", 1, prompt=prompt())
    assert line.hear()[0]["outcome"] == "done"

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(widget.session.predictor.model, "decode", fail)
    line.ask("preview", 2, prompt=prompt((20, 30)))
    assert "out of memory" in line.hear()[0]["error"]
    assert widget._replies.open == 0


def test_nothing_but_previews_travels_there(widget: SamWidget, line: Line) -> None:
    widget.click(150, 120)
    before = widget.session.state
    for seq, kind in enumerate(["undo", "clear", "hello", "accept"]):
        fields = {"label": "mine"} if kind == "accept" else {}
        line.ask(kind, seq, **fields)
        answer, _ = line.hear()
        assert (answer["outcome"], answer["seq"]) == ("error", seq)
        assert "previews" in answer["error"]
    assert widget.session.state is before


@pytest.mark.parametrize("key", ["", "0" * 64, None, ["a"]])
def test_whoever_does_not_know_the_key_hears_nothing(widget: SamWidget, connection_file: Path, key: Any) -> None:
    address = Address.beside(connection_file)
    assert address is not None
    stranger = Line(Address(address.port, key), widget.model_id)
    stranger.ask("preview", 1, prompt=prompt((150, 120)))
    stranger.expect_hung_up()


def test_a_widget_that_is_not_there_is_no_line(widget: SamWidget, line: Line, connection_file: Path) -> None:
    address = Address.beside(connection_file)
    assert address is not None
    Line(address, "another").expect_hung_up()
    widget.close()
    line.ask("preview", 1, prompt=prompt((150, 120)))
    line.expect_hung_up()


def test_what_makes_no_sense_changes_nothing_and_ends_no_kernel(
    widget: SamWidget, line: Line, connection_file: Path
) -> None:
    widget.click(150, 120)
    before, address, rng = widget.session.state, Address.beside(connection_file), random.Random(0)
    assert address is not None
    for message in (b"null", b"7", b'"preview"', b"[]", b"{}", b'{"type": "preview", "client": 3, "seq": null}'):
        line.say(message)
        assert line.hear()[0]["outcome"] == "error"
    hostile: list[bytes] = [
        *(framed(rng.randbytes(rng.randrange(1, 200))) for _ in range(30)),
        framed(b"[" * 200_000),
        b"\xff\xff\xff\xff",
        b"\x00",
    ]
    for frame in hostile:
        other = Line(address, widget.model_id)
        other.socket.sendall(frame)
        other.socket.shutdown(socket.SHUT_WR)
        other.expect_hung_up()
    for frame in hostile:
        with socket.create_connection(("127.0.0.1", address.port)) as stranger:
            stranger.sendall(frame)
    assert widget.session.state is before
    line.ask("preview", 1, prompt=prompt((90, 60)))
    assert line.hear()[0]["type"] == "preview_mask"


def test_whoever_hangs_up_early_is_not_missed(widget: SamWidget, line: Line, connection_file: Path) -> None:
    with widget.session._history.editing:
        line.ask("preview", 1, prompt=prompt((90, 60)))
        line.socket.close()
        while not widget._replies.open:
            pass  # It is on its way from the listener to the worker.
    view = View(widget)
    assert view.ask("preview", prompt=prompt((150, 120)))["outcome"] == "done"
    address = Address.beside(connection_file)
    assert address is not None
    again = Line(address, widget.model_id)
    again.ask("preview", 1, prompt=prompt((90, 60)))
    assert again.hear()[0]["seq"] == 1


def test_whoever_listens_no_more_holds_nobody_up(
    widget: SamWidget, line: Line, listening: Listener, connection_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct, "PATIENCE", 0.2)
    address = Address.beside(connection_file)
    assert address is not None
    lines: list[direct.Reply] = []
    listening.register("deaf", lambda _, reply: lines.append(reply))
    deaf = Line(address, "deaf")
    deaf.say(b"{}")
    while not lines:
        pass
    lines[0]({}, [bytes(1 << 26)])  # More than the way there holds.
    line.ask("preview", 1, prompt=prompt((90, 60)))
    assert line.hear()[0]["type"] == "preview_mask"
    with pytest.raises((EOFError, OSError)):
        deaf.hear()
    assert widget.prompt.is_empty


def test_only_the_user_can_read_where_a_kernel_listens_and_jupyter_takes_it_for_no_kernel(
    connection_file: Path,
) -> None:
    listener = Listener(connection_file)
    (written,) = connection_file.parent.iterdir()
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert not written.match("kernel-*.json")
    first = Address.beside(connection_file)
    # A restarted kernel finds what the previous one has left.
    second = Listener(connection_file)
    assert Address.beside(connection_file) not in {None, first}
    listener.close()
    second.close()
    assert Address.beside(connection_file) is None


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"port": "x", "key": "k"}', '{"port": 1'])
def test_a_damaged_address_is_none(connection_file: Path, text: str) -> None:
    (connection_file.parent / "sam_widget-kernel-5e1f.json").write_text(text)
    assert Address.beside(connection_file) is None


def test_a_kernel_without_a_connection_file_has_no_address() -> None:
    assert Address.beside("") is None


def test_the_state_says_what_to_ask_for(widget: SamWidget) -> None:
    assert widget.state["direct"] == f"5e1f/{widget.model_id}"


def test_without_a_jupyter_kernel_there_is_no_line(photo: np.ndarray) -> None:
    assert direct.listener() is None
    widget = SamWidget(photo)
    assert widget.state["direct"] is None
    widget.close()


def test_a_process_that_is_forked_off_leaves_the_line_to_its_parent(
    listening: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct, "_made", [(os.getpid(), listening)])
    assert direct.listener() is listening
    monkeypatch.setattr(direct, "_made", [(os.getpid() + 1, listening)])
    assert direct.listener() is None


def test_where_nothing_can_be_written_there_is_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class App:
        abs_connection_file = str(tmp_path / "missing/kernel-1.json")
        initialized: Callable[[], bool] = staticmethod(lambda: True)
        instance: Callable[[], Any] = classmethod(lambda cls: cls)

    monkeypatch.setitem(__import__("sys").modules, "ipykernel.kernelapp", type("module", (), {"IPKernelApp": App}))
    assert direct._listen() is None
