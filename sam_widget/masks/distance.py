"""How deep inside a region each pixel lies: where people click."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt

try:
    import cv2
except ImportError:  # an extra, ten times as fast
    cv2 = None  # type: ignore[assignment]


def inner_distance(region: np.ndarray) -> np.ndarray:
    """Return how far inside its (H, W) boolean region each pixel lies, 0 outside.

    The image border counts as outside, as in the evaluation protocol of RITM (Sofiiuk et al., arXiv 2102.06583).
    Distances are exact with SciPy; with OpenCV they are off by up to 5%, as in that protocol.
    """
    padded = np.pad(region, 1)
    if cv2 is None:
        return np.asarray(distance_transform_edt(padded), np.float32)[1:-1, 1:-1]
    return np.asarray(cv2.distanceTransform(padded.astype(np.uint8), cv2.DIST_L2, 3))[1:-1, 1:-1]


def next_click(given: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the next click, at the deepest point of the largest error: x and y of a pixel centre, and the label.

    Args:
        given: (H, W) bool, the mask so far.
        wanted: (H, W) bool, the mask that is wanted.
    """
    depths = [inner_distance(wanted & ~given), inner_distance(given & ~wanted)]
    foreground = depths[0].max() >= depths[1].max()
    depth = depths[0] if foreground else depths[1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return np.array([x + 0.5, y + 0.5]), int(foreground)
