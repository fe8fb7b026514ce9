"""Images that are not in memory: xarray, dask and zarr arrays, read block by block, each block once.

Only what is asked for is read: of `scan[2000:6000, 0:4000]`, no more than the blocks it lies in.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# What people call the axes of an image.
ROWS = ("y", "row", "rows", "height", "lat", "latitude")
COLUMNS = ("x", "column", "columns", "col", "width", "lon", "longitude")

# Rows at a time, of an array that knows of no blocks.
STRIP = 256


def is_lazy(source: object) -> bool:
    """Whether something is an array whose numbers are read when asked for: xarray's, dask's or zarr's."""
    known = all(hasattr(source, name) for name in ("shape", "dtype", "ndim", "__getitem__"))
    return known and not isinstance(source, np.ndarray) and (hasattr(source, "chunks") or hasattr(source, "dims"))


def in_order(source: Any) -> Any:
    """Bring the axes of an xarray into the order rows, columns, rest, where their names tell; read nothing."""
    names = [str(name).lower() for name in getattr(source, "dims", ())]
    rows = [source.dims[index] for index, name in enumerate(names) if name in ROWS]
    columns = [source.dims[index] for index, name in enumerate(names) if name in COLUMNS]
    if len(rows) == len(columns) == 1 and len(names) in (2, 3):
        return source.transpose(rows[0], columns[0], ...)
    return source


def declared_nodata(source: Any) -> float | None:
    """Return the value that an xarray's attributes declare to mean "no data": those of netCDF, rioxarray, rasterio."""
    attributes = getattr(source, "attrs", {})
    for key in ("_FillValue", "missing_value", "nodata", "nodatavals"):
        value: Any = attributes.get(key)
        try:
            return float(value[0] if isinstance(value, tuple | list) else value)
        except (TypeError, ValueError, IndexError):
            continue
    return None


def stand_in(source: Any) -> NDArray[Any]:
    """Return an array of the same shape and type that takes no memory, to see whether it can be an image at all."""
    return np.broadcast_to(np.zeros((), source.dtype), source.shape)


def read_blocks(source: Any) -> NDArray[Any]:
    """Read all of it, block by block.

    Args:
        source: Of which `is_lazy` holds.

    Returns:
        A new array, of the same shape and type. Apart from it, only the blocks that are being read take memory.
    """
    result = np.empty(source.shape, source.dtype)
    data = getattr(source, "data", source) if hasattr(source, "dims") else source
    if hasattr(data, "dask"):
        # Several blocks at a time, each written where it belongs as soon as it is there.
        data.store(result, lock=False)
        return result
    chunks = getattr(source, "chunks", None)
    step = chunks[0] if chunks and isinstance(chunks[0], int) else STRIP
    for start in range(0, source.shape[0], step):
        result[start : start + step] = np.asarray(source[start : start + step])
    return result
