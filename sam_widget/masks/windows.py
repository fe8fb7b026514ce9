"""Crops of an image: boxes of whole pixels, and pure functions that move masks between a crop and its image."""

from __future__ import annotations

import numpy as np

from sam_widget.masks.runs import StoredMask, mask_from_runs
from sam_widget.prompts.geometry import Box


def pixels(crop: Box) -> tuple[int, int, int, int]:
    """Return a crop's x0, y0, x1, y1 as whole numbers."""
    x0, y0, x1, y1 = (int(corner) for corner in crop.corners)
    return x0, y0, x1, y1


def part(crop: Box) -> tuple[slice, slice]:
    """Return the rows and columns of a crop, to index an array with."""
    x0, y0, x1, y1 = pixels(crop)
    return slice(y0, y1), slice(x0, x1)


def shape(crop: Box) -> tuple[int, int]:
    """Return the height and width of a crop, in pixels."""
    return int(crop.height), int(crop.width)


def fits(crop: Box, size: tuple[int, int]) -> bool:
    """Whether a crop consists of whole pixels of an image of this width and height."""
    whole = all(float(corner).is_integer() for corner in crop.corners)
    return whole and crop.x0 >= 0 and crop.y0 >= 0 and crop.x1 <= size[0] and crop.y1 <= size[1]


def placed(mask: StoredMask, crop: Box, size: tuple[int, int]) -> StoredMask:
    """Return a crop's mask as a mask of the whole image, without decoding either.

    Args:
        mask: The mask within the crop.
        crop: The crop, in pixels of the image.
        size: Height and width of the image, in pixels.
    """
    x0, y0, _, _ = pixels(crop)
    rows, columns = np.divmod(mask.runs[:, 0].astype(np.int64), mask.shape[1])
    starts = (rows + y0) * size[1] + columns + x0
    return StoredMask.from_runs(np.stack((starts, mask.runs[:, 1]), axis=1), *size)


def within(mask: StoredMask, crop: Box) -> np.ndarray:
    """Return the part of an image's mask in a crop, (h, w) bool; only the crop's rows are decoded."""
    x0, y0, x1, y1 = pixels(crop)
    width = mask.shape[1]
    starts = mask.runs[:, 0].astype(np.int64)
    rows = mask.runs[slice(*np.searchsorted(starts, (y0 * width, y1 * width)))].astype(np.int64)
    rows[:, 0] -= y0 * width
    return mask_from_runs(rows, y1 - y0, width)[:, x0:x1]


def is_cut(mask: np.ndarray, crop: Box, size: tuple[int, int]) -> bool:
    """Whether a crop's mask reaches an edge of the crop that is inside the image.

    Args:
        mask: (h, w) bool, of the crop.
        crop: The crop, in pixels of the image.
        size: Height and width of the image, in pixels.
    """
    height, width = size
    return bool(
        (crop.x0 > 0 and mask[:, 0].any())
        or (crop.y0 > 0 and mask[0].any())
        or (crop.x1 < width and mask[:, -1].any())
        or (crop.y1 < height and mask[-1].any())
    )
