"""Convert the states of a session to the documents and blobs of its file."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET

from sam_widget.automatic.finding.finder import Example, Instance
from sam_widget.masks.runs import StoredMask, differing_runs
from sam_widget.prompts.geometry import Box
from sam_widget.prompts.prompt import Prompt
from sam_widget.session.file.decoder import Decoder, MadeBy, no_makers
from sam_widget.session.file.documents import (
    AnswerPart,
    AnyDocument,
    CandidateDocument,
    Corners,
    ExamplePart,
    Hash,
    InstancePart,
    ObjectDocument,
    OriginPart,
    PromptDocument,
    QueryDocument,
    SearchDocument,
    StateDocument,
)
from sam_widget.session.file.format import Blob, Document, to_json
from sam_widget.session.state import Answer, Candidate, Origin, Query, Search, SegmentedObject, SessionState


class Encoder:
    """Converts states to documents; parts shared by several states are converted once.

    Attributes:
        documents: What came of it so far, by hash; `clear` forgets it.
        blobs: The same.
    """

    def __init__(self, made_by: MadeBy | None = None) -> None:
        """Create an encoder; `made_by` maps masks to the models that predicted them, and new masks are added to it."""
        self.documents: dict[str, Document] = {}
        self.blobs: dict[str, Blob] = {}
        self.made_by: MadeBy = no_makers() if made_by is None else made_by
        self._hashes: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
        # The newest prompt and its hash, after the one that it continues, and so on.
        self._prompts: list[tuple[Prompt, str]] = []

    def clear(self) -> None:
        """Drop documents and blobs, but remember which states were converted."""
        self.documents, self.blobs = {}, {}

    def learn(self, decoder: Decoder) -> None:
        """Mark everything that a decoder read as being in the file already."""
        self.made_by.update(decoder.made_by)
        for key, item in decoder.done.items():
            if not isinstance(item, np.ndarray | Prompt):
                self._hashes[item] = key

    def states(self, states: Sequence[SessionState], model: str) -> list[Hash]:
        """Return the hashes of states; masks without a known model are attributed to `model`."""
        return [self._hashes.get(state) or self._state(state, model) for state in states]

    def blob(self, blob: Blob) -> str:
        """Add a blob and return its hash."""
        key = blob.hash
        self.blobs[key] = blob
        return key

    def _state(self, state: SessionState, model: str) -> Hash:
        body = StateDocument(
            prompt=self._prompt(state.prompt),
            candidates=tuple(self._candidate(item, model) for item in state.candidates),
            chosen=state.chosen_index,
            objects=tuple(self._object(item, model) for item in state.objects),
            strokes=state.strokes,
            settings=state.settings,
            editing=state.editing,
            rendering=state.rendering,
            crop=_corners(state.crop),
            search=UNSET if state.search is None else self._search(state.search),
            label=state.label or UNSET,
        )
        return self._document(body, state)

    def _search(self, item: Search) -> Hash:
        if item in self._hashes:
            return self._hashes[item]
        body = SearchDocument(
            query=self._query(item.query),
            threshold=item.threshold,
            limit=item.limit,
            presence=item.presence,
            weights=item.weights,
            known=item.known,
            instances=tuple(map(self._instance, item.instances)),
        )
        return self._document(body, item)

    def _instance(self, item: Instance) -> InstancePart:
        mask, prompt = self._packed(item.stored), self._prompt(item.prompt)
        return InstancePart(id=item.id, word=item.word, score=item.score, mask=mask, prompt=prompt)

    def _query(self, item: Query) -> Hash:
        if item in self._hashes:
            return self._hashes[item]
        like, not_like = (tuple(map(self._example, examples)) for examples in (item.like, item.not_like))
        body = QueryDocument(
            words=item.words, like=like, not_like=not_like, finder=item.finder, orders=dict(item.orders) or UNSET
        )
        return self._document(body, item)

    def _example(self, item: Example) -> ExamplePart:
        mask = None if item.stored is None else self._packed(item.stored)
        features = None if item.features is None else self._logits(item.features[None])
        return ExamplePart(name=item.name, mask=mask, features=features)

    def _origin(self, item: Origin) -> OriginPart:
        return OriginPart(query=self._query(item.query), word=item.word, instance=item.instance, weights=item.weights)

    def _candidate(self, item: Candidate, model: str) -> Hash:
        if item in self._hashes:
            return self._hashes[item]
        answer = item.answer
        body = CandidateDocument(
            mask=self._packed(item.stored),
            change=None if item.base is item.stored else self._packed(_change(item)),
            score=item.score,
            answer=self._answer(answer, item.index) if isinstance(answer, Answer) else None,
            logits=None if isinstance(answer, Answer) else self._logits(answer),
            stability=item.stability,
            model=None if answer is None else self._maker(item, model),
            crop=_corners(item.crop),
        )
        return self._document(body, item)

    def _object(self, item: SegmentedObject, model: str) -> Hash:
        if item in self._hashes:
            return self._hashes[item]
        body = ObjectDocument(
            id=item.id,
            label=item.label,
            mask=self._mask(item.stored),
            area=item.area,
            box=item.box.corners,
            score=item.score,
            color=item.color,
            prompt=self._prompt(item.prompt),
            model=None if item.candidate is None else self._maker(item.candidate, model),
            candidate=None if item.candidate is None else self._candidate(item.candidate, model),
            strokes=item.strokes,
            settings=item.settings,
            origin=UNSET if item.origin is None else self._origin(item.origin),
        )
        return self._document(body, item)

    def _maker(self, item: Candidate, model: str) -> str:
        """Return the weights that predicted a mask: those of the answer, which need not be the session's own."""
        return self.made_by.setdefault(item.base, item.answer.weights if isinstance(item.answer, Answer) else model)

    def _answer(self, answer: Answer, index: int) -> AnswerPart:
        return AnswerPart(prompt=self._prompt(answer.prompt), rendering=answer.rendering, best=answer.best, index=index)

    def _prompt(self, prompt: Prompt) -> Hash:
        known = self._prompts
        while known and not _continues(prompt, known[-1][0]):
            known.pop()
        if known and known[-1][0] == prompt:
            return known[-1][1]
        base, key = known[-1] if known else (Prompt(), None)
        body = PromptDocument(
            base=key,
            points=prompt.points[len(base.points) :],
            boxes=prompt.boxes[len(base.boxes) :],
            strokes=prompt.strokes[len(base.strokes) :],
            mask=self._logits(prompt.mask),
            mask_crop=_corners(prompt.mask_crop),
            words=prompt.words or UNSET,
        )
        known.append((prompt, self._document(body)))
        return known[-1][1]

    def _packed(self, mask: StoredMask) -> str:
        if mask not in self._hashes:
            self._hashes[mask] = self.blob(Blob("packed", *mask.shape, mask.packed))
        return self._hashes[mask]

    def _mask(self, mask: StoredMask) -> str:
        return self.blob(Blob("mask", *mask.shape, mask.runs.astype("<u4").tobytes()))

    def _logits(self, logits: np.ndarray | None) -> str | None:
        if logits is None:
            return None
        height, width = logits.shape
        return self.blob(Blob("logits", height, width, logits.astype("<f4").tobytes()))

    def _document(self, body: AnyDocument, source: Any = None) -> Hash:
        document = Document(body.kind, to_json(msgspec.to_builtins(body, enc_hook=_plain)))
        key = document.hash
        self.documents[key] = document
        if source is not None:
            self._hashes[source] = key
        return key


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} cannot be saved")


def _change(item: Candidate) -> StoredMask:
    before, after = item.base, item.stored
    return StoredMask.of_runs(differing_runs(before.runs, after.runs, after.shape[1]), after.shape)


def _continues(prompt: Prompt, base: Prompt) -> bool:
    """Whether all that was drawn of one prompt is what another begins with."""
    return (
        prompt.points[: len(base.points)] == base.points
        and prompt.boxes[: len(base.boxes)] == base.boxes
        and prompt.strokes[: len(base.strokes)] == base.strokes
    )


def _corners(crop: Box | None) -> Corners | None:
    return None if crop is None else crop.corners
