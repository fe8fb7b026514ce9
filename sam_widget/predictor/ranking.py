"""Choose the best mask for a box: the one with the highest score, unless it shows the object's surroundings.

For the box of a castle, a model may predict the sky around it: a mask that fills the box's rim and leaves its middle
empty. Such a mask keeps its score, and the next best one is chosen. The thresholds are this project's own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Share of a side's length that a mask must cover to fill it; the outline of a ring covers less.
FILLED = 0.5
# Share of the middle that a mask may cover while it counts as empty.
EMPTY = 0.05
# Minimum number of cells per side of a box for a decision.
SMALLEST = 6


def is_inverse(masks: NDArray[np.bool_], box: tuple[float, float, float, float]) -> NDArray[np.bool_]:
    """Return which masks fill at least three sides of a box and leave its centre empty.

    Args:
        masks: (N, h, w) bool, at any resolution.
        box: x0, y0, x1, y1, in cells of the masks.

    Returns:
        (N,) bool.
    """
    height, width = masks.shape[1:]
    x0, y0 = max(0, round(box[0])), max(0, round(box[1]))
    x1, y1 = min(width, round(box[2])), min(height, round(box[3]))
    if min(x1 - x0, y1 - y0) < SMALLEST:
        return np.zeros(len(masks), np.bool_)
    inside = masks[:, y0:y1, x0:x1]
    sides = np.stack([inside[:, 0].mean(1), inside[:, -1].mean(1), inside[:, :, 0].mean(1), inside[:, :, -1].mean(1)])
    # The middle third of each axis.
    top, left = (y1 - y0) // 3, (x1 - x0) // 3
    middle = inside[:, top : y1 - y0 - top, left : x1 - x0 - left].mean((1, 2))
    inverse: NDArray[np.bool_] = ((sides >= FILLED).sum(0) >= 3) & (middle <= EMPTY)
    return inverse


def best_of(scores: NDArray[np.float32], passed_over: NDArray[np.bool_] | None) -> int:
    """Return the index of the highest score that is not excluded by `passed_over`, or of all if every one is.

    Args:
        scores: (N,).
        passed_over: (N,) bool, or None.
    """
    if passed_over is None or passed_over.all():
        return int(scores.argmax())
    return int(np.where(passed_over, -np.inf, scores).argmax())
