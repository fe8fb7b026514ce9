"""Convert masks from and to COCO RLE and polygons."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sam_widget.errors import MaskError, import_extra
from sam_widget.masks.counts import counts_from_runs, counts_from_text, runs_from_counts, text_from_counts
from sam_widget.masks.measures import box_from_mask
from sam_widget.masks.runs import Mask, Runs, StoredMask, checked_mask, mask_from_runs, runs_from_mask
from sam_widget.masks.scanlines import runs_from_polygons


def rle_from_mask(mask: ArrayLike) -> dict[str, Any]:
    """Encode a mask as COCO's compressed RLE.

    Returns:
        {"size": [H, W], "counts": str}, ready for JSON.
    """
    pixels = checked_mask(mask)
    return rle_from_stored(StoredMask.of_runs(runs_from_mask(pixels), (pixels.shape[0], pixels.shape[1])))


def rle_from_stored(mask: StoredMask) -> dict[str, Any]:
    """Encode a stored mask like `rle_from_mask`, without decoding it into pixels."""
    height, width = mask.shape
    return {"size": [height, width], "counts": text_from_counts(counts_from_runs(mask.runs, height, width))}


def mask_from_rle(rle: Mapping[str, Any]) -> Mask:
    """Decode COCO's RLE: compressed (counts as str or bytes) or not (counts as a list of numbers).

    Returns:
        (H, W) bool.

    Raises:
        MaskError: The RLE is invalid: a key is missing, or the counts do not add up to the size.
    """
    return stored_from_rle(rle).array


def stored_from_rle(rle: Mapping[str, Any]) -> StoredMask:
    """Read COCO's RLE like `mask_from_rle`, without decoding it into pixels.

    Raises:
        MaskError: The RLE is invalid.
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
    """Fill polygons like pycocotools: their union, including outlines, each ring solid.

    Args:
        rings: (N, 2) of finite x, y near the image (`scanlines.clipped`), or empty: pycocotools allocates by the length
            of the outline and does not check it.
        height: Height of the mask, in pixels.
        width: Width of the mask, in pixels.

    Returns:
        (R, 2) of start and length; see `runs_from_mask`.

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

    The rings pass halfway between the mask's pixel centres and their neighbours'. With a `tolerance` of 0, filling them
    by the even-odd rule restores exactly the same mask, including holes.

    Args:
        mask: (H, W) bool.
        tolerance: Maximum deviation of a simplified ring, in pixels (Douglas-Peucker).

    Returns:
        One (N, 2) array of x, y per ring, whose first and last points are equal. Holes have the opposite orientation:
        the shoelace sum over (x, y) is positive for an outline and negative for a hole.

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

    A pixel is filled if its centre lies within an odd number of rings. Centres on an edge count as inside if the shape
    is to their right or below.

    Args:
        rings: (N, 2) arrays of x, y; open rings are closed.
        height: Height of the mask, in pixels.
        width: Width of the mask, in pixels.

    Returns:
        (H, W) bool.

    Raises:
        MaskError: A ring is not (N, 2) finite numbers, or is too ragged; see `runs_from_polygons`.
    """
    return mask_from_runs(runs_from_polygons(rings, height, width), height, width)
