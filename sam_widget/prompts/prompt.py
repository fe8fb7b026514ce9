"""Prompts for one object, as self-validating frozen dataclasses.

Every `Prompt` is well formed; `Prompt.check_inside` checks it against an image. Its parts, points, boxes and strokes,
are defined in `geometry`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sam_widget.errors import PromptError
from sam_widget.prompts.geometry import (
    BACKGROUND,
    FOREGROUND,
    MOST_VERTICES,
    Box,
    BrushStroke,
    Point,
    Stroke,
    checked_label,
)
from sam_widget.text import clean

__all__ = ["BACKGROUND", "FOREGROUND", "Box", "BrushStroke", "Point", "Prompt", "Stroke"]

# Limits on the cost of a prompt, checked before any work is done; far beyond what one object needs. The memory of the
# decoder grows with the square of the number of points: 10,000 take 4 GB. Every box and every lasso is a decode.
MOST_POINTS = 1000
MOST_BOXES = 32
MOST_STROKES = 32
MOST_LETTERS = 100  # of the words


@dataclass(frozen=True, eq=False, init=False)
class Prompt:
    """All prompts for one object.

    SAM itself accepts points, at most one box and at most one mask; `predictor.prompt_parts` maps the rest onto these.

    Attributes:
        points: The clicks, in order.
        boxes: The boxes. Several boxes enclose parts of the same object.
        strokes: Scribbles and lassos.
        mask: (h, w) float32 logits at the decoder's low resolution, from an earlier prediction (`logits[best]`).
            Stored as a read-only copy.
        mask_crop: The part of the image that the mask covers, after `Session.sharpen`; None for the whole image.
        words: What the object is, such as "red cup", for models that take words together with points and boxes
            (`SamConfig.takes_words`); empty without words.
    """

    points: tuple[Point, ...]
    boxes: tuple[Box, ...]
    strokes: tuple[Stroke, ...]
    mask: NDArray[np.float32] | None
    mask_crop: Box | None
    words: str

    def __init__(
        self,
        points: Iterable[Point] = (),
        box: Box | None = None,
        mask: ArrayLike | None = None,
        *,
        boxes: Iterable[Box] = (),
        strokes: Iterable[Stroke] = (),
        mask_crop: Box | None = None,
        words: str = "",
    ) -> None:
        """Validate the parts, and copy the mask.

        Args:
            points: The clicks.
            box: The box, if there is only one.
            mask: Low-resolution logits.
            boxes: Several boxes; `box`, if also given, comes first.
            strokes: Scribbles and lassos.
            mask_crop: The part of the image that the mask covers.
            words: What the object is.

        Raises:
            PromptError: A part has the wrong type, there are too many, the mask is not a finite two-dimensional array,
                or the words are too long.
        """
        object.__setattr__(self, "points", _parts(points, Point, "points"))
        one = () if box is None else _parts((box,), Box, "box")
        object.__setattr__(self, "boxes", (*one, *_parts(boxes, Box, "boxes")))
        object.__setattr__(self, "strokes", _parts(strokes, Stroke, "strokes"))
        _limit(len(self.points), MOST_POINTS, "points")
        _limit(len(self.boxes), MOST_BOXES, "boxes")
        _limit(len(self.strokes), MOST_STROKES, "strokes")
        _limit(sum(len(stroke.vertices) for stroke in self.strokes), MOST_VERTICES, "vertices in all strokes")
        object.__setattr__(self, "mask", _mask_logits(mask))
        object.__setattr__(self, "mask_crop", None if mask is None else mask_crop)
        object.__setattr__(self, "words", _words(words))

    def __eq__(self, other: object) -> bool:
        """Whether points, boxes, strokes, words and mask contents are equal."""
        if not isinstance(other, Prompt):
            return NotImplemented
        if self._drawn != other._drawn or self.mask_crop != other.mask_crop:
            return False
        if self.mask is None or other.mask is None:
            return self.mask is other.mask
        return self.mask is other.mask or np.array_equal(self.mask, other.mask)

    def __hash__(self) -> int:
        """Hash everything but the mask's contents: equal prompts hash alike, and no mask is read."""
        return hash((self._drawn, None if self.mask is None else self.mask.shape))

    @property
    def _drawn(self) -> tuple[object, ...]:
        return self.points, self.boxes, self.strokes, self.words

    @property
    def box(self) -> Box | None:
        """The box: the newest one if there are several, None if there is none."""
        return self.boxes[-1] if self.boxes else None

    @classmethod
    def from_arrays(
        cls,
        points: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        box: ArrayLike | Box | None = None,
        mask: ArrayLike | None = None,
        words: str = "",
    ) -> Prompt:
        """Return a prompt from lists, arrays or CPU tensors.

        Args:
            points: (N, 2) of (x, y).
            labels: (N,) of 1 (foreground) and 0 (background); all foreground by default.
            box: (4,) or, for several boxes, (N, 4) of x0, y0, x1, y1.
            mask: (h, w) or (1, h, w) low-resolution logits.
            words: What the object is.

        Raises:
            PromptError: A shape, a length or a value is invalid.
        """
        xy = _numbers(() if points is None else points, "points")
        xy = xy.reshape(0, 2) if xy.size == 0 else xy
        if xy.ndim != 2 or xy.shape[1] != 2:
            msg = f"points have shape {xy.shape}, expected (N, 2): a list of (x, y) pairs, such as [(120, 80)]."
            raise PromptError(msg)
        given = np.ones(len(xy)) if labels is None else _numbers(labels, "labels").reshape(-1)
        if len(given) != len(xy):
            msg = f"{len(xy)} points but {len(given)} labels; expected one label per point: 1 foreground, 0 background."
            raise PromptError(msg)
        return cls(
            points=tuple(
                Point(x, y, checked_label(label)) for (x, y), label in zip(xy.tolist(), given.tolist(), strict=True)
            ),
            boxes=_boxes(box),
            mask=mask,
            words=words,
        )

    def to_arrays(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the points as (N, 2) coordinates and (N,) labels; N may be 0."""
        xy = np.array([(point.x, point.y) for point in self.points], dtype=np.float32).reshape(-1, 2)
        return xy, np.array([point.label for point in self.points], dtype=np.int64)

    @property
    def is_empty(self) -> bool:
        """Whether the prompt has no parts."""
        return not any(self._drawn) and self.mask is None

    def with_point(self, x: float, y: float, label: int = FOREGROUND) -> Prompt:
        """Return this prompt with another point."""
        return replace(self, points=(*self.points, Point(x, y, label)))

    def without_last_point(self) -> Prompt:
        """Return this prompt without its newest point; unchanged if it has no points."""
        return replace(self, points=self.points[:-1])

    def with_box(self, box: Box | None) -> Prompt:
        """Return this prompt with its boxes replaced by `box`; None removes all boxes."""
        return replace(self, boxes=() if box is None else (box,))

    def with_another_box(self, box: Box) -> Prompt:
        """Return this prompt with another box."""
        return replace(self, boxes=(*self.boxes, box))

    def with_stroke(self, stroke: Stroke) -> Prompt:
        """Return this prompt with another scribble or lasso."""
        return replace(self, strokes=(*self.strokes, stroke))

    def with_mask(self, mask: NDArray[np.float32] | None, crop: Box | None = None) -> Prompt:
        """Return this prompt with its mask replaced by low-resolution logits, of a crop if given; None removes it."""
        return replace(self, mask=mask, mask_crop=crop)

    def with_words(self, words: str) -> Prompt:
        """Return this prompt with its words replaced; an empty text removes them."""
        return replace(self, words=words)

    def check_inside(self, width: int, height: int) -> Prompt:
        """Return this prompt with its boxes and strokes clipped to an image of this size.

        A point may lie on the image's outer edge: its x ranges from 0 to `width`, inclusive.

        Raises:
            PromptError: A point, a box or a stroke lies outside the image.
        """
        for point in self.points:
            if not (0 <= point.x <= width and 0 <= point.y <= height):
                msg = (
                    f"point ({point.x:g}, {point.y:g}) lies outside the image; expected 0 <= x <= {width} and "
                    f"0 <= y <= {height}, as (x, y) in pixels of the original image."
                )
                raise PromptError(msg)
        if not self.boxes and not self.strokes:
            return self
        boxes = tuple(box.clip(width, height) for box in self.boxes)
        return replace(self, boxes=boxes, strokes=tuple(stroke.clip(width, height) for stroke in self.strokes))

    def to_dict(self) -> dict[str, Any]:
        """Return words and all drawn parts as plain JSON; there is no key for words if there are none.

        The mask is omitted: it is a result and can be predicted again.
        """
        drawn = {
            "points": [{"x": point.x, "y": point.y, "label": point.label} for point in self.points],
            "boxes": [{"x0": box.x0, "y0": box.y0, "x1": box.x1, "y1": box.y1} for box in self.boxes],
            "strokes": [
                {"vertices": [list(xy) for xy in stroke.vertices], "label": stroke.label, "closed": stroke.closed}
                for stroke in self.strokes
            ],
        }
        return drawn | ({"words": self.words} if self.words else {})

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Prompt:
        """Return a prompt from the result of `to_dict`.

        Raises:
            PromptError: A key is missing or unknown, or a value is invalid.
        """
        fields = _fields(data, {"points", "boxes", "strokes"}, "a prompt", optional=frozenset({"words"}))
        words = fields.pop("words", "")
        for name, value in fields.items():
            if not isinstance(value, Sequence) or isinstance(value, str):
                msg = f"{name} of a prompt are {type(value).__name__}, expected a list."
                raise PromptError(msg)
        return cls(
            points=tuple(Point(**_fields(point, {"x", "y", "label"}, "a point")) for point in fields["points"]),
            boxes=tuple(Box(**_fields(box, {"x0", "y0", "x1", "y1"}, "a box")) for box in fields["boxes"]),
            strokes=tuple(
                Stroke(**_fields(stroke, {"vertices", "label", "closed"}, "a stroke")) for stroke in fields["strokes"]
            ),
            words=words,
        )


def _numbers(values: ArrayLike, what: str) -> NDArray[np.float64]:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, RuntimeError) as error:  # RuntimeError: a tensor that requires grad
        msg = f"{what} cannot be read as an array of numbers ({error}). Give a list or a NumPy array."
        raise PromptError(msg) from error


def _boxes(box: ArrayLike | Box | None) -> tuple[Box, ...]:
    if box is None or isinstance(box, Box):
        return () if box is None else (box,)
    corners = _numbers(box, "box")
    if corners.ndim not in (1, 2) or corners.shape[-1] != 4:
        msg = f"box has shape {corners.shape}, expected four numbers, (x0, y0, x1, y1), or (N, 4) for several boxes."
        raise PromptError(msg)
    return tuple(Box(*four) for four in corners.reshape(-1, 4).tolist())


def _parts(parts: Iterable[Any], kind: type, what: str) -> tuple[Any, ...]:
    found = tuple(parts)
    for part in found:
        if not isinstance(part, kind):
            msg = f"expected {kind.__name__} objects as {what}, got {part!r}."
            advice = " Use Prompt.from_arrays for lists and arrays." if kind is not Stroke else ""
            raise PromptError(msg + advice)
    return found


def _limit(count: int, most: int, what: str) -> None:
    if count > most:
        raise PromptError(
            f"a prompt of {count:,} {what}, expected at most {most:,}: it describes one object. Give each object a "
            "prompt of its own; Predictor.predict_many answers many at once."
        )


def _words(words: object) -> str:
    if not isinstance(words, str) or len(words) > MOST_LETTERS:
        given = f"{len(words)} characters" if isinstance(words, str) else repr(words)
        raise PromptError(f"the words of a prompt are {given}; expected text of at most {MOST_LETTERS} characters")
    return clean(" ".join(words.split()))


def _mask_logits(mask: ArrayLike | None) -> NDArray[np.float32] | None:
    if mask is None:
        return None
    logits = mask if _is_frozen(mask) else _numbers(mask, "mask").astype(np.float32)
    if logits.ndim == 3 and logits.shape[0] == 1:
        logits = logits[0]
    if logits.ndim != 2 or logits.size == 0 or not np.isfinite(logits).all():
        msg = (
            f"mask prompt of shape {logits.shape} is empty, not two-dimensional, or holds NaN or infinity; expected "
            "(h, w) finite low-resolution logits, such as result.logits[result.best]."
        )
        raise PromptError(msg)
    logits.flags.writeable = False
    return logits


def _is_frozen(mask: ArrayLike) -> TypeGuard[NDArray[np.float32]]:
    """Whether an array can be shared: each prompt of a long history would hold a copy of its mask otherwise."""
    return isinstance(mask, np.ndarray) and mask.dtype == np.float32 and mask.base is None and not mask.flags.writeable


def _fields(data: object, keys: set[str], what: str, *, optional: frozenset[str] = frozenset()) -> dict[str, Any]:
    if not isinstance(data, Mapping) or set(data) - optional != keys:
        msg = f"{what} is {data!r}, expected an object with exactly the keys {', '.join(sorted(keys))}."
        raise PromptError(msg)
    return dict(data)
