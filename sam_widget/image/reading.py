"""Convert images of any kind to RGB uint8 (H, W, 3), and hash their content.

Reads paths, URLs, encoded bytes, files, Pillow images, arrays and tensors. torch is never imported: tensors are
recognised by their methods.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sam_widget.errors import ImageError
from sam_widget.image.addresses import is_url
from sam_widget.image.blocks import declared_nodata, in_order, is_lazy, read_blocks, stand_in
from sam_widget.image.pixels import MAX_PIXELS, RGB, Pixels, fill, guess_nodata, is_value, to_uint8
from sam_widget.image.sources import describe, download, is_pillow, is_tensor, read_file, read_stream

__all__ = [
    "MAX_PIXELS",
    "RGB",
    "image_hash",
    "read_pixels",
    "read_values",
    "rgb_from_pixels",
    "rgb_from_values",
    "to_rgb",
]

_EXPECTED = (
    "Expected a path, an http(s) or data URL, encoded bytes, an open binary file, a Pillow image, or an array or "
    "tensor of shape (H, W), (H, W, C) or (C, H, W) with 1, 3 or 4 channels."
)


def to_rgb(source: Any, *, max_pixels: int = MAX_PIXELS) -> RGB:
    """Convert an image of any kind to RGB.

    Files and Pillow images are turned upright by their EXIF orientation, and transparency is composited onto white.
    Of animations and stacks, the first frame is read; TIFF axes named "channel" are channels. Of files with a number of
    channels other than 1, 3 or 4, the first three are shown, or the first. Arrays and tensors:

    - Layout: (H, W), (H, W, C) or (C, H, W) with C of 1, 3 or 4. If both layouts are possible, such as (3, N, 3), the
      last axis holds the channels. Leading axes of length 1 are dropped.
    - xarray, dask and zarr arrays are read block by block, into one array of the image's size and type; slice them to
      read a region: `to_rgb(scan[2000:6000, 0:4000])`. Named axes of an xarray, such as ("band", "y", "x"), determine
      the layout.

    Values, from files and arrays alike:

    - Floats within [0, 1] are multiplied by 255.
    - Numbers within [0, 255] are kept.
    - Integers within [0, 65535] whose maximum is above 32767 are 16-bit photos, divided by 257.
    - Anything else, such as 12-bit microscopy or normalised tensors, is stretched linearly from its minimum..maximum,
      over all channels, to 0..255.
    - Bool becomes 0 and 255.
    - Values that are masked (`numpy.ma`), NaN in a file, or declared "no data" by GDAL's tag or xarray's attributes are
      shown black and excluded from the range. If none is declared, -9999 and similar values are treated as "no data",
      with a warning, if they are farther from all other values than these are from one another.

    Args:
        source: Path (str or os.PathLike), http, https or data URL, encoded bytes, binary file, Pillow image, array, or
            anything with `__array__` or `__array_interface__`.
        max_pixels: Maximum number of pixels that an encoded image may decode to.

    Returns:
        (H, W, 3) uint8, C-contiguous, sharing no memory with `source`.

    Raises:
        ImageError: The source cannot be read as an image; the message says why.
        MissingExtraError: Reading it requires a library that is not installed; the message names it.
    """
    return rgb_from_pixels(read_pixels(source, max_pixels=max_pixels))


def read_values(source: Any, *, max_pixels: int = MAX_PIXELS, any_channels: bool = False) -> NDArray[Any]:
    """Read the raw values of an image; values without data are filled, see `to_rgb`.

    Args:
        source: See `to_rgb`.
        max_pixels: See `to_rgb`.
        any_channels: See `read_pixels`.

    Returns:
        (H, W, C) of bool, integers or finite floats; may share memory with `source`.

    Raises:
        ImageError: The source cannot be read as an image; the message says why.
        MissingExtraError: Reading it requires a library that is not installed; the message names it.
    """
    return read_pixels(source, max_pixels=max_pixels, any_channels=any_channels).values


def read_pixels(source: Any, *, max_pixels: int = MAX_PIXELS, any_channels: bool = False) -> Pixels:
    """Read the raw values of an image, and whether the last of four channels is opacity.

    Args:
        source: See `to_rgb`.
        max_pixels: See `to_rgb`.
        any_channels: Accept arrays with any number of channels, on the shorter of the first and the last axis, or on
            the last if they are equal. Files may always have any number of channels.

    Raises:
        ImageError: The source cannot be read as an image; the message says why.
        MissingExtraError: Reading it requires a library that is not installed; the message names it.
    """
    name = describe(source)
    # Decoding takes Pillow, which arrays do not need.
    if is_pillow(source):
        from sam_widget.image.decoding import from_opened

        pixels = from_opened(source, name, max_pixels)
    elif (encoded := _encoded(source)) is not None:
        from sam_widget.image.decoding import decode

        pixels = decode(encoded, name, max_pixels)
    else:
        pixels = _from_array(source, any_channels=any_channels)
    return Pixels(guess_nodata(pixels.values, name), pixels.opacity)


def _encoded(source: Any) -> bytes | None:
    """Return the encoded image that a path, URL, stream or buffer holds; None for anything else."""
    if is_url(source):
        return download(source)
    if isinstance(source, str | os.PathLike):
        return read_file(source)
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if callable(getattr(source, "read", None)) and not hasattr(source, "__array__"):
        return read_stream(source)
    return None


def rgb_from_pixels(pixels: Pixels) -> RGB:
    """Convert an image to RGB as `to_rgb` does: its first three channels, or the first, composited onto white."""
    values = pixels.values
    colour = to_uint8(values[..., : 3 if values.shape[2] >= 3 else 1])
    if pixels.opacity:
        return _on_white(colour, _alpha(values[..., 3:]))
    return np.array(np.broadcast_to(colour, (*colour.shape[:2], 3)), order="C")


def rgb_from_values(values: NDArray[Any]) -> RGB:
    """Convert (H, W, C) values to RGB as `to_rgb` does; the last of four channels is opacity."""
    return rgb_from_pixels(Pixels(values, opacity=values.shape[2] == 4))


def image_hash(rgb: RGB) -> str:
    """Return a hash of an image's content: 32 hexadecimal digits of BLAKE2b over its shape and pixels."""
    import hashlib  # It loads OpenSSL.

    digest = hashlib.blake2b(repr(rgb.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(rgb).data)
    return digest.hexdigest()


# ------------------------------------------------------------------------------------------------ arrays


def _from_array(source: Any, *, any_channels: bool) -> Pixels:
    array, valid = _as_array(source, any_channels=any_channels)
    pixels = _channels_last(array, any_channels=any_channels)
    if pixels.dtype.kind not in "buif":
        raise ImageError(f"array of type {pixels.dtype} is not an image; expected bool, integers or floats")
    name = describe(array)
    if valid is not None:
        pixels = fill(pixels, _channels_last(valid, any_channels=any_channels) & is_value(pixels, None), name)
    elif pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        count = int(np.count_nonzero(~np.isfinite(pixels)))
        raise ImageError(
            f"{name} has {count} values that are NaN or infinite. Mask them first, numpy.ma.masked_invalid, or replace "
            "them: numpy.nan_to_num"
        )
    return Pixels(pixels, opacity=pixels.shape[2] == 4)


def _as_array(source: Any, *, any_channels: bool) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Return an array, and a mask of its valid data if it declares any."""
    if source is None or isinstance(source, list | tuple | dict | set | bool | int | float | complex):
        raise ImageError(f"cannot read an image from {describe(source)}: {source!r:.80}. {_EXPECTED} One at a time")
    try:
        if is_tensor(source):
            tensor = source.detach().cpu()
            # NumPy has no bfloat16.
            return np.asarray((tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()), None
        if is_lazy(source):
            ordered = in_order(source)
            # Checks the shape and type before any values are read.
            _channels_last(stand_in(ordered), any_channels=any_channels)
            array = read_blocks(ordered)
            return array, is_value(array, declared_nodata(source)) if hasattr(source, "dims") else None
        if isinstance(source, np.ma.MaskedArray):
            array = np.asarray(source.data)
            return array, ~np.ma.getmaskarray(source)
        if hasattr(source, "__array__") or hasattr(source, "__array_interface__"):
            return np.asarray(source), None
    except ImageError:
        raise
    except Exception as error:  # conversion by another library may raise anything
        raise ImageError(
            f"cannot turn {describe(source)} into an array: {error}. Convert it to a NumPy array first"
        ) from error
    raise ImageError(f"cannot read an image from an object of type {type(source).__name__}. {_EXPECTED}")


def _channels_last(array: NDArray[Any], *, any_channels: bool) -> NDArray[Any]:
    """Convert any accepted layout to (H, W, C)."""
    pixels = array
    while pixels.ndim > 3 and pixels.shape[0] == 1:
        pixels = pixels[0]
    if pixels.ndim == 2:
        pixels = pixels[..., np.newaxis]
    if pixels.ndim != 3:
        advice = f" Give one image of the {array.shape[0]}: images[0]." if pixels.ndim > 3 else ""
        raise ImageError(
            f"array of shape {array.shape} is not an image; expected (H, W), (H, W, C) or (C, H, W).{advice}"
        )
    if pixels.size == 0:
        raise ImageError(f"array of shape {array.shape} is empty; expected an image of at least one pixel")
    if pixels.shape[2] not in (1, 3, 4):
        if any_channels:
            return pixels if pixels.shape[2] <= pixels.shape[0] else np.moveaxis(pixels, 0, 2)
        if pixels.shape[0] not in (1, 3, 4):
            raise ImageError(
                f"array of shape {array.shape} has no axis of 1, 3 or 4 channels, first or last. "
                "Pick the channels to show, such as image[..., :3] or image[..., 0]"
            )
        pixels = np.moveaxis(pixels, 0, 2)
    return pixels


# ------------------------------------------------------------------------------------------------ opacity


def _alpha(alpha: NDArray[Any]) -> RGB:
    """Convert opacity to uint8. Its scale is absolute: the value range only determines which scale it is."""
    if alpha.dtype.kind in "bu" and alpha.dtype.itemsize == 1:
        return to_uint8(alpha)
    low, high = alpha.min().item(), alpha.max().item()
    opaque = 1 if alpha.dtype.kind == "f" and high <= 1 else 255 if high <= 255 else 65535
    if low < 0 or high > opaque:
        raise ImageError(
            f"the fourth channel runs from {low:g} to {high:g}; expected opacity of 0 to 1, 255 or 65535. For three "
            "channels, give image[..., :3]"
        )
    return np.rint(alpha.astype(np.float64) * (255 / opaque)).astype(np.uint8)


def _on_white(colour: RGB, alpha: RGB) -> RGB:
    # The sum of both products stays below 2^16, because the weights add up to 255.
    opacity = alpha.astype(np.uint16)
    blended = colour * opacity + np.uint16(255) * (np.uint16(255) - opacity) + np.uint16(127)
    return np.ascontiguousarray((blended // np.uint16(255)).astype(np.uint8))
