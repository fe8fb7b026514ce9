"""Row runs, the encoding in which masks are stored and sent.

A mask is an (H, W) bool array; its row runs are (start, length) pairs, about a hundredth of its size.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sam_widget.errors import MaskError
from sam_widget.masks.wire_codec import pack_runs, unpack_runs

Mask = NDArray[np.bool_]
# (R, 2) of start and length, row by row; see `runs_from_mask`.
Runs = NDArray[np.uint32]

# More runs than this are noise rather than masks, and would take over 200 MB.
_MAX_RUNS = 2**23
# Number of pixels processed at a time.
_BAND = 2**22


def checked_mask(mask: ArrayLike) -> Mask:
    """Validate a mask and return it as an (H, W) bool array.

    Raises:
        MaskError: The array is not a mask.
    """
    array = np.asarray(mask)
    if array.ndim != 2 or not (array.dtype == np.bool_ or np.issubdtype(array.dtype, np.integer)):
        msg = f"expected a mask of shape (H, W) and type bool, got shape {array.shape} and type {array.dtype}."
        raise MaskError(msg + " Cut logits first: logits > 0." if array.dtype.kind == "f" else msg)
    return array.astype(np.bool_, copy=False)


def runs_from_mask(mask: ArrayLike) -> Runs:
    """Encode a mask as row runs.

    Args:
        mask: (H, W) bool.

    Returns:
        (R, 2) of start and length, in row-major order. Starts are flat pixel indices, and no run crosses the end of a
        row.
    """
    pixels = checked_mask(mask)
    width = pixels.shape[1]
    edges = _edges(np.ascontiguousarray(pixels).reshape(-1))
    starts, ends = edges[0::2], edges[1::2]
    if len(starts):
        starts, ends = _split_at_rows(starts, ends, width)
    return np.stack((starts, ends - starts), axis=1).astype(np.uint32)


def _edges(flat: Mask) -> NDArray[np.intp]:
    """Return where pixels differ from the previous one: alternating starts and ends. Outside counts as not set."""
    size = flat.size
    changes = np.zeros(size + 8 - size % 8, np.bool_)
    if size:
        changes[0], changes[size] = flat[0], flat[-1]
        np.not_equal(flat[1:], flat[:-1], out=changes[1:size])
    return _set_among(changes)


def set_bits(bits: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the flat indices of true elements of an array of any shape; fast for sparse arrays."""
    padded = np.zeros(bits.size + -bits.size % 8, np.bool_)
    padded[: bits.size] = bits.reshape(-1)
    return _set_among(padded)


def _set_among(bits: NDArray[np.bool_]) -> NDArray[np.intp]:
    # Tests eight elements at a time, which skips empty ones eight times faster.
    eights = bits.view(np.uint64).astype(np.bool_).nonzero()[0]
    places = bits.reshape(-1, 8).take(eights, axis=0).reshape(-1).nonzero()[0]
    return eights.take(places >> 3) * 8 + (places & 7)


def _split_at_rows(starts: NDArray[np.int64], ends: NDArray[np.int64], width: int) -> tuple[NDArray[np.int64], ...]:
    first_row = starts // width
    rows = (ends - 1) // width - first_row + 1
    if (rows == 1).all():
        return starts, ends
    # One piece per row that a run touches: `piece` counts 0, 1, 2, ... within each run.
    piece = np.arange(rows.sum()) - np.repeat(np.cumsum(rows) - rows, rows)
    row_start = (np.repeat(first_row, rows) + piece) * width
    return np.maximum(np.repeat(starts, rows), row_start), np.minimum(np.repeat(ends, rows), row_start + width)


def split_at_rows(starts: NDArray[np.int64], ends: NDArray[np.int64], width: int) -> Runs:
    """Return the row runs of spans of pixels, split at the ends of rows.

    Args:
        starts: (S,), ascending; spans are not empty and do not overlap.
        ends: (S,), exclusive.
        width: Width of the mask, in pixels.
    """
    if len(starts):
        starts, ends = _split_at_rows(starts, ends, width)
    return np.stack((starts, ends - starts), axis=1).astype(np.uint32)


