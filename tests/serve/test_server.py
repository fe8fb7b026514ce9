"""Starting and ending a server."""

from __future__ import annotations

import socket
import threading

import pytest

from sam_widget.errors import SessionError
from sam_widget.predictor.predictor import Predictor
from sam_widget.serve.people import People
from sam_widget.serve.server import serve
from tests.serving import TOKENS, serving


def test_a_taken_port_is_refused(predictor: Predictor) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SessionError, match="choose another with --port"):
            serve({"tiny": predictor}, People(TOKENS), port=taken.getsockname()[1])


def test_an_address_of_another_machine_is_refused(predictor: Predictor) -> None:
    with pytest.raises(SessionError, match=r"cannot listen on 192\.0\.2\.1"):
        serve({"tiny": predictor}, People(TOKENS), host="192.0.2.1")


def test_it_leaves_no_thread_behind(predictor: Predictor) -> None:
    before = set(threading.enumerate())
    with serving({"tiny": predictor}):
        assert len(set(threading.enumerate()) - before) >= 2
    assert set(threading.enumerate()) <= before
