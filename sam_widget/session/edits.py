"""The tools of a session beyond clicking: strokes, moving what was drawn, the brush, and work on accepted objects."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sam_widget.errors import SessionError
from sam_widget.masks.cleanup import MaskSettings
from sam_widget.predictor.interface import Predictor
from sam_widget.prompts.geometry import Box, BrushStroke, Point, Stroke
from sam_widget.prompts.prompt import Prompt
from sam_widget.session import candidates as shaping
from sam_widget.session.state import Candidate, SegmentedObject, SessionState

Vertices = Sequence[Sequence[float]] | np.ndarray


class Tools(ABC):
    """A part of `Session`, in a file of its own; each method is one edit that undo takes back."""

    predictor: Predictor
    _state: SessionState
    _edit: threading.RLock

    @abstractmethod
    def set_prompt(self, prompt: Prompt) -> tuple[Candidate, ...]:
        """Set the whole prompt and return its candidates."""

    @abstractmethod
    def preview(self, prompt: Prompt, *, state: SessionState | None = None) -> SessionState:
        """Return the state that `set_prompt` would lead to."""

    @abstractmethod
    def _change(self, state: SessionState, *, gesture: str | None = None) -> None:
        """Go on to a state; edits of one gesture are undone at once."""

    # ------------------------------------------------------------------------------------------------ the prompt

    def lasso(self, vertices: Vertices, label: int = 1) -> tuple[Candidate, ...]:
        """Enclose the object, or with label 0 what does not belong to it, with a line. Returns the new candidates.

        Raises:
            PromptError: There are fewer than three vertices, or they are malformed or outside the image.
        """
        with self._edit:
            return self.set_prompt(self._state.prompt.with_stroke(Stroke(tuple(vertices), label, closed=True)))  # type: ignore[arg-type]

    def scribble(self, vertices: Vertices, label: int = 1) -> tuple[Candidate, ...]:
        """Draw a line along the object, or with label 0 along the background. Returns the new candidates.

        Raises:
            PromptError: The vertices are malformed or outside the image.
        """
        with self._edit:
            return self.set_prompt(self._state.prompt.with_stroke(Stroke(tuple(vertices), label)))  # type: ignore[arg-type]

    def move_point(self, index: int, x: float, y: float) -> tuple[Candidate, ...]:
        """Move a point of the prompt, counted from 0. Returns the new candidates.

        Raises:
            SessionError: There is no such point.
            PromptError: The place lies outside the image, or is malformed.
        """
        with self._edit:
            points = self._state.prompt.points
            old = _pick(points, index, "point")
            return self.set_prompt(replace(self._state.prompt, points=_swap(points, index, Point(x, y, old.label))))

    def move_box(self, index: int, x0: float, y0: float, x1: float, y1: float) -> tuple[Candidate, ...]:
        """Give a box of the prompt, counted from 0, other corners. Returns the new candidates.

        Raises:
            SessionError: There is no such box.
            PromptError: The box is empty, malformed or outside the image.
        """
        with self._edit:
            boxes = self._state.prompt.boxes
            _pick(boxes, index, "box")
            box = Box.from_corners(x0, y0, x1, y1)
            return self.set_prompt(replace(self._state.prompt, boxes=_swap(boxes, index, box)))

    def remove_point(self, index: int) -> tuple[Candidate, ...]:
        """Take a point, counted from 0, from the prompt. Returns the new candidates.

        Raises:
            SessionError: There is no such point.
        """
        with self._edit:
            _pick(self._state.prompt.points, index, "point")
            return self.set_prompt(replace(self._state.prompt, points=_swap(self._state.prompt.points, index)))

    def remove_box(self, index: int) -> tuple[Candidate, ...]:
        """Take a box, counted from 0, from the prompt. Returns the new candidates.

        Raises:
            SessionError: There is no such box.
        """
        with self._edit:
            _pick(self._state.prompt.boxes, index, "box")
            return self.set_prompt(replace(self._state.prompt, boxes=_swap(self._state.prompt.boxes, index)))

    def remove_stroke(self, index: int) -> tuple[Candidate, ...]:
        """Take a scribble or lasso, counted from 0, from the prompt. Returns the new candidates.

        Raises:
            SessionError: There is no such stroke.
        """
        with self._edit:
            _pick(self._state.prompt.strokes, index, "stroke")
            return self.set_prompt(replace(self._state.prompt, strokes=_swap(self._state.prompt.strokes, index)))

    # ------------------------------------------------------------------------------------------------ the mask

    def brush(self, vertices: Vertices, radius: float, label: int = 1) -> Candidate:
        """Paint on the candidates with a round brush; what is painted stays when the prompt changes.

        Args:
            vertices: (x, y) after (x, y) along the stroke.
            radius: Of the brush, in pixels of the image.
            label: 1 adds to the mask, 0 erases from it.

        Returns:
            The chosen candidate, painted.

        Raises:
            SessionError: There is no mask to paint on.
            PromptError: The stroke is malformed.
        """
        stroke = BrushStroke(tuple(vertices), radius, label)  # type: ignore[arg-type]
        with self._edit:
            self._need_chosen("paint on")
            candidates = tuple(shaping.painted(candidate, stroke) for candidate in self._state.candidates)
            self._change(replace(self._state, candidates=candidates, strokes=(*self._state.strokes, stroke)))
            return self._need_chosen("paint on")

    def refine(self) -> tuple[Candidate, ...]:
        """Ask the model again, with the chosen mask, as painted and cleaned up, as a mask prompt. Returns the answer.

        Raises:
            SessionError: There is no mask to refine.
            PromptError: The model takes no mask prompts.
        """
        with self._edit:
            chosen = self._need_chosen("refine")
            logits, crop = shaping.as_mask_prompt(chosen, self.predictor, self._state.settings)
            # The paint is part of the mask prompt now, so the answer is shown without it.
            unpainted = replace(self._state, strokes=())
            state = self.preview(unpainted.prompt.with_mask(logits, crop), state=unpainted)
            self._change(state)
            return state.candidates

    def adjust(
        self,
        *,
        threshold: float | None = None,
        holes: int | None = None,
        islands: int | None = None,
        smoothing: float | None = None,
        gesture: str | None = None,
    ) -> MaskSettings:
        """Change how masks are made of the model's logits; see `MaskSettings`. What is left out stays as it is.

        Args:
            threshold: Logit above which a pixel belongs to the mask, counted from the model's own threshold.
            holes: Fill holes of up to this many pixels.
            islands: Drop islands of up to this many pixels.
            smoothing: Smooth the outline with a Gaussian of this standard deviation, in pixels.
            gesture: Edits that follow one another with the same name, such as those of a slider while it is dragged,
                are undone at once.

        Returns:
            The settings now.

        Raises:
            PromptError: A value is malformed or negative.
        """
        given = {"threshold": threshold, "holes": holes, "islands": islands, "smoothing": smoothing}
        with self._edit:
            settings = replace(self._state.settings, **{k: v for k, v in given.items() if v is not None})  # type: ignore[arg-type]
            if settings != self._state.settings:
                candidates = tuple(
                    shaping.reshaped(candidate, self.predictor, self._state.settings, settings, self._state.strokes)
                    for candidate in self._state.candidates
                )
                self._change(replace(self._state, settings=settings, candidates=candidates), gesture=gesture)
            return settings

    # ------------------------------------------------------------------------------------------------ objects

    def edit(self, object_id: str) -> SegmentedObject:
        """Take up an accepted object again: its prompt, its mask and what was painted come back; `accept` replaces it.

        Raises:
            SessionError: There is no such object.
        """
        with self._edit:
            old = self._object(object_id)
            candidate = old.candidate or Candidate(old.stored, old.score, None)
            self._change(
                SessionState(
                    prompt=old.prompt,
                    candidates=(candidate,),
                    chosen_index=0,
                    objects=self._state.objects,
                    strokes=old.strokes,
                    settings=old.settings,
                    editing=old.id,
                    rendering=self._state.rendering,
                    # What answered it goes on answering.
                    crop=candidate.crop or self._state.crop,
                )
            )
            return old

    def merge(self, object_ids: Sequence[str], label: str | None = None) -> SegmentedObject:
        """Unite objects into the first of them, which keeps its label unless given another.

        Raises:
            SessionError: An object does not exist, or there are fewer than two.
        """
        with self._edit:
            old = [self._object(object_id) for object_id in dict.fromkeys(object_ids)]
            if len(old) < 2:
                raise SessionError(f"{len(old)} objects to merge; give the ids of two or more, as their `id` says")
            merged = replace(shaping.united(old), label=(label or "").strip() or old[0].label)
            rest = tuple(item for item in self._with(old[0], merged) if item not in old)
            self._change(replace(self._state, objects=rest, editing=self._unless_gone(old)))
            return merged

    def subtract(self, object_id: str, other_id: str) -> SegmentedObject:
        """Take from an object what another one covers; the other stays as it is.

        Raises:
            SessionError: There is no such object, the two are one, or nothing would be left.
        """
        with self._edit:
            old, other = self._object(object_id), self._object(other_id)
            if old is other:
                raise SessionError(f"{old.label!r} cannot be subtracted from itself; give the id of another object")
            left = shaping.subtracted(old, other)
            if left is None:
                raise SessionError(
                    f"nothing of {old.label!r} would be left: {other.label!r} covers it; remove it instead"
                )
            self._change(replace(self._state, objects=self._with(old, left), editing=self._unless_gone([old])))
            return left

    def recolor(self, object_id: str, color: int) -> SegmentedObject:
        """Give an object another colour of the palette, counted from 0; beyond its end it starts anew.

        Raises:
            SessionError: There is no such object, or the colour is no such number.
        """
        with self._edit:
            old = self._object(object_id)
            given: object = color
            if not isinstance(given, int) or given < 0:
                raise SessionError(f"colour {color!r} of {old.label!r} is no index into the palette; give 0, 1, 2, ...")
            new = replace(old, color=color)
            self._change(replace(self._state, objects=self._with(old, new)))
            return new

    def _object(self, object_id: str) -> SegmentedObject:
        for item in self._state.objects:
            if item.id == object_id:
                return item
        raise SessionError(f"there is no object {object_id!r}; it may have been removed in another view")

    def _with(self, old: SegmentedObject, new: SegmentedObject) -> tuple[SegmentedObject, ...]:
        return tuple(new if item is old else item for item in self._state.objects)

    def _unless_gone(self, objects: list[SegmentedObject]) -> str | None:
        """Return the id of the object being edited, unless it is one of these: the edit goes on as a new object."""
        editing = self._state.editing
        return None if any(item.id == editing for item in objects) else editing

    def _need_chosen(self, what: str) -> Candidate:
        if self._state.chosen is None:
            raise SessionError(f"there is no mask to {what}; click on the image or draw a box first")
        return self._state.chosen


def _pick(items: tuple[Any, ...], index: int, what: str) -> Any:
    if not 0 <= index < len(items):
        raise SessionError(f"there is no {what} {index} among {len(items)} of the prompt, counted from 0")
    return items[index]


def _swap(items: tuple[Any, ...], index: int, *new: Any) -> tuple[Any, ...]:
    return (*items[:index], *new, *items[index + 1 :])