def united_runs(parts: Sequence[Runs], width: int) -> Runs:
    """Return the row runs of the union of several masks, which may overlap."""
    if len(parts) == 1:
        return parts[0]
    runs = np.concatenate(parts).astype(np.int64)
    starts, lengths = runs[runs[:, 0].argsort(kind="stable")].T
    reached = np.maximum.accumulate(starts + lengths)
    # A run starts where no earlier one reaches, or at the start of a row.
    begins = np.flatnonzero((starts > np.concatenate(([-1], reached[:-1]))) | (starts % width == 0))
    begins = begins[np.diff(starts[begins], prepend=-1) > 0]
    stops = np.concatenate((begins[1:] - 1, [len(starts) - 1])) if len(begins) else begins
    return np.stack((starts[begins], reached[stops] - starts[begins]), axis=1).astype(np.uint32)


def differing_runs(a: Runs, b: Runs, width: int) -> Runs:
    """Return the row runs of the pixels that are in one of two masks, but not in both."""
    edges = np.concatenate((a[:, 0], b[:, 0], a.sum(axis=1), b.sum(axis=1))).astype(np.int64)
    # Where both begin or end, nothing changes.
    places, counts = np.unique(edges, return_counts=True)
    turns = places[counts % 2 == 1]
    return split_at_rows(turns[0::2], turns[1::2], width)


def pixels_of(runs: Runs) -> NDArray[np.int64]:
    """Return the flat indices of the pixels in runs, (area,)."""
    starts, lengths = runs.astype(np.int64).T
    places: NDArray[np.int64] = np.arange(lengths.sum()) + np.repeat(starts - np.cumsum(lengths) + lengths, lengths)
    return places


