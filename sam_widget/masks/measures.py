"""Measures on masks: area, box, IoU, stability, non-maximum suppression."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sam_widget.errors import MaskError
from sam_widget.masks.runs import checked_mask
from sam_widget.prompts.geometry import Box


def area(mask: ArrayLike) -> int:
    """How many pixels a (H, W) mask has."""
    return int(np.count_nonzero(checked_mask(mask)))


def box_from_mask(mask: ArrayLike) -> Box | None:
    """The tightest box around a (H, W) mask, x1 and y1 exclusive; None where the mask is empty."""
    pixels = checked_mask(mask)
    rows = np.flatnonzero(pixels.any(axis=1))
    if not len(rows):
        return None
    columns = np.flatnonzero(pixels[rows[0] : rows[-1] + 1].any(axis=0))
    return Box(columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)


def iou(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """Intersection over union of masks; two empty masks agree, 1.

    Args:
        a: (..., H, W) bool.
        b: (..., H, W) bool; the leading axes broadcast. For all pairs: `iou(a[:, None], b)`.

    Returns:
        The leading axes, broadcast; a scalar array for two masks.

    Raises:
        MaskError: the masks differ in height or width, or their leading axes do not broadcast.
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
    # One pair at a time: all pairs at once would hold N x M masks.
    for index in np.ndindex(leading):
        intersection = np.count_nonzero(first[index] & second[index])
        union = np.count_nonzero(first[index] | second[index])
        ratios[index] = intersection / union if union else 1.0
    return ratios


def stability_score(logits: ArrayLike, threshold: float = 0.0, offset: float = 1.0) -> NDArray[np.float64]:
    """How little a mask changes as its threshold moves: IoU between cutting `offset` above and below it.

    From segment-anything, `utils/amg.py`, `calculate_stability_score`; a mask that is empty even at the lower threshold
    scores 0 here, not NaN.

    Args:
        logits: (..., h, w).
        threshold: at which logits become a mask.
        offset: how far the threshold moves, each way.

    Returns:
        The leading axes, in [0, 1].
    """
    values = np.asarray(logits)
    # The higher cut lies within the lower one: they are their intersection and their union.
    intersections = np.count_nonzero(values > threshold + offset, axis=(-2, -1))
    unions = np.count_nonzero(values > threshold - offset, axis=(-2, -1))
    return np.asarray(intersections / np.maximum(unions, 1), dtype=np.float64)


def nms(boxes: ArrayLike, scores: ArrayLike, iou_threshold: float) -> NDArray[np.intp]:
    """Greedy non-maximum suppression: keep the best box, drop those that overlap it, continue with the rest.

    Args:
        boxes: (N, 4) of x0, y0, x1, y1.
        scores: (N,).
        iou_threshold: a box is dropped when its IoU with a kept one is above this.

    Returns:
        Indices of the boxes kept, best score first; of equal scores, the earlier box first.
    """
    corners = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    x0, y0, x1, y1 = corners.T
    areas = (x1 - x0) * (y1 - y0)
    queue = np.argsort(-np.asarray(scores, dtype=np.float64).reshape(-1), kind="stable")
    if len(queue) != len(corners):
        msg = f"{len(corners)} boxes but {len(queue)} scores; expected one score a box."
        raise MaskError(msg)
    kept: list[int] = []
    while len(queue):
        best, queue = queue[0], queue[1:]
        kept.append(int(best))
        width = np.minimum(x1[best], x1[queue]) - np.maximum(x0[best], x0[queue])
        height = np.minimum(y1[best], y1[queue]) - np.maximum(y0[best], y0[queue])
        overlap = width.clip(min=0) * height.clip(min=0)
        # Multiplied out, so that boxes without area need no division by zero.
        queue = queue[overlap <= iou_threshold * (areas[best] + areas[queue] - overlap)]
    return np.array(kept, dtype=np.intp)
