"""Edits of the prompt and its candidates: clicks, boxes, strokes, moving what was drawn, the brush, settings."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sam_widget.errors import SessionError
from sam_widget.masks.cleanup import MaskSettings
from sam_widget.predictor.interface import Predictor, seen
from sam_widget.prompts.geometry import Box, BrushStroke, Point, Stroke, Vertices
from sam_widget.prompts.prompt import Prompt
from sam_widget.prompts.strokes import cover
from sam_widget.session import candidates as shaping
from sam_widget.session import objects
from sam_widget.session.decoding import Decoded, PromptDecoder
from sam_widget.session.history import History
from sam_widget.session.remote import remote
from sam_widget.session.state import Candidate, SessionState


class PromptEdits:
    """Edits of the current prompt. Each method is one undoable edit. `Session` adds the image, objects and files."""

    def __init__(self, history: History, decoder: PromptDecoder, predictor: Predictor, size: tuple[int, int]) -> None:
        """Edit a history of an image of this width and height."""
        self._predictor = predictor
        # Width and height of the image, in pixels.
        self.size = size
        self._history = history
        self._decoder = decoder
        self._decoded: Decoded | None = None
        # Milliseconds that the model took for the last answer.
        self.answer_ms: float | None = None
        # Told how many milliseconds the model took for an answer.
        self.timed: Callable[[float], None] = lambda _milliseconds: None

    @property
    def predictor(self) -> Predictor:
        """The predictor; see `predictor.unreached` for that of a server that has not answered yet."""
        return seen(self._predictor)

    @property
    def state(self) -> SessionState:
        """The current state."""
        return self._history.state

    @property
    def prompt(self) -> Prompt:
        """The current prompt."""
        return self.state.prompt

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The masks predicted for the prompt, in the model's own order: subpart, part, whole."""
        return self.state.candidates

    @property
    def chosen(self) -> Candidate | None:
        """The candidate that `accept` would use; by default the one with the highest score."""
        return self.state.chosen

    def click(self, x: float, y: float, label: int = 1) -> tuple[Candidate, ...]:
        """Add a point to the prompt: label 1 is foreground, 0 background. Returns the new candidates.

        Raises:
            PromptError: The point lies outside the image, or is malformed.
        """
        with self._history.editing:
            return self.set_prompt(self.prompt.with_point(x, y, label))

    def drag(self, x0: float, y0: float, x1: float, y1: float, *, add: bool = False) -> tuple[Candidate, ...]:
        """Draw a box between two opposite corners, replacing earlier ones. Returns the new candidates.

        Args:
            x0: x of one corner.
            y0: y of the same corner.
            x1: x of the opposite corner.
            y1: y of the opposite corner.
            add: Keep the earlier boxes; several boxes enclose parts of the same object.

        Raises:
            PromptError: The box is empty, malformed or outside the image.
        """
        box = Box.from_corners(x0, y0, x1, y1)
        with self._history.editing:
            return self.set_prompt(self.prompt.with_another_box(box) if add else self.prompt.with_box(box))

    def set_prompt(self, prompt: Prompt) -> tuple[Candidate, ...]:
        """Set the whole prompt and return its candidates; an empty prompt has none.

        Raises:
            PromptError: The prompt lies outside the image.
        """
        with self._history.editing:
            state = self.preview(prompt)
            self._history.change(state)
            return state.candidates

    def preview(self, prompt: Prompt, *, state: SessionState | None = None) -> SessionState:
        """Return the state that `set_prompt` would lead to, without changing anything.

        The last answer is kept: setting the prompt that was previewed last needs no second decode.

        Args:
            prompt: The whole prompt.
            state: The state to start from: its settings, strokes, rendering and crop; by default the present one.

        Raises:
            PromptError: The prompt lies outside the image.
        """
        with self._history.editing:
            now = self.state if state is None else state
            if prompt.is_empty:
                return replace(now, prompt=prompt, candidates=(), chosen_index=None, strokes=())
            decoded = self._decode(prompt, now)
            self._decoder.keep(decoded.answer, decoded.logits)
            return replace(now, prompt=decoded.answer.prompt, candidates=decoded.candidates, chosen_index=decoded.best)

    def predict_best(self, prompt: Prompt) -> Candidate | None:
        """Return the candidate that `set_prompt` would choose, without changing anything; None for an empty prompt.

        The other candidates' masks are not computed, which makes this suitable for hovering.

        Raises:
            PromptError: The prompt lies outside the image.
        """
        with self._history.editing:
            if prompt.is_empty:
                return None
            decoded = self._decode(prompt, self.state)
            return decoded.candidate(decoded.best)

    def _decode(self, prompt: Prompt, now: SessionState) -> Decoded:
        prompt = prompt.check_inside(*self.size)
        if self._decoded is None or not self._decoded.answers(prompt, now):
            start = time.perf_counter()
            self._decoded = self._decoder.decode(prompt, now)
            self.answer_ms = 1000 * (time.perf_counter() - start)
            self.timed(self.answer_ms)
        return self._decoded

    # ------------------------------------------------------------------------------------------------ the prompt

    def lasso(self, vertices: Vertices, label: int = 1) -> tuple[Candidate, ...]:
        """Draw a lasso around the object, or with label 0 around background. Returns the new candidates.

        Raises:
            PromptError: There are fewer than three vertices, or they are malformed or outside the image.
        """
        with self._history.editing:
            return self.set_prompt(self.state.prompt.with_stroke(Stroke(tuple(vertices), label, closed=True)))  # type: ignore[arg-type]

    def scribble(self, vertices: Vertices, label: int = 1) -> tuple[Candidate, ...]:
        """Draw a scribble along the object, or with label 0 along the background. Returns the new candidates.

        Raises:
            PromptError: The vertices are malformed or outside the image.
        """
        with self._history.editing:
            return self.set_prompt(self.state.prompt.with_stroke(Stroke(tuple(vertices), label)))  # type: ignore[arg-type]

    def move_point(self, index: int, x: float, y: float) -> tuple[Candidate, ...]:
        """Move a point of the prompt, counted from 0. Returns the new candidates.

        Raises:
            SessionError: The point does not exist.
            PromptError: The new position lies outside the image, or is malformed.
        """
        with self._history.editing:
            points = self.state.prompt.points
            old = _pick(points, index, "point")
            return self.set_prompt(replace(self.state.prompt, points=_swap(points, index, Point(x, y, old.label))))

    def move_box(self, index: int, x0: float, y0: float, x1: float, y1: float) -> tuple[Candidate, ...]:
        """Change the corners of a box of the prompt, counted from 0. Returns the new candidates.

        Raises:
            SessionError: The box does not exist.
            PromptError: The box is empty, malformed or outside the image.
        """
        with self._history.editing:
            boxes = self.state.prompt.boxes
            _pick(boxes, index, "box")
            box = Box.from_corners(x0, y0, x1, y1)
            return self.set_prompt(replace(self.state.prompt, boxes=_swap(boxes, index, box)))

    def remove_point(self, index: int) -> tuple[Candidate, ...]:
        """Remove a point, counted from 0, from the prompt. Returns the new candidates.

        Raises:
            SessionError: The point does not exist.
        """
        with self._history.editing:
            _pick(self.state.prompt.points, index, "point")
            return self.set_prompt(replace(self.state.prompt, points=_swap(self.state.prompt.points, index)))

    def remove_box(self, index: int) -> tuple[Candidate, ...]:
        """Remove a box, counted from 0, from the prompt. Returns the new candidates.

        Raises:
            SessionError: The box does not exist.
        """
        with self._history.editing:
            _pick(self.state.prompt.boxes, index, "box")
            return self.set_prompt(replace(self.state.prompt, boxes=_swap(self.state.prompt.boxes, index)))

    def remove_stroke(self, index: int) -> tuple[Candidate, ...]:
        """Remove a scribble or lasso, counted from 0, from the prompt. Returns the new candidates.

        Raises:
            SessionError: The stroke does not exist.
        """
        with self._history.editing:
            _pick(self.state.prompt.strokes, index, "stroke")
            return self.set_prompt(replace(self.state.prompt, strokes=_swap(self.state.prompt.strokes, index)))

    # ------------------------------------------------------------------------------------------------ the mask

    @remote()
    def brush(self, vertices: Vertices, radius: float, label: int = 1) -> Candidate:
        """Paint on the candidates with a round brush. Strokes are kept when the prompt changes.

        Args:
            vertices: (x, y) pairs along the stroke.
            radius: Radius of the brush, in pixels of the image.
            label: 1 adds to the mask, 0 erases from it.

        Returns:
            The chosen candidate, painted.

        Raises:
            SessionError: There is no mask to paint on.
            PromptError: The stroke is malformed, or too long for the width of its brush.
        """
        stroke = BrushStroke(tuple(vertices), radius, label)  # type: ignore[arg-type]
        with self._history.editing:
            objects.chosen(self.state, "paint on")
            covered = cover(stroke, self.size[::-1])
            candidates = tuple(shaping.painted(candidate, covered) for candidate in self.state.candidates)
            self._history.change(replace(self.state, candidates=candidates, strokes=(*self.state.strokes, stroke)))
            return objects.chosen(self.state, "paint on")

    @remote()
    def refine(self) -> tuple[Candidate, ...]:
        """Decode again with the chosen mask, as painted and cleaned up, as a mask prompt. Returns the new candidates.

        Raises:
            SessionError: There is no mask to refine.
            PromptError: The model takes no mask prompts.
        """
        with self._history.editing:
            chosen = objects.chosen(self.state, "refine")
            maker = self._decoder.maker_of(chosen)
            logits, crop = shaping.as_mask_prompt(chosen, maker, self.state.settings, self.state.strokes)
            # The strokes are part of the mask prompt now, so they are removed from the result.
            unpainted = replace(self.state, strokes=())
            state = self.preview(unpainted.prompt.with_mask(logits, crop), state=unpainted)
            self._history.change(state)
            return state.candidates

    def adjust(
        self,
        *,
        threshold: float | None = None,
        holes: int | None = None,
        islands: int | None = None,
        smoothing: float | None = None,
        specks: bool | None = None,
        gesture: str | None = None,
    ) -> MaskSettings:
        """Change how masks are computed from the model's logits; see `MaskSettings`. Omitted settings do not change.

        Args:
            threshold: Logit above which a pixel belongs to the mask, relative to the model's own threshold.
            holes: Fill holes of up to this many pixels.
            islands: Drop islands of up to this many pixels.
            smoothing: Smooth the outline with a Gaussian of this standard deviation, in pixels.
            specks: Remove holes and islands of a few pixels, which a session does by default.
            gesture: Name of a gesture, such as dragging a slider; consecutive edits with the same name are undone
                together.

        Returns:
            The new settings.

        Raises:
            PromptError: A value is malformed or negative.
        """
        given = {"threshold": threshold, "holes": holes, "islands": islands, "smoothing": smoothing, "specks": specks}
        with self._history.editing:
            settings = replace(self.state.settings, **{k: v for k, v in given.items() if v is not None})  # type: ignore[arg-type]
            if settings != self.state.settings:
                candidates = tuple(
                    shaping.reshaped(
                        candidate, self._decoder.maker_of(candidate), self.state.settings, settings, self.state.strokes
                    )
                    for candidate in self.state.candidates
                )
                self._history.change(replace(self.state, settings=settings, candidates=candidates), gesture=gesture)
            return settings

    @remote()
    def choose(self, index: int) -> Candidate:
        """Choose one of the candidates, counted from 0.

        Raises:
            SessionError: The candidate does not exist.
        """
        with self._history.editing:
            count = len(self.candidates)
            if not 0 <= index < count:
                offer = f"choose 0 to {count - 1}" if count else "click on the image first"
                raise SessionError(f"there is no candidate {index} among {count}; {offer}")
            if index != self.state.chosen_index:
                self._history.change(replace(self.state, chosen_index=index))
            return self.candidates[index]

    @remote()
    def clear(self) -> None:
        """Remove the prompt and its candidates. Objects do not change, even one that was being edited."""
        with self._history.editing:
            if not self.prompt.is_empty or self.candidates or self.state.editing:
                self._history.change(objects.without_prompt(self.state))


def _pick(items: tuple[Any, ...], index: int, what: str) -> Any:
    if not 0 <= index < len(items):
        raise SessionError(f"there is no {what} {index} among {len(items)} of the prompt, counted from 0")
    return items[index]


def _swap(items: tuple[Any, ...], index: int, *new: Any) -> tuple[Any, ...]:
    return (*items[:index], *new, *items[index + 1 :])
