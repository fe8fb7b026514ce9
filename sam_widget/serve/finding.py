"""Searches by words and examples at the server, for clients that cannot search.

`POST /v1/find` takes a question, and the photo it is about: as JSON, if the photo was searched before, or else as
`multipart/form-data` with two parts, `question` and `image`, a PNG, because words are compared with pixels. What was
computed of the last photos is kept; for others, the status is 404, and the photo has to be sent. All fields but the
first two may be left out:

    {"model": "vit_h", "hash": H, "finder": "tiny", "words": ["cat", "red cup"], "threshold": 0.7, "limit": 5,
     "like": [{"mask": {"size": [h, w], "runs": BASE64}}, {"features": BASE64}], "not_like": [...],
     "describe": [{"size": [h, w], "runs": BASE64}]}

Masks are packed row runs (`masks.wire_codec`). `describe` returns the features of masks, which are examples for other
photos. The answer is lines of JSON, of which the last is the answer; see `automatic.finding.lines`:

    {"place": 2, "seconds": 3.5}
    {"done": 64, "total": 512}
    {"answer": {"hash": H, "weights": "...", "message": "cat: 2", "presence": [0.9], "described": [], "instances": [
        {"id": "7", "word": "cat", "score": 0.9, "found": true, "size": [h, w], "runs": BASE64, "points": [[x, y]]}]}}
"""

from __future__ import annotations

import asyncio
import functools
import logging
from typing import Any

import msgspec
import numpy as np
from tornado import httputil, web
from tornado.iostream import StreamClosedError

from sam_widget.automatic.finding.finder import MOST_EXAMPLES, Encoding, Finder, Finding, Step, clean_words
from sam_widget.automatic.finding.lines import (
    FindLine,
    FindQuestion,
    FoundPart,
    examples_of,
    features_to_text,
    instance_to_part,
    masks_of,
)
from sam_widget.automatic.finding.loading import EMBEDDED, OWN, finder_of
from sam_widget.automatic.finding.regions import Regions
from sam_widget.automatic.finding.store import STORE
from sam_widget.errors import PromptError, SamWidgetError
from sam_widget.serve.access import Refusal
from sam_widget.serve.app import EmbeddingsHandler, read_png
from sam_widget.serve.embedder import QueueFullError
from sam_widget.serve.everything import AGAIN_SECONDS, one_run
from sam_widget.session.queries import check_limit, check_threshold
from sam_widget.session.state import Query, Search

# Bytes of a question, which may have 64 examples.
MOST_OF_A_QUESTION = 4 * 2**20
# Seconds between lines that tell the place in the queue.
PLACE_SECONDS = 2.0
log = logging.getLogger(__name__)


