"""Images that are not in memory: xarray, dask and zarr arrays, read block by block, each block once.

Only the requested region is read: `scan[2000:6000, 0:4000]` reads only the blocks that it overlaps.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Common names of image axes.
ROWS = ("y", "row", "rows", "height", "lat", "latitude")
COLUMNS = ("x", "column", "columns", "col", "width", "lon", "longitude")

# Number of rows read at a time from an array that is not chunked.
STRIP = 256


def is_lazy(source: object) -> bool:
    """Whether `source` is a lazily read array: xarray, dask or zarr."""
    known = all(hasattr(source, name) for name in ("shape", "dtype", "ndim", "__getitem__"))
    return known and not isinstance(source, np.ndarray) and (hasattr(source, "chunks") or hasattr(source, "dims"))


def in_order(source: Any) -> Any:
    """Transpose an xarray to the order rows, columns, rest, if its axes have known names; reads no values."""
    names = [str(name).lower() for name in getattr(source, "dims", ())]
    rows = [source.dims[index] for index, name in enumerate(names) if name in ROWS]
    columns = [source.dims[index] for index, name in enumerate(names) if name in COLUMNS]
    if len(rows) == len(columns) == 1 and len(names) in (2, 3):
        return source.transpose(rows[0], columns[0], ...)
    return source


def declared_nodata(source: Any) -> float | None:
    """Return the "no data" value declared in an xarray's attributes, as netCDF, rioxarray and rasterio write them."""
    attributes = getattr(source, "attrs", {})
    for key in ("_FillValue", "missing_value", "nodata", "nodatavals"):
        value: Any = attributes.get(key)
        try:
            return float(value[0] if isinstance(value, tuple | list) else value)
        except (TypeError, ValueError, IndexError):
            continue
    return None


def stand_in(source: Any) -> NDArray[Any]:
    """Return an array of the same shape and type that takes no memory, to check whether it can be an image."""
    return np.broadcast_to(np.zeros((), source.dtype), source.shape)


def read_blocks(source: Any) -> NDArray[Any]:
    """Read a lazy array, block by block.

    Args:
        source: An array for which `is_lazy` is true.

    Returns:
        A new array of the same shape and type. Beyond it, only the blocks being read take memory.
    """
    result = np.empty(source.shape, source.dtype)
    data = getattr(source, "data", source) if hasattr(source, "dims") else source
    if hasattr(data, "dask"):
        # Reads several blocks at a time, and writes each to its place as soon as it arrives.
        data.store(result, lock=False)
        return result
    chunks = getattr(source, "chunks", None)
    step = chunks[0] if chunks and isinstance(chunks[0], int) else STRIP
    for start in range(0, source.shape[0], step):
        result[start : start + step] = np.asarray(source[start : start + step])
    return result
