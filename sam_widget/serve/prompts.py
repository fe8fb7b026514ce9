"""Prompts for clients that cannot decode: a program in another language, or a very thin laptop.

They are asked over the websocket `/v1/predict`. A question is a JSON object, and so is its answer, of one to three
kilobytes.

    {"id": 1, "model": "vit_h", "hash": H, "points": [[x, y]], "labels": [1], "box": [x0, y0, x1, y1]}
    {"id": 1, "scores": [0.9, ...], "masks": [{"size": [h, w], "counts": "..."}, ...], "weights": "vit_h-1a2b..."}
    {"id": 1, "status": 400, "error": "the point lies outside the image"}

The status is 404 if the image is not kept, or is someone else's: send it to `/v1/embeddings`, and ask again.

Coordinates are pixels of the image that was sent, as are the masks, in COCO's run lengths. With `"packed": true`, masks
are `{"size": [h, w], "runs": BASE64}`, as `masks.wire_codec` describes, which is half as long. With `"size": [h, w]`,
coordinates and masks are in pixels of an image of that size, of which the one that was sent is a scaled copy. With
`"most": 2800`, packed masks take at most so many bytes together: the longest comes at half its size, as often as
needed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from base64 import b64decode
from dataclasses import replace
from typing import Annotated, Any

import msgspec
import numpy as np
from tornado import web, websocket

from sam_widget.errors import PromptError, SamWidgetError
from sam_widget.masks.codecs import rle_from_stored
from sam_widget.masks.runs import StoredMask
from sam_widget.masks.scaling import halved
from sam_widget.masks.wire_codec import pack_runs, unpack_runs
from sam_widget.model.config import SamConfig
from sam_widget.predictor.embeddings import Embedding
from sam_widget.predictor.fitting import fitted
from sam_widget.predictor.interface import CERTAIN
from sam_widget.prompts.geometry import Box, Stroke
from sam_widget.prompts.prompt import Prompt
from sam_widget.serve.access import Refusal, owner_of
from sam_widget.serve.service import Service

log = logging.getLogger(__name__)
# Longer side of a mask, in pixels, that is not halved any more.
SMALLEST = 128
# Most pixels of masks.
MOST_SHOWN = 100_000_000
# Websockets of one person, and the seconds after which one more may be opened. A class may share a token.
MOST_LINES, AGAIN_SECONDS = 200, 2


class StrokePart(msgspec.Struct, frozen=True, kw_only=True):
    """A scribble or lasso; see `prompts.geometry.Stroke`."""

    vertices: list[tuple[float, float]]
    label: int = 1
    closed: bool = False


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt on an image that the person has sent.

    Attributes:
        id: Returned with the answer.
        model: Name of the model.
        hash: The image's.
        size: Height and width of the image in whose pixels coordinates and masks are; by default, of the one sent.
        points: x, y of each point.
        labels: 1 or 0 for each point; all 1 by default.
        box: x0, y0, x1, y1.
        boxes: More of them, around parts of the same object.
        strokes: Scribbles and lassos.
        mask: Packed runs, in base64, of a mask prompt: (s, s) for the model's `mask_size` s.
        multimask: Three masks, for an ambiguous prompt, or one.
        packed: Masks as packed runs.
        most: Bytes of all packed masks together, above which the longest is halved in size.
    """

    id: int
    model: str
    hash: str
    size: tuple[int, int] | None = None
    points: list[tuple[float, float]] = []
    labels: list[int] | None = None
    box: tuple[float, float, float, float] | None = None
    boxes: list[tuple[float, float, float, float]] = []
    strokes: list[StrokePart] = []
    mask: str = ""
    multimask: bool = True
    packed: bool = False
    most: Annotated[int, msgspec.Meta(ge=1)] | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to a question; see the module. `best` is the index of the mask to choose."""

    id: int | None = None
    status: int = 200
    best: int = 0
    scores: list[float] = []
    masks: list[dict[str, Any]] = []
    weights: str = ""
    error: str = ""


class PromptsHandler(websocket.WebSocketHandler):
    """Answers prompts, one after the other."""

    service: Service
    who: str
    _counted = False

    def initialize(self, service: Service) -> None:
        """Take what handlers share."""
        self.service = service

    async def prepare(self) -> None:
        """Refuse those without a token, before the websocket opens."""
        self.who = await owner_of(self.request, self.service.people)
        check_lines(self.service, self.who)

    def open(self, *_args: str, **_kwargs: str) -> None:
        """Count the websocket."""
        self.service.metrics.lines[self.who] += 1
        self._counted = True

    def on_close(self) -> None:
        """Stop counting it."""
        if self._counted:
            self._counted = False
            self.service.metrics.lines[self.who] -= 1

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with a sentence, since no websocket is open."""
        error = kwargs.get("exc_info", (None, None))[1]
        if isinstance(error, Refusal):
            for name, value in error.headers.items():
                self.set_header(name, value)
        said = error.said if isinstance(error, Refusal) else self._reason
        self.finish(msgspec.json.encode(Answer(status=status_code, error=said)))

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log what is a fault of ours, without the query, which may hold the token."""
        if not isinstance(value, web.HTTPError):
            log.error("%s failed", self.request.path, exc_info=(typ, value, tb))

    def check_origin(self, origin: str) -> bool:  # noqa: ARG002  the token decides
        """Accept pages of any origin: a browser does not add the token by itself, as it does with cookies."""
        return True

    def get_compression_options(self) -> dict[str, Any]:
        """Compress messages for clients that can."""
        return {}

    async def on_message(self, message: str | bytes) -> None:
        """Answer a question; the next is read after that."""
        answer = await reply(self.service, self.who, message)
        try:
            await self.write_message(answer)
        except websocket.WebSocketClosedError:
            return


def check_lines(service: Service, who: str) -> None:
    """Refuse a person who has many websockets open.

    Raises:
        Refusal: They have.
    """
    if service.metrics.lines[who] >= MOST_LINES:
        raise Refusal(429, f"you have {MOST_LINES} websockets open; close some", seconds=AGAIN_SECONDS)


async def reply(service: Service, who: str, message: str | bytes) -> str:
    """Return the answer to a message, and count it."""
    start = time.perf_counter()
    number: int | None = None
    try:
        asked = msgspec.json.decode(message, type=Question)
        number = asked.id
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(service.decoding, answered, service, who, asked)
    except msgspec.DecodeError as error:
        answer = Answer(id=number, status=400, error=f"this is not a question: {error}")
    except SamWidgetError as error:
        answer = Answer(id=number, status=400, error=str(error))
    service.metrics.requests.labels("prompt", str(answer.status)).inc()
    service.metrics.seconds.labels("prompt").observe(time.perf_counter() - start)
    return msgspec.json.encode(answer).decode()


def answered(service: Service, who: str, asked: Question) -> Answer:
    """Decode a prompt.

    Raises:
        PromptError: The prompt is empty, malformed or outside the image.
    """
    if asked.model not in service.predictors:
        return Answer(
            id=asked.id, status=400, error=f"there is no such model here; there is {', '.join(service.predictors)}"
        )
    embedding = service.kept(asked.model, asked.hash) if service.people.may_ask(who, asked.hash) else None
    if embedding is None:
        said = "you have not sent this image, or it is not kept; send it to /v1/embeddings"
        return Answer(id=asked.id, status=404, error=said)
    predictor = service.predictors[asked.model]
    if asked.size is not None:
        embedding = resized(embedding, predictor.config, asked.size)
    prompt = _prompt(asked, predictor.config.mask_size)
    found = predictor.answer(embedding, prompt, multimask=asked.multimask)
    return Answer(
        id=asked.id,
        best=found.best,
        scores=[round(float(score), 4) for score in found.scores],
        masks=_written([found.stored_mask(index) for index in range(len(found.scores))], asked, found.best),
        weights=predictor.model.weights_id,
    )


def resized(embedding: Embedding, config: SamConfig, size: tuple[int, int]) -> Embedding:
    """Return an embedding for prompts and masks in pixels of a larger image, of which a scaled copy was embedded.

    Raises:
        PromptError: An image of this size is not scaled to the one that was sent.
    """
    height, width = size
    if height < 1 or width < 1 or height * width > MOST_SHOWN:
        raise PromptError(f"the size {height} x {width} is not that of an image of up to {MOST_SHOWN:,} pixels")
    # For models that get the whole photo, this says nothing: the aspect ratio must do.
    ours, theirs = fitted(config, *embedding.image_size), fitted(config, height, width)
    before = embedding.image_size
    if ours != theirs or abs(before[0] * width - before[1] * height) > 2 * max(height, width, *before):
        raise PromptError(f"an image of {height} x {width} pixels is not the one that was sent; check the size")
    return replace(embedding, image_size=(height, width))


def _prompt(asked: Question, side: int) -> Prompt:
    boxes = [Box(*corners) for corners in ([] if asked.box is None else [asked.box]) + asked.boxes]
    points = Prompt.from_arrays(asked.points or None, asked.labels, None, None).points
    strokes = [Stroke(tuple(one.vertices), one.label, one.closed) for one in asked.strokes]
    mask = None
    if asked.mask:
        try:
            drawn = StoredMask.of_runs(unpack_runs(b64decode(asked.mask, validate=True), side, side), (side, side))
        except ValueError as error:
            raise PromptError(f"the mask is not packed runs of {side} x {side} pixels in base64 ({error})") from error
        mask = np.where(drawn.array, CERTAIN, -CERTAIN).astype(np.float32)
    return Prompt(points, boxes=boxes, strokes=strokes, mask=mask)


def _written(masks: list[StoredMask], asked: Question, best: int) -> list[dict[str, Any]]:
    if not asked.packed:
        return [rle_from_stored(mask) for mask in masks]
    packed = [pack_runs(mask.runs, mask.shape[1]) for mask in masks]
    while asked.most is not None and sum(map(len, packed)) > asked.most:
        # The best one is seen first, and large.
        longest = max(range(len(masks)), key=lambda index: len(packed[index]) / (1 + (index == best)))
        if max(masks[longest].shape) <= SMALLEST:
            break
        masks[longest] = small = halved(masks[longest])
        packed[longest] = pack_runs(small.runs, small.shape[1])
    return [{"size": list(mask.shape), "runs": runs} for mask, runs in zip(masks, packed, strict=True)]
