"""Outlines for formats without masks: the parts of a mask as rings, and joining several rings into one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from sam_widget.errors import import_extra
from sam_widget.masks.codecs import polygons_from_mask
from sam_widget.masks.runs import Mask

Ring = NDArray[np.float64]


def parts_from_mask(mask: Mask, *, tolerance: float = 0.0) -> list[list[Ring]]:
    """Outline each part of a mask. Parts touch at corners at most.

    Args:
        mask: (H, W) bool.
        tolerance: Maximum deviation of a simplified ring, in pixels.

    Returns:
        One list per part: its outline first, then its holes; closed rings of (N, 2) x, y like those of
        `polygons_from_mask`, without the points on a straight line between their neighbours.

    Raises:
        MissingExtraError: scikit-image is not installed.
    """
    measure = import_extra("skimage.measure", "export")
    parts = []
    for region in measure.regionprops(measure.label(mask, connectivity=1)):
        top, left, _, _ = region.bbox
        exact = polygons_from_mask(region.image)
        rings = [_simplified(ring, tolerance) + np.array((left, top)) for ring in exact]
        # The outline is the only ring with positive orientation.
        parts.append(sorted(rings, key=signed_area, reverse=True))
    return parts


def _simplified(ring: Ring, tolerance: float) -> Ring:
    """Simplify a closed ring: drop redundant points, and those within the tolerance."""
    exact = straightened(ring)
    if tolerance <= 0:
        return exact
    simple: Ring = straightened(import_extra("skimage.measure", "export").approximate_polygon(exact, tolerance))
    # A small part is kept unchanged if its simplified ring would enclose no area.
    return simple if len(simple) > 3 else exact


def pixel_rings(mask: Mask) -> list[Ring]:
    """Outline a mask along the centres of its outermost pixels (OpenCV's `findContours`).

    `cv2.fillPoly`, which also fills the pixels under its lines, restores the mask without loss.

    Returns:
        One closed (N, 2) array of x, y per ring, outlines and holes, in pixel indices: centres are integers.

    Raises:
        MissingExtraError: OpenCV is not installed.
    """
    cv2 = import_extra("cv2", "export")
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    rings = (contour[:, 0].astype(np.float64) for contour in contours)
    return [np.vstack((ring, ring[:1])) for ring in rings]


def signed_area(ring: Ring) -> float:
    """Return the shoelace sum of a closed ring: positive for outlines, negative for holes."""
    x, y = ring.T
    return float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) / 2)


def straightened(ring: Ring) -> Ring:
    """Drop the points of a closed ring that lie on the straight line between their neighbours."""
    points = ring[:-1]
    points = points[(points != np.roll(points, 1, axis=0)).any(axis=1)]
    before, after = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
    turns = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    # A point where the ring reverses direction, as rings of `one_ring` do, is kept.
    ends = (before * after).sum(axis=1) < 0
    kept = points[turns | ends]
    return np.vstack((kept, kept[:1])) if len(kept) else np.vstack((ring[:1], ring[:1]))


def one_ring(rings: Sequence[Ring]) -> Ring:
    """Join rings into one by bridges traversed in both directions, for formats in which an object is one polygon.

    Each ring is connected to the nearest connected one (Prim's minimum spanning tree). Under the even-odd rule, bridges
    enclose no area, and the rings remain parts and holes.

    Args:
        rings: Closed rings, (N, 2) each.

    Returns:
        One closed ring, (M, 2).

    Raises:
        MissingExtraError: scipy is not installed.
    """
    opened = [ring[:-1] if len(ring) > 1 else ring for ring in rings]
    if len(opened) == 1:
        return straightened(rings[0])
    trees = import_extra("scipy.spatial", "export").cKDTree
    # For each vertex of a connected ring: the rings attached there, each with its own vertex.
    hanging: defaultdict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    # For each ring not connected yet: its distance to the connected ones, and the nearest vertices.
    nearest = dict.fromkeys(range(1, len(opened)), (np.inf, 0, 0, 0))
    tied = 0
    while nearest:
        tree = trees(opened[tied])
        for number in nearest:
            distances, vertices = tree.query(opened[number])
            own = int(distances.argmin())
            if distances[own] < nearest[number][0]:
                nearest[number] = (float(distances[own]), tied, int(vertices[own]), own)
        tied = min(nearest, key=lambda number: nearest[number][0])
        _, ring, vertex, own = nearest.pop(tied)
        hanging[ring, vertex].append((tied, own))

    def around(number: int, start: int) -> Iterator[tuple[int, int] | NDArray[np.float64]]:
        """Yield a ring's points around from a vertex back to it; attached rings are yielded with their vertex."""
        count = len(opened[number])
        for step in range(count):
            vertex = (start + step) % count
            yield opened[number][vertex]
            for child in hanging[number, vertex]:
                yield child
                yield opened[number][vertex]
        yield opened[number][start]

    points: list[NDArray[np.float64]] = []
    walks = [around(0, 0)]
    while walks:
        step = next(walks[-1], None)
        if step is None:
            walks.pop()
        elif isinstance(step, tuple):
            walks.append(around(*step))
        else:
            points.append(step)
    return straightened(np.array(points))
