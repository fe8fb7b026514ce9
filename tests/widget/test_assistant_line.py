"""The line to an assistant: on this machine alone, and only with its token."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import httpx2
import numpy as np
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

import sam_widget as sw
from sam_widget.errors import SamWidgetError


@pytest.fixture(scope="module")
def line() -> Iterator[tuple[sw.SamWidget, sw.AssistantLine]]:
    widget = sw.SamWidget(np.full((40, 60, 3), 200, np.uint8))
    opened = sw.mcp(widget)
    yield widget, opened
    opened.close()
    widget.close()


def test_an_assistant_clicks_in_an_open_widget(line: tuple[sw.SamWidget, sw.AssistantLine]) -> None:
    widget, opened = line

    async def conversation() -> Any:
        async with (
            httpx2.AsyncClient(headers=opened.config["headers"], trust_env=False, timeout=120) as http,
            Client(streamable_http_client(opened.config["url"], http_client=http)) as client,
        ):
            return await client.call_tool("click", {"x": 30, "y": 20})

    result = asyncio.run(conversation())
    assert len(result.structured_content["candidates"]) == len(widget.candidates) > 0


def status(opened: sw.AssistantLine, **headers: str) -> int:
    """How a request with these headers is answered."""
    about = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": about}).encode()
    usual = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    request = urllib.request.Request(opened.url, body, {**usual, **headers})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=60) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_request_needs_the_token_and_must_not_come_from_a_page(line: tuple[sw.SamWidget, sw.AssistantLine]) -> None:
    _, opened = line
    right = opened.config["headers"]["Authorization"]
    assert status(opened, Authorization=right) == 200
    assert status(opened) == 401
    assert status(opened, Authorization=right + "x") == 401
    assert status(opened, Authorization=right, Host="evil.example") == 421
    assert status(opened, Authorization=right, Origin="https://evil.example") == 403


def test_it_listens_on_this_machine_and_does_not_show_its_token(line: tuple[sw.SamWidget, sw.AssistantLine]) -> None:
    _, opened = line
    assert opened.url.startswith("http://127.0.0.1:")
    assert opened._heard.getsockname()[0] == "127.0.0.1"
    assert len(opened.token) >= 32
    assert opened.token not in repr(opened)
    assert "open" in repr(opened)


def test_a_closed_line_does_not_answer_and_the_widget_stays_open() -> None:
    widget = sw.SamWidget(np.full((40, 60, 3), 200, np.uint8))
    with sw.mcp(widget) as opened:
        pass
    assert "closed" in repr(opened)
    with pytest.raises(OSError, match="refused"):
        status(opened)
    widget.click(30, 20)
    assert widget.candidates
    widget.close()


def test_what_cannot_be_served_is_said(line: tuple[sw.SamWidget, sw.AssistantLine]) -> None:
    widget, opened = line
    with pytest.raises(SamWidgetError, match="'photo.jpg' cannot be driven"):
        sw.mcp("photo.jpg")  # type: ignore[arg-type]
    taken = int(opened.url.split(":")[2].partition("/")[0])
    with pytest.raises(SamWidgetError, match=f"port {taken} cannot be used.*port=0"):
        sw.mcp(widget, port=taken)
