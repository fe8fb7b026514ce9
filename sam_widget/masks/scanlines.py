"""Fill shapes directly into row runs, without an array of pixels, at a cost proportional to their outline.

This replaces OpenCV, scikit-image and pycocotools, which fill pixel arrays, each with its own rule for outlines. Here a
pixel belongs to a shape if its centre does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sam_widget.errors import MaskError
from sam_widget.masks.runs import Runs

# Maximum total number of rows crossed by the edges of a shape: 4 million take under a second and 200 MB.
MAX_CROSSINGS = 2**22
# Number of crossings computed at a time.
_CHUNK = 2**18
# In pixels: circles that are larger or farther away are mistakes.
_FAR = 1e9


def checked_points(ring: ArrayLike) -> NDArray[np.float64]:
    """Validate the corners of a polygon and return them as (N, 2) float64.

    Raises:
        MaskError: They are not (N, 2) finite numbers.
    """
    try:
        points = np.asarray(ring, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise MaskError("a polygon has a coordinate that is not a number; expected (x, y) pairs") from error
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise MaskError(f"a polygon has shape {points.shape}, expected (N, 2): finite (x, y) pairs")
    return points


def clipped(points: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """Clip a polygon to the image and a margin of one image on each side (Sutherland and Hodgman, 1974).

    A polygon within the margin is returned unchanged. Clipping does not affect the filled pixels inside the image: the
    added edges run along the margin's border.

    Args:
        points: (N, 2) finite x, y.
        height: Height of the image, in pixels.
        width: Width of the image, in pixels.
    """
    for axis, side in ((0, width), (1, height)):
        for sign, limit in ((1.0, 2.0 * side), (-1.0, 1.0 * side)):
            # Distance of each corner to the border; halved, so that the difference of two huge numbers stays finite.
            depth = limit / 2 - sign * points[:, axis] / 2
            if (depth >= 0).all():
                continue
            inside, following = depth >= 0, np.roll(points, -1, axis=0)
            leaves = inside != np.roll(inside, -1)
            near = np.where(inside[:, None], points, following)
            far = np.where(inside[:, None], following, points)
            reach = np.where(inside, depth, np.roll(depth, -1))
            beyond = np.where(inside, np.roll(depth, -1), depth)
            # Interpolated from the inner corner, where floats are precise.
            share = np.divide(reach, reach - beyond, out=np.zeros_like(reach), where=leaves)[:, None]
            crossing = near * (1 - share) + far * share
            crossing[:, axis] = sign * limit
            both = np.stack((crossing, following), axis=1)
            points = both[np.stack((leaves, np.roll(inside, -1)), axis=1)]
    return points


def runs_from_polygons(rings: Iterable[ArrayLike], height: int, width: int) -> Runs:
    """Fill rings by the even-odd rule: a ring within a ring is a hole.

    A pixel is filled if its centre lies within an odd number of rings. Centres on an edge count as inside if the shape
    is to their right or below.

    Args:
        rings: (N, 2) arrays of x, y; open rings are closed.
        height: Height of the mask, in pixels.
        width: Width of the mask, in pixels.

    Returns:
        (R, 2) of start and length; see `runs_from_mask`.

    Raises:
        MaskError: A ring is not (N, 2) finite numbers, or the edges cross more than `MAX_CROSSINGS` rows in total.
    """
    turns = [np.empty(0, np.int64)]
    left = MAX_CROSSINGS
    for ring in rings:
        points = clipped(checked_points(ring), height, width)
        x0, y0 = points.T
        x1, y1 = np.roll(points, -1, axis=0).T
        # Each edge crosses the centres, at +0.5, of `count` rows, starting at `first`.
        first = np.ceil(np.clip(np.minimum(y0, y1), 0, height) - 0.5).astype(np.int64)
        last = np.ceil(np.clip(np.maximum(y0, y1), 0, height) - 0.5).astype(np.int64)
        count = last - first
        total = np.cumsum(count)
        left -= int(total[-1]) if len(total) else 0
        if left < 0:
            raise MaskError(
                f"a polygon's edges cross {MAX_CROSSINGS - left:,} rows of pixels, expected {MAX_CROSSINGS:,} at most; "
                "simplify it"
            )
        start = 0
        while start < len(points):
            # An edge crosses at most as many rows as the image has.
            so_far = int(total[start - 1]) if start else 0
            stop = max(start + 1, int(np.searchsorted(total, so_far + _CHUNK, side="right")))
            part = slice(start, stop)
            edge = np.repeat(np.arange(start, stop), count[part])
            row = np.arange(len(edge)) - np.repeat(total[part] - count[part] - so_far, count[part]) + first[edge]
            x = x0[edge] + (row + 0.5 - y0[edge]) * (x1[edge] - x0[edge]) / (y1[edge] - y0[edge])
            turns.append(row * (width + 1) + np.ceil(np.clip(x, 0, width) - 0.5).astype(np.int64))
            start = stop
    return runs_from_turns(np.concatenate(turns), width)


def runs_from_turns(turns: NDArray[np.int64], width: int) -> Runs:
    """Return the runs between the positions where filling is turned on and off.

    Args:
        turns: Positions, row * (width + 1) + column, in any order, an even number per row. Equal positions cancel.
        width: Width of the mask, in pixels.
    """
    turns.sort()
    first = np.flatnonzero(np.diff(turns, prepend=-1))
    odd = turns[first[np.diff(first, append=len(turns)) % 2 == 1]]
    rows, columns = np.divmod(odd, width + 1)
    places = rows * width + columns
    return np.stack((places[::2], places[1::2] - places[::2]), axis=1).astype(np.uint32)


def runs_from_ellipse(
    centre: tuple[float, float], radii: tuple[float, float], angle: float, height: int, width: int
) -> Runs:
    """Fill an ellipse.

    Args:
        centre: x, y.
        radii: Half its width and half its height before rotation, in pixels.
        angle: Clockwise rotation, in degrees.
        height: Height of the mask, in pixels.
        width: Width of the mask, in pixels.

    Raises:
        MaskError: A number is not finite or far outside the image, or a radius is not positive.
    """
    (x, y), (across, down) = centre, radii
    if not all(math.isfinite(value) and abs(value) < _FAR for value in (x, y, across, down, angle)):
        raise MaskError("an ellipse lies far off its image, expected a centre and radii in pixels")
    if min(across, down) <= 0:
        raise MaskError(f"an ellipse has radii of {across:g} and {down:g} pixels, expected more than 0")
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    reach = math.hypot(across * sine, down * cosine)
    rows = np.arange(max(0, math.floor(y - reach)), min(height, math.ceil(y + reach) + 1), dtype=np.int64)
    dy = rows + 0.5 - y
    # a dx^2 + b dx + c < 0 inside.
    a = (cosine / across) ** 2 + (sine / down) ** 2
    b = 2 * dy * cosine * sine * (across**-2 - down**-2)
    c = dy**2 * ((sine / across) ** 2 + (cosine / down) ** 2) - 1
    within = b * b - 4 * a * c > 0
    rows, middle = rows[within], x - b[within] / (2 * a)
    half = np.sqrt((b * b - 4 * a * c)[within]) / (2 * a)
    start = np.clip(np.floor(middle - half - 0.5) + 1, 0, width).astype(np.int64)
    stop = np.clip(np.ceil(middle + half - 0.5), 0, width).astype(np.int64)
    some = stop > start
    return np.stack(((rows * width + start)[some], (stop - start)[some]), axis=1).astype(np.uint32)
