"""Rasterise strokes: pixels under a brush, pixels inside a lasso, points along a scribble."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sam_widget.errors import PromptError
from sam_widget.prompts.geometry import BrushStroke, Stroke

Mask = NDArray[np.bool_]

# Side of the raster on which the innermost point of a lasso is found.
GRID = 96
# Maximum number of rows crossed by the segments of a brush stroke: 4 million take about a second.
MOST_ROWS = 2**22
# Number of rows computed at a time.
_CHUNK = 2**18


class Cover(NamedTuple):
    """The pixels that a brush stroke sets.

    Attributes:
        window: The rows and columns of the image that the stroke can reach.
        inside: Which pixels of the window are set, bool.
        value: What they are set to.
    """

    window: tuple[slice, slice]
    inside: Mask
    value: bool

    def apply(self, mask: Mask) -> None:
        """Set the pixels of an (H, W) mask, in place."""
        mask[self.window][self.inside] = self.value


def paint(mask: Mask, strokes: Iterable[BrushStroke]) -> Mask:
    """Return a copy of a mask with strokes painted and erased, in order.

    Args:
        mask: (H, W) bool.
        strokes: The strokes, clipped to the mask.

    Raises:
        PromptError: A stroke is too long for the width of its brush; see `cover`.
    """
    painted = mask.copy()
    for stroke in strokes:
        cover(stroke, mask.shape).apply(painted)
    return painted


def cover(stroke: BrushStroke, shape: tuple[int, ...]) -> Cover:
    """Return the pixels whose centre a brush covers, or any part of them if the brush is thinner than a pixel.

    A segment of a stroke is convex, so it covers one interval of each row: its cost is that of its height, not of its
    area.

    Args:
        stroke: The stroke, clipped to the mask.
        shape: Height and width of the mask, in pixels.

    Raises:
        PromptError: The segments cross more than `MOST_ROWS` rows in total, and leave some pixels uncovered.
    """
    reach = max(stroke.radius, math.sqrt(0.5))
    vertices = np.array(stroke.vertices)
    starts, ends = (vertices, vertices) if len(vertices) == 1 else (vertices[:-1], vertices[1:])
    lowest = np.clip(np.floor(np.minimum(starts, ends) - reach), 0, (shape[1], shape[0])).astype(np.int64)
    highest = np.clip(np.ceil(np.maximum(starts, ends) + reach), 0, (shape[1], shape[0])).astype(np.int64)
    (left, top), (right, bottom) = lowest.min(axis=0), highest.max(axis=0)
    window = slice(top, bottom), slice(left, right)
    counts = highest[:, 1] - lowest[:, 1]
    total = np.cumsum(counts)
    width, size = int(right - left), int((bottom - top) * (right - left))
    runs = np.empty(0, np.int64), np.empty(0, np.int64)
    begin = 0
    while begin < len(starts):
        before = int(total[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(total, before + _CHUNK, side="right")))
        segment = np.repeat(np.arange(begin, end), counts[begin:end])
        row = np.arange(len(segment)) - np.repeat(total[begin:end] - counts[begin:end] - before, counts[begin:end])
        row += lowest[segment, 1]
        x0, x1 = _interval(starts[segment], ends[segment], row + 0.5, reach)
        first = np.clip(np.ceil(x0 - 0.5), left, right).astype(np.int64) - left
        last = np.clip(np.floor(x1 - 0.5) + 1, left, right).astype(np.int64) - left
        some, row = last > first, (row - top) * (width + 1)
        runs = _merged(np.append(runs[0], (row + first)[some]), np.append(runs[1], (row + last)[some]))
        begin = end
        if int((runs[1] - runs[0]).sum()) == size:  # A wide brush soon covers everything.
            break
        if total[begin - 1] > MOST_ROWS and begin < len(starts):
            raise PromptError(
                f"a stroke of {len(vertices):,} vertices with a radius of {stroke.radius:g} pixels crosses more than "
                f"{MOST_ROWS:,} rows of pixels; draw it as several strokes, or with a thinner brush"
            )
    turns = np.zeros((int(bottom - top), width + 1), np.int8)
    turns.reshape(-1)[runs[0]], turns.reshape(-1)[runs[1]] = 1, -1
    return Cover(window, np.cumsum(turns, axis=1, dtype=np.int8)[:, :width].astype(np.bool_), bool(stroke.label))


def _interval(
    start: NDArray[np.float64], end: NDArray[np.float64], y: NDArray[np.float64], reach: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where the brush around each segment begins and ends in a row.

    Args:
        start: (N, 2) x, y of the segments' starts.
        end: (N, 2) x, y of their ends.
        y: (N,) of the row's centre.
        reach: Radius of the brush.

    Returns:
        (N,) x where it begins, inf if it misses the row, and (N,) x where it ends, -inf if it does.
    """
    left, right = np.full(len(y), np.inf), np.full(len(y), -np.inf)

    def extend(x0: NDArray[np.float64], x1: NDArray[np.float64], where: NDArray[np.bool_]) -> None:
        np.minimum(left, x0, out=left, where=where)
        np.maximum(right, x1, out=right, where=where)

    for corner in (start, end):
        square = reach * reach - (y - corner[:, 1]) ** 2
        half = np.sqrt(np.maximum(square, 0))
        extend(corner[:, 0] - half, corner[:, 0] + half, square >= 0)
    # The two sides of the body between the discs at both ends; those of a horizontal one lie between its rows.
    (dx, dy) = (end - start).T
    steep = dy != 0
    scale = reach / np.where(steep, np.hypot(dx, dy), 1)
    for sign in (1, -1):
        across, down = sign * -dy * scale, sign * dx * scale
        at = np.divide(y - start[:, 1] - down, dy, out=np.full(len(y), -1.0), where=steep)
        x = start[:, 0] + across + at * dx
        extend(x, x, (at >= 0) & (at <= 1))
    return left, right


