"""Codecs and measures on masks: row runs, COCO RLE, polygons, boxes, area, IoU, stability, NMS.

A mask is a (H, W) bool array. Everything here is NumPy; what needs another library imports it when called and says
which extra brings it.
"""

from __future__ import annotations

import importlib
import weakref
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sam_widget.errors import SamWidgetError
from sam_widget.prompts.prompt import Box

Mask = NDArray[np.bool_]


class MaskError(SamWidgetError, ValueError):
    """An array is not a mask, or an encoded mask does not fit its size."""


class MissingExtraError(SamWidgetError, ImportError):
    """A library that an optional feature needs is not installed."""


# ------------------------------------------------------------------------------------------------ row runs


def runs_from_mask(mask: ArrayLike) -> NDArray[np.uint32]:
    """Encode a mask as its row runs, the form in which masks travel to a view.

    Args:
        mask: (H, W) bool.

    Returns:
        (R, 2) of start and length, in row-major order; starts count from the mask's first pixel, and no run crosses
        the end of a row.
    """
    pixels = _mask(mask)
    width = pixels.shape[1]
    edges = _edges(np.ascontiguousarray(pixels).reshape(-1))
    starts, ends = edges[0::2], edges[1::2]
    if len(starts):
        starts, ends = _split_at_rows(starts, ends, width)
    return np.stack((starts, ends - starts), axis=1).astype(np.uint32)


def _edges(flat: Mask) -> NDArray[np.intp]:
    """Where a pixel differs from the one before it; outside, nothing is set. They alternate: on, off, on, off."""
    size = flat.size
    changes = np.zeros(size + 8 - size % 8, np.bool_)
    if size:
        changes[0], changes[size] = flat[0], flat[-1]
        np.not_equal(flat[1:], flat[:-1], out=changes[1:size])
    return _set_among(changes)


