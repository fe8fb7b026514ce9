"""Points, boxes and strokes: the shapes a user draws, as self-validating frozen dataclasses.

Coordinates are pixels of the original image, (x, y), origin top left, pixel centres at +0.5; boxes are
(x0, y0, x1, y1) with x1 and y1 exclusive.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from sam_widget.errors import PromptError

# (x, y) after (x, y), in the order in which they were drawn.
Vertices = Sequence[Sequence[float]] | np.ndarray

FOREGROUND = 1
BACKGROUND = 0
# Of a stroke and its radius, in pixels: squares of larger numbers lose their pixels, or overflow.
_FARTHEST = 1e9
# Maximum number of vertices of a stroke; filling a lasso of so many takes half a second.
MOST_VERTICES = 10_000


@dataclass(frozen=True)
class Point:
    """A click: `label` 1 marks a pixel of the object, 0 a pixel of the background.

    Raises:
        PromptError: x or y is not a finite number, or the label is neither 0 nor 1.
    """

    x: float
    y: float
    label: int = FOREGROUND

    def __post_init__(self) -> None:
        """Check, and store plain Python numbers whatever number type was given."""
        object.__setattr__(self, "x", finite(self.x, "x of a point"))
        object.__setattr__(self, "y", finite(self.y, "y of a point"))
        object.__setattr__(self, "label", checked_label(self.label))


@dataclass(frozen=True)
class Box:
    """A box, from its top left corner (x0, y0) to its bottom right corner (x1, y1), exclusive.

    Raises:
        PromptError: A coordinate is not a finite number, or x1 <= x0, or y1 <= y0.
    """

    x0: float
    y0: float
    x1: float
    y1: float

    def __post_init__(self) -> None:
        """Check, and store plain Python numbers whatever number type was given."""
        for name in ("x0", "y0", "x1", "y1"):
            object.__setattr__(self, name, finite(getattr(self, name), f"{name} of a box"))
        if not (self.x1 > self.x0 and self.y1 > self.y0):
            msg = (
                f"box {self.corners} is empty or has its corners the wrong way round; expected (x0, y0, x1, y1) with "
                "x1 > x0 and y1 > y0. Use Box.from_corners for corners in any order, and (x, y, x + w, y + h) for a "
                "box given by width and height."
            )
            raise PromptError(msg)

    @classmethod
    def from_corners(cls, xa: float, ya: float, xb: float, yb: float) -> Box:
        """Return the box between two opposite corners, given in any order.

        Raises:
            PromptError: A coordinate is not a finite number, or the corners share a row or a column.
        """
        xa, ya = finite(xa, "x of a corner"), finite(ya, "y of a corner")
        xb, yb = finite(xb, "x of a corner"), finite(yb, "y of a corner")
        return cls(min(xa, xb), min(ya, yb), max(xa, xb), max(ya, yb))

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """(x0, y0, x1, y1), x1 and y1 exclusive."""
        return self.x0, self.y0, self.x1, self.y1

    @property
    def xywh(self) -> tuple[float, float, float, float]:
        """(x0, y0, width, height), the COCO box layout."""
        return self.x0, self.y0, self.width, self.height

    @property
    def width(self) -> float:
        """Width, in pixels."""
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        """Height, in pixels."""
        return self.y1 - self.y0

    @property
    def area(self) -> float:
        """Area, in square pixels."""
        return self.width * self.height

    def clip(self, width: int, height: int) -> Box:
        """Return the part of the box inside an image of this size.

        Raises:
            PromptError: The box lies outside the image.
        """
        x0, y0, x1, y1 = max(self.x0, 0.0), max(self.y0, 0.0), min(self.x1, width), min(self.y1, height)
        if x1 <= x0 or y1 <= y0:
            msg = (
                f"box {self.corners} lies outside the image, which is {width} pixels wide and {height} high. "
                "Give (x0, y0, x1, y1) in pixels of the original image."
            )
            raise PromptError(msg)
        return Box(x0, y0, x1, y1)


@dataclass(frozen=True)
class Stroke:
    """A freehand line: a scribble along the object or, if closed, a lasso around it.

    Attributes:
        vertices: (x, y) pairs, in the order drawn.
        label: 1 for the object, 0 for the background.
        closed: Whether the last vertex joins the first, so that the stroke stands for the enclosed area.

    Raises:
        PromptError: A coordinate is not a finite number, the label is neither 0 nor 1, there is no vertex, or a lasso
            has fewer than three.
    """

    vertices: tuple[tuple[float, float], ...]
    label: int = FOREGROUND
    closed: bool = False

    def __post_init__(self) -> None:
        """Check, and store plain Python numbers whatever number type was given."""
        object.__setattr__(self, "vertices", _vertices(self.vertices, 3 if self.closed else 1))
        object.__setattr__(self, "label", checked_label(self.label))
        object.__setattr__(self, "closed", bool(self.closed))

    @property
    def box(self) -> tuple[float, float, float, float]:
        """(x0, y0, x1, y1) around the vertices; its width or height may be 0."""
        xs, ys = zip(*self.vertices, strict=True)
        return min(xs), min(ys), max(xs), max(ys)

    def clip(self, width: int, height: int) -> Stroke:
        """Return the stroke with its vertices clamped to an image of this size.

        Raises:
            PromptError: The whole stroke lies outside the image.
        """
        x0, y0, x1, y1 = self.box
        if x1 < 0 or y1 < 0 or x0 > width or y0 > height:
            msg = (
                f"the {'lasso' if self.closed else 'scribble'} from ({x0:g}, {y0:g}) to ({x1:g}, {y1:g}) lies outside "
                f"the image, which is {width} pixels wide and {height} high. Give (x, y) in pixels of the original "
                "image."
            )
            raise PromptError(msg)
        if x0 >= 0 and y0 >= 0 and x1 <= width and y1 <= height:
            return self
        inside = tuple((min(max(x, 0.0), float(width)), min(max(y, 0.0), float(height))) for x, y in self.vertices)
        return Stroke(inside, self.label, self.closed)


@dataclass(frozen=True)
class BrushStroke:
    """A brush stroke on a mask: every pixel within `radius` of the line is added or erased.

    Attributes:
        vertices: (x, y) pairs; a single one is a dab.
        radius: Radius of the brush, in image pixels.
        label: 1 adds, 0 erases.

    Raises:
        PromptError: A coordinate is not a finite number, the radius is not a positive number, the label is neither 0
            nor 1, or there is no vertex.
    """

    vertices: tuple[tuple[float, float], ...]
    radius: float
    label: int = FOREGROUND

    def __post_init__(self) -> None:
        """Check, and store plain Python numbers whatever number type was given."""
        object.__setattr__(self, "vertices", _vertices(self.vertices, 1))
        object.__setattr__(self, "radius", _near(self.radius, "radius of a brush"))
        object.__setattr__(self, "label", checked_label(self.label))
        if self.radius <= 0:
            msg = f"radius of a brush is {self.radius:g}, expected a positive number of pixels."
            raise PromptError(msg)


def finite(value: object, what: str) -> float:
    """Return a finite number, or raise a `PromptError` that names the value with `what`."""
    # float() also accepts "3" and b"3", but a string instead of a number is a mistake worth reporting.
    try:
        number = math.nan if isinstance(value, str | bytes | bytearray) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        msg = f"{what} is {value!r}, expected a finite number of pixels."
        raise PromptError(msg)
    return number


def checked_label(value: object) -> int:
    """Return 0 or 1, or raise a `PromptError`."""
    try:
        label = int(value)  # type: ignore[call-overload]
        valid = label in (BACKGROUND, FOREGROUND) and label == value
    except (TypeError, ValueError, OverflowError):
        valid = False
    if not valid:
        msg = f"label of a point is {value!r}, expected 1 (foreground) or 0 (background)."
        raise PromptError(msg)
    return int(label)


def _vertices(vertices: Iterable[Sequence[float]], least: int) -> tuple[tuple[float, float], ...]:
    try:
        pairs = tuple((x, y) for x, y in vertices)
    except (TypeError, ValueError) as error:
        msg = f"the vertices of a stroke cannot be read ({error}); expected a list of (x, y) pairs."
        raise PromptError(msg) from error
    if len(pairs) > MOST_VERTICES:
        msg = f"a stroke of {len(pairs):,} vertices, expected at most {MOST_VERTICES:,}; leave out some of them."
        raise PromptError(msg)
    if len(pairs) < least:
        msg = f"a stroke of {len(pairs)} vertices; expected at least {least}: (x, y) pairs in the order drawn."
        raise PromptError(msg)
    return tuple((_near(x, "x of a vertex"), _near(y, "y of a vertex")) for x, y in pairs)


def _near(value: object, what: str) -> float:
    number = finite(value, what)
    if abs(number) > _FARTHEST:
        msg = f"{what} is {number:g}, expected a number of pixels between -{_FARTHEST:g} and {_FARTHEST:g}."
        raise PromptError(msg)
    return number
