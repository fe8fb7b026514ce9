"""Searches by words at the server, for programs that cannot search.

`POST /v1/find?model=MODEL&words=cat&words=red+cup`: the body is a PNG, as for `/v1/embeddings`, because words are
compared with the pixels, which are not kept. `threshold` and `limit` are those of `Session.find`. The answer is a JSON
object, whose masks are packed row runs (`masks.wire_codec`):

    {"hash": H, "message": "cat: 2", "instances": [
        {"word": "cat", "score": 0.9, "found": true, "size": [h, w], "runs": BASE64}, ...]}
"""

from __future__ import annotations

import asyncio
from base64 import b64encode

import msgspec
import numpy as np
from tornado import web

from sam_widget.errors import ImageError, SamWidgetError
from sam_widget.masks.wire_codec import pack_runs
from sam_widget.serve.access import Refusal
from sam_widget.serve.app import EmbeddingsHandler, read_png
from sam_widget.serve.embedder import QueueFullError
from sam_widget.serve.everything import AGAIN_SECONDS, one_run
from sam_widget.session.searching import FindRun
from sam_widget.session.session import Session


class InstanceLine(msgspec.Struct, frozen=True, kw_only=True):
    """An instance, and whether it is at or above the threshold."""

    word: str
    score: float
    found: bool
    size: tuple[int, int]
    runs: str


class FoundAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, best first; see the module."""

    hash: str
    message: str
    instances: list[InstanceLine]


@web.stream_request_body
class FindHandler(EmbeddingsHandler):
    """Finds words in an image that is sent."""

    kind = "find"

    async def post(self) -> None:
        """Answer with the instances."""
        model, service, loop = self.model(self.get_query_argument("model")), self.service, asyncio.get_running_loop()
        words = self.get_query_arguments("words")
        threshold, limit = self._number("threshold"), self._number("limit")
        with one_run(self):
            try:
                service.embedder.check_room(self.who)
                rgb, digest = await loop.run_in_executor(service.workers, read_png, bytes(self._body))
                run = await loop.run_in_executor(
                    service.workers, self._begun, model, rgb, words, threshold, None if limit is None else int(limit)
                )
                # In the queue, as all images are, before the thread that answers prompts has to wait for it.
                await asyncio.wrap_future(service.embedder.ask(self.who, model, rgb, digest))
                service.people.sent(self.who, digest)
                while await loop.run_in_executor(service.decoding, run.advance):
                    pass
            except QueueFullError as error:
                raise Refusal(429, str(error), seconds=AGAIN_SECONDS) from error
            except (ImageError, SamWidgetError) as error:
                raise Refusal(400, str(error)) from error
        self.tell(_answer(run, digest))

    def _begun(
        self, model: str, rgb: np.ndarray, words: list[str], threshold: float | None, limit: int | None
    ) -> FindRun:
        session = Session(rgb, model=self.service.predictors[model])
        return session.searching.begin(*words, threshold=threshold, limit=limit)

    def _number(self, name: str) -> float | None:
        given = self.get_query_argument(name, "")
        try:
            return float(given) if given else None
        except ValueError as error:
            raise Refusal(400, f"`{name}` is not a number") from error


def _answer(run: FindRun, digest: str) -> FoundAnswer:
    search = run.search
    if search is None:
        return FoundAnswer(hash=digest, message="", instances=[])
    found = {one.id for one in search.found}
    return FoundAnswer(
        hash=digest,
        message=search.message,
        instances=[
            InstanceLine(
                word=one.word,
                score=round(one.score, 4),
                found=one.id in found,
                size=one.stored.shape,
                runs=b64encode(pack_runs(one.stored.runs, one.stored.shape[1])).decode(),
            )
            for one in search.instances
        ],
    )
