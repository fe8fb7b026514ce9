"""Convert the states of a session to the documents and blobs of its file, and back.

Every document is a JSON object; `hash` below is the name of a blob or of another document.

- `state`: `prompt` (hash), `candidates` (hashes), `chosen` (index or null), `objects` (hashes, oldest first),
  `strokes`, `settings`, `editing` (id of an object, or null), `rendering`, `crop` (x0, y0, x1, y1, or null).
- `candidate`: `mask` (hash), `change` (hash of the pixels, as a mask, in which the mask differs from what it was before
  it was cleaned up and painted on, or null where it does not), `score` and `stability` (or null), `model` (a key of the
  meta row `models`, or null), `crop` (x0, y0, x1, y1 of the part of the image that answered, or null), and where the
  logits come from: `answer` (null, or `prompt` (hash), `rendering`, `best`, the index that was chosen at first, and
  `index`, this candidate's) or `logits` (hash or null).
- `object`: `id`, `label`, `mask` (hash), `area`, `box` (x0, y0, x1, y1), `score` (or null), `color`, `prompt` (hash),
  `candidate` (hash or null), `strokes`, `settings`, `model`.
- `prompt`: `base` (hash of a prompt that this one continues, or null), and what was drawn after it: `points` (x, y,
  label), `boxes` (x0, y0, x1, y1) and `strokes` (vertices, label, closed); `mask` (hash of logits, or null) and
  `mask_crop` (their crop, or null). So a click costs a click, however many there were before.

`strokes` of states and objects are those of the brush (vertices, radius, label); `settings` as in `MaskSettings`;
`rendering` as in `Rendering`. Coordinates are pixels of the image. Masks of candidates are `packed` blobs, and those of
objects `mask` blobs.

Version 1 has `source` (hash of a mask, or null) where version 2 has `change`, prompts where version 2 has their hashes,
candidates with `logits` and no `answer`, `mask` blobs for all masks, and no `specks` in settings; its older files lack
`crop` and `mask_crop`.
"""

from __future__ import annotations

import dataclasses
import json
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from sam_widget.errors import SamWidgetError
from sam_widget.image.rendering import Rendering
from sam_widget.masks import windows
from sam_widget.masks.cleanup import MaskSettings
from sam_widget.masks.runs import StoredMask, differing_runs
from sam_widget.prompts.geometry import Box, BrushStroke
from sam_widget.prompts.prompt import Prompt
from sam_widget.session.file.format import Blob, Contents, Document, to_json
from sam_widget.session.state import Answer, Candidate, Recall, SegmentedObject, SessionState

MadeBy = weakref.WeakKeyDictionary[StoredMask, str]


def no_makers() -> MadeBy:
    """Return an empty table of the models that predicted masks."""
    return weakref.WeakKeyDictionary()


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

    def states(self, states: Sequence[SessionState], model: str) -> list[str]:
        """Return the hashes of states; masks without a known model are attributed to `model`."""
        return [self._hashes.get(state) or self._state(state, model) for state in states]

    def blob(self, blob: Blob) -> str:
        """Add a blob and return its hash."""
        key = blob.hash
        self.blobs[key] = blob
        return key

    def _state(self, state: SessionState, model: str) -> str:
        body = {
            "prompt": self._prompt(state.prompt),
            "candidates": [self._candidate(item, model) for item in state.candidates],
            "chosen": state.chosen_index,
            "objects": [self._object(item, model) for item in state.objects],
            "strokes": _plain(state.strokes),
            "settings": dataclasses.asdict(state.settings),
            "editing": state.editing,
            "rendering": dataclasses.asdict(state.rendering),
            "crop": _corners(state.crop),
        }
        return self._document("state", body, state)

    def _candidate(self, item: Candidate, model: str) -> str:
        if item in self._hashes:
            return self._hashes[item]
        made_by = self.made_by.setdefault(item.base, model) if item.answer is not None else None
        body = {
            "mask": self._packed(item.stored),
            "change": None if item.base is item.stored else self._packed(_change(item)),
            "score": item.score,
            **self._answer(item),
            "stability": item.stability,
            "model": made_by,
            "crop": _corners(item.crop),
        }
        return self._document("candidate", body, item)

    def _object(self, item: SegmentedObject, model: str) -> str:
        if item in self._hashes:
            return self._hashes[item]
        made_by = None if item.candidate is None else self.made_by.setdefault(item.candidate.base, model)
        body = {
            "id": item.id,
            "label": item.label,
            "mask": self._mask(item.stored),
            "area": item.area,
            "box": list(item.box.corners),
            "score": item.score,
            "color": item.color,
            "prompt": self._prompt(item.prompt),
            "candidate": None if item.candidate is None else self._candidate(item.candidate, model),
            "strokes": _plain(item.strokes),
            "settings": dataclasses.asdict(item.settings),
            "model": made_by,
        }
        return self._document("object", body, item)

    def _answer(self, item: Candidate) -> dict[str, Any]:
        answer = item.answer
        if not isinstance(answer, Answer):
            return {"answer": None, "logits": self._logits(answer)}
        asked = {"prompt": self._prompt(answer.prompt), "rendering": dataclasses.asdict(answer.rendering)}
        return {"answer": {**asked, "best": answer.best, "index": item.index}, "logits": None}

    def _prompt(self, prompt: Prompt) -> str:
        known = self._prompts
        while known and not _continues(prompt, known[-1][0]):
            known.pop()
        if known and known[-1][0] == prompt:
            return known[-1][1]
        base = known[-1][0] if known else Prompt()
        drawn = {name: items[len(getattr(base, name)) :] for name, items in prompt.to_dict().items()}
        mask = {"mask": self._logits(prompt.mask), "mask_crop": _corners(prompt.mask_crop)}
        document = Document("prompt", to_json({"base": known[-1][1] if known else None, **drawn, **mask}))
        self.documents[document.hash] = document
        known.append((prompt, document.hash))
        return document.hash

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

    def _document(self, kind: str, body: Mapping[str, Any], source: Any) -> str:
        document = Document(kind, to_json(body))
        key = document.hash
        self.documents[key] = document
        self._hashes[source] = key
        return key


