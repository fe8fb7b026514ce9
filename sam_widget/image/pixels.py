"""The values of an image, the range in which they are shown, and which of them are missing data."""

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

# Where Pillow starts to warn of decompression bombs: a file of a few kB may unpack to this many pixels.
MAX_PIXELS = 89_478_485
# Rows converted at a time: all at once would take several times the memory of the image.
STRIP = 256
# What GIS, climate and DEM software writes where nothing was measured.
_NO_DATA = (-9999.0, -99999.0, -32767.0, -32768.0, -2147483648.0)
# The fill values of floating-point formats (3.4e38, 9.97e36, 1e20) lie beyond anything that is measured.
_EXTREME = 1e20
# Beyond these, the difference of two floats overflows, or what is divided by it does.
_HUGE, _MINUTE = 1e307, 1e-300


@dataclass(frozen=True, eq=False)
class Pixels:
    """An image as it was read.

    Attributes:
        values: (H, W, C) of bool, integers or finite floats.
        opacity: Whether the last of four channels is opacity; otherwise it is a band like the others.
    """

    values: Values
    opacity: bool


def window(values: Values) -> tuple[float, float]:
    """Return the values that `to_rgb` turns into 0 and 255, in colours such as these."""
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
    # One value alone is black; the next one is farther than 1 where floats are coarse.
    return low, low + ((high - low) or max(1.0, abs(low) / 2**50))


def unit(values: Values, low: float, high: float) -> NDArray[np.float64]:
    """Return (values - low) / (high - low) in float64, also where the difference is beyond what floats hold.

    float64 holds every 32-bit integer, and the range of float16 and float32 without overflow.
    """
    numbers = values.astype(np.float64)
    power = _power(low, high)
    if power:
        numbers, low, high = np.ldexp(numbers, power), math.ldexp(low, power), math.ldexp(high, power)
    found: NDArray[np.float64] = (numbers - low) / (high - low)
    return found


def _power(low: float, high: float) -> int:
    """Return the power of two that brings very large and very small ranges to where floats are fine."""
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
    """Bring the window of some values to 0..255."""
    if values.dtype == np.uint8:
        return values
    low, high = window(values)
    result = np.empty(values.shape, np.uint8)
    for top in range(0, len(values), STRIP):
        strip = values[top : top + STRIP]
        if _power(low, high):
            result[top : top + STRIP] = np.rint(unit(strip, low, high) * 255)
        else:
            # Rounded as ever: the hash of an image is that of these values.
            result[top : top + STRIP] = np.rint((strip.astype(np.float64) - low) * (255.0 / (high - low)))
    return result


# ------------------------------------------------------------------------------------------------ no data


def is_value(values: Values, nodata: float | None) -> NDArray[np.bool_]:
    """Return where there is data: where values are finite, and not the one that means "no data".

    Args:
        values: Of any shape.
        nodata: The value that means "no data"; None where no value does.
    """
    valid: NDArray[np.bool_] = np.isfinite(values) if values.dtype.kind == "f" else np.ones(values.shape, np.bool_)
    if nodata is None or np.isnan(nodata):
        return valid
    with np.errstate(over="ignore"):
        own = np.asarray(nodata).astype(values.dtype) if values.dtype.kind == "f" else nodata
    data: NDArray[np.bool_] = valid & (values != own)
    return data


def fill(values: Values, valid: NDArray[np.bool_], name: str) -> Values:
    """Give pixels without data the value that is shown as black, so that the others keep the whole range.

    Args:
        values: Of any shape.
        valid: Where there is data, of the same shape.
        name: What messages call the image.

    Raises:
        ImageError: There is no data at all.
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
    """Fill what looks like "no data" in numbers that come without a word on it, and warn.

    A value counts as such if software writes it for that (-9999, -3.4e38, ...) and it is farther from the others than
    these are from one another: shown in one range, the others would be a single shade.
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