@web.stream_request_body
class FindHandler(EmbeddingsHandler):
    """Finds words and examples in an image."""

    kind = "find"

    async def post(self) -> None:
        """Answer with lines: progress, and the instances."""
        question, png = self._parts()
        service, loop, model = self.service, asyncio.get_running_loop(), self.model(question.model)
        try:
            finder = await loop.run_in_executor(service.workers, _finder_for, question)
            predictor = service.predictors[model]
            may_ask = service.people.may_ask(self.who, question.hash)
            features = STORE.kept(finder, predictor, question.hash) if may_ask else None
            if features is None:
                if png is None:
                    raise Refusal(404, "you have not sent this image to be searched, or it is not kept; send it, too")
                with one_run(self):
                    service.embedder.check_room(self.who)
                    rgb, digest = await loop.run_in_executor(service.workers, read_png, png)
                    if digest != question.hash:
                        raise Refusal(400, f"the hash of this image is {digest}, and not the one in the question")
                    service.people.sent(self.who, digest)
                    features = await self._encoded(model, finder, rgb, digest)
            answer = await loop.run_in_executor(service.decoding, _answer, finder, features, question)
        except StreamClosedError:
            log.info("a search for %s ended: the client left", self.who)
            return
        except QueueFullError as error:
            raise Refusal(429, str(error), seconds=AGAIN_SECONDS) from error
        except SamWidgetError as error:
            if not self._headers_written:
                raise Refusal(400, str(error)) from error
            await self._tell(FindLine(error=str(error)))
            return
        await self._tell(FindLine(answer=answer))

    def _parts(self) -> tuple[FindQuestion, bytes | None]:
        """Return the question, and the image if there is one."""
        kind, body, png = self.request.headers.get("Content-Type", ""), bytes(self._body), None
        if kind.startswith("multipart/form-data"):
            given: dict[str, list[bytes]] = {}
            files: dict[str, list[httputil.HTTPFile]] = {}
            try:
                httputil.parse_body_arguments(kind, body, given, files)
            except httputil.HTTPInputError as error:
                raise Refusal(400, f"the parts of the request cannot be told apart: {error}") from error
            if "image" not in files:
                raise Refusal(400, "there is no part `image` with a file; send a PNG")
            body, png = given.get("question", [b""])[0], files["image"][0].body
        if len(body) > MOST_OF_A_QUESTION:
            raise Refusal(413, f"the question takes more than {MOST_OF_A_QUESTION:,} bytes; give fewer examples")
        try:
            return msgspec.json.decode(body, type=FindQuestion), png
        except msgspec.DecodeError as error:
            raise Refusal(400, f"this is not a question of what to find: {error}") from error

    async def _encoded(self, model: str, finder: Finder, rgb: np.ndarray, digest: str) -> Any:
        """Return the features of an image, and tell of the progress."""
        service, loop = self.service, asyncio.get_running_loop()
        # In the queue, as all images are, before the thread that answers prompts has to wait for it.
        waiting = asyncio.wrap_future(service.embedder.ask(self.who, model, rgb, digest))
        while not (await asyncio.wait([waiting], timeout=PLACE_SECONDS))[0]:
            place = self.place(model, digest)
            await self._tell(FindLine(place=place.place, seconds=place.seconds))
        await waiting
        steps = STORE.encode(finder, rgb, service.predictors[model])
        while True:
            step, features = await loop.run_in_executor(service.decoding, _advanced, steps)
            if step is None:
                return features
            await self._tell(FindLine(done=step.done, total=step.total))

    async def _tell(self, line: FindLine) -> None:
        self.set_header("Content-Type", "application/x-ndjson")
        self.write(msgspec.json.encode(line) + b"\n")
        # A client that reads slowly holds up itself alone.
        await self.flush()


def _advanced(steps: Encoding) -> tuple[Step | None, Any]:
    """Do the next step; returns it, or the features after the last."""
    try:
        return next(steps), None
    except StopIteration as done:
        return None, done.value


def _finder_for(question: FindQuestion) -> Finder:
    """Return the finder of a question, whose words it knows.

    Raises:
        PromptError: There is no such finder, or an argument is malformed.
    """
    if question.finder not in {EMBEDDED, OWN}:
        raise PromptError(f"there is no finder {question.finder!r} here; there is {EMBEDDED!r} and {OWN!r}")
    if len(question.like) + len(question.not_like) + len(question.describe) > MOST_EXAMPLES:
        raise PromptError(f"there are too many examples; expected at most {MOST_EXAMPLES}")
    finder = _finder(question.finder)
    finder.check(clean_words(question.words), (), ())
    check_limit(question.limit)
    if question.threshold is not None:
        check_threshold(question.threshold)
    return finder


@functools.cache
def _finder(name: str) -> Finder:
    return finder_of(name)


def _answer(finder: Finder, features: Regions, question: FindQuestion) -> FoundPart:
    size, known = features.image.shape[:2], [record.stored for record in features.records]
    words = clean_words(question.words)
    like, not_like = (examples_of(parts, known, size) for parts in (question.like, question.not_like))
    described = [features_to_text(finder.describe(features, one)) for one in masks_of(question.describe, known, size)]
    found = finder.find(features, words, like, not_like) if words or like else Finding()
    orders = {word: order for word in words if (order := finder.order(word)) is not None}
    usual = getattr(finder, "example_threshold", finder.threshold) if like else finder.threshold
    threshold = usual if question.threshold is None else question.threshold
    query = Query(words, tuple(like), tuple(not_like), finder.name, orders)
    search = Search(query, found.instances, threshold, question.limit, found.presence)
    counted = {one.id for one in search.found}
    return FoundPart(
        hash=question.hash,
        weights=finder.weights_id,
        message=search.message if words or like else "",
        instances=[instance_to_part(one, found=one.id in counted) for one in found.instances],
        presence=list(found.presence),
        described=described,
    )
