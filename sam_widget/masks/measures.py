"""Measures on masks: area, box, IoU, stability, non-maximum suppression."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sam_widget.errors import MaskError
from sam_widget.masks.runs import checked_mask
from sam_widget.prompts.geometry import Box

_LARGEST = float(np.finfo(np.float32).max)


def area(mask: ArrayLike) -> int:
    """Return the number of pixels of an (H, W) mask."""
    return int(np.count_nonzero(checked_mask(mask)))


def box_from_mask(mask: ArrayLike) -> Box | None:
    """Return the tight box around an (H, W) mask, x1 and y1 exclusive; None if the mask is empty."""
    pixels = checked_mask(mask)
    rows = np.flatnonzero(pixels.any(axis=1))
    if not len(rows):
        return None
    columns = np.flatnonzero(pixels[rows[0] : rows[-1] + 1].any(axis=0))
    return Box(columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)


def iou(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """Return the intersection over union of masks; for two empty masks, 1.

    Args:
        a: (..., H, W) bool.
        b: (..., H, W) bool; the leading axes broadcast. For all pairs: `iou(a[:, None], b)`.

    Returns:
        The leading axes, broadcast; a scalar array for two masks.

    Raises:
        MaskError: The masks differ in height or width, or their leading axes do not broadcast.
    """
    first, second = np.asarray(a, dtype=np.bool_), np.asarray(b, dtype=np.bool_)
    try:
        leading = np.broadcast_shapes(first.shape[:-2], second.shape[:-2])
        fits = first.ndim >= 2 and first.shape[-2:] == second.shape[-2:]
    except ValueError:
        fits = False
    if not fits:
        msg = f"cannot compare masks of shapes {first.shape} and {second.shape}; expected (..., H, W) of one size."
        raise MaskError(msg)
    shape = (*leading, *first.shape[-2:])
    first, second = np.broadcast_to(first, shape), np.broadcast_to(second, shape)
    ratios = np.empty(leading)
    # One pair at a time, because all pairs at once would allocate N x M masks.
    for index in np.ndindex(leading):
        intersection = np.count_nonzero(first[index] & second[index])
        union = np.count_nonzero(first[index] | second[index])
        ratios[index] = intersection / union if union else 1.0
    return ratios


def stability_score(logits: ArrayLike, threshold: float = 0.0, offset: float = 1.0) -> NDArray[np.float64]:
    """Return the stability score: the IoU of the masks at `threshold` + `offset` and `threshold` - `offset`.

    From segment-anything, `utils/amg.py`, `calculate_stability_score`; a mask that is empty even at the lower threshold
    scores 0 here, not NaN.

    Args:
        logits: (..., h, w).
        threshold: Threshold of the mask.
        offset: Offset of the threshold in each direction.

    Returns:
        The leading axes, in [0, 1].
    """
    values = np.asarray(logits)
    # The mask at the higher threshold is inside the other: they are the intersection and the union.
    intersections = np.count_nonzero(values > in_float32(threshold + offset), axis=(-2, -1))
    unions = np.count_nonzero(values > in_float32(threshold - offset), axis=(-2, -1))
    return np.asarray(intersections / np.maximum(unions, 1), dtype=np.float64)


def in_float32(level: float) -> float:
    """Return the nearest finite float32 to a level: NumPy warns where it compares logits with a number beyond those."""
    return min(max(level, -_LARGEST), _LARGEST)


def nms(boxes: ArrayLike, scores: ArrayLike, iou_threshold: float) -> NDArray[np.intp]:
    """Apply greedy non-maximum suppression: keep the best box, drop those that overlap it, repeat with the rest.

    Args:
        boxes: (N, 4) of x0, y0, x1, y1.
        scores: (N,).
        iou_threshold: A box is dropped if its IoU with a kept one is above this.

    Returns:
        Indices of the kept boxes, best score first; ties keep their order.
    """
    corners = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    x0, y0, x1, y1 = corners.T
    areas = (x1 - x0) * (y1 - y0)
    queue = np.argsort(-np.asarray(scores, dtype=np.float64).reshape(-1), kind="stable")
    if len(queue) != len(corners):
        msg = f"{len(corners)} boxes but {len(queue)} scores; expected one score per box."
        raise MaskError(msg)
    kept: list[int] = []
    while len(queue):
        best, queue = queue[0], queue[1:]
        kept.append(int(best))
        width = np.minimum(x1[best], x1[queue]) - np.maximum(x0[best], x0[queue])
        height = np.minimum(y1[best], y1[queue]) - np.maximum(y0[best], y0[queue])
        overlap = width.clip(min=0) * height.clip(min=0)
        # Multiplied by the union, so that boxes without area do not divide by zero.
        queue = queue[overlap <= iou_threshold * (areas[best] + areas[queue] - overlap)]
    return np.array(kept, dtype=np.intp)
