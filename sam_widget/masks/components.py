"""Connected components of masks, computed from their row runs without decoding pixels.

Runs in adjacent rows that touch belong to the same region.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sam_widget.masks.runs import Runs


def regions(runs: Runs, width: int, *, diagonals: bool) -> NDArray[np.intp]:
    """Label the regions of a mask.

    Args:
        runs: (R, 2) of start and length, in order, each within one row.
        width: Width of the mask, in pixels.
        diagonals: Whether pixels that touch at a corner are connected.

    Returns:
        (R,), the region of each run: 0, 1, 2, ... in the order of their first runs.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    # Treats rows as two pixels wider, so that the end of one does not touch the start of the next.
    starts = runs[:, 0].astype(np.intp)
    starts += 2 * (starts // width)
    ends = starts + runs[:, 1]
    row = width + 2
    # Neighbours above: from the first run that ends after this one's start to the last that starts before its end.
    reach = int(diagonals)
    first = np.searchsorted(ends, starts - row - reach, side="right")
    last = np.searchsorted(starts, ends - row + reach, side="left")
    offsets = np.concatenate(([0], np.cumsum(np.maximum(last - first, 0))))
    touched = np.arange(offsets[-1]) + np.repeat(first - offsets[:-1], np.diff(offsets))
    graph = csr_array((np.ones(len(touched), np.int8), touched, offsets), shape=(len(runs), len(runs)))
    numbers: NDArray[np.intp] = connected_components(graph, directed=False)[1].astype(np.intp)
    return numbers


def areas(numbers: NDArray[np.intp], runs: Runs) -> NDArray[np.intp]:
    """Return the number of pixels of each region."""
    return np.bincount(numbers, weights=runs[:, 1]).astype(np.intp)


def between(runs: Runs, height: int, width: int) -> Runs:
    """Return the row runs of a mask's complement."""
    starts, lengths = runs.astype(np.intp).T
    rows = np.arange(height) * width
    # Empty runs at the start and end of every row make all gaps explicit.
    begins = np.sort(np.concatenate((rows, starts + lengths)), kind="stable")
    stops = np.sort(np.concatenate((starts, rows + width)), kind="stable")
    some = stops > begins
    return np.stack((begins[some], (stops - begins)[some]), axis=1).astype(np.uint32)


def united(first: Runs, second: Runs, width: int) -> Runs:
    """Return the row runs of the union of two disjoint masks."""
    runs = np.concatenate((first, second)).astype(np.intp)
    starts, lengths = runs[runs[:, 0].argsort(kind="stable")].T
    ends = starts + lengths
    goes_on = (starts[1:] == ends[:-1]) & (starts[1:] % width > 0)
    starts, ends = starts[np.concatenate(([True], ~goes_on))], ends[np.concatenate((~goes_on, [True]))]
    return np.stack((starts, ends - starts), axis=1).astype(np.uint32)
