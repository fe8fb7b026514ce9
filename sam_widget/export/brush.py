"""Label Studio's brush masks: run lengths of the bytes of RGBA pixels, in the format of thi.ng/umbrella's rle-pack.

This replaces label_studio_converter, which reads bit by bit in Python and unpacks four bytes per pixel, gigabytes for a
photo.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sam_widget.errors import FormatError
from sam_widget.masks.runs import Mask, Runs, mask_from_runs, split_at_rows, united_runs

# Possible bit widths of the length of a run or of a sequence of single words; two bits select the width.
_COUNT_BITS = (3, 4, 8, 16)


def pack_mask(mask: Mask) -> NDArray[np.uint8]:
    """Pack a mask like Label Studio's brush: each pixel is four bytes of RGBA, all 255 inside and all 0 outside.

    Returns:
        (B,) bytes: 32 bits for the number of words, 5 for their width minus one, four times 4 for the widths of counts
        minus one, then runs: a 1, two bits that select the width of the count, the count minus one, the word.
    """
    flat = np.ascontiguousarray(mask).reshape(-1)
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts = np.concatenate(([0], edges))
    lengths = np.diff(starts, append=flat.size) * 4
    header = format(flat.size * 4, "032b") + format(7, "05b") + "".join(format(bits - 1, "04b") for bits in _COUNT_BITS)
    pieces = [header]
    longest = 1 << _COUNT_BITS[-1]
    for value, length in zip(flat[starts].tolist(), lengths.tolist(), strict=True):
        word = "11111111" if value else "00000000"
        left = length
        while left:
            count = min(left, longest)
            which = next(index for index, bits in enumerate(_COUNT_BITS) if count <= 1 << bits)
            pieces.append(f"1{which:02b}{count - 1:0{_COUNT_BITS[which]}b}{word}")
            left -= count
    bits = np.frombuffer("".join(pieces).encode("ascii"), np.uint8) - ord("0")
    return np.packbits(bits)


def unpack_mask(packed: Any, height: int, width: int) -> Mask:
    """Unpack a brush mask, (H, W) bool; see `unpack_runs`."""
    return mask_from_runs(unpack_runs(packed, height, width), height, width)


def unpack_runs(packed: Any, height: int, width: int) -> Runs:
    """Unpack a brush mask into row runs: the pixels whose opacity is not 0.

    Raises:
        FormatError: The bytes are truncated, or encode a mask of another size.
    """
    expected = "expected value.rle of Label Studio's JSON"
    try:
        data = np.asarray(packed)
    except ValueError as error:
        raise FormatError(f"a brush mask is not a list of bytes; {expected}") from error
    if data.ndim != 1 or data.dtype.kind not in "iu" or (data.size and (data.min() < 0 or data.max() > 255)):
        raise FormatError(f"a brush mask is not a list of bytes; {expected}")
    bits = np.unpackbits(data.astype(np.uint8)).tobytes().translate(_DIGITS)
    # Spans of opaque pixels; a pixel's opacity is the last of its four words.
    starts: list[int] = []
    ends: list[int] = []
    position = 0
    for count, words in _unpacked(bits, height * width * 4):
        if position + count > height * width * 4:
            raise FormatError(f"a brush mask is larger than its image of {width} x {height} pixels")
        if isinstance(words, int):
            found = [(position // 4, (position + count) // 4)] if words else []
        else:
            at = np.flatnonzero(words) + position
            found = [(place // 4, place // 4 + 1) for place in at[at % 4 == 3].tolist()]
        for start, end in found:
            if start < end:
                starts.append(start)
                ends.append(end)
        position += count
    runs = split_at_rows(np.array(starts, np.int64), np.array(ends, np.int64), width)
    return united_runs([runs, runs[:0]], width)


# Bytes 0 and 1 to the digits that `int(..., 2)` reads.
_DIGITS = bytes.maketrans(b"\x00\x01", b"01")


def _unpacked(bits: bytes, expected: int) -> Iterator[tuple[int, int | NDArray[np.uint8]]]:
    """Yield sequences of words: their number, and either the repeated word or all of them."""
    position = 0

    def read(count: int) -> int:
        nonlocal position
        if position + count > len(bits):
            raise FormatError("a brush mask is cut short; export it again")
        position += count
        return int(bits[position - count : position], 2)

    total = read(32)
    if total != expected:
        raise FormatError(f"a brush mask has {total} values, but its image {expected}: height x width x 4")
    word = read(5) + 1
    if word != 8:
        raise FormatError(f"a brush mask has words of {word} bits, expected 8")
    sizes = [read(4) + 1 for _ in range(4)]
    done = 0
    while done < total:
        run = read(1)
        count = 1 + read(sizes[read(2)])
        taken = min(count, total - done)
        if run:
            yield taken, read(8)
        else:
            if position + 8 * taken > len(bits):
                raise FormatError("a brush mask is cut short; export it again")
            digits = np.frombuffer(bits, np.uint8, 8 * taken, position) - ord("0")
            yield taken, np.packbits(digits)
            position += 8 * taken
        done += count
