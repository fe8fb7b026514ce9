"""The direct line: previews that bypass Jupyter's messages, and nothing else."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import random
import select
import socket
import stat
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClosedError, websocket_connect

from sam_widget.widget import direct, direct_line
from sam_widget.widget.direct import Address, Send
from sam_widget.widget.direct_line import LONGEST, Listener, connect
from sam_widget.widget.sam_widget import SamWidget
from tests.waiting import until
from tests.widget.test_sam_widget import View, prompt, unpacked, wait_for

# The handshake of a websocket.
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + base64.b64encode(bytes(16)) + b"\r\n\r\n"
)


class Line:
    """A Jupyter server's end of a direct line."""

    def __init__(self, address: Address, widget: str) -> None:
        self._runner = asyncio.Runner()
        self._line = self._runner.run(connect(address, widget))

    def ask(self, kind: str, seq: int, **fields: Any) -> None:
        self.say(json.dumps({"type": kind, "client": "page", "seq": seq, **fields}))

    def say(self, message: str | bytes) -> None:
        self._within(lambda: self._line.write_message(message, binary=isinstance(message, bytes)))

    def hear(self) -> tuple[dict[str, Any], bytes]:
        message = self._within(self._line.read_message)
        if message is None:
            raise EOFError
        (length,) = struct.unpack("<I", message[:4])
        return json.loads(message[4 : 4 + length]), message[4 + length :]

    def expect_hung_up(self) -> None:
        assert self._within(self._line.read_message) is None

    def close(self) -> None:
        async def hang_up() -> None:
            self._line.close()

        self._runner.run(hang_up())
        self._runner.close()

    def _within(self, begin: Callable[[], Awaitable[Any]]) -> Any:
        async def wait() -> Any:
            return await asyncio.wait_for(begin(), 60)

        return self._runner.run(wait())


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
def line(listening: Listener, widget: SamWidget) -> Iterator[Line]:
    line = Line(listening.address, widget.model_id)
    yield line
    line.close()


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


# ------------------------------------------------------------------------------------------------ proofs


def test_a_peer_that_does_not_know_the_key_is_told_nothing(widget: SamWidget, listening: Listener) -> None:
    guessed = replace(listening.address, key="0" * 64)
    with pytest.raises(ConnectionError, match="is not the kernel"):
        Line(guessed, widget.model_id)

    async def talk() -> object:
        line = await websocket_connect(f"ws://127.0.0.1:{listening.address.port}/")
        await line.write_message("nonce")
        greeting = json.loads(await line.read_message())
        proof = guessed.proof("server", ("nonce", greeting["nonce"]))
        await line.write_message(json.dumps({"proof": proof, "widget": widget.model_id}))
        with contextlib.suppress(WebSocketClosedError):
            await line.write_message(json.dumps({"type": "preview", "client": "c", "seq": 1, "prompt": prompt((9, 9))}))
        return await line.read_message()

    assert asyncio.run(talk()) is None


def test_the_kernels_own_proof_is_not_the_servers(widget: SamWidget, listening: Listener) -> None:
    async def talk() -> object:
        line = await websocket_connect(f"ws://127.0.0.1:{listening.address.port}/")
        await line.write_message("nonce")
        greeting = json.loads(await line.read_message())
        await line.write_message(json.dumps({"proof": greeting["proof"], "widget": widget.model_id}))
        return await line.read_message()

    assert asyncio.run(talk()) is None


def test_no_web_page_connects(listening: Listener) -> None:
    port = listening.address.port
    asked = HTTPRequest(f"ws://127.0.0.1:{port}/", headers={"Origin": f"http://127.0.0.1:{port}"})

    async def talk() -> None:
        await websocket_connect(asked)

    with pytest.raises(HTTPClientError, match="403"):
        asyncio.run(talk())


