"""The server as an ASGI application: the same handlers over HTTP, and prompts over a websocket."""

from __future__ import annotations

import msgspec
from tornado import httputil

from sam_widget.serve.access import Refusal, owner_of
from sam_widget.serve.app import MOST_OF_A_MESSAGE, application
from sam_widget.serve.asgi import AsgiConnection, Message, Receive, Send, answer, headers, start_line
from sam_widget.serve.prompts import Answer, check_lines, reply
from sam_widget.serve.service import Service

# Why a websocket is closed, as RFC 6455 numbers it.
_POLICY, _TOO_BIG = 1008, 1009


class AsgiService:
    """Answers requests of an ASGI server."""

    def __init__(self, service: Service) -> None:
        """Serve a service, which is closed by its owner."""
        self._service = service
        self._application = application(service)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request or a websocket."""
        if scope["type"] == "http":
            await answer(self._application, scope, receive, send)
        elif scope["type"] == "websocket":
            await self._prompts(scope, receive, send)
        elif scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
            await send({"type": "lifespan.shutdown.complete"})

    async def _prompts(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer prompts, one after the other; see `prompts`."""
        await receive()
        connection = AsgiConnection(scope, send)
        request = httputil.HTTPServerRequest(
            start_line=start_line(scope), headers=headers(scope), connection=connection
        )
        try:
            who = await owner_of(request, self._service.people)
            if scope["path"] != "/v1/predict":
                raise Refusal(404, "there is no websocket here; see /v1/predict")
            check_lines(self._service, who)
        except Refusal as error:
            await _deny(scope, send, error)
            return
        self._service.metrics.lines[who] += 1
        try:
            await send({"type": "websocket.accept"})
            await self._answers(who, receive, send)
        finally:
            self._service.metrics.lines[who] -= 1

    async def _answers(self, who: str, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] == "websocket.receive":
            given = message.get("text") or message.get("bytes") or ""
            if len(given) > MOST_OF_A_MESSAGE:
                await send({"type": "websocket.close", "code": _TOO_BIG})
                return
            await send({"type": "websocket.send", "text": await reply(self._service, who, given)})


async def _deny(scope: Message, send: Send, error: Refusal) -> None:
    """Refuse a websocket with a status and a sentence, where the server can; others answer 403."""
    if "websocket.http.response" in (scope.get("extensions") or {}):
        found = [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
        await send({"type": "websocket.http.response.start", "status": error.status_code, "headers": found})
        said = msgspec.json.encode(Answer(status=error.status_code, error=error.said))
        await send({"type": "websocket.http.response.body", "body": said})
    else:
        await send({"type": "websocket.close", "code": _POLICY})
