"""What a person has done with one image: the prompt, its candidates, the accepted objects, and how to take it back.

The session is the one state. A `SamWidget` shows it, and every gesture in a view is a method call on it; without a
browser the same calls make a script.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from sam_widget.annotations import annotations_of
from sam_widget.embeddings import Embedding
from sam_widget.errors import SessionError
from sam_widget.image import image_hash, to_rgb
from sam_widget.masks import StoredMask, box_from_mask
from sam_widget.model.hub import Progress
from sam_widget.model.sam import Sam
from sam_widget.predictor import Predictor
from sam_widget.prompts import Box, Prompt


@dataclass(frozen=True, eq=False)
class Candidate:
    """One of the masks that the model offers for the prompt.

    Attributes:
        stored: The mask, as it is kept.
        score: The IoU that the model expects, between 0 and 1.
        logits: (h, w) float32 at low resolution, read-only; can be a mask prompt.
    """

    stored: StoredMask
    score: float
    logits: np.ndarray

    @property
    def mask(self) -> np.ndarray:
        """The mask, (H, W) bool, read-only."""
        return self.stored.array


@dataclass(frozen=True, eq=False)
class SegmentedObject:
    """An accepted mask.

    Attributes:
        label: What the person calls it.
        stored: The mask, as it is kept.
        score: The IoU that the model expected of it.
        box: Tight around the mask.
        prompt: What it was made from.
        color: Index into the palette; no two objects of a session share one.
        id: Stays the same when the label changes.
    """

    label: str
    stored: StoredMask
    score: float
    box: Box
    prompt: Prompt
    color: int = 0
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])

    @property
    def mask(self) -> np.ndarray:
        """The mask, (H, W) bool, read-only."""
        return self.stored.array

    @property
    def area(self) -> int:
        """Number of pixels of the mask."""
        return self.stored.area


@dataclass(frozen=True, eq=False)
class SessionState:
    """A moment of a session. It never changes, so that it can be read from any thread and returned to by undo."""

    prompt: Prompt = field(default_factory=Prompt)
    candidates: tuple[Candidate, ...] = ()
    chosen_index: int | None = None
    objects: tuple[SegmentedObject, ...] = ()

    @property
    def chosen(self) -> Candidate | None:
        """The chosen candidate."""
        return None if self.chosen_index is None else self.candidates[self.chosen_index]


_named: dict[str, Predictor] = {}
_loading = threading.Lock()


def _named_predictor(name: str, progress: Progress | None) -> Predictor:
    """Return a predictor of a named model, loaded once a process: ten widgets share one copy of the weights."""
    with _loading:
        if name not in _named:
            _named[name] = Predictor(name, progress=progress)
        return _named[name]


class Session:
    """One image and one model, without a browser.

    Methods may be called from any thread: edits happen one after the other, and reading never waits. An edit that
    raises changes nothing.
    """

    def __init__(
        self, image: Any, *, model: str | Path | Sam | Predictor = "tiny", progress: Progress | None = None
    ) -> None:
        """Open an image.

        Args:
            image: Anything `to_rgb` reads: path, URL, bytes, PIL image, array, tensor.
            model: A name or checkpoint path (loaded once a process), a loaded model, or a predictor.
            progress: Called with bytes done and bytes in all while a named model's weights are downloaded.

        Raises:
            ImageError: The image cannot be read.
            ModelError: The model cannot be loaded.
        """
        self.image: np.ndarray = to_rgb(image)
        self.image.flags.writeable = False
        self.image_hash = image_hash(self.image)
        if isinstance(model, Predictor):
            self.predictor = model
        elif isinstance(model, Sam):
            self.predictor = Predictor(model)
        else:
            self.predictor = _named_predictor(str(model), progress)
        self._state = SessionState()
        self._past: list[SessionState] = []
        self._future: list[SessionState] = []
        self._embedding: Embedding | None = None
        self._answered: SessionState | None = None
        self._edit = threading.RLock()
        self._listeners: list[Callable[[], None]] = []

    # ------------------------------------------------------------------------------------------------ reading

    @property
    def state(self) -> SessionState:
        """Everything at this moment."""
        return self._state

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the image, in pixels."""
        return self.image.shape[1], self.image.shape[0]

    @property
    def prompt(self) -> Prompt:
        """The prompt being worked on."""
        return self._state.prompt

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The masks offered for the prompt, in the model's own order: subpart, part, whole."""
        return self._state.candidates

    @property
    def chosen(self) -> Candidate | None:
        """The candidate that `accept` would take: at first the one with the highest score."""
        return self._state.chosen

    @property
    def objects(self) -> tuple[SegmentedObject, ...]:
        """The accepted objects, oldest first."""
        return self._state.objects

    @property
    def can_undo(self) -> bool:
        """Whether there is anything to undo."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """Whether there is anything to redo."""
        return bool(self._future)

    @property
    def embedding(self) -> Embedding:
        """The embedded image; the first use embeds it."""
        with self._edit:
            if self._embedding is None:
                self._embedding = self.predictor.embed(self.image)
            return self._embedding

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after every edit, in the thread that made it. Returns a function that ends this."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    # ------------------------------------------------------------------------------------------------ prompting

    def click(self, x: float, y: float, label: int = 1) -> tuple[Candidate, ...]:
        """Add a point to the prompt: label 1 is foreground, 0 background. Returns the new candidates.

        Raises:
            PromptError: The point lies outside the image, or is malformed.
        """
        with self._edit:
            return self.set_prompt(self.prompt.with_point(x, y, label))

    def drag(self, x0: float, y0: float, x1: float, y1: float) -> tuple[Candidate, ...]:
        """Draw a box between two opposite corners, in place of an earlier one. Returns the new candidates.

        Raises:
            PromptError: The box is empty, malformed or outside the image.
        """
        with self._edit:
            return self.set_prompt(self.prompt.with_box(Box.from_corners(x0, y0, x1, y1)))

    def set_prompt(self, prompt: Prompt) -> tuple[Candidate, ...]:
        """Set the whole prompt and return its candidates; an empty prompt has none.

        Raises:
            PromptError: The prompt lies outside the image.
        """
        with self._edit:
            state = self.preview(prompt)
            self._change(state)
            return state.candidates

    def preview(self, prompt: Prompt) -> SessionState:
        """Return the state that `set_prompt` would lead to, and change nothing.

        The last answer is kept: setting the prompt that was previewed last needs no second decode.

        Raises:
            PromptError: The prompt lies outside the image.
        """
        with self._edit:
            if prompt.is_empty:
                return replace(self._state, prompt=prompt, candidates=(), chosen_index=None)
            prompt = prompt.check_inside(*self.size)
            if self._answered is None or self._answered.prompt != prompt:
                prediction = self.predictor.answer(self.embedding, prompt)
                candidates = tuple(
                    Candidate(StoredMask(mask), min(max(float(score), 0.0), 1.0), _frozen(logits))
                    for mask, score, logits in zip(prediction.masks, prediction.scores, prediction.logits, strict=True)
                )
                self._answered = SessionState(prompt, candidates, prediction.best)
            return replace(self._answered, objects=self.objects)

    def choose(self, index: int) -> Candidate:
        """Choose one of the candidates, counted from 0.

        Raises:
            SessionError: There is no such candidate.
        """
        with self._edit:
            count = len(self.candidates)
            if not 0 <= index < count:
                offer = f"choose 0 to {count - 1}" if count else "click on the image first"
                raise SessionError(f"there is no candidate {index} among {count}; {offer}")
            if index != self._state.chosen_index:
                self._change(replace(self._state, chosen_index=index))
            return self.candidates[index]

    def clear(self) -> None:
        """Drop the prompt and its candidates; objects stay."""
        with self._edit:
            if not self.prompt.is_empty or self.candidates:
                self._change(SessionState(objects=self.objects))

    # ------------------------------------------------------------------------------------------------ objects

    def accept(self, label: str | None = None) -> SegmentedObject:
        """Turn the chosen candidate into an object; without a label it is called "object 1", "object 2", ...

        Raises:
            SessionError: There is no candidate, or its mask is empty.
        """
        with self._edit:
            chosen = self.chosen
            if chosen is None:
                raise SessionError("there is no mask to accept; click on the image or draw a box first")
            box = box_from_mask(chosen.mask)
            if box is None:
                raise SessionError("the chosen mask is empty; choose another candidate or change the prompt")
            accepted = SegmentedObject(
                label=(label or "").strip() or self._free_label(),
                stored=chosen.stored,
                score=chosen.score,
                box=box,
                prompt=self.prompt,
                color=min(set(range(len(self.objects) + 1)) - {item.color for item in self.objects}),
            )
            self._change(SessionState(objects=(*self.objects, accepted)))
            return accepted

    def add_objects(self, masks: Any, *, labels: Sequence[str] | str | None = None) -> tuple[SegmentedObject, ...]:
        """Add objects that were made elsewhere, in one edit: one undo takes all of them back.

        Args:
            masks: What `load_masks` or `segment_everything` returned, `supervision.Detections`, another session's
                objects, a label map (H, W), masks (H, W) or (N, H, W) bool; see `annotations_of`.
            labels: One for all, or one each; without, they keep theirs, or are called "object 1", "object 2", ...

        Returns:
            The new objects, in the same order; one without a score has 1.

        Raises:
            MaskError: There are no masks to be had from it, or one is empty.
            SessionError: They are of an image of another size.
        """
        found = annotations_of(masks, labels=labels)
        width, height = self.size
        if found and found[0].stored.shape != (height, width):
            rows, columns = found[0].stored.shape
            raise SessionError(
                f"the masks are {columns} x {rows} pixels, but the image is {width} x {height}; give this image's masks"
            )
        with self._edit:
            taken = {item.color for item in self.objects}
            free = (color for color in range(len(taken) + len(found)) if color not in taken)
            added = tuple(
                SegmentedObject(
                    label=item.label,
                    stored=item.stored,
                    score=1.0 if item.score is None else item.score,
                    box=item.box,
                    prompt=item.prompt,
                    color=next(free),
                )
                for item in found
            )
            if added:
                self._change(replace(self._state, objects=(*self.objects, *added)))
            return added

    def rename(self, object_id: str, label: str) -> SegmentedObject:
        """Give an object another label.

        Raises:
            SessionError: There is no such object, or the label is blank.
        """
        with self._edit:
            old = self._object(object_id)
            if not label.strip():
                raise SessionError(f"the new label of {old.label!r} is blank; give it a name")
            new = replace(old, label=label.strip())
            self._change(replace(self._state, objects=tuple(new if o is old else o for o in self.objects)))
            return new

    def remove(self, object_id: str) -> None:
        """Remove an object.

        Raises:
            SessionError: There is no such object.
        """
        with self._edit:
            old = self._object(object_id)
            self._change(replace(self._state, objects=tuple(o for o in self.objects if o is not old)))

    # ------------------------------------------------------------------------------------------------ history

    def undo(self) -> None:
        """Take back the last edit.

        Raises:
            SessionError: There is none.
        """
        self._travel(self._past, self._future, "undo")

    def redo(self) -> None:
        """Make the edit undone last again.

        Raises:
            SessionError: There is none.
        """
        self._travel(self._future, self._past, "redo")

    def _travel(self, source: list[SessionState], other: list[SessionState], verb: str) -> None:
        with self._edit:
            if not source:
                raise SessionError(f"there is nothing to {verb}")
            other.append(self._state)
            self._state = source.pop()
            self._tell()

    def _change(self, state: SessionState) -> None:
        self._past.append(self._state)
        self._future.clear()
        self._state = state
        self._tell()

    def _tell(self) -> None:
        for listener in list(self._listeners):
            listener()

    def _object(self, object_id: str) -> SegmentedObject:
        for item in self.objects:
            if item.id == object_id:
                return item
        raise SessionError(f"there is no object {object_id!r}; it may have been removed in another view")

    def _free_label(self) -> str:
        taken = {item.label for item in self.objects}
        return next(name for n in range(1, len(taken) + 2) if (name := f"object {n}") not in taken)


def _frozen(array: np.ndarray) -> np.ndarray:
    array = array.copy() if array.base is not None else array
    array.flags.writeable = False
    return array
