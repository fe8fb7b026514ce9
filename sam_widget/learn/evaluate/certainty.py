"""Confidence intervals, and the accuracy of outlines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import distance_transform_edt, minimum_filter

TOLERANCE = 0.008
"""Distance, as a share of the photo's diagonal, up to which two outlines count as the same."""
RESAMPLINGS = 2_000


def boundary_f(given: np.ndarray, wanted: np.ndarray) -> float:
    """Return the F-measure of the outline of one (H, W) bool mask against that of another, between 0 and 1.

    Precision is the share of the given outline that lies within `TOLERANCE` of the wanted one, recall the reverse
    (Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation", CVPR 2016).
    """
    ours, theirs = _outline(given), _outline(wanted)
    if not ours.any() or not theirs.any():
        return float(ours.any() == theirs.any())
    reach = TOLERANCE * float(np.hypot(*given.shape))
    precision = (_distance_to(theirs)[ours] <= reach).mean()
    recall = (_distance_to(ours)[theirs] <= reach).mean()
    return float(2 * precision * recall / max(precision + recall, 1e-9))


def _outline(mask: np.ndarray) -> np.ndarray:
    """Return the pixels of a mask that touch its outside; the border of the photo is not an outline."""
    inner = minimum_filter(mask.astype(np.uint8), size=3, mode="nearest")
    return np.asarray(mask & (inner == 0))


def _distance_to(outline: np.ndarray) -> np.ndarray:
    return np.asarray(distance_transform_edt(~outline))


def bootstrap(values: np.ndarray, photos: Sequence[str], *, seed: int = 0) -> tuple[float, float]:
    """Return the 95% interval of the mean of values (samples,), resampling photos rather than samples.

    Masks of one photo tend to succeed or fail together, so they are not independent samples.
    """
    _, member = np.unique(photos, return_inverse=True)
    sums, counts = np.bincount(member, values), np.bincount(member)
    drawn = np.random.default_rng(seed).integers(0, len(counts), (RESAMPLINGS, len(counts)))
    low, high = np.percentile(sums[drawn].sum(1) / counts[drawn].sum(1), [2.5, 97.5])
    return float(low), float(high)
