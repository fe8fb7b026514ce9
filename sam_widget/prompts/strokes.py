"""Rasterise strokes: pixels under a brush, pixels inside a lasso, points along a scribble."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from sam_widget.prompts.geometry import BrushStroke, Stroke

Mask = NDArray[np.bool_]

# Side of the raster on which the innermost point of a lasso is found.
GRID = 96


def paint(mask: Mask, strokes: Iterable[BrushStroke]) -> Mask:
    """Return a copy of a mask with strokes painted and erased, in order.

    Args:
        mask: (H, W) bool.
        strokes: The strokes, clipped to the mask.
    """
    painted = mask.copy()
    for stroke in strokes:
        value = bool(stroke.label)
        for start, end in _segments(stroke.vertices):
            window = _window(painted.shape, start, end, stroke.radius)
            # A wide brush soon covers everything: a long stroke of it must not cost a whole image per segment.
            done = painted[window].all() if value else not painted[window].any()
            if done and painted[window].size == painted.size:
                break
            if not done:
                _paint_segment(painted, window, start, end, stroke.radius, value=value)
    return painted


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
        self._added = paint(np.zeros(shape, dtype=np.bool_), strokes)
        self._kept = paint(np.ones(shape, dtype=np.bool_), strokes)

    def over(self, mask: Mask) -> Mask:
        """Return an (H, W) mask with the strokes applied."""
        painted: Mask = (mask & self._kept) | self._added
        return painted


def _segments(vertices: tuple[tuple[float, float], ...]) -> Iterable[tuple[tuple[float, float], tuple[float, float]]]:
    return zip(vertices, vertices[1:] or vertices, strict=False)


def _window(
    shape: tuple[int, ...], start: tuple[float, float], end: tuple[float, float], radius: float
) -> tuple[slice, slice]:
    """Return the rows and columns of an image of this height and width that a segment can reach."""
    (xa, ya), (xb, yb) = start, end
    reach, (height, width) = _reach(radius), shape
    left, right = max(0, math.floor(min(xa, xb) - reach)), min(width, math.ceil(max(xa, xb) + reach))
    top, bottom = max(0, math.floor(min(ya, yb) - reach)), min(height, math.ceil(max(ya, yb) + reach))
    return slice(top, max(top, bottom)), slice(left, max(left, right))


def _reach(radius: float) -> float:
    return max(radius, math.sqrt(0.5))


def _paint_segment(
    mask: Mask,
    window: tuple[slice, slice],
    start: tuple[float, float],
    end: tuple[float, float],
    radius: float,
    *,
    value: bool,
) -> None:
    """Set the pixels whose centre the brush covers, or any part of them if the brush is thinner than a pixel."""
    (xa, ya), (xb, yb) = start, end
    reach, (rows, columns) = _reach(radius), window
    x = np.arange(columns.start, columns.stop) + 0.5 - xa
    y = (np.arange(rows.start, rows.stop) + 0.5 - ya)[:, None]
    dx, dy = xb - xa, yb - ya
    length = dx * dx + dy * dy
    # Position along the segment, 0 to 1, of the point nearest to each pixel.
    along = np.clip((x * dx + y * dy) / length, 0, 1) if length else 0.0
    near = (x - along * dx) ** 2 + (y - along * dy) ** 2 <= reach * reach
    mask[window][near] = value


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
