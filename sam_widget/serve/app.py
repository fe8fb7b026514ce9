"""The HTTP interface of `sam-widget serve`, which `predictor.connection` speaks and other programs may.

Every request needs a token, as `Authorization: Bearer TOKEN` or `?token=TOKEN`. Errors are JSON: `{"error": sentence}`.
A client may name its version of the protocol, `Sam-Widget-Protocol: 1`; if the server has another, it is refused.

    GET  /v1/models                     what the server is, and its models
    GET  /v1/decoders/MODEL             safetensors: the model without its image encoder; as all tensors, compressed by
                                        zstd if the client accepts that
    POST /v1/embeddings?model=MODEL     a PNG, or {"hash": H}: 200 embedded, 202 waiting, 404 send it, 429 queue full
    GET  /v1/embeddings/H?model=MODEL   safetensors in half precision, or 202 with the place in the queue
                                        (`wait=SECONDS`: how long the answer may take)
    WS   /v1/predict                    prompts, for clients without a decoder; see `prompts`
    POST /v1/everything                 everything mode, streamed; see `everything`
    POST /v1/find                       what words or examples describe, streamed; see `finding`
    GET  /healthz                       without a token: "ok"
    GET  /metrics                       for Prometheus

The hash H of an image is `image_hash` of its pixels: 32 hexadecimal digits of BLAKE2b over "(height, width, 3)" and the
RGB bytes. The server computes it itself.
"""

from __future__ import annotations

import asyncio
import io
import logging
import math
import re
from concurrent.futures import Future
from typing import Any

import msgspec
import numpy as np
import zstandard
from PIL import Image
from prometheus_client import generate_latest
from tornado import web
from tornado.http1connection import HTTP1Connection

from sam_widget.errors import ImageError, SamWidgetError
from sam_widget.image.reading import image_hash
from sam_widget.predictor.connection import MOST_BYTES, MOST_PIXELS, Place
from sam_widget.predictor.embeddings import Embedding
from sam_widget.serve.access import Refusal, owner_of
from sam_widget.serve.asgi import AsgiConnection
from sam_widget.serve.embedder import QueueFullError
from sam_widget.serve.service import Service

log = logging.getLogger(__name__)
# An embedding of `tiny` shrinks to 0.91 of its size in 1 ms, and to 0.55 where a third is the padding of a wide photo;
# higher levels take ten times as long for a few percent.
ZSTD_LEVEL = 3
# Longest wait for an embedding in one request, in seconds.
LONGEST_WAIT = 30.0
# Bytes of a message over the websocket.
MOST_OF_A_MESSAGE = 2**20
_HASH = re.compile(r"[0-9a-f]{32}")