def in_bands(numbers: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Split an array (H, W) into bands of whole rows, 4 million pixels each."""
    rows = max(1, _BAND // max(1, numbers.shape[1]))
    for top in range(0, len(numbers), rows):
        yield numbers[top : top + rows]


def runs_by_number(bands: Iterable[NDArray[Any]], width: int) -> dict[int, Runs]:
    """Return the row runs of every number but 0 in a label map, in a single pass.

    Args:
        bands: The map from top to bottom, as (h, W) integer arrays; see `in_bands`.
        width: W, in pixels.

    Raises:
        MaskError: The map has more than 8 million runs, so it is noise.
    """
    found: list[tuple[NDArray[Any], ...]] = []
    total = offset = 0
    for band in bands:
        changes = np.ones(band.shape, np.bool_)
        np.not_equal(band[:, 1:], band[:, :-1], out=changes[:, 1:])
        starts = np.flatnonzero(changes)
        values, lengths = band.reshape(-1)[starts], np.diff(starts, append=band.size)
        some = values != 0
        found.append(((starts[some] + offset).astype(np.uint32), lengths[some].astype(np.uint32), values[some]))
        total, offset = total + len(found[-1][0]), offset + len(band) * width
        if total > _MAX_RUNS:
            raise MaskError(f"a label map falls into more than {_MAX_RUNS:,} pieces; expected objects, not noise")
    if not total:
        return {}
    starts, lengths, values = (np.concatenate(parts) for parts in zip(*found, strict=True))
    # NumPy sorts 16 bits, which hold most numbers of objects, ten times faster.
    small = values.min() >= 0 and values.max() < 2**16
    order = (values.astype(np.uint16) if small else values).argsort(kind="stable")
    runs, values = np.stack((starts[order], lengths[order]), axis=1), values[order]
    firsts = np.flatnonzero(np.concatenate(([True], values[1:] != values[:-1])))
    pieces = np.split(runs, firsts[1:])
    return {int(value): piece for value, piece in zip(values[firsts], pieces, strict=True)}


def mask_from_runs(runs: ArrayLike, height: int, width: int) -> Mask:
    """Decode row runs.

    Args:
        runs: (R, 2) of start and length; see `runs_from_mask`.
        height: Height of the mask, in pixels.
        width: Width of the mask, in pixels.

    Returns:
        (H, W) bool.

    Raises:
        MaskError: The runs overlap, are out of order, or extend beyond the mask.
    """
    lengths = _lengths(np.asarray(runs, dtype=np.int64).reshape(-1, 2), height, width)
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(height, width)


def _lengths(pairs: NDArray[np.int64], height: int, width: int) -> NDArray[np.int64]:
    """Return the numbers of pixels that are off, on, off, on, ..., off."""
    edges = np.stack((pairs[:, 0], pairs.sum(axis=1)), axis=1).reshape(-1)
    # If none is negative, the runs are in order, do not overlap, and lie inside.
    lengths = np.diff(edges, prepend=0, append=height * width)
    if (lengths < 0).any():
        msg = (
            f"row runs do not fit a mask of {height} x {width} pixels: expected (start, length) pairs in order, "
            f"without overlap, ending at or before {height * width}."
        )
        raise MaskError(msg)
    return lengths


def _canonical(runs: Runs, width: int) -> Runs:
    """Return runs as `runs_from_mask` would: none empty, none across the end of a row, none touching another."""
    starts, lengths = runs.astype(np.int64).T
    ends = starts + lengths
    rows = starts // width
    whole = (lengths > 0) & ((ends - 1) // width == rows)
    if whole.all() and ((starts[1:] > ends[:-1]) | (rows[1:] > rows[:-1])).all():
        return runs
    some = lengths > 0
    return united_runs([runs[:0], split_at_rows(starts[some], ends[some], width)], width)


class StoredMask:
    """A mask stored as row runs, about a hundredth of its size, so that a long history of masks stays small.

    Attributes:
        shape: Height and width, in pixels.
    """

    # The mask, for as long as it is referenced elsewhere.
    _decoded: Callable[[], Mask | None] = staticmethod(lambda: None)
    # One of these is known.
    _runs: Runs | None = None
    _packed: bytes | None = None
    _make: Callable[[], Runs] | None = None

    def __init__(self, mask: Mask) -> None:
        """Store a mask, (H, W) bool, which becomes read-only: `array` returns it as long as it is referenced."""
        self.shape: tuple[int, int] = (mask.shape[0], mask.shape[1])
        self._runs = runs_from_mask(mask)
        mask.flags.writeable = False
        self._decoded = weakref.ref(mask)

    @classmethod
    def from_runs(cls, runs: ArrayLike, height: int, width: int) -> StoredMask:
        """Store a mask given by its row runs; it is decoded on first access.

        Raises:
            MaskError: The runs overlap, are out of order, or extend beyond the mask.
        """
        stored = cls.of_runs(np.array(runs, dtype=np.uint32).reshape(-1, 2), (height, width))
        _lengths(stored.runs.astype(np.int64), height, width)
        return stored

    @classmethod
    def of_runs(cls, runs: NDArray[np.uint32], shape: tuple[int, int]) -> StoredMask:
        """Store row runs without validating or copying them."""
        return cls._of(shape, _runs=runs)

    @classmethod
    def from_packed(cls, packed: bytes, height: int, width: int) -> StoredMask:
        """Store a mask as `packed` gave it; the bytes are looked at when `runs` is first asked for."""
        return cls._of((height, width), _packed=packed)

    @classmethod
    def deferred(cls, make: Callable[[], Runs], shape: tuple[int, int]) -> StoredMask:
        """Store a mask whose runs are made when `runs` is first asked for."""
        return cls._of(shape, _make=make)

    @classmethod
    def _of(cls, shape: tuple[int, int], **known: object) -> StoredMask:
        stored = cls.__new__(cls)
        stored.shape = shape
        vars(stored).update(known)
        return stored

    def __reduce__(self) -> tuple[Callable[..., StoredMask], tuple[Runs, tuple[int, int]]]:
        """Pickle the runs alone, since a weak reference cannot be pickled."""
        return StoredMask.of_runs, (self.runs, self.shape)

    def __repr__(self) -> str:
        """One line, without decoding the mask."""
        height, width = self.shape
        return f"StoredMask({width} x {height})"

    @property
    def runs(self) -> Runs:
        """(R, 2) of start and length, as `runs_from_mask` returns them.

        Raises:
            RunsError: The mask came from `from_packed`, and the bytes were not such a mask.
        """
        runs = self._runs
        if runs is None:
            runs = self._runs = self._make() if self._make else unpack_runs(self._packed or b"", *self.shape)
        return runs

    @property
    def packed(self) -> bytes:
        """The mask in few bytes; see `wire_codec`."""
        packed = self._packed
        if packed is None:
            packed = self._packed = pack_runs(_canonical(self.runs, self.shape[1]), self.shape[1])
        return packed

    def shrink(self) -> None:
        """Keep no more than the packed mask, a sixth of its runs, until `runs` is next asked for."""
        if self._runs is not None and (self._make or self.packed is not None):
            self._runs = None

    @property
    def array(self) -> Mask:
        """The mask, (H, W) bool, read-only; decoded unless an earlier result is still referenced."""
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
        """x, y, width, height of the tight box, in pixels; zeros if the mask is empty."""
        if not len(self.runs):
            return 0, 0, 0, 0
        rows, columns = np.divmod(self.runs[:, 0].astype(np.int64), self.shape[1])
        left, right = int(columns.min()), int((columns + self.runs[:, 1]).max())
        return left, int(rows[0]), right - left, int(rows[-1] - rows[0]) + 1
