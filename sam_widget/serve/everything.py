"""Everything mode at the server: a thousand decodes on its GPU, whose masks are streamed as they are found.

`POST /v1/everything` takes a JSON object and answers with lines of JSON; see `automatic.lines`.

    {"model": "vit_h", "hash": H, "size": [h, w], "points_per_side": 32}

A batch of points is one turn in the thread that also answers prompts, so runs and clicks of many people alternate.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from tornado.iostream import StreamClosedError

from sam_widget.automatic.automatic import iter_embedded
from sam_widget.automatic.lines import StepLine, lines_of
from sam_widget.errors import SamWidgetError
from sam_widget.serve.access import Refusal
from sam_widget.serve.app import Handler
from sam_widget.serve.prompts import resized

log = logging.getLogger(__name__)
# Runs at a time: of one person, and in all. Others are told to wait.
MOST_OF_ONE, MOST, AGAIN_SECONDS = 1, 8, 2
# Limit of the grid, as for requests of views.
MOST_POINTS_PER_SIDE = 128


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to segment; options are those of `segment_everything`, and null is the model's own.

    Attributes:
        model: Name of the model.
        hash: The image's.
        size: Height and width of the image whose pixels masks are in; by default, of the one that was sent.
    """

    model: str
    hash: str
    size: tuple[int, int] | None = None
    points_per_side: int = 32
    points_per_batch: int = 64
    pred_iou_thresh: float | None = None
    stability_score_thresh: float | None = None
    stability_score_offset: float | None = None
    box_nms_thresh: float | None = None
    mask_nms_thresh: float | None = None
    min_mask_share: float | None = None
    min_mask_region_area: int = 0


@contextmanager
def one_run(handler: Handler) -> Iterator[None]:
    """Count a run of everything mode, or a search, of the person who asks.

    Raises:
        Refusal: They have one already, or too many people have.
    """
    runs, who = handler.service.runs, handler.who
    if runs[who] >= MOST_OF_ONE or runs.total() >= MOST:
        said = "everything is being segmented for you, or for many people; ask again later"
        raise Refusal(429, said, seconds=AGAIN_SECONDS)
    runs[who] += 1
    try:
        yield
    finally:
        runs[who] -= 1
        if not runs[who]:
            del runs[who]


class EverythingHandler(Handler):
    """Streams the masks of an image."""

    kind = "everything"

    async def post(self) -> None:
        """Answer with a line for each batch of points."""
        service, loop = self.service, asyncio.get_running_loop()
        try:
            wanted = msgspec.json.decode(self.request.body, type=Wanted)
        except msgspec.DecodeError as error:
            raise Refusal(400, f"this is not a request for everything: {error}") from error
        lines = await loop.run_in_executor(service.decoding, self._begun, wanted)
        with one_run(self):
            self.set_header("Content-Type", "application/x-ndjson")
            try:
                while line := await loop.run_in_executor(service.decoding, next, lines, b""):
                    self.write(line)
                    # A client that reads slowly holds up itself alone.
                    await self.flush()
            except StreamClosedError:
                log.info("everything for %s ended: the client left", self.who)
            except SamWidgetError as error:
                self.write(msgspec.json.encode(StepLine(error=str(error))) + b"\n")

    def _begun(self, wanted: Wanted) -> Iterator[bytes]:
        service, model = self.service, self.model(wanted.model)
        allowed = service.people.may_ask(self.who, wanted.hash)
        embedding = service.kept(model, wanted.hash) if allowed else None
        if embedding is None:
            raise Refusal(404, "you have not sent this image, or it is not kept; send it to /v1/embeddings")
        if not 1 <= wanted.points_per_side <= MOST_POINTS_PER_SIDE:
            raise Refusal(400, f"points_per_side is {wanted.points_per_side}, expected 1 to {MOST_POINTS_PER_SIDE}")
        predictor = service.predictors[model]
        options = {name: getattr(wanted, name) for name in Wanted.__struct_fields__[3:]}
        try:
            if wanted.size is not None:
                embedding = resized(embedding, predictor.config, wanted.size)
            return lines_of(iter_embedded(predictor, embedding, **options), embedding.image_size)
        except SamWidgetError as error:
            raise Refusal(400, str(error)) from error