def set_bits(bits: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return where an array of any shape is set, in row-major order; quick where little is."""
    padded = np.zeros(bits.size + -bits.size % 8, np.bool_)
    padded[: bits.size] = bits.reshape(-1)
    return _set_among(padded)


def _set_among(bits: NDArray[np.bool_]) -> NDArray[np.intp]:
    # Eight at a time, the empty ones are skipped at eight times the speed.
    eights = bits.view(np.uint64).astype(np.bool_).nonzero()[0]
    places = bits.reshape(-1, 8).take(eights, axis=0).reshape(-1).nonzero()[0]
    return eights.take(places >> 3) * 8 + (places & 7)


def _split_at_rows(starts: NDArray[np.intp], ends: NDArray[np.intp], width: int) -> tuple[NDArray[np.intp], ...]:
    first_row = starts // width
    rows = (ends - 1) // width - first_row + 1
    if (rows == 1).all():
        return starts, ends
    # One piece a row that a run touches: `piece` counts 0, 1, 2, ... within each run.
    piece = np.arange(rows.sum()) - np.repeat(np.cumsum(rows) - rows, rows)
    row_start = (np.repeat(first_row, rows) + piece) * width
    return np.maximum(np.repeat(starts, rows), row_start), np.minimum(np.repeat(ends, rows), row_start + width)


def mask_from_runs(runs: ArrayLike, height: int, width: int) -> Mask:
    """Decode row runs.

    Args:
        runs: (R, 2) of start and length, as `runs_from_mask` returns them.
        height: of the mask, in pixels.
        width: of the mask, in pixels.

    Returns:
        (H, W) bool.

    Raises:
        MaskError: the runs overlap, are out of order, or reach beyond the mask.
    """
    lengths = _lengths(np.asarray(runs, dtype=np.int64).reshape(-1, 2), height, width)
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(height, width)


def _lengths(pairs: NDArray[np.int64], height: int, width: int) -> NDArray[np.int64]:
    """How many pixels are off, on, off, on, ..., off."""
    edges = np.stack((pairs[:, 0], pairs.sum(axis=1)), axis=1).reshape(-1)
    # None negative says all at once: in order, no overlap, inside.
    lengths = np.diff(edges, prepend=0, append=height * width)
    if (lengths < 0).any():
        msg = (
            f"row runs do not fit a mask of {height} x {width} pixels: expected (start, length) pairs in order, "
            f"without overlap, ending at or before {height * width}."
        )
        raise MaskError(msg)
    return lengths


class StoredMask:
    """A mask kept as its row runs, about a hundredth of its size, so that a long history of masks stays small.

    Attributes:
        shape: Height and width, in pixels.
        runs: (R, 2) of start and length, as `runs_from_mask` returns them.
    """

    def __init__(self, mask: Mask) -> None:
        """Store a mask, (H, W) bool, which becomes read-only: it is `array` for as long as somebody holds it."""
        self.shape: tuple[int, int] = (mask.shape[0], mask.shape[1])
        self.runs = runs_from_mask(mask)
        mask.flags.writeable = False
        self._decoded = weakref.ref(mask)

    @classmethod
    def from_runs(cls, runs: ArrayLike, height: int, width: int) -> StoredMask:
        """Store a mask that is known by its row runs; it is decoded when somebody looks.

        Raises:
            MaskError: The runs overlap, are out of order, or reach beyond the mask.
        """
        stored = cls.of_runs(np.array(runs, dtype=np.uint32).reshape(-1, 2), (height, width))
        _lengths(stored.runs.astype(np.int64), height, width)
        return stored

    @classmethod
    def of_runs(cls, runs: NDArray[np.uint32], shape: tuple[int, int]) -> StoredMask:
        """Store row runs that are known to be right; they are kept, not copied."""
        stored = cls(np.zeros((0, 0), np.bool_))
        stored.shape, stored.runs = shape, runs
        return stored

    @property
    def array(self) -> Mask:
        """The mask, (H, W) bool, read-only; decoded unless somebody still holds it."""
        mask = self._decoded()
        if mask is None:
            mask = mask_from_runs(self.runs, *self.shape)
            mask.flags.writeable = False
            self._decoded = weakref.ref(mask)
        return mask

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int(self.runs[:, 1].sum())

    @property
    def bounds(self) -> tuple[int, int, int, int]:
        """x, y, width, height of the tightest box, in pixels; zeros where the mask is empty."""
        if not len(self.runs):
            return 0, 0, 0, 0
        rows, columns = np.divmod(self.runs[:, 0].astype(np.int64), self.shape[1])
        left, right = int(columns.min()), int((columns + self.runs[:, 1]).max())
        return left, int(rows[0]), right - left, int(rows[-1] - rows[0]) + 1


# ------------------------------------------------------------------------------------------------ foreign codecs


def rle_from_mask(mask: ArrayLike) -> dict[str, Any]:
    """Encode a mask as COCO's compressed RLE.

    Returns:
        {"size": [H, W], "counts": str}, ready for JSON.

    Raises:
        MissingExtraError: pycocotools is not installed.
    """
    codec = import_extra("pycocotools.mask", "coco")
    rle = codec.encode(np.asfortranarray(_mask(mask), dtype=np.uint8))
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode("ascii")}


def mask_from_rle(rle: Mapping[str, Any]) -> Mask:
    """Decode COCO's RLE: compressed (counts as str or bytes) or not (counts as a list of numbers).

    Returns:
        (H, W) bool.

    Raises:
        MaskError: it is not a valid RLE.
        MissingExtraError: pycocotools is not installed.
    """
    codec = import_extra("pycocotools.mask", "coco")
    try:
        (height, width), counts = (int(side) for side in rle["size"]), rle["counts"]
        if isinstance(counts, str | bytes):
            coded = {"size": [height, width], "counts": counts}
        else:
            if sum(counts) != height * width:
                raise ValueError(f"counts add up to {sum(counts)}, not to {height * width}")
            coded = codec.frPyObjects({"size": [height, width], "counts": list(counts)}, height, width)
        return np.asarray(codec.decode(coded), dtype=np.bool_)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        msg = f'not a COCO RLE ({error}); expected {{"size": [height, width], "counts": str or list}}.'
        raise MaskError(msg) from error


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
    pixels = _mask(mask)
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
        MaskError: a ring is not (N, 2) finite numbers.
    """
    # Where a row's crossings turn the filling on and off; what lies beyond the right edge turns nothing.
    turns = np.zeros((height, width + 1), dtype=np.bool_)
    for ring in rings:
        try:
            points = np.asarray(ring, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise MaskError(f"a polygon cannot be read as numbers ({error}); expected (x, y) pairs") from error
        if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
            raise MaskError(f"a polygon has shape {points.shape}, expected (N, 2): finite (x, y) pairs")
        x0, y0 = points.T
        x1, y1 = np.roll(points, -1, axis=0).T
        # The rows whose centres, at +0.5, each edge crosses: from `first`, `count` of them.
        first = np.ceil(np.clip(np.minimum(y0, y1), 0, height) - 0.5).astype(np.intp)
        last = np.ceil(np.clip(np.maximum(y0, y1), 0, height) - 0.5).astype(np.intp)
        count = last - first
        edge = np.repeat(np.arange(len(points)), count)
        row = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + first[edge]
        x = x0[edge] + (row + 0.5 - y0[edge]) * (x1[edge] - x0[edge]) / (y1[edge] - y0[edge])
        column = np.ceil(np.clip(x, 0, width) - 0.5).astype(np.intp)
        np.logical_xor.at(turns, (row, column), 1)
    return np.asarray(np.logical_xor.accumulate(turns, axis=1)[:, :-1])


# ------------------------------------------------------------------------------------------------ measures


def area(mask: ArrayLike) -> int:
    """How many pixels a (H, W) mask has."""
    return int(np.count_nonzero(_mask(mask)))


def box_from_mask(mask: ArrayLike) -> Box | None:
    """The tightest box around a (H, W) mask, x1 and y1 exclusive; None where the mask is empty."""
    pixels = _mask(mask)
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
    """Greedy non-maximum suppression: keep the best box, drop what overlaps it, go on with the rest.

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


# ------------------------------------------------------------------------------------------------ shared parts


def _mask(mask: ArrayLike) -> Mask:
    array = np.asarray(mask)
    if array.ndim != 2 or not (array.dtype == np.bool_ or np.issubdtype(array.dtype, np.integer)):
        msg = f"expected a mask of shape (H, W) and type bool, got shape {array.shape} and type {array.dtype}."
        raise MaskError(msg + " Cut logits first: logits > 0." if array.dtype.kind == "f" else msg)
    return array.astype(np.bool_, copy=False)


def import_extra(module: str, extra: str) -> ModuleType:
    """Import what an optional feature needs.

    Raises:
        MissingExtraError: it is not installed; says which extra brings it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        msg = f'this needs {module.partition(".")[0]}, which is not installed: pip install "sam-widget[{extra}]".'
        raise MissingExtraError(msg) from error