def _change(item: Candidate) -> StoredMask:
    before, after = item.base, item.stored
    return StoredMask.of_runs(differing_runs(before.runs, after.runs, after.shape[1]), after.shape)


def _changed(mask: StoredMask, change: StoredMask) -> StoredMask:
    return StoredMask.deferred(lambda: differing_runs(mask.runs, change.runs, mask.shape[1]), mask.shape)


def _continues(prompt: Prompt, base: Prompt) -> bool:
    """Whether all that was drawn of one prompt is what another begins with."""
    return (
        prompt.points[: len(base.points)] == base.points
        and prompt.boxes[: len(base.boxes)] == base.boxes
        and prompt.strokes[: len(base.strokes)] == base.strokes
    )


def _corners(crop: Box | None) -> list[float] | None:
    return None if crop is None else list(crop.corners)


def _plain(strokes: Sequence[BrushStroke]) -> list[dict[str, Any]]:
    return [dataclasses.asdict(stroke) for stroke in strokes]


# ------------------------------------------------------------------------------------------------ and back


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
        self._answers: dict[str, Answer] = {}
        self._shape = (size[1], size[0])
        self.done: dict[str, Any] = {}

    def states(self) -> list[SessionState]:
        """Return the states of the history, in order."""
        try:
            return [self._once(key, "state") for key in self._contents.history]
        except SamWidgetError as error:  # a value that its dataclass rejects
            raise ValueError(str(error)) from error

    def _once(self, key: object, kind: str) -> Any:
        if not isinstance(key, str):
            raise TypeError(f"{key!r} names no {kind}")
        if key not in self.done:
            makers: dict[str, Callable[[Any], Any]] = {
                "state": self._state,
                "candidate": self._candidate,
                "object": self._object,
                "mask": self._mask,
                "logits": self._logits,
            }
            kinds = ("packed", "mask") if kind == "mask" else (kind,)
            self.done[key] = makers[kind](self._found(key, *kinds))
        return self.done[key]

    def _found(self, key: object, *kinds: str) -> Document | Blob:
        found: Document | Blob | None = None
        if isinstance(key, str):
            found = self._contents.documents.get(key) or self._contents.blobs.get(key)
        if found is None or found.kind not in kinds:
            raise ValueError(f"it lacks {kinds[-1]} {key}")
        return found

    def _state(self, document: Document) -> SessionState:
        body = json.loads(document.json)
        candidates = tuple(self._once(key, "candidate") for key in body["candidates"])
        objects = tuple(self._once(key, "object") for key in body["objects"])
        chosen, editing = body["chosen"], body["editing"]
        if not (chosen is None or (isinstance(chosen, int) and 0 <= chosen < len(candidates))):
            raise ValueError(f"there is no candidate {chosen!r} among {len(candidates)}")
        if not (editing is None or editing in {item.id for item in objects}):
            raise ValueError(f"there is no object {editing!r} to edit")
        return SessionState(
            prompt=self._prompt(body["prompt"]),
            candidates=candidates,
            chosen_index=chosen,
            objects=objects,
            strokes=_strokes(body["strokes"]),
            settings=MaskSettings(**body["settings"]),
            editing=editing,
            rendering=_rendering(**body["rendering"]),
            crop=self._crop(body.get("crop")),
        )

    def _candidate(self, document: Document) -> Candidate:
        body = json.loads(document.json)
        stored = self._once(body["mask"], "mask")
        source = stored
        if body.get("source") is not None:
            source = self._once(body["source"], "mask")
        elif body.get("change") is not None:
            source = _changed(stored, self._once(body["change"], "mask"))
        crop = self._crop(body.get("crop"))
        asked, index = body.get("answer"), 0
        if asked is None:
            answer = None if body["logits"] is None else self._once(body["logits"], "logits")
        else:
            answer, index = self._answer(asked, crop, str(body["model"])), _index(asked["index"])
        if body["model"] is not None:
            self.made_by[source] = str(body["model"])
        stability = body["stability"]
        stability = None if stability is None else float(stability)
        return Candidate(stored, _score(body["score"]), answer, stability, source, crop, index)

    def _answer(self, asked: Mapping[str, Any], crop: Box | None, weights: str) -> Answer:
        rendering, best = _rendering(**asked["rendering"]), _index(asked["best"])
        key = repr((asked["prompt"], rendering, crop, best, weights))
        if key not in self._answers:
            prompt = self._prompt(asked["prompt"])
            self._answers[key] = Answer(prompt, rendering, crop, best, weights, self._recall)
        return self._answers[key]

    def _object(self, document: Document) -> SegmentedObject:
        body = json.loads(document.json)
        if not isinstance(body["label"], str) or not isinstance(body["id"], str) or not isinstance(body["color"], int):
            raise TypeError("label, id or color of an object is of another type")
        candidate = None if body["candidate"] is None else self._once(body["candidate"], "candidate")
        stored = self._once(body["mask"], "mask")
        if candidate is not None and np.array_equal(candidate.stored.runs, stored.runs):
            stored = candidate.stored
        return SegmentedObject(
            label=body["label"],
            stored=stored,
            score=_score(body["score"]),
            box=Box(*body["box"]),
            prompt=self._prompt(body["prompt"]),
            color=body["color"],
            id=body["id"],
            candidate=candidate,
            strokes=_strokes(body["strokes"]),
            settings=MaskSettings(**body["settings"]),
        )

    def _prompt(self, named: object) -> Prompt:
        if isinstance(named, Mapping):  # Version 1.
            return self._drawn(named, Prompt())
        todo: list[tuple[str, dict[str, Any]]] = []
        while named is not None and named not in self.done:
            document = self._found(named, "prompt")
            body = json.loads(document.json)  # type: ignore[union-attr]
            todo.append((str(named), body))
            named = body.pop("base")
        prompt = Prompt() if named is None else self.done[named]
        for key, body in reversed(todo):
            prompt = self.done[key] = self._drawn(body, prompt)
        return prompt

    def _drawn(self, body: Mapping[str, Any], base: Prompt) -> Prompt:
        drawn = Prompt.from_dict({key: value for key, value in body.items() if key not in ("mask", "mask_crop")})
        return Prompt(
            (*base.points, *drawn.points),
            boxes=(*base.boxes, *drawn.boxes),
            strokes=(*base.strokes, *drawn.strokes),
            mask=None if body["mask"] is None else self._once(body["mask"], "logits"),
            mask_crop=self._crop(body.get("mask_crop")),
        )

    def _crop(self, corners: Sequence[float] | None) -> Box | None:
        if corners is None:
            return None
        crop = Box(*corners)
        if not windows.fits(crop, (self._shape[1], self._shape[0])):
            raise ValueError(f"{crop.corners} is not a part of the image in whole pixels")
        return crop

    def _mask(self, blob: Blob) -> StoredMask:
        if (blob.height, blob.width) != self._shape:
            raise ValueError(f"a mask is {blob.width} x {blob.height} pixels, and the image is not")
        if blob.kind == "packed":
            return StoredMask.from_packed(blob.data, *self._shape)
        return StoredMask.from_runs(np.frombuffer(blob.data, "<u4").reshape(-1, 2), *self._shape)

    def _logits(self, blob: Blob) -> np.ndarray:
        return np.frombuffer(blob.data, "<f4").reshape(blob.height, blob.width)


def _score(value: object) -> float | None:
    if value is None:
        return None
    if not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a score")
    return float(value)


def _index(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise TypeError(f"{value!r} is not the index of a candidate")
    return value


def _rendering(channels: Sequence[int], black: float | None, white: float | None, gamma: float) -> Rendering:
    if not all(isinstance(index, int) for index in channels):
        raise TypeError(f"channels {channels!r} of a rendering are not numbers")
    black, white = (None if value is None else float(value) for value in (black, white))
    return Rendering(tuple(channels), black, white, float(gamma))


def _strokes(bodies: Sequence[Mapping[str, Any]]) -> tuple[BrushStroke, ...]:
    return tuple(
        BrushStroke(tuple((x, y) for x, y in body["vertices"]), body["radius"], body["label"]) for body in bodies
    )
