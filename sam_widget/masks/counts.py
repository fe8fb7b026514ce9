"""Convert COCO's run lengths to row runs: from columns to rows without an array of pixels.

This replaces pycocotools, which decodes into pixels, a gigabyte for a few bytes of text, and accepts counts that do not
add up to the size of the mask, the rest of which is then uninitialised memory.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sam_widget.errors import MaskError
from sam_widget.masks.runs import Runs
from sam_widget.masks.scanlines import MAX_CROSSINGS, runs_from_turns


def counts_from_text(text: str | bytes) -> NDArray[np.int64]:
    """Decode COCO's compressed counts (`rleFrString` of pycocotools' `maskApi.c`).

    Each character encodes six bits, offset by "0": five of the number, and one that marks its continuation. From the
    third count on, counts are differences from the count two before.

    Raises:
        MaskError: The text is truncated, or contains an invalid character.
    """
    try:
        coded = text.encode("ascii") if isinstance(text, str) else text
    except UnicodeEncodeError as error:
        raise MaskError("not a COCO RLE: its counts have a character that does not belong") from error
    letters = np.frombuffer(coded, np.uint8).astype(np.int64) - 48
    if not len(letters):
        return letters
    if letters.min() < 0 or letters.max() > 63:
        raise MaskError("not a COCO RLE: its counts have a character that does not belong")
    ends = letters & 32 == 0
    if not ends[-1]:
        raise MaskError("not a COCO RLE: its counts are cut short")
    stops = np.flatnonzero(ends)
    lengths = np.diff(stops, prepend=-1)
    if lengths.max() > 7:
        raise MaskError("not a COCO RLE: a count has more than 35 bits")
    shift = 5 * (np.arange(len(letters)) - np.repeat(stops - lengths + 1, lengths))
    numbers = np.add.reduceat((letters & 31) << shift, stops - lengths + 1)
    # The highest bit is the sign.
    numbers -= np.where(letters[stops] & 16, np.int64(1) << (5 * lengths), 0)
    numbers[1::2], numbers[2::2] = np.cumsum(numbers[1::2]), np.cumsum(numbers[2::2])
    return numbers


def text_from_counts(counts: NDArray[np.int64]) -> str:
    """Encode counts, the inverse of `counts_from_text` (`rleToString` of pycocotools' `maskApi.c`)."""
    numbers = counts.copy()
    numbers[3:] -= counts[1:-2]
    shifted = numbers[:, None] >> (5 * np.arange(7))
    # A number ends with the character whose highest bit is the sign of all that would follow.
    rest = shifted >> 5
    more = np.where(shifted & 16, rest != -1, rest != 0)
    used = np.logical_and.accumulate(np.pad(more[:, :-1], ((0, 0), (1, 0)), constant_values=True), axis=1)
    letters = (shifted & 31 | np.where(more, 32, 0)) + 48
    return letters[used].astype(np.uint8).tobytes().decode("ascii")


def runs_from_counts(counts: NDArray[np.int64], height: int, width: int) -> Runs:
    """Turn counts, column by column of off, on, off, ... pixels, into row runs.

    Args:
        counts: (C,).
        height: Height of the mask, in pixels.
        width: Width of the mask, in pixels.

    Returns:
        (R, 2) of start and length, as `runs_from_mask` returns them.

    Raises:
        MaskError: The counts do not add up to height x width, or the mask is too ragged for row runs.
    """
    if (counts < 0).any() or (counts > height * width).any() or counts.sum() != height * width:
        raise MaskError(
            f"not a COCO RLE: its counts add up to {int(counts.sum())}, not to {height * width}, "
            f"the pixels of {height} x {width}; export it again"
        )
    ends = np.cumsum(counts)
    stop = ends[1::2]
    start = ends[::2][: len(stop)]
    return _transposed(start[start < stop], stop[start < stop], height, width, most=MAX_CROSSINGS)


def counts_from_runs(runs: Runs, height: int, width: int) -> NDArray[np.int64]:
    """Turn row runs into COCO's counts, the inverse of `runs_from_counts`.

    Args:
        runs: (R, 2) of start and length, as `runs_from_mask` returns them.
        height: Height of the mask, in pixels.
        width: Width of the mask, in pixels.

    Returns:
        (C,), which add up to height x width; the last is never zero, unless the mask has no pixels.
    """
    start, length = runs.astype(np.int64).T
    # Rows of the mask are columns of its transpose.
    start, length = _transposed(start, start + length, width, height).astype(np.int64).T
    stop = start + length
    # A run that fills a column to its end continues in the next.
    apart = start[1:] != stop[:-1]
    start, stop = start[np.append([True], apart)[: len(start)]], stop[np.append(apart, [True])[: len(stop)]]
    turns = np.stack((start, stop), axis=1).reshape(-1)
    counts = np.diff(turns, prepend=0, append=height * width)
    return counts[:-1] if len(counts) > 1 and not counts[-1] else counts


def _transposed(
    start: NDArray[np.int64], stop: NDArray[np.int64], height: int, width: int, *, most: int | None = None
) -> Runs:
    """Convert spans of pixels in column-major order to row runs.

    Args:
        start: (S,), column * height + row, ascending; spans are not empty and do not overlap.
        stop: (S,), exclusive.
        height: Height of the mask, in pixels.
        width: Width of the mask, in pixels.
        most: Maximum number of ends of row runs.

    Raises:
        MaskError: There are more.
    """
    # Positions where columns turn on and off, column * (height + 1) + row: long runs turn in each of their columns.
    first, last = start // height, (stop - 1) // height
    pieces = last - first + 1
    column = np.repeat(first, pieces) + np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    top = np.maximum(np.repeat(start, pieces), column * height) - column * height
    bottom = np.minimum(np.repeat(stop, pieces), (column + 1) * height) - column * height
    own = np.concatenate((column * (height + 1) + top, column * (height + 1) + bottom))
    # A pixel differs from its left neighbour where exactly one of the two columns is on.
    differs = np.concatenate((own, own + height + 1))
    differs.sort()
    places = np.flatnonzero(np.diff(differs, prepend=-1))
    differs = differs[places[np.diff(places, append=len(differs)) % 2 == 1]]
    column, row = np.divmod(differs[::2], height + 1)
    length = differs[1::2] - differs[::2]
    total = int(length.sum())
    if most is not None and total > most:
        raise MaskError(f"a mask has {total // 2:,} row runs, expected {most // 2:,} at most; split it")
    rows = np.repeat(row, length) + np.arange(total) - np.repeat(np.cumsum(length) - length, length)
    return runs_from_turns(rows * (width + 1) + np.repeat(column, length), width)