class Handler(web.RequestHandler):
    """Answers those who have a token."""

    kind = "other"
    service: Service
    who: str
    _under_way = False

    def initialize(self, service: Service) -> None:
        """Take what handlers share."""
        self.service = service

    async def prepare(self) -> None:
        """Refuse those without a token."""
        self.who = await owner_of(self.request, self.service.people)
        self._under_way = True
        self.service.metrics.active += 1

    def set_default_headers(self) -> None:
        """Let no cache between here and there keep an answer."""
        self.set_header("Server", "sam-widget")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")

    def tell(self, content: Any, status: int = 200) -> None:
        """Answer with JSON."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.write(msgspec.json.encode(content))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with a sentence, and never with a traceback."""
        error = kwargs.get("exc_info", (None, None))[1]
        if isinstance(error, Refusal):
            said = error.said
            for name, value in error.headers.items():
                self.set_header(name, value)
        elif isinstance(error, web.HTTPError):
            said = self._reason
        else:
            said = str(error) if isinstance(error, SamWidgetError) else "the server failed; its log says why"
        self.tell(Place(error=said), status_code)

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log what is a fault of ours; refusals are logged where they happen."""
        if not isinstance(value, web.HTTPError | SamWidgetError):
            # Not as tornado does it, which would log the query, and with it the token.
            log.error("%s %s failed", self.request.method, self.request.path, exc_info=(typ, value, tb))

    def on_finish(self) -> None:
        """Count the request."""
        self._leave()
        self.service.metrics.requests.labels(self.kind, str(self.get_status())).inc()
        self.service.metrics.seconds.labels(self.kind).observe(self.request.request_time())

    def on_connection_close(self) -> None:
        """Forget a request whose client left before it was answered."""
        super().on_connection_close()
        self._leave()

    def _leave(self) -> None:
        if self._under_way:
            self._under_way = False
            self.service.metrics.active -= 1

    async def write_tensors(self, content: bytes) -> None:
        """Answer with a file of tensors, compressed if the client can read that."""
        self.set_header("Content-Type", "application/octet-stream")
        self.set_header("Vary", "Authorization, Accept-Encoding")
        if "zstd" in self.request.headers.get("Accept-Encoding", ""):
            compress = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress
            content = await asyncio.get_running_loop().run_in_executor(self.service.workers, compress, content)
            self.set_header("Content-Encoding", "zstd")
        self.write(content)

    def model(self, name: str) -> str:
        """Return the name of a model.

        Raises:
            Refusal: There is no such model here.
        """
        if name not in self.service.predictors:
            raise Refusal(404, f"there is no such model here; there is {', '.join(self.service.predictors)}")
        return name

    def place(self, model: str, digest: str) -> Place:
        """Say where an image is in the queue."""
        place, seconds = self.service.embedder.place(model, digest)
        return Place(hash=digest, place=place, seconds=round(seconds, 2))


class ModelsHandler(Handler):
    """What the server is, and its models."""

    kind = "models"

    def get(self) -> None:
        """Answer."""
        self.tell(msgspec.structs.replace(self.service.about, queue=len(self.service.embedder)))


class DecoderHandler(Handler):
    """A model without its image encoder."""

    kind = "decoder"

    async def get(self, name: str) -> None:
        """Answer."""
        content = self.service.decoders[self.model(name)]
        self.set_header("Cache-Control", "private, max-age=3600")
        await self.write_tensors(content)

    def compute_etag(self) -> None:
        """No tag: clients keep the file by its hash."""


@web.stream_request_body
class EmbeddingsHandler(Handler):
    """Images come in; nothing of them is kept in memory before the token is checked."""

    kind = "image"

    async def prepare(self) -> None:
        """Refuse those without a token, and what is too large, before the body is read."""
        await super().prepare()
        self._body = bytearray()
        if int(self.request.headers.get("Content-Length") or 0) > MOST_BYTES:
            raise Refusal(413, f"the image takes more than {MOST_BYTES:,} bytes; send a smaller one")
        connection = self.request.connection
        if isinstance(connection, HTTP1Connection | AsgiConnection):
            connection.set_max_body_size(MOST_BYTES)

    def data_received(self, chunk: bytes) -> None:
        """Take a part of the body."""
        self._body += chunk

    async def post(self) -> None:
        """Queue an image, unless it is embedded."""
        model = self.model(self.get_query_argument("model"))
        service, body, loop = self.service, bytes(self._body), asyncio.get_running_loop()
        if self.request.headers.get("Content-Type", "").startswith("application/json"):
            digest = _hash_in(body)
            if not service.people.may_ask(self.who, digest):
                raise Refusal(404, "you have not sent this image; send it")
            kept = await loop.run_in_executor(service.workers, service.kept, model, digest)
            if kept is None and not service.embedder.is_queued(model, digest):
                raise Refusal(404, "this image is not kept; send it again")
        else:
            try:
                service.embedder.check_room(self.who)
                rgb, digest = await loop.run_in_executor(service.workers, read_png, body)
                await loop.run_in_executor(service.workers, service.embedder.ask, self.who, model, rgb, digest)
            except ImageError as error:
                raise Refusal(400, str(error)) from error
            except QueueFullError as error:
                seconds = max(1.0, round(service.embedder.seconds(), 1))
                self.set_header("Retry-After", str(math.ceil(seconds)))
                self.tell(Place(place=len(service.embedder), seconds=seconds, error=str(error)), 429)
                return
            service.people.sent(self.who, digest)
        place = self.place(model, digest)
        self.tell(place, 202 if place.place else 200)


class EmbeddingHandler(Handler):
    """Embeddings go out."""

    kind = "embedding"

    async def get(self, digest: str) -> None:
        """Answer with the embedding, or with the place in the queue."""
        model, service = self.model(self.get_query_argument("model")), self.service
        wait = _seconds(self.get_query_argument("wait", "0"))
        if not service.people.may_ask(self.who, digest):
            raise Refusal(404, "you have not sent this image; send it")
        loop = asyncio.get_running_loop()
        future = service.embedder.waiting(model, digest)
        if future is not None:
            found = await _result(future, wait)
            if found is None:
                self.tell(self.place(model, digest), 202)
                return
        else:
            found = await loop.run_in_executor(service.workers, service.kept, model, digest)
        if found is None:
            raise Refusal(404, "this image is not kept; send it again")
        content = await loop.run_in_executor(service.workers, _file_of, found)
        # The same for ever, and for this person alone.
        self.set_header("Cache-Control", "private, max-age=31536000, immutable")
        await self.write_tensors(content)

    def compute_etag(self) -> None:
        """No tag: the address contains the hash."""


class HealthHandler(web.RequestHandler):
    """For those who watch whether the server is alive."""

    def get(self) -> None:
        """Answer."""
        self.set_header("Content-Type", "text/plain")
        self.write("ok\n")


class MetricsHandler(Handler):
    """For Prometheus."""

    kind = "metrics"

    def get(self) -> None:
        """Answer."""
        self.set_header("Content-Type", "text/plain; version=0.0.4")
        self.write(generate_latest(self.service.metrics.registry))


class NothingHandler(Handler):
    """For other paths."""

    async def prepare(self) -> None:
        """Refuse, with a token or without."""
        raise Refusal(404, "there is nothing here; see /v1/models")


def read_png(body: bytes) -> tuple[np.ndarray, str]:
    """Read an image that was sent: (H, W, 3) uint8, and its hash.

    Only PNG is read, because decoders of other formats differ from machine to machine, and are larger targets.

    Raises:
        ImageError: It is not a PNG of RGB, or has too many pixels.
    """
    try:
        with Image.open(io.BytesIO(body), formats=["PNG"]) as image:
            if image.width * image.height > MOST_PIXELS:
                raise ImageError(f"the image has {image.width} x {image.height} pixels, more than {MOST_PIXELS:,}")
            if image.mode != "RGB":
                raise ImageError(f"the image is of mode {image.mode}; send a PNG of 8-bit RGB")
            rgb = np.array(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"the image cannot be read ({error}); send a PNG of 8-bit RGB") from error
    return rgb, image_hash(rgb)


def _hash_in(body: bytes) -> str:
    try:
        digest = msgspec.json.decode(body, type=Place).hash
    except msgspec.DecodeError as error:
        raise Refusal(400, "the body is not a JSON object with a hash") from error
    if not _HASH.fullmatch(digest):
        raise Refusal(400, "the hash is not 32 hexadecimal digits")
    return digest


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError as error:
        raise Refusal(400, "`wait` is not a number of seconds") from error
    return min(max(seconds, 0.0), LONGEST_WAIT) if seconds == seconds else 0.0  # noqa: PLR0124  NaN


async def _result(future: Future[Embedding], seconds: float) -> Embedding | None:
    """Wait for an embedding for a while; None if it takes longer."""
    try:
        return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(future)), seconds)
    except TimeoutError:
        return None


def _file_of(embedding: Embedding) -> bytes:
    return embedding.to_bytes(half=True)


def application(service: Service, *, prefix: str = "/") -> web.Application:
    """Return the web application of a service; all its paths begin with `prefix`, which ends with a slash."""
    from sam_widget.serve.everything import EverythingHandler
    from sam_widget.serve.finding import FindHandler
    from sam_widget.serve.prompts import PromptsHandler

    given, root = {"service": service}, re.escape(prefix)
    return web.Application(
        [
            (root + r"v1/models", ModelsHandler, given),
            (root + r"v1/decoders/(.+)", DecoderHandler, given),
            (root + r"v1/embeddings", EmbeddingsHandler, given),
            (root + r"v1/embeddings/([0-9a-f]{32})", EmbeddingHandler, given),
            (root + r"v1/predict", PromptsHandler, given),
            (root + r"v1/everything", EverythingHandler, given),
            (root + r"v1/find", FindHandler, given),
            (root + r"healthz", HealthHandler),
            (root + r"metrics", MetricsHandler, given),
        ],
        default_handler_class=NothingHandler,
        default_handler_args=given,
        log_function=_log,
        compress_response=True,  # JSON alone; see `write_tensors`
        websocket_max_message_size=MOST_OF_A_MESSAGE,
        websocket_ping_interval=30,
    )


def _log(handler: web.RequestHandler) -> None:
    """Log a request without its query, which may hold the token."""
    who, request = getattr(handler, "who", "-"), handler.request
    log.info(
        "%s %s %s %s %.0f ms", handler.get_status(), request.method, request.path, who, 1e3 * request.request_time()
    )
