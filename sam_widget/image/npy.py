"""Read NumPy files, checking headers against the actual size: a header of 100 bytes can claim terabytes."""

from __future__ import annotations

import io
import math
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from sam_widget.errors import ImageError

_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def read_header(stream: IO[bytes], size: int) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read the header of an array in C order, and check it against the actual size of the file.

    Args:
        stream: The file, at its start. It is left at the first byte of the array.
        size: Size of the file in bytes, including the header.

    Returns:
        The array's shape and type.

    Raises:
        ImageError: The file is not an array in C order, contains Python objects, or claims another size.
    """
    try:
        version = npy.read_magic(stream)
        if version not in _READERS:
            raise ImageError(f"it has version {version[0]}.{version[1]} of NumPy's format, expected 1.0 or 2.0")
        shape, columns_first, dtype = _READERS[version](stream)
    except ImageError:
        raise
    except Exception as error:  # NumPy raises many types for malformed headers
        raise ImageError(f"it has no header of NumPy's format ({error})") from error
    if dtype.hasobject or columns_first:
        raise ImageError("it holds Python objects, or its columns come first; expected numbers, row by row")
    if math.prod(shape) * dtype.itemsize + stream.tell() != size:
        raise ImageError(f"its header claims an array of {shape}, {dtype}, but it has {size} bytes in all")
    return shape, dtype


def array_from_npy(data: bytes) -> NDArray[Any]:
    """Return the array in the bytes of a `.npy` file, read-only and without a copy.

    Raises:
        ImageError: See `read_header`.
    """
    stream = io.BytesIO(data)
    shape, dtype = read_header(stream, len(data))
    return np.frombuffer(data, dtype, offset=stream.tell()).reshape(shape)
