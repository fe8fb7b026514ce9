"""Points, boxes and prompts: what a person says about one object.

Frozen dataclasses that validate themselves, so a `Prompt` that exists is well formed; whether it fits a given image is
asked with `Prompt.check_inside`. Coordinates are pixels of the original image, (x, y), origin top left, pixel centres
at +0.5; boxes are (x0, y0, x1, y1) with x1 and y1 exclusive.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sam_widget.errors import PromptError

FOREGROUND = 1
BACKGROUND = 0


@dataclass(frozen=True)
class Point:
    """A click: `label` 1 says "this belongs to the object", 0 says "this does not".

    Raises:
        PromptError: x or y is not a finite number, or the label is neither 0 nor 1.
    """

    x: float
    y: float
    label: int = FOREGROUND

    def __post_init__(self) -> None:
        """Check, and store plain Python numbers whatever number type was given."""
        object.__setattr__(self, "x", _finite(self.x, "x of a point"))
        object.__setattr__(self, "y", _finite(self.y, "y of a point"))
        object.__setattr__(self, "label", _label(self.label))


@dataclass(frozen=True)
class Box:
    """A box with its corners in order: top left (x0, y0), bottom right (x1, y1), the latter exclusive.

    Raises:
        PromptError: a coordinate is not a finite number, or x1 <= x0, or y1 <= y0.
    """

    x0: float
    y0: float
    x1: float
    y1: float

    def __post_init__(self) -> None:
        """Check, and store plain Python numbers whatever number type was given."""
        for name in ("x0", "y0", "x1", "y1"):
            object.__setattr__(self, name, _finite(getattr(self, name), f"{name} of a box"))
        if not (self.x1 > self.x0 and self.y1 > self.y0):
            msg = (
                f"box {self.corners} is empty or has its corners the wrong way round; expected (x0, y0, x1, y1) with "
                "x1 > x0 and y1 > y0. Use Box.from_corners for corners in any order, and (x, y, x + w, y + h) for a "
                "box given by width and height."
            )
            raise PromptError(msg)

    @classmethod
    def from_corners(cls, xa: float, ya: float, xb: float, yb: float) -> Box:
        """The box between two opposite corners, in whichever order they were dragged.

        Raises:
            PromptError: a coordinate is not a finite number, or the corners share a row or a column.
        """
        xa, ya = _finite(xa, "x of a corner"), _finite(ya, "y of a corner")
        xb, yb = _finite(xb, "x of a corner"), _finite(yb, "y of a corner")
        return cls(min(xa, xb), min(ya, yb), max(xa, xb), max(ya, yb))

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """(x0, y0, x1, y1)."""
        return self.x0, self.y0, self.x1, self.y1

    @property
    def xywh(self) -> tuple[float, float, float, float]:
        """(x0, y0, width, height), as COCO writes boxes."""
        return self.x0, self.y0, self.width, self.height

    @property
    def width(self) -> float:
        """In pixels."""
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        """In pixels."""
        return self.y1 - self.y0

    @property
    def area(self) -> float:
        """In square pixels."""
        return self.width * self.height

    def clip(self, width: int, height: int) -> Box:
        """The part of the box that lies inside an image of this size.

        Raises:
            PromptError: nothing of it does.
        """
        x0, y0, x1, y1 = max(self.x0, 0.0), max(self.y0, 0.0), min(self.x1, width), min(self.y1, height)
        if x1 <= x0 or y1 <= y0:
            msg = (
                f"box {self.corners} lies outside the image, which is {width} pixels wide and {height} high. "
                "Give (x0, y0, x1, y1) in pixels of the original image."
            )
            raise PromptError(msg)
        return Box(x0, y0, x1, y1)


@dataclass(frozen=True, eq=False)
class Prompt:
    """Everything said about one object: points in the order they were given, at most one box, at most one mask.

    Attributes:
        points: the clicks.
        box: the box around the object.
        mask: (h, w) float32 logits at the decoder's low resolution, as an earlier prediction returned them
            (`logits[best]`). Stored as a read-only copy.

    Raises:
        PromptError: a part is not of its type, or the mask is not a finite two-dimensional array.
    """

    points: tuple[Point, ...] = ()
    box: Box | None = None
    mask: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        """Check, and own the mask."""
        points = tuple(self.points)
        for point in points:
            if not isinstance(point, Point):
                msg = f"expected Point objects, got {point!r}. Use Prompt.from_arrays for lists and arrays."
                raise PromptError(msg)
        object.__setattr__(self, "points", points)
        if self.box is not None and not isinstance(self.box, Box):
            msg = f"expected a Box or None as box, got {self.box!r}. Use Prompt.from_arrays for lists and arrays."
            raise PromptError(msg)
        object.__setattr__(self, "mask", _mask_logits(self.mask))

    def __eq__(self, other: object) -> bool:
        """Equal points, boxes and mask contents."""
        if not isinstance(other, Prompt):
            return NotImplemented
        if self.points != other.points or self.box != other.box:
            return False
        if self.mask is None or other.mask is None:
            return self.mask is other.mask
        return self.mask is other.mask or np.array_equal(self.mask, other.mask)

    def __hash__(self) -> int:
        """Of the points, the box and the mask's shape: equal prompts hash alike, and no mask is read."""
        return hash((self.points, self.box, None if self.mask is None else self.mask.shape))

    @classmethod
    def from_arrays(
        cls,
        points: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        box: ArrayLike | Box | None = None,
        mask: ArrayLike | None = None,
    ) -> Prompt:
        """A prompt from lists, arrays or CPU tensors.

        Args:
            points: (N, 2) of (x, y).
            labels: (N,) of 1 (foreground) and 0 (background); all foreground when left out.
            box: (4,) or (1, 4) of x0, y0, x1, y1.
            mask: (h, w) or (1, h, w) low-resolution logits.

        Raises:
            PromptError: a shape, a length or a value does not fit.
        """
        xy = _numbers(() if points is None else points, "points")
        xy = xy.reshape(0, 2) if xy.size == 0 else xy
        if xy.ndim != 2 or xy.shape[1] != 2:
            msg = f"points have shape {xy.shape}, expected (N, 2): a list of (x, y) pairs, such as [(120, 80)]."
            raise PromptError(msg)
        given = np.ones(len(xy)) if labels is None else _numbers(labels, "labels").reshape(-1)
        if len(given) != len(xy):
            msg = f"{len(xy)} points but {len(given)} labels; expected one label a point: 1 foreground, 0 background."
            raise PromptError(msg)
        return cls(
            points=tuple(Point(x, y, _label(label)) for (x, y), label in zip(xy.tolist(), given.tolist(), strict=True)),
            box=_box(box),
            mask=_mask_logits(mask),
        )

    def to_arrays(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The points as (N, 2) coordinates and (N,) labels; N may be 0."""
        xy = np.array([(point.x, point.y) for point in self.points], dtype=np.float32).reshape(-1, 2)
        return xy, np.array([point.label for point in self.points], dtype=np.int64)

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been said."""
        return not self.points and self.box is None and self.mask is None

    def with_point(self, x: float, y: float, label: int = FOREGROUND) -> Prompt:
        """This prompt and one more point."""
        return replace(self, points=(*self.points, Point(x, y, label)))

    def without_last_point(self) -> Prompt:
        """This prompt less its newest point; itself where it has none."""
        return replace(self, points=self.points[:-1])

    def with_box(self, box: Box | None) -> Prompt:
        """This prompt with this box in place of its own; None takes it away."""
        return replace(self, box=box)

    def with_mask(self, mask: NDArray[np.float32] | None) -> Prompt:
        """This prompt with these low-resolution logits in place of its own; None takes them away."""
        return replace(self, mask=mask)

    def check_inside(self, width: int, height: int) -> Prompt:
        """This prompt with its box clipped to an image of this size.

        A point may lie on the image's outer edge: the coordinates of an image run from 0 to `width`, inclusive.

        Raises:
            PromptError: a point lies outside the image, or the box does not overlap it.
        """
        for point in self.points:
            if not (0 <= point.x <= width and 0 <= point.y <= height):
                msg = (
                    f"point ({point.x:g}, {point.y:g}) lies outside the image; expected 0 <= x <= {width} and "
                    f"0 <= y <= {height}, as (x, y) in pixels of the original image."
                )
                raise PromptError(msg)
        return self if self.box is None else replace(self, box=self.box.clip(width, height))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON: the points and the box. The mask is left out; it is a result, and can be predicted again."""
        return {
            "points": [{"x": point.x, "y": point.y, "label": point.label} for point in self.points],
            "box": None
            if self.box is None
            else {"x0": self.box.x0, "y0": self.box.y0, "x1": self.box.x1, "y1": self.box.y1},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Prompt:
        """The inverse of `to_dict`.

        Raises:
            PromptError: a key is missing or unknown, or a value does not fit.
        """
        fields = _fields(data, {"points", "box"}, "a prompt")
        points, box = fields["points"], fields["box"]
        if not isinstance(points, Sequence) or isinstance(points, str):
            msg = f"points of a prompt are {type(points).__name__}, expected a list."
            raise PromptError(msg)
        return cls(
            points=tuple(Point(**_fields(point, {"x", "y", "label"}, "a point")) for point in points),
            box=None if box is None else Box(**_fields(box, {"x0", "y0", "x1", "y1"}, "a box")),
        )


def _finite(value: object, what: str) -> float:
    # float() also reads "3" and b"3": a string where a number belongs is a mistake worth hearing about.
    try:
        number = math.nan if isinstance(value, str | bytes | bytearray) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        msg = f"{what} is {value!r}, expected a finite number of pixels."
        raise PromptError(msg)
    return number


def _label(value: object) -> int:
    try:
        label = int(value)  # type: ignore[call-overload]
        valid = label in (BACKGROUND, FOREGROUND) and label == value
    except (TypeError, ValueError, OverflowError):
        valid = False
    if not valid:
        msg = f"label of a point is {value!r}, expected 1 (foreground) or 0 (background)."
        raise PromptError(msg)
    return int(label)


def _numbers(values: ArrayLike, what: str) -> NDArray[np.float64]:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, RuntimeError) as error:  # RuntimeError: a tensor that requires grad
        msg = f"{what} cannot be read as an array of numbers ({error}). Give a list or a NumPy array."
        raise PromptError(msg) from error


def _box(box: ArrayLike | Box | None) -> Box | None:
    if box is None or isinstance(box, Box):
        return box
    corners = _numbers(box, "box")
    if corners.shape not in ((4,), (1, 4)):
        msg = f"box has shape {corners.shape}, expected four numbers: (x0, y0, x1, y1). One box a prompt."
        raise PromptError(msg)
    return Box(*corners.reshape(4).tolist())


def _mask_logits(mask: ArrayLike | None) -> NDArray[np.float32] | None:
    if mask is None:
        return None
    logits = _numbers(mask, "mask").astype(np.float32)
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


def _fields(data: object, keys: set[str], what: str) -> dict[str, Any]:
    if not isinstance(data, Mapping) or set(data) != keys:
        msg = f"{what} is {data!r}, expected an object with exactly the keys {', '.join(sorted(keys))}."
        raise PromptError(msg)
    return dict(data)
