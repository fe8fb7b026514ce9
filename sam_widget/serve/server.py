"""Run `sam-widget serve`: a web server in this process, until it is told to end."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
from collections.abc import Callable, Mapping
from urllib.parse import quote

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from sam_widget.errors import SessionError
from sam_widget.predictor.predictor import Predictor
from sam_widget.serve.app import application
from sam_widget.serve.people import People
from sam_widget.serve.service import Service

log = logging.getLogger(__name__)
# Seconds that a client may take to send a request, and that an idle connection is kept.
SLOWEST_BODY, IDLE = 120, 300
# Seconds that requests under way get to end, and how often that is looked at.
_GRACE_SECONDS, _LOOK_SECONDS = 10.0, 0.05
# Largest body of a request that carries no image.
_MOST_BYTES = 2**20


def serve(
    predictors: Mapping[str, Predictor],
    people: People,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    prefix: str = "/",
    ready: Callable[[str], object] = print,
    stop: threading.Event | None = None,
) -> None:
    """Serve models until SIGTERM or SIGINT, or until `stop` is set.

    Args:
        predictors: By the name of the model.
        people: Who may ask for what.
        host: Address to listen on.
        port: Port; 0 for any free one.
        prefix: Path under which a proxy in front serves this, with slashes around.
        ready: Called with the address, without a token, once requests are answered.
        stop: Ends the server, from another thread.

    Raises:
        SessionError: The address is not this machine's, or the port is taken.
        ModelError: A model cannot be served.
    """
    try:
        sockets = bind_sockets(port, host)
    except OSError as error:
        raise SessionError(
            f"the server cannot listen on {host}, port {port} ({error.strerror or error}); choose another with --port "
            "or --host"
        ) from error
    service = Service.of(predictors, people)
    try:
        asyncio.run(_run(service, sockets, prefix, lambda port: ready(_address(host, port, prefix)), stop))
    finally:
        service.close()


async def _run(
    service: Service,
    sockets: list[socket.socket],
    prefix: str,
    ready: Callable[[int], object],
    stop: threading.Event | None,
) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, ended.set)
    server = HTTPServer(
        application(service, prefix=prefix),
        # The handler of images allows more, once it knows whose they are.
        max_body_size=_MOST_BYTES,
        body_timeout=SLOWEST_BODY,
        idle_connection_timeout=IDLE,
    )
    server.add_sockets(sockets)
    ready(sockets[0].getsockname()[1])
    while not ended.is_set() and not (stop is not None and stop.is_set()):
        try:
            await asyncio.wait_for(ended.wait(), 0.2 if stop is not None else None)
        except TimeoutError:
            continue
    log.info("ending")
    server.stop()
    # Requests under way are answered first.
    deadline = loop.time() + _GRACE_SECONDS
    while service.metrics.active and loop.time() < deadline:  # noqa: ASYNC110  once, at the end
        await asyncio.sleep(_LOOK_SECONDS)
    await server.close_all_connections()


def _address(host: str, port: int, prefix: str) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{quote(shown, safe='[]:.')}:{port}{prefix}"
