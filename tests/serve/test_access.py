"""The one check of tokens, for HTTP and for the websocket."""

from __future__ import annotations

import asyncio
import threading

import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from sam_widget.serve.access import Refusal, owner_of, token_of
from sam_widget.serve.people import People
from tests.serving import TOKENS


def request(path: str = "/v1/models", **headers: str) -> HTTPServerRequest:
    given = HTTPHeaders({"Host": "lab"} | {name.replace("_", "-"): value for name, value in headers.items()})
    found = HTTPServerRequest(headers=given, start_line=RequestStartLine("GET", path, "HTTP/1.1"))
    found.remote_ip = "127.0.0.1"
    return found


def owner(asked: HTTPServerRequest, people: People | None = None) -> str:
    return asyncio.run(owner_of(asked, people or People(TOKENS)))


@pytest.mark.parametrize(
    ("asked", "token"),
    [
        (request(), ""),
        (request(Authorization="Bearer abc"), "abc"),
        (request(Authorization="token abc "), "abc"),
        (request(Authorization="Basic abc"), ""),
        (request("/v1/models?token=abc"), "abc"),
        (request("/v1/models?token=abc&token=def"), "abc"),
        (request("/v1/models?token=%ff"), "\ufffd"),
        (request("/v1/models?token=abc", Authorization="Bearer def"), "def"),
    ],
)
def test_a_token_is_in_the_header_or_in_the_address(asked: HTTPServerRequest, token: str) -> None:
    assert token_of(asked) == token


def test_a_token_names_its_owner(caplog: pytest.LogCaptureFixture) -> None:
    assert owner(request(Authorization=f"Bearer {TOKENS['bob']}")) == "bob"
    with pytest.raises(Refusal, match="401") as refused:
        owner(request(f"/v1/models?token={TOKENS['bob']}x"))
    assert "token is missing or wrong" in refused.value.said
    assert "refused GET /v1/models from 127.0.0.1: no valid token" in caplog.text
    assert TOKENS["bob"] not in caplog.text


def test_another_version_is_refused_only_with_a_valid_token() -> None:
    with pytest.raises(Refusal, match="401"):
        owner(request(Sam_Widget_Protocol="2"))
    with pytest.raises(Refusal, match="400") as refused:
        owner(request(Authorization=f"Bearer {TOKENS['bob']}", Sam_Widget_Protocol="2" * 100))
    assert f"this client has version {'2' * 20};" in refused.value.said


def test_people_elsewhere_are_asked_in_another_thread() -> None:
    asked_in: list[threading.Thread] = []

    class Elsewhere(People):
        is_remote = True

        def whose(self, token: str) -> str | None:
            asked_in.append(threading.current_thread())
            return super().whose(token)

    assert owner(request(Authorization=f"Bearer {TOKENS['ada']}"), Elsewhere(TOKENS)) == "ada"
    assert asked_in != [threading.current_thread()]
