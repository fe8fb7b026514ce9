"""A compact encoding of row runs, used to send masks to a view and to store the masks of a long history.

Boundaries continue from row to row, so the start and end of a run are encoded as differences from the run above it, and
most differences are 0, 1 or -1. The encoding consists, in this order, of: the first row with runs; the number of rows
from it to the last row with runs; for each of these rows the number of runs minus that of the row above; for each run
its start minus that of the run above; for each run its end minus that of the run above. The run above run i is run
i - n, where n is the number of runs in the row above run i's row; if n is 0, differences are from column 0.

Every number is mapped from 0, -1, 1, ... to 0, 1, 2, ... ("zigzag") and written as a little-endian uint32, split into
byte planes: first the lowest byte of all numbers, then the next, so that the two highest planes are usually zero.
The result is compressed as a raw deflate stream (RFC 1951). A mask without runs has zero bytes.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from sam_widget.errors import SamWidgetError

# The compressible patterns are frequent small numbers, and rows equal to the one above, which are runs of one byte.
# Searching for other repetitions takes time and, on predicted masks, makes the result a fifth larger.
_LEVEL, _MEMORY = 1, zlib.DEF_MEM_LEVEL
_RAW = -zlib.MAX_WBITS


class RunsError(SamWidgetError, ValueError):
    """The bytes are not packed runs of a mask of the given size."""


def pack_runs(runs: NDArray[np.uint32], width: int) -> bytes:
    """Pack the runs of a mask.

    Args:
        runs: (R, 2) of start and length; see `masks.runs_from_mask`.
        width: Width of the mask, in pixels.
    """
    if not len(runs):
        return b""
    starts, lengths = runs.T
    row = starts // np.uint32(width)
    edges = np.empty((2, len(row)), np.int32)
    edges[0] = starts - row * np.uint32(width)
    edges[1] = edges[0] + lengths
    first = int(row[0])
    row = (row - np.uint32(first)).astype(np.intp)
    counts = np.bincount(row + 1)  # a zero for the row before the first, then one count per row
    in_row_above = counts.take(row)
    above = np.arange(len(row)) - in_row_above
    differences = edges - edges.take(above, axis=1) * (in_row_above > 0)
    numbers = np.concatenate(((first, len(counts) - 1), counts[1:] - counts[:-1], *differences), dtype=np.int32)
    zigzag = (numbers << 1) ^ (numbers >> 31)
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW, _MEMORY, zlib.Z_RLE)
    return deflate.compress(_planes(zigzag)) + deflate.flush()


def _planes(numbers: NDArray[np.int32]) -> bytes:
    """Return the byte planes of numbers: all lowest bytes, then all second ones, and so on."""
    return numbers.astype("<i4", copy=False).view(np.uint8).reshape(-1, 4).T.tobytes()


def unpack_runs(data: bytes, height: int, width: int) -> NDArray[np.uint32]:
    """Return the runs that `pack_runs` packed.

    Args:
        data: The packed runs.
        height: Height of the mask, in pixels.
        width: Width of the mask, in pixels.

    Returns:
        (R, 2) of start and length, ascending; no run crosses the end of a row or touches the one before it.

    Raises:
        RunsError: The bytes are not packed runs of such a mask.
    """
    if not data:
        return np.empty((0, 2), np.uint32)
    try:
        inflate = zlib.decompressobj(_RAW)
        # A mask has at most one run per two pixels, with two numbers each, and one more number per row.
        most = 4 * (2 + height + height * (width + 1))
        planes = inflate.decompress(data, most + 1)
        if not inflate.eof or inflate.unused_data or len(planes) > most or len(planes) % 4:
            raise ValueError("it ends early or late")
        numbers = np.frombuffer(planes, np.uint8).reshape(4, -1).T.astype(np.uint8, order="C").view("<u4")[:, 0]
        zigzag = numbers.astype(np.int64)
        return _runs((zigzag >> 1) ^ -(zigzag & 1), height, width)
    except (ValueError, IndexError, zlib.error) as error:
        msg = f"{len(data)} bytes are not the packed runs of a mask of {height} x {width} pixels: {error}."
        raise RunsError(msg) from error


def _runs(numbers: NDArray[np.int64], height: int, width: int) -> NDArray[np.uint32]:
    first, rows = int(numbers[0]), int(numbers[1])
    if first < 0 or rows < 1 or first + rows > height:
        raise ValueError(f"rows {first} to {first + rows} do not fit")
    counts = numbers[2 : 2 + rows].cumsum()
    total = int(counts.sum())
    if len(counts) < rows or counts.min() < 0 or counts.max() > width or len(numbers) != 2 + rows + 2 * total:
        raise ValueError(f"{len(numbers)} numbers do not make {rows} rows of runs")
    edges = numbers[2 + rows :].reshape(2, total).copy()
    end, above = 0, 0
    for count in counts.tolist():
        # In a row with more runs than the one above, some depend on others in the same row.
        for first_of in range(end, end + count, above) if above else ():
            last = min(first_of + above, end + count)
            edges[:, first_of:last] += edges[:, first_of - above : last - above]
        end, above = end + count, count
    starts, ends = edges
    rows_of = np.repeat(np.arange(first, first + rows), counts)
    follows = rows_of[1:] == rows_of[:-1]
    if (starts < 0).any() or (ends > width).any() or (ends <= starts).any() or (starts[1:] <= ends[:-1])[follows].any():
        raise ValueError("its runs overlap or leave their row")
    return np.stack((starts + rows_of * width, ends - starts), axis=1).astype(np.uint32)
