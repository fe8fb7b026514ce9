"""Masks in other tools' forms: COCO RLE and polygons."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sam_widget.errors import MaskError, import_extra
from sam_widget.masks.counts import counts_from_runs, counts_from_text, runs_from_counts
from sam_widget.masks.measures import box_from_mask
from sam_widget.masks.runs import Mask, Runs, StoredMask, checked_mask, mask_from_runs, runs_from_mask
from sam_widget.masks.scanlines import runs_from_polygons


def rle_from_mask(mask: ArrayLike) -> dict[str, Any]:
    """Encode a mask as COCO's compressed RLE.

    Returns:
        {"size": [H, W], "counts": str}, ready for JSON.

    Raises:
        MissingExtraError: pycocotools is not installed.
    """
    pixels = checked_mask(mask)
    return rle_from_stored(StoredMask.of_runs(runs_from_mask(pixels), (pixels.shape[0], pixels.shape[1])))


def rle_from_stored(mask: StoredMask) -> dict[str, Any]:
    """Encode a mask as `rle_from_mask` does, without decoding it into pixels.

    Raises:
        MissingExtraError: pycocotools is not installed.
    """
    codec = import_extra("pycocotools.mask", "coco")
    height, width = mask.shape
    counts = counts_from_runs(mask.runs, height, width).tolist()
    rle = codec.frPyObjects({"size": [height, width], "counts": counts}, height, width)
    return {"size": [height, width], "counts": rle["counts"].decode("ascii")}


def mask_from_rle(rle: Mapping[str, Any]) -> Mask:
    """Decode COCO's RLE: compressed (counts as str or bytes) or not (counts as a list of numbers).

    Returns:
        (H, W) bool.

    Raises:
        MaskError: It is not a valid RLE: it lacks a key, or its counts do not add up to the size.
    """
    return stored_from_rle(rle).array


def stored_from_rle(rle: Mapping[str, Any]) -> StoredMask:
    """Read COCO's RLE as `mask_from_rle` does, without decoding it into pixels.

    Raises:
        MaskError: It is not a valid RLE.
    """
    expected = 'expected {"size": [height, width], "counts": str or list}'
    try:
        (height, width), counts = (operator.index(side) for side in rle["size"]), rle["counts"]
    except (KeyError, TypeError, ValueError) as error:
        raise MaskError(f"not a COCO RLE: its size or counts are missing; {expected}") from error
    if min(height, width) < 0 or height * width >= 2**32:
        raise MaskError(f"not a COCO RLE: its size is {height} x {width}, expected up to 2**32 pixels; {expected}")
    if isinstance(counts, str | bytes):
        numbers = counts_from_text(counts)
    else:
        try:
            numbers = np.array([operator.index(count) for count in counts], np.int64)
        except (TypeError, ValueError, OverflowError) as error:
            raise MaskError(f"not a COCO RLE: its counts are not whole numbers; {expected}") from error
    return StoredMask.of_runs(runs_from_counts(numbers, height, width), (height, width))


def runs_from_coco_polygons(rings: Sequence[NDArray[np.float64]], height: int, width: int) -> Runs:
    """Fill polygons as pycocotools does: together, their outlines included, each ring solid.

    Args:
        rings: (N, 2) of finite x, y near the image (`scanlines.clipped`), or empty: pycocotools allocates by the length
            of the outline and does not check it.
        height: Of the mask, in pixels.
        width: Of the mask, in pixels.

    Returns:
        (R, 2) of start and length, as `runs_from_mask` returns them.

    Raises:
        MissingExtraError: pycocotools is not installed.
    """
    codec = import_extra("pycocotools.mask", "coco")
    flat = [ring.ravel().tolist() for ring in rings if len(ring) > 2]
    if not flat:
        return np.empty((0, 2), np.uint32)
    rle = codec.merge(codec.frPyObjects(flat, height, width))
    return runs_from_counts(counts_from_text(rle["counts"]), height, width)


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
        MaskError: A ring is not (N, 2) finite numbers, or is far too ragged; see `runs_from_polygons`.
    """
    return mask_from_runs(runs_from_polygons(rings, height, width), height, width)
