"""The values of an image: their display range, and missing data."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sam_widget.errors import ImageError

RGB = NDArray[np.uint8]
Values = NDArray[Any]

# Pillow's own threshold for decompression bomb warnings: a file of a few kB may decode to this many pixels.
MAX_PIXELS = 89_478_485
# Number of rows converted at a time; converting all at once would take several times the image's memory.
STRIP = 256
# "No data" values written by GIS, climate and DEM software.
_NO_DATA = (-9999.0, -99999.0, -32767.0, -32768.0, -2147483648.0)
# Fill values of floating-point formats (3.4e38, 9.97e36, 1e20) lie beyond any measurement.
_EXTREME = 1e20
# Outside these bounds, the difference of two floats overflows, or a division by it does.
_HUGE, _MINUTE = 1e307, 1e-300


@dataclass(frozen=True, eq=False)
class Pixels:
    """The raw values of an image.

    Attributes:
        values: (H, W, C) of bool, integers or finite floats.
        opacity: Whether the last of four channels is opacity; otherwise it is a band like the others.
    """

    values: Values
    opacity: bool


def window(values: Values) -> tuple[float, float]:
    """Return the values that `to_rgb` maps to 0 and 255."""
    if values.dtype == np.uint8:
        return 0.0, 255.0
    if values.dtype.kind == "b":
        return 0.0, 1.0
    return _window(values.dtype, values.min().item(), values.max().item())


def _window(dtype: np.dtype[Any], low: float, high: float) -> tuple[float, float]:
    if dtype.kind == "f" and low >= 0 and high <= 1:
        return 0.0, 1.0
    if low >= 0 and high <= 255:
        return 0.0, 255.0
    if dtype.kind != "f" and low >= 0 and 32767 < high <= 65535:
        return 0.0, 65535.0
    low, high = float(low), float(high)
    if abs(high) > _HUGE or abs(low) > _HUGE:
        return low, high if high > low else low / 2
    # A constant image is black. At large magnitudes the next float is more than 1 away.
    return low, low + ((high - low) or max(1.0, abs(low) / 2**50))


def unit(values: Values, low: float, high: float) -> NDArray[np.float64]:
    """Return (values - low) / (high - low) in float64, without overflow of the difference.

    float64 represents every 32-bit integer, and the range of float16 and float32 without overflow.
    """
    numbers = values.astype(np.float64)
    power = _power(low, high)
    if power:
        numbers, low, high = np.ldexp(numbers, power), math.ldexp(low, power), math.ldexp(high, power)
    found: NDArray[np.float64] = (numbers - low) / (high - low)
    return found


def _power(low: float, high: float) -> int:
    """Return the power of two that scales very large and very small ranges to safe magnitudes."""
    if max(abs(low), abs(high)) > _HUGE:
        return -8
    return 500 if abs(high - low) < _MINUTE else 0


def percentiles(values: Values, shares: tuple[float, float]) -> tuple[float, float]:
    """Return two percentiles of values."""
    numbers = values.astype(np.float64)
    power = -8 if max(abs(float(numbers.min())), abs(float(numbers.max()))) > _HUGE else 0
    low, high = np.percentile(np.ldexp(numbers, power) if power else numbers, shares)
    return math.ldexp(float(low), -power), math.ldexp(float(high), -power)


def to_uint8(values: Values) -> RGB:
    """Map the window of the values to 0..255."""
    if values.dtype == np.uint8:
        return values
    low, high = window(values)
    result = np.empty(values.shape, np.uint8)
    for top in range(0, len(values), STRIP):
        strip = values[top : top + STRIP]
        if _power(low, high):
            result[top : top + STRIP] = np.rint(unit(strip, low, high) * 255)
        else:
            # The rounding must not change: the hash of an image is computed from these values.
            result[top : top + STRIP] = np.rint((strip.astype(np.float64) - low) * (255.0 / (high - low)))
    return result


# ------------------------------------------------------------------------------------------------ no data


def is_value(values: Values, nodata: float | None) -> NDArray[np.bool_]:
    """Return which values are valid data: finite, and not the "no data" value.

    Args:
        values: Values of any shape.
        nodata: The value that means "no data"; None if there is none.
    """
    valid: NDArray[np.bool_] = np.isfinite(values) if values.dtype.kind == "f" else np.ones(values.shape, np.bool_)
    if nodata is None or np.isnan(nodata):
        return valid
    with np.errstate(over="ignore"):
        own = np.asarray(nodata).astype(values.dtype) if values.dtype.kind == "f" else nodata
    data: NDArray[np.bool_] = valid & (values != own)
    return data


def fill(values: Values, valid: NDArray[np.bool_], name: str) -> Values:
    """Set values without data to the one shown as black, so that the others use the full range.

    Args:
        values: Values of any shape.
        valid: Which values are data, of the same shape.
        name: Name of the image in messages.

    Raises:
        ImageError: None of the values is data.
    """
    if valid.all():
        return values
    known = values[valid]
    if not known.size:
        raise ImageError(f"{name} holds no data: every value is masked, NaN or marked as missing. Give another part")
    result = values.copy()
    result[~valid] = window(known)[0]
    return result


def guess_nodata(values: Values, name: str) -> Values:
    """Fill apparent "no data" values in an image that does not declare any, and warn.

    A value counts as "no data" if software commonly uses it as such (-9999, -3.4e38, ...) and it is farther from the
    other values than these are from one another: in a common range, the others would be a single shade.
    """
    if values.dtype.kind not in "if" or values.dtype.itemsize == 1:
        return values
    for end in (values.min().item(), values.max().item()):
        if end not in _NO_DATA and not (values.dtype.kind == "f" and abs(end) >= _EXTREME):
            continue
        valid = values != end
        known = values[valid]
        if not known.size:
            return values
        low, high = float(known.min()), float(known.max())
        if min(abs(end - low), abs(end - high)) <= high - low:
            continue
        count = values.size - known.size
        warnings.warn(
            f"{name}: {end:g} is taken to mean 'no data' in {count} of {values.size} values, which are shown black. To "
            "say otherwise, give a numpy.ma.MaskedArray, or an array without this value",
            stacklevel=2,
        )
        return fill(values, valid, name)
    return values
