"""Masks in other tools' forms: COCO RLE and polygons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sam_widget.errors import MaskError, import_extra
from sam_widget.masks.measures import box_from_mask
from sam_widget.masks.runs import Mask, checked_mask


def rle_from_mask(mask: ArrayLike) -> dict[str, Any]:
    """Encode a mask as COCO's compressed RLE.

    Returns:
        {"size": [H, W], "counts": str}, ready for JSON.

    Raises:
        MissingExtraError: pycocotools is not installed.
    """
    codec = import_extra("pycocotools.mask", "coco")
    rle = codec.encode(np.asfortranarray(checked_mask(mask), dtype=np.uint8))
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode("ascii")}


def mask_from_rle(rle: Mapping[str, Any]) -> Mask:
    """Decode COCO's RLE: compressed (counts as str or bytes) or not (counts as a list of numbers).

    Returns:
        (H, W) bool.

    Raises:
        MaskError: it is not a valid RLE.
        MissingExtraError: pycocotools is not installed.
    """
    codec = import_extra("pycocotools.mask", "coco")
    try:
        (height, width), counts = (int(side) for side in rle["size"]), rle["counts"]
        if isinstance(counts, str | bytes):
            coded = {"size": [height, width], "counts": counts}
        else:
            if sum(counts) != height * width:
                raise ValueError(f"counts add up to {sum(counts)}, not to {height * width}")
            coded = codec.frPyObjects({"size": [height, width], "counts": list(counts)}, height, width)
        return np.asarray(codec.decode(coded), dtype=np.bool_)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        msg = f'not a COCO RLE ({error}); expected {{"size": [height, width], "counts": str or list}}.'
        raise MaskError(msg) from error


def polygons_from_mask(mask: ArrayLike, *, tolerance: float = 0.0) -> list[NDArray[np.float64]]:
    """Outline a mask with closed rings by marching squares (scikit-image's `find_contours`).

    The rings pass halfway between the mask's pixel centres and their neighbours', so filling them all by the even-odd
    rule gives back exactly the mask, holes included, while `tolerance` is 0.

    Args:
        mask: (H, W) bool.
        tolerance: how far, in pixels, a simplified ring may stray (Douglas-Peucker).

    Returns:
        One (N, 2) array of x, y a ring, first and last point alike. Holes run the other way round than outlines: the
        shoelace sum over (x, y) is positive for an outline and negative for a hole.

    Raises:
        MissingExtraError: scikit-image is not installed.
    """
    measure = import_extra("skimage.measure", "export")
    pixels = checked_mask(mask)
    box = box_from_mask(pixels)
    if box is None:
        return []
    x0, y0, x1, y1 = (int(side) for side in box.corners)
    # One pixel of background on every side closes the rings of a mask that touches the image's border.
    contours = measure.find_contours(np.pad(pixels[y0:y1, x0:x1], 1).astype(np.float64), 0.5)
    rings = (measure.approximate_polygon(contour, tolerance) for contour in contours)
    # (row, column) at pixel centres 0, 1, 2, ... of the padded crop, to (x, y) with centres at +0.5.
    return [ring[:, ::-1] + (x0 - 0.5, y0 - 0.5) for ring in rings]


def mask_from_polygons(rings: Iterable[ArrayLike], height: int, width: int) -> Mask:
    """Fill closed rings by the even-odd rule, the inverse of `polygons_from_mask`: holes are rings within rings.

    A pixel is filled when its centre lies within an odd number of rings; of one that lies on an edge, those to the left
    and above count as inside.

    Args:
        rings: (N, 2) arrays of x, y; a ring that does not end where it began is closed.
        height: of the mask, in pixels.
        width: of the mask, in pixels.

    Returns:
        (H, W) bool.

    Raises:
        MaskError: a ring is not (N, 2) finite numbers.
    """
    # Where a row's crossings turn the filling on and off; what lies beyond the right edge turns nothing.
    turns = np.zeros((height, width + 1), dtype=np.bool_)
    for ring in rings:
        try:
            points = np.asarray(ring, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise MaskError(f"a polygon cannot be read as numbers ({error}); expected (x, y) pairs") from error
        if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
            raise MaskError(f"a polygon has shape {points.shape}, expected (N, 2): finite (x, y) pairs")
        x0, y0 = points.T
        x1, y1 = np.roll(points, -1, axis=0).T
        # The rows whose centres, at +0.5, each edge crosses: from `first`, `count` of them.
        first = np.ceil(np.clip(np.minimum(y0, y1), 0, height) - 0.5).astype(np.intp)
        last = np.ceil(np.clip(np.maximum(y0, y1), 0, height) - 0.5).astype(np.intp)
        count = last - first
        edge = np.repeat(np.arange(len(points)), count)
        row = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + first[edge]
        x = x0[edge] + (row + 0.5 - y0[edge]) * (x1[edge] - x0[edge]) / (y1[edge] - y0[edge])
        column = np.ceil(np.clip(x, 0, width) - 0.5).astype(np.intp)
        np.logical_xor.at(turns, (row, column), 1)
    return np.asarray(np.logical_xor.accumulate(turns, axis=1)[:, :-1])
