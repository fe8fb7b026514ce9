"""Convert the documents and blobs of a session file to states, checking every value."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
import numpy as np

from sam_widget.automatic.finding.finder import Example, Instance, clean_words
from sam_widget.errors import SamWidgetError
from sam_widget.masks import windows
from sam_widget.masks.runs import StoredMask, differing_runs
from sam_widget.prompts.geometry import Box
from sam_widget.prompts.prompt import Prompt
from sam_widget.session.file.documents import (
    AnswerPart,
    AnyDocument,
    CandidateDocument,
    Corners,
    ExamplePart,
    Hash,
    ObjectDocument,
    OriginPart,
    PromptDocument,
    QueryDocument,
    SearchDocument,
    StateDocument,
)
from sam_widget.session.file.format import Blob, Contents
from sam_widget.session.state import (
    Answer,
    Candidate,
    Origin,
    Query,
    Recall,
    Search,
    SegmentedObject,
    SessionState,
)
from sam_widget.text import clean

D = TypeVar("D", bound=AnyDocument)
MadeBy = weakref.WeakKeyDictionary[StoredMask, str]


def no_makers() -> MadeBy:
    """Return an empty table of the models that predicted masks."""
    return weakref.WeakKeyDictionary()


class Decoder:
    """Converts documents to states, checking every value; parts shared by several documents become one object.

    Every method raises ValueError, KeyError or TypeError if a document or blob is missing or malformed.

    Attributes:
        made_by: The model that predicted each mask.
        done: What came of documents and blobs, by hash.
    """

    def __init__(self, contents: Contents, size: tuple[int, int], recall: Recall | None = None) -> None:
        """Make a decoder for an image of this width and height; `recall` gets the logits of answers again."""
        self.made_by: MadeBy = no_makers()
        self._contents = contents
        self._recall = recall
        self._answers: dict[tuple[object, ...], Answer] = {}
        self._shape = (size[1], size[0])
        self.done: dict[str, Any] = {}

    def states(self) -> list[SessionState]:
        """Return the states of the history, in order."""
        try:
            return [self._once(key, "state") for key in self._contents.history]
        except SamWidgetError as error:  # a value that its dataclass rejects
            raise ValueError(str(error)) from error

    def _once(self, key: Hash, kind: str) -> Any:
        if key not in self.done:
            makers: dict[str, Callable[[Hash], Any]] = {
                "state": self._state,
                "candidate": self._candidate,
                "object": self._object,
                "query": self._query,
                "search": self._search,
                "mask": self._mask,
                "logits": self._logits,
            }
            self.done[key] = makers[kind](key)
        return self.done[key]

    def _document(self, key: Hash, kind: type[D]) -> D:
        document = self._contents.documents.get(key)
        if document is None or document.kind != kind.kind:
            raise ValueError(f"it lacks {kind.kind} {key}")
        try:
            body = json.loads(document.json, parse_constant=lambda _: None)
            return msgspec.convert(body, kind)
        except (msgspec.ValidationError, UnicodeEncodeError) as error:
            raise ValueError(f"{kind.kind} {key}: {error}") from error

    def _blob(self, key: Hash, *kinds: str) -> Blob:
        blob = self._contents.blobs.get(key)
        if blob is None or blob.kind not in kinds:
            raise ValueError(f"it lacks {kinds[0]} {key}")
        return blob

    def _state(self, key: Hash) -> SessionState:
        body = self._document(key, StateDocument)
        candidates = tuple(self._once(each, "candidate") for each in body.candidates)
        objects = tuple(self._once(each, "object") for each in body.objects)
        if body.chosen is not None and body.chosen >= len(candidates):
            raise ValueError(f"there is no candidate {body.chosen} among {len(candidates)}")
        if body.editing is not None and body.editing not in {item.id for item in objects}:
            raise ValueError(f"there is no object {body.editing!r} to edit")
        return SessionState(
            prompt=self._prompt(body.prompt),
            candidates=candidates,
            chosen_index=body.chosen,
            objects=objects,
            strokes=body.strokes,
            settings=body.settings,
            editing=body.editing,
            rendering=body.rendering,
            crop=self._crop(body.crop),
            search=self._once(body.search, "search") if isinstance(body.search, str) else None,
            label=clean(body.label) if isinstance(body.label, str) else "",
        )

    def _search(self, key: Hash) -> Search:
        body = self._document(key, SearchDocument)
        instances = [
            Instance(self._once(one.mask, "mask"), one.score, clean(one.word), self._prompt(one.prompt), clean(one.id))
            for one in body.instances
        ]
        query = self._once(body.query, "query")
        weights = clean(body.weights)
        return Search(query, tuple(instances), body.threshold, body.limit, body.presence, weights, body.known)

    def _query(self, key: Hash) -> Query:
        body = self._document(key, QueryDocument)
        like, not_like = (tuple(map(self._example, parts)) for parts in (body.like, body.not_like))
        orders = {clean(word): order for word, order in body.orders.items()} if isinstance(body.orders, dict) else {}
        return Query(clean_words(body.words), like, not_like, clean(body.finder), orders)

    def _example(self, body: ExamplePart) -> Example:
        if (body.mask is None) == (body.features is None):
            raise ValueError("an example has either a mask or features")
        stored = None if body.mask is None else self._once(body.mask, "mask")
        features = None if body.features is None else self._once(body.features, "logits")[0]
        return Example(stored, features, clean(body.name))

    def _origin(self, body: OriginPart) -> Origin:
        query = self._once(body.query, "query")
        return Origin(query, clean(body.word), clean(body.instance), clean(body.weights))

    def _candidate(self, key: Hash) -> Candidate:
        body = self._document(key, CandidateDocument)
        stored = source = self._once(body.mask, "mask")
        if isinstance(body.source, str):
            source = self._once(body.source, "mask")
        elif body.change is not None:
            source = _changed(stored, self._once(body.change, "mask"))
        crop = self._crop(body.crop)
        answer: Answer | np.ndarray | None = None
        if body.answer is not None:
            answer = self._answer(body.answer, crop, str(body.model))
        elif body.logits is not None:
            answer = self._once(body.logits, "logits")
        if body.model is not None:
            self.made_by[source] = body.model
        index = 0 if body.answer is None else body.answer.index
        return Candidate(stored, body.score, answer, body.stability, source, crop, index)

    def _answer(self, body: AnswerPart, crop: Box | None, weights: str) -> Answer:
        key = body.prompt, body.rendering, crop, body.best, weights
        if key not in self._answers:
            prompt = self._prompt(body.prompt)
            self._answers[key] = Answer(prompt, body.rendering, crop, body.best, weights, self._recall)
        return self._answers[key]

    def _object(self, key: Hash) -> SegmentedObject:
        body = self._document(key, ObjectDocument)
        candidate = None if body.candidate is None else self._once(body.candidate, "candidate")
        stored = self._once(body.mask, "mask")
        if candidate is not None and np.array_equal(candidate.stored.runs, stored.runs):
            stored = candidate.stored
        return SegmentedObject(
            label=clean(body.label),
            stored=stored,
            score=body.score,
            box=Box(*body.box),
            prompt=self._prompt(body.prompt),
            color=body.color,
            id=body.id,
            candidate=candidate,
            strokes=body.strokes,
            settings=body.settings,
            origin=self._origin(body.origin) if isinstance(body.origin, OriginPart) else None,
        )

    def _prompt(self, named: Hash | PromptDocument) -> Prompt:
        if isinstance(named, PromptDocument):  # version 1
            return self._drawn(named, Prompt())
        todo: list[tuple[Hash, PromptDocument]] = []
        key: Hash | None = named
        while key is not None and key not in self.done:
            todo.append((key, self._document(key, PromptDocument)))
            key = todo[-1][1].base
        prompt = Prompt() if key is None else self.done[key]
        for key, body in reversed(todo):
            prompt = self.done[key] = self._drawn(body, prompt)
        return prompt

    def _drawn(self, body: PromptDocument, base: Prompt) -> Prompt:
        return Prompt(
            (*base.points, *body.points),
            boxes=(*base.boxes, *body.boxes),
            strokes=(*base.strokes, *body.strokes),
            mask=None if body.mask is None else self._once(body.mask, "logits"),
            mask_crop=self._crop(body.mask_crop),
            words=body.words if isinstance(body.words, str) else "",
        )

    def _crop(self, corners: Corners | None) -> Box | None:
        if corners is None:
            return None
        crop = Box(*corners)
        if not windows.fits(crop, (self._shape[1], self._shape[0])):
            raise ValueError(f"{crop.corners} is not a part of the image in whole pixels")
        return crop

    def _mask(self, key: Hash) -> StoredMask:
        blob = self._blob(key, "mask", "packed")
        if (blob.height, blob.width) != self._shape:
            raise ValueError(f"a mask is {blob.width} x {blob.height} pixels, and the image is not")
        if blob.kind == "packed":
            return StoredMask.from_packed(blob.data, *self._shape)
        return StoredMask.from_runs(np.frombuffer(blob.data, "<u4").reshape(-1, 2), *self._shape)

    def _logits(self, key: Hash) -> np.ndarray:
        blob = self._blob(key, "logits")
        return np.frombuffer(blob.data, "<f4").reshape(blob.height, blob.width)


def _changed(mask: StoredMask, change: StoredMask) -> StoredMask:
    return StoredMask.deferred(lambda: differing_runs(mask.runs, change.runs, mask.shape[1]), mask.shape)