def _merged(starts: NDArray[np.int64], stops: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the union of intervals, sorted and apart."""
    order = np.argsort(starts)
    starts, reached = starts[order], np.maximum.accumulate(stops[order])
    first = np.append(True, starts[1:] > reached[:-1])[: len(starts)]
    return starts[first], reached[np.append(first[1:], True)[: len(starts)]]


class Layer:
    """Many strokes flattened into two masks, so that they are applied to a mask in one step.

    Attributes:
        strokes: The strokes, in order.
        shape: Height and width, in pixels.
    """

    def __init__(self, strokes: tuple[BrushStroke, ...], shape: tuple[int, int]) -> None:
        """Flatten the strokes."""
        self.strokes, self.shape = strokes, shape
        # The last stroke over a pixel decides: adding sets both masks, erasing clears both.
        self._added, self._kept = np.zeros(shape, dtype=np.bool_), np.ones(shape, dtype=np.bool_)
        for stroke in strokes:
            covered = cover(stroke, shape)
            covered.apply(self._added)
            covered.apply(self._kept)

    def over(self, mask: Mask) -> Mask:
        """Return an (H, W) mask with the strokes applied."""
        painted: Mask = (mask & self._kept) | self._added
        return painted


def enclosed(lasso: Stroke, height: int, width: int) -> Mask:
    """Return the area inside a lasso, (H, W) bool; self-intersections follow the even-odd rule."""
    from PIL import Image, ImageDraw

    picture = Image.new("1", (width, height))
    # Pillow's coordinates are pixel indices, while the centre of pixel (0, 0) is at (0.5, 0.5) here.
    ImageDraw.Draw(picture).polygon([(x - 0.5, y - 0.5) for x, y in lasso.vertices], fill=1)
    return np.array(picture, dtype=np.bool_)


def innermost(lasso: Stroke) -> tuple[float, float]:
    """Return the point inside a lasso that is farthest from its outline, to about 1% of the lasso's size."""
    from scipy.ndimage import distance_transform_edt

    x0, y0, x1, y1 = lasso.box
    step = max(x1 - x0, y1 - y0, 1e-6) / GRID
    # One extra row and column, so that even a lasso drawn along a line has an interior.
    small = Stroke(tuple(((x - x0) / step, (y - y0) / step) for x, y in lasso.vertices), closed=True)
    inside = enclosed(small, int((y1 - y0) / step) + 1, int((x1 - x0) / step) + 1)
    if not inside.any():
        return (x0 + x1) / 2, (y0 + y1) / 2
    distances = distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(distances.argmax(), distances.shape)
    return min(x0 + (float(column) + 0.5) * step, x1), min(y0 + (float(row) + 0.5) * step, y1)


def along(stroke: Stroke, count: int) -> list[tuple[float, float]]:
    """Return `count` equally spaced points along a stroke, each in the middle of its segment."""
    xy = np.array(stroke.vertices)
    steps = np.hypot(*np.diff(xy, axis=0).T)
    travelled = np.concatenate(([0.0], np.cumsum(steps)))
    at = (np.arange(count) + 0.5) / count * travelled[-1]
    return [(float(np.interp(d, travelled, xy[:, 0])), float(np.interp(d, travelled, xy[:, 1]))) for d in at]


def length(stroke: Stroke) -> float:
    """Return the length of a stroke, in pixels."""
    return float(np.hypot(*np.diff(np.array(stroke.vertices), axis=0).T).sum())
