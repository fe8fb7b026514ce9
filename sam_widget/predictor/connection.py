"""A connection to `sam-widget serve`: what its protocol says, and the requests that clients send.

`served` and `thin` are predictors that use it; `serve.app` is the other side.
"""

from __future__ import annotations

import hashlib
import io
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import httpx
import msgspec
import numpy as np
from PIL import Image

from sam_widget.atomic import write_whole
from sam_widget.errors import ModelError, OutOfReachError
from sam_widget.image.addresses import is_url, without_secrets
from sam_widget.image.reading import image_hash
from sam_widget.model.names import TOKEN
from sam_widget.predictor.embeddings import default_folder
from sam_widget.predictor.prompt_line import PromptLine

T = TypeVar("T")
# The version of the protocol between this module and `serve.app`.
PROTOCOL = 1
# The header in which a client names its version.
PROTOCOL_HEADER = "Sam-Widget-Protocol"
# Seconds: to connect, to wait for an answer, and how long one request waits for an embedding.
_CONNECT_SECONDS, _ANSWER_SECONDS, _WAIT_SECONDS = 5.0, 60.0, 2.0
# Limits of an image: bytes as PNG, and pixels. Models that get the whole photo get a larger one scaled down to these.
MOST_BYTES, MOST_PIXELS = 64 * 2**20, 25_000_000
# How often an image is sent to a server that forgets it.
_ATTEMPTS = 3
# Seconds between attempts while the server does not answer, as after a restart.
_PAUSES = (0.3, 1.0, 2.0)


class ServedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model of a server.

    Attributes:
        name: Its name.
        weights_id: Identifies the weights.
        encoder_id: Identifies the image encoder.
        image_size: Side of the input in pixels.
        device: Where the server computes: "cuda", "mps" or "cpu".
        architecture: Which of the architectures of `models()` it is.
        decoder: SHA-256 of the file of its decoder.
        licence: Licence of the weights, if it is known.
    """

    name: str
    weights_id: str
    encoder_id: str
    image_size: int
    decoder: str
    architecture: str = ""
    device: str = "cpu"
    licence: str = ""


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What a server says of itself.

    Attributes:
        protocol: Version of the protocol.
        version: Version of sam_widget.
        models: Its models; the first is the default.
        queue: Images that are waiting to be embedded.
    """

    protocol: int
    version: str
    models: tuple[ServedModel, ...]
    queue: int = 0


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What a server says of an image that it has been sent.

    Attributes:
        hash: The image's.
        place: Its place in the queue, from 1; 0 once it is embedded.
        seconds: Seconds until it is, probably.
        error: What is wrong, for a person.
    """

    hash: str = ""
    place: int = 0
    seconds: float = 0
    error: str = ""


class Server:
    """A connection to `sam-widget serve`."""

    def __init__(self, url: str, *, patient: bool = True) -> None:
        """Read the address; nothing is sent yet.

        Args:
            url: The address.
            patient: Ask again for a few seconds if the server does not answer.

        Raises:
            ModelError: It is not an http or https address.
        """
        if not is_url(url) or url.startswith("data:"):
            raise ModelError(
                # Without what may be a token.
                f"{url.partition('?')[0]!r} is not the address of a server; expected one such as "
                "https://lab:9000/?token=..."
            )
        try:
            parts = urlsplit(url.strip())
            self.address = without_secrets(urlunsplit(parts._replace(query="")))
            local = parts.hostname in {"127.0.0.1", "::1", "localhost"}
        except ValueError as error:
            raise ModelError(f"the server's address is malformed: {error}") from error
        query = dict(parse_qsl(parts.query))
        self.patient = patient
        self.wanted, self.thin = query.get("model", ""), query.get("thin", "") in {"1", "true"}
        token = query.get("token") or os.environ.get(TOKEN, "")
        self._headers = {PROTOCOL_HEADER: str(PROTOCOL), **({"Authorization": f"Bearer {token}"} if token else {})}
        self._client = httpx.Client(
            base_url=self.address if self.address.endswith("/") else f"{self.address}/",
            headers={"User-Agent": "sam-widget", **self._headers},
            timeout=httpx.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS),
            trust_env=not local,
        )

    def about(self) -> About:
        """Ask which models there are.

        Raises:
            ModelError: The server does not answer, refuses the token, or speaks another version of the protocol.
        """
        found = self._decoded(self._ask("GET", "v1/models"), About)
        if found.protocol != PROTOCOL:
            raise ModelError(
                f"{self.address} runs sam_widget {found.version} with version {found.protocol} of the protocol, and "
                f"this is version {PROTOCOL}; install the same version of sam_widget on both sides"
            )
        return found

    def decoder(self, model: ServedModel) -> Path:
        """Return the file of a model's decoder, which is fetched once and kept on disk.

        Raises:
            ModelError: It cannot be fetched, or what arrived is damaged.
        """
        if len(model.decoder) != 64 or not set(model.decoder) <= set("0123456789abcdef"):
            raise ModelError(f"{self.address} names the decoder {model.decoder!r}, which is not a SHA-256")
        path = default_folder().parent / "decoders" / f"{model.decoder}.safetensors"
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == model.decoder:
            return path
        body = self._ask("GET", f"v1/decoders/{quote(model.name, safe='')}").content
        if hashlib.sha256(body).hexdigest() != model.decoder:
            raise ModelError(f"the decoder of {model.name} from {self.address} arrived damaged; connect again")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, body)
        except OSError as error:
            raise ModelError(
                f"the decoder of {model.name} cannot be kept in {path.parent}: {error}; set $SAM_WIDGET_CACHE to a "
                "folder that you can write to"
            ) from error
        return path

    def embed(self, model: str, rgb: np.ndarray, waiting: Callable[[int, float], object]) -> bytes:
        """Return the file of an image's embedding.

        Args:
            model: Name of the model.
            rgb: (H, W, 3) uint8, scaled to the model's input.
            waiting: Told the place in the queue, and the seconds it will probably take.

        Raises:
            ModelError: The server cannot be reached, or refuses.
        """
        digest, where = image_hash(rgb), urlencode({"model": model})
        known = self._ask("POST", f"v1/embeddings?{where}", json={"hash": digest}, passes=(404,)).status_code < 400
        for _ in range(_ATTEMPTS):
            if not known:
                self._send(_png(rgb), where, waiting)
            while (reply := self._fetch(digest, where)).status_code == 202:
                told = self._decoded(reply, Place)
                waiting(told.place, told.seconds)
            if reply.status_code == 200:
                return reply.content
            known = False  # the server was restarted, or had no room to keep it
        raise ModelError(f"the server {self.address} forgets the image before it is embedded; try again later")

    def reserve(self, model: str, rgb: np.ndarray, waiting: Callable[[int, float], object]) -> str:
        """Have an image embedded, without fetching the embedding; returns the image's hash. See `embed`."""
        digest, where = image_hash(rgb), urlencode({"model": model})
        for _ in range(_ATTEMPTS):
            while True:
                reply = self._ask("POST", f"v1/embeddings?{where}", json={"hash": digest}, passes=(404,))
                if reply.status_code == 200:
                    return digest
                if reply.status_code == 404:
                    break
                told = self._decoded(reply, Place)
                waiting(told.place, told.seconds)
                time.sleep(min(max(told.seconds / 4, 0.02), _WAIT_SECONDS))
            self._send(_png(rgb), where, waiting)
        return digest

    def everything(self, model: str, rgb: np.ndarray, wanted: Mapping[str, Any]) -> Iterator[str]:
        """Yield the lines of everything mode on an image; see `automatic.lines`.

        Args:
            model: Name of the model.
            rgb: (H, W, 3) uint8, scaled to the model's input.
            wanted: Size and options; see `serve.everything`.

        Raises:
            ModelError: The server cannot be reached, or refuses.
        """
        digest = self.reserve(model, rgb, lambda _place, _seconds: None)
        yield from self._lines("v1/everything", {"model": model, "hash": digest, **wanted})

    def find(self, model: str, rgb: np.ndarray, question: Mapping[str, Any]) -> Iterator[str]:
        """Yield the lines of a search in an image; see `automatic.finding.lines`.

        Args:
            model: Name of the model.
            rgb: (H, W, 3) uint8. It is sent if the server does not keep what it computed of it.
            question: See `serve.finding`.

        Raises:
            ModelError: The server cannot be reached, or refuses.
        """
        asked = {"model": model, "hash": image_hash(rgb), **question}
        yield from self._lines("v1/find", asked, lambda: _within_limit(_png(rgb)))

    def _lines(self, path: str, question: Mapping[str, Any], image: Callable[[], bytes] | None = None) -> Iterator[str]:
        """Ask a question, and yield the lines of its answer; blank ones while the server has no room for it.

        Args:
            path: Where to ask.
            question: What to ask.
            image: Returns the image as PNG, which is sent if the server wants it.
        """
        content: dict[str, Any] = {"json": question}
        pauses = list(_PAUSES)
        while True:
            begun = False
            try:
                with self._client.stream("POST", path, **content) as reply:
                    if reply.status_code < 400:
                        begun = True
                        yield from reply.iter_lines()
                        return
                    reply.read()
                if _is_from_a_proxy(reply):
                    raise httpx.RemoteProtocolError(f"status {reply.status_code} of a proxy")
            except httpx.TransportError as error:
                if begun or not pauses:
                    raise self._gone(error) from error
                time.sleep(pauses.pop(0))
                continue
            if reply.status_code == 404 and image is not None:
                png, image = image(), None
                text = msgspec.json.encode(question).decode()
                content = {"data": {"question": text}, "files": {"image": ("image.png", png, "image/png")}}
            elif reply.status_code == 429:
                yield "{}"
                time.sleep(_seconds(reply.headers.get("Retry-After", "")))
            else:
                self._refuse(reply)

    def line(self) -> PromptLine:
        """Return a websocket for prompts, which is opened with the first."""
        return PromptLine(str(self._client.base_url), self._headers, proxies=self._client.trust_env)

    def _send(self, png: bytes, where: str, waiting: Callable[[int, float], object]) -> None:
        """Send an image, as soon as the server has room in its queue."""
        png, headers = _within_limit(png), {"Content-Type": "image/png"}
        while True:
            reply = self._ask("POST", f"v1/embeddings?{where}", content=png, headers=headers, passes=(429,))
            if reply.status_code != 429:
                return
            told = self._decoded(reply, Place)
            waiting(told.place, told.seconds)
            time.sleep(min(max(told.seconds, 0.2), 5))

    def _fetch(self, digest: str, where: str) -> httpx.Response:
        """Wait a little for an embedding: status 200 with the file, 202 with the place, or 404."""
        return self._ask("GET", f"v1/embeddings/{digest}?{where}&wait={_WAIT_SECONDS}", passes=(404,))

    def _ask(self, method: str, path: str, *, passes: Sequence[int] = (), **content: Any) -> httpx.Response:
        """Send a request, again if there is no answer; statuses from 400 on are refused unless in `passes`."""
        for pause in (*(_PAUSES if self.patient else ()), None):
            try:
                reply = self._client.request(method, path, **content)
                if _is_from_a_proxy(reply):
                    raise httpx.RemoteProtocolError(f"status {reply.status_code} of a proxy")
            except httpx.TransportError as error:
                if pause is None:
                    raise self._gone(error) from error
                time.sleep(pause)
                continue
            if reply.status_code < 400 or reply.status_code in passes:
                return reply
            self._refuse(reply)
        raise AssertionError("the last pause is None")

    def _gone(self, error: httpx.TransportError) -> OutOfReachError:
        return OutOfReachError(
            f"the server {self.address} does not answer",
            f"check that `sam-widget serve` runs there, or use a model on this machine, such as model='tiny' ({error})",
        )

    def _refuse(self, reply: httpx.Response) -> NoReturn:
        try:
            said = self._decoded(reply, Place).error
        except ModelError:
            said = ""
        raise ModelError(f"the server {self.address} refused: {said or f'status {reply.status_code}'}")

    def _decoded(self, reply: httpx.Response, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(reply.content, type=kind)
        except msgspec.DecodeError as error:
            raise ModelError(
                f"{self.address} answers, but is not a `sam-widget serve` of this version ({error}); check the address"
            ) from error


def _is_from_a_proxy(reply: httpx.Response) -> bool:
    """Whether a proxy says that there is no server behind it; the server's own errors are JSON."""
    return reply.status_code >= 500 and not reply.headers.get("Content-Type", "").startswith("application/json")


def _png(rgb: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "png", compress_level=3)
    return buffer.getvalue()


def _within_limit(png: bytes) -> bytes:
    if len(png) > MOST_BYTES:
        raise ModelError(f"the image takes {len(png):,} bytes, and a server takes {MOST_BYTES:,}; scale it down")
    return png


def _seconds(text: str) -> float:
    """Return the seconds of a header that says when to ask again."""
    return min(float(text), 5.0) if text.isdecimal() else 1.0