@contextlib.contextmanager
def impostor(answer: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A process that has got the port of a killed kernel; yields the port, and what it is told."""
    told: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                peer, _ = server.accept()
                with peer:
                    peer.settimeout(60)
                    told.append(peer.recv(1 << 16))
                    peer.sendall(answer)
                    while part := peer.recv(1 << 16):
                        told.append(part)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1], told
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(60)


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"\0\0\0\x02{}" * 9], ids=["silent", "http", "odd"]
)
def test_what_has_the_port_of_a_killed_kernel_learns_neither_key_nor_widget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    monkeypatch.setattr(direct_line, "PATIENCE", 0.5)
    with impostor(answer) as (port, told):
        address = Address(port, "5e" * 32, os.getpid(), tmp_path / "sam_widget-kernel-5e1f.json")
        with pytest.raises(ConnectionError, match="nothing listens"):
            asyncio.run(asyncio.wait_for(connect(address, "a-widget"), 60))
    heard = b"".join(told)
    assert heard, "it was asked for a websocket"
    assert address.key.encode() not in heard
    assert b"a-widget" not in heard


def test_another_listener_on_the_port_is_recognized(tmp_path: Path, listening: Listener, widget: SamWidget) -> None:
    other = Listener(tmp_path / "kernel-0.json")
    heard: list[object] = []
    other.register(widget.model_id, lambda message, _: heard.append(message))
    with pytest.raises(ConnectionError, match="is not the kernel"):
        Line(replace(listening.address, port=other.address.port), widget.model_id)
    other.close()
    assert not heard


# ------------------------------------------------------------------------------------------------ unfriendly peers


def threads() -> int:
    return sum(thread.name == "sam_widget direct" for thread in threading.enumerate())


def test_connections_cost_no_threads(listening: Listener, line: Line) -> None:
    assert threads() == 1
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(socket.create_connection(("127.0.0.1", listening.address.port)))
        line.ask("preview", 1, prompt=prompt((90, 60)))
        assert line.hear()[0]["type"] == "preview_mask"
        assert threads() == 1


@pytest.mark.parametrize("upgraded", [False, True], ids=["http", "websocket"])
def test_strangers_leave_the_process_its_files_and_the_line_its_service(
    widget: SamWidget, listening: Listener, line: Line, upgraded: bool
) -> None:
    # Until its greeting has been read, it is a stranger itself.
    line.ask("preview", 0, prompt=prompt((90, 60)))
    assert line.hear()[0]["type"] == "preview_mask"
    with contextlib.ExitStack() as stack:
        strangers = []
        for _ in range(3 * direct_line.MOST_STRANGERS):
            stranger = stack.enter_context(socket.create_connection(("127.0.0.1", listening.address.port), timeout=60))
            if upgraded:
                stranger.sendall(UPGRADE)
            strangers.append(stranger)
        left = direct_line.MOST_STRANGERS

        def dropped() -> int:
            return sum(map(is_closed, strangers))

        until(lambda: dropped() >= len(strangers) - left, what="the oldest strangers are disconnected")
        assert dropped() == len(strangers) - left
        line.ask("preview", 1, prompt=prompt((90, 60)))
        assert line.hear()[0]["type"] == "preview_mask", "a peer that has proved itself stays"
        another = Line(listening.address, widget.model_id)
        another.ask("preview", 1, prompt=prompt((90, 60)))
        assert another.hear()[0]["type"] == "preview_mask", "and others are let in"
        another.close()


def is_closed(connection: socket.socket) -> bool:
    """Whether the other side has closed a connection; reads what it has sent before."""
    with contextlib.suppress(ConnectionResetError):
        while select.select([connection], [], [], 0)[0]:
            if not connection.recv(1 << 16):
                return True
        return False
    return True


@pytest.mark.parametrize("upgraded", [False, True], ids=["http", "websocket"])
def test_a_greeting_has_one_deadline_however_its_bytes_trickle(
    connection_file: Path, monkeypatch: pytest.MonkeyPatch, upgraded: bool
) -> None:
    monkeypatch.setattr(direct_line, "PATIENCE", 0.5)
    listener = Listener(connection_file)
    with socket.create_connection(("127.0.0.1", listener.address.port), timeout=60) as slow:
        if upgraded:
            slow.sendall(UPGRADE)
            assert slow.recv(1 << 16).startswith(b"HTTP/1.1 101")
            trickle = b"\x81\xfe\x03\x00" + bytes(4 + 0x300)  # The frame of a long message, masked.
        else:
            trickle = b"GET / HTTP/1.1\r\nX: " + b"x" * 1000
        slow.settimeout(0.05)
        started = time.monotonic()
        for byte in trickle:  # A byte every 50 ms; all of them would take half a minute.
            try:
                slow.sendall(bytes([byte]))
                if slow.recv(1 << 16) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        assert time.monotonic() - started < 15
    listener.close()


def test_a_greeting_has_a_deadline_for_those_that_answer_pings(
    connection_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct_line, "PATIENCE", 0.5)
    listener = Listener(connection_file)

    async def stay() -> object:
        line = await websocket_connect(f"ws://127.0.0.1:{listener.address.port}/")
        await line.write_message("nonce")
        await line.read_message()
        return await asyncio.wait_for(line.read_message(), 15)

    assert asyncio.run(stay()) is None
    listener.close()


def test_a_widget_that_is_not_there_is_no_line(widget: SamWidget, listening: Listener, line: Line) -> None:
    Line(listening.address, "another").expect_hung_up()
    widget.close()
    line.ask("preview", 1, prompt=prompt((150, 120)))
    line.expect_hung_up()


def test_what_makes_no_sense_changes_nothing_and_ends_no_kernel(
    widget: SamWidget, line: Line, listening: Listener
) -> None:
    widget.click(150, 120)
    before, rng = widget.session.state, random.Random(0)
    for message in ("null", "7", '"preview"', "[]", "{}", '{"type": "preview", "client": 3, "seq": null}'):
        line.say(message)
        assert line.hear()[0]["outcome"] == "error"
    hostile = [*(rng.randbytes(rng.randrange(1, 200)) for _ in range(30)), "[" * 200_000, "x" * (LONGEST + 1), b""]
    for message in hostile:
        other = Line(listening.address, widget.model_id)
        other.say(message)
        other.expect_hung_up()
        other.close()

    async def greet(message: str | bytes) -> object:
        stranger = await websocket_connect(f"ws://127.0.0.1:{listening.address.port}/")
        await stranger.write_message("nonce")
        await stranger.read_message()
        await stranger.write_message(message, binary=isinstance(message, bytes))
        return await stranger.read_message()

    for message in [*hostile, "{}", "[]", '{"proof": 3, "widget": []}', '{"proof": "\\ud800", "widget": 1}']:
        assert asyncio.run(greet(message)) is None
    for message in hostile:
        with socket.create_connection(("127.0.0.1", listening.address.port)) as stranger:
            stranger.sendall(message.encode() if isinstance(message, str) else message)
    assert widget.session.state is before
    line.ask("preview", 1, prompt=prompt((90, 60)))
    assert line.hear()[0]["type"] == "preview_mask"


def test_a_peer_that_hangs_up_early_is_not_missed(widget: SamWidget, listening: Listener) -> None:
    early, again = (Line(listening.address, widget.model_id) for _ in range(2))
    with widget.session._history.editing:
        early.ask("preview", 1, prompt=prompt((90, 60)))
        until(lambda: widget._replies.open > 0, what="the request is on its way from the listener to the worker")
        early.close()
    view = View(widget)
    assert view.ask("preview", prompt=prompt((150, 120)))["outcome"] == "done"
    again.ask("preview", 1, prompt=prompt((90, 60)))
    assert again.hear()[0]["seq"] == 1
    again.close()


def test_a_peer_that_stops_reading_holds_up_no_other_and_is_disconnected(
    connection_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct_line, "PATIENCE", 0.5)
    listener = Listener(connection_file)
    sends: list[Send] = []
    listener.register("widget", lambda _, send: sends.append(send))
    deaf, other = (Line(listener.address, "widget") for _ in range(2))
    deaf.say("{}")
    until(lambda: len(sends) == 1, what="the request arrived")
    sends[0]({}, [bytes(direct_line.LONGEST_REPLY - 100)])  # More than the way there holds.
    other.say("{}")
    until(lambda: len(sends) == 2, what="the request arrived")
    sends[1]({"seq": 1}, [])
    assert other.hear()[0] == {"seq": 1}
    until(lambda: len(listener.peers) < 2, what="a peer is disconnected")
    listener.close()


# ------------------------------------------------------------------------------------------------ the file


def test_only_the_user_can_read_where_a_kernel_listens_and_jupyter_takes_it_for_no_kernel(
    connection_file: Path,
) -> None:
    first = Listener(connection_file)
    (written,) = connection_file.parent.iterdir()
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert not written.match("kernel-*.json")
    assert Address.beside(connection_file) == first.address
    assert first.address.key not in repr(first.address)
    # A restarted kernel finds what the previous one has left, which leaves the new file alone from then on.
    second = Listener(connection_file)
    assert Address.beside(connection_file) == second.address != first.address
    first.close()
    assert Address.beside(connection_file) == second.address
    second.close()
    assert not written.exists()


def test_closing_ends_the_thread_and_the_connections(connection_file: Path) -> None:
    before = threads()
    listener = Listener(connection_file)
    listener.register("widget", lambda *_: None)
    line = Line(listener.address, "widget")
    assert threads() == before + 1
    listener.close()
    assert threads() == before
    line.expect_hung_up()
    with pytest.raises(ConnectionError, match="nothing listens"):
        Line(listener.address, "widget")
    listener.close()


def in_a_process(code: str, connection_file: Path) -> subprocess.CompletedProcess[str]:
    imports = "import os, signal, sys\nfrom pathlib import Path\nfrom sam_widget.widget.direct_line import Listener"
    command = f"{imports}\npath = Path(sys.argv[1])\nlistener = Listener(path)\n{code}"
    return subprocess.run(
        [sys.executable, "-c", command, str(connection_file)], capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.skipif(os.name != "posix", reason="asks for a process by its number")
def test_the_file_of_a_killed_kernel_is_not_believed_and_goes(connection_file: Path) -> None:
    assert in_a_process("os.kill(os.getpid(), signal.SIGKILL)", connection_file).returncode < 0
    (left,) = connection_file.parent.iterdir()
    assert Address.beside(connection_file) is None
    assert not left.exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked here")
def test_a_forked_process_leaves_its_parents_line_alone(connection_file: Path) -> None:
    code = """
import atexit
atexit.register(listener.close)
if os.fork():
    os.wait()
    print(len(list(path.parent.iterdir())))
"""
    done = in_a_process(code, connection_file)
    assert done.stdout.split() == ["1"], done.stderr
    assert not list(connection_file.parent.iterdir()), "the parent has removed it at its end"


def test_a_new_listener_clears_away_the_files_of_kernels_that_jupyter_has_forgotten(tmp_path: Path) -> None:
    (tmp_path / "kernel-known.json").touch()
    for kernel in ("known", "forgotten"):
        (tmp_path / f"sam_widget-kernel-{kernel}.json").touch()
    Listener(tmp_path / "kernel-new.json").close()
    assert [path.name for path in tmp_path.glob("sam_widget-*")] == ["sam_widget-kernel-known.json"]


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"port": "x", "key": "k"}', '{"port": 1', '{"port": 1, "key": "zz", "process": 1}']
)
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

    monkeypatch.setitem(sys.modules, "ipykernel.kernelapp", type("module", (), {"IPKernelApp": App}))
    assert direct._listen() is None
