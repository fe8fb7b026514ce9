"""Any image a user has -> RGB uint8 (H, W, 3), with a content hash.

Reads paths, URLs, encoded bytes, files, Pillow images, arrays and tensors. Nothing here knows what becomes of the
image, and torch is never imported: tensors are recognised by their methods.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from sam_widget.errors import ImageError
from sam_widget.image.blocks import in_order, is_lazy, read_blocks, stand_in
from sam_widget.image.sources import describe, download, is_tensor, is_url, read_file, read_stream

RGB = NDArray[np.uint8]

# Where Pillow starts to warn of decompression bombs: a file of a few kB may unpack to this many pixels.
MAX_PIXELS = 89_478_485
# Rows at a time, where all at once would take several times the memory of the image.
STRIP = 256

_EXPECTED = (
    "Expected a path, an http(s) or data URL, encoded bytes, an open binary file, a Pillow image, or an array or "
    "tensor of shape (H, W), (H, W, C) or (C, H, W) with 1, 3 or 4 channels."
)


def to_rgb(source: Any, *, max_pixels: int = MAX_PIXELS) -> RGB:
    """Read an image from whatever holds it.

    Files and Pillow images are turned upright as their EXIF orientation says, animations and stacks give their first
    frame, and transparency is laid on white. Arrays and tensors:

    - Layout: (H, W), (H, W, C) or (C, H, W) with C of 1, 3 or 4. Where both readings are possible, such as (3, N, 3),
      the last axis holds the channels. Leading axes of length 1 are dropped.
    - Floats within [0, 1] are multiplied by 255.
    - Numbers within [0, 255] are taken as they are.
    - Integers within [0, 65535] whose maximum is above 32767 are 16-bit photos, divided by 257.
    - Anything else, such as 12-bit microscopy or normalised tensors, is stretched from its own minimum..maximum to
      0..255, all channels alike.
    - Bool becomes 0 and 255.
    - xarray, dask and zarr arrays are read block by block, into one array of the image's size and type; slice them to
      read a region: `to_rgb(scan[2000:6000, 0:4000])`. Where xarray's axes are named, such as ("band", "y", "x"), the
      names say which is which.

    Args:
        source: path (str or os.PathLike), http, https or data URL, encoded bytes, binary file, Pillow image, array, or
            anything with `__array__` or `__array_interface__`.
        max_pixels: the most pixels an encoded image may unpack to.

    Returns:
        (H, W, 3) uint8, C-contiguous, sharing no memory with `source`.

    Raises:
        ImageError: there is no image to be had from it; says why.
    """
    return rgb_from_values(read_values(source, max_pixels=max_pixels))


def read_values(source: Any, *, max_pixels: int = MAX_PIXELS, any_channels: bool = False) -> NDArray[Any]:
    """Read the numbers that an image is made of, as they are.

    Args:
        source: as in `to_rgb`.
        max_pixels: as in `to_rgb`.
        any_channels: take arrays with other than 1, 3 or 4 channels, too: the shorter of the first and the last axis
            holds them, the last where they are equal.

    Returns:
        (H, W, C) of bool, integers or finite floats; may share memory with `source`.

    Raises:
        ImageError: there is no image to be had from it; says why.
    """
    if isinstance(source, Image.Image):
        return _checked(_from_pillow(source, describe(source)))
    if is_url(source):
        return _checked(_decode(download(source), describe(source), max_pixels))
    if isinstance(source, str | os.PathLike):
        return _checked(_decode(read_file(source), describe(source), max_pixels))
    if isinstance(source, bytes | bytearray | memoryview):
        return _checked(_decode(bytes(source), describe(source), max_pixels))
    if callable(getattr(source, "read", None)) and not hasattr(source, "__array__"):
        return _checked(_decode(read_stream(source), describe(source), max_pixels))
    return _checked(_as_array(source, any_channels=any_channels), any_channels=any_channels)


def rgb_from_values(values: NDArray[Any]) -> RGB:
    """What `to_rgb` makes of the (H, W, C) numbers of an image with 1, 3 or 4 channels."""
    colour = _to_uint8(values[..., :3])
    if values.shape[2] == 4:
        return _on_white(colour, _alpha(values[..., 3:]))
    return np.array(np.broadcast_to(colour, (*colour.shape[:2], 3)), order="C")


def image_hash(rgb: RGB) -> str:
    """Identify an image by its content: 32 hexadecimal digits of BLAKE2b over shape and pixels."""
    digest = hashlib.blake2b(repr(rgb.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(rgb).data)
    return digest.hexdigest()


# ------------------------------------------------------------------------------------------------ encoded images

# What people give instead of an image, by how it starts, and what to do about it.
_SVG = rb"(<\?xml.*?)?(<!--.*?-->\s*)*(<!doctype svg.*?)?<svg"
_NOT_IMAGES = (
    (re.compile(_SVG, re.DOTALL | re.IGNORECASE), "an SVG drawing", "Export it as PNG."),
    (re.compile(rb"<(!doctype html|html|head|body)", re.IGNORECASE), "a web page", "Copy the image's own address."),
    (re.compile(rb"%PDF"), "a PDF document", "Export the page as PNG."),
    (re.compile(rb"....ftyp(heic|heix|mif1|msf1)", re.DOTALL), "a HEIF photo", "Convert it to JPEG or PNG."),
    (re.compile(rb"\x93NUMPY"), "a NumPy file", "Load it with numpy.load and give the array."),
)


def _decode(data: bytes, name: str, max_pixels: int) -> NDArray[Any]:
    if not data:
        msg = f"{name} is empty, expected an encoded image. If it is an open file, go to its start first: seek(0)."
        raise ImageError(msg)
    try:
        image = Image.open(io.BytesIO(data))
    # The warning is an exception where the user's filters make it one.
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        msg = f"{name} is too large: {error} Open it yourself and give the pixels as an array, or a smaller version."
        raise ImageError(msg) from error
    except Exception as error:  # decoders raise whatever malformed bytes make them trip over
        start = data[:2000].lstrip(b"\xef\xbb\xbf \t\r\n")
        for pattern, what, advice in _NOT_IMAGES:
            if pattern.match(start):
                msg = f"{name} is {what}, expected an image made of pixels. {advice}"
                raise ImageError(msg) from error
        msg = f"{name} is not in an image format that Pillow knows. Convert it to PNG or JPEG, or give an array."
        raise ImageError(msg) from error
    with image:
        if image.width * image.height > max_pixels:
            msg = (
                f"{name} is {image.width} x {image.height} pixels, more than the limit of {max_pixels}. "
                "Give a smaller version or, if you trust it, sam_widget.image.reading.to_rgb(source, max_pixels=...)."
            )
            raise ImageError(msg)
        return _from_pillow(image, name)


def _from_pillow(image: Image.Image, name: str) -> NDArray[Any]:
    try:
        upright = ImageOps.exif_transpose(image)
        # One channel of more than 8 bits: Pillow's own conversion cuts values off at 255.
        if upright.mode in ("I", "F") or upright.mode.startswith("I;"):
            return np.asarray(upright)
        return np.asarray(upright.convert("RGBA" if upright.has_transparency_data else "RGB"))
    except Exception as error:  # decoders raise whatever malformed bytes make them trip over
        msg = f"{name} is damaged or cut short, or of a kind that cannot become RGB ({error}). Try to save it anew."
        raise ImageError(msg) from error


# ------------------------------------------------------------------------------------------------ arrays


def _as_array(source: Any, *, any_channels: bool) -> NDArray[Any]:
    if source is None or isinstance(source, list | tuple | dict | set | bool | int | float | complex):
        msg = f"cannot read an image from {describe(source)}: {source!r:.80}. {_EXPECTED} One image at a time."
        raise ImageError(msg)
    try:
        if is_tensor(source):
            tensor = source.detach().cpu()
            # NumPy has no bfloat16.
            return np.asarray((tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy())
        if is_lazy(source):
            ordered = in_order(source)
            # What cannot be an image is refused before anything of it is read.
            _channels_last(stand_in(ordered), any_channels=any_channels)
            return read_blocks(ordered)
        if hasattr(source, "__array__") or hasattr(source, "__array_interface__"):
            return np.asarray(source)
    except ImageError:
        raise
    except Exception as error:  # a foreign library's own conversion; its errors are of any type
        msg = f"cannot turn {describe(source)} into an array: {error}. Convert it to a NumPy array first."
        raise ImageError(msg) from error
    msg = f"cannot read an image from an object of type {type(source).__name__}. {_EXPECTED}"
    raise ImageError(msg)


def _checked(array: NDArray[Any], *, any_channels: bool = False) -> NDArray[Any]:
    pixels = _channels_last(array, any_channels=any_channels)
    if pixels.dtype.kind not in "buif":
        msg = f"array of type {pixels.dtype} is not an image; expected bool, integers or floats."
        raise ImageError(msg)
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        count = int(np.count_nonzero(~np.isfinite(pixels)))
        msg = f"{describe(array)} has {count} values that are NaN or infinite. Replace them first: numpy.nan_to_num."
        raise ImageError(msg)
    return pixels


def _channels_last(array: NDArray[Any], *, any_channels: bool) -> NDArray[Any]:
    """Any accepted layout to (H, W, C)."""
    pixels = array
    while pixels.ndim > 3 and pixels.shape[0] == 1:
        pixels = pixels[0]
    if pixels.ndim == 2:
        pixels = pixels[..., np.newaxis]
    if pixels.ndim != 3:
        advice = f" Give one image of the {array.shape[0]}: images[0]." if pixels.ndim > 3 else ""
        msg = f"array of shape {array.shape} is not an image; expected (H, W), (H, W, C) or (C, H, W).{advice}"
        raise ImageError(msg)
    if pixels.size == 0:
        msg = f"array of shape {array.shape} is empty; expected an image of at least one pixel."
        raise ImageError(msg)
    if pixels.shape[2] not in (1, 3, 4):
        if any_channels:
            return pixels if pixels.shape[2] <= pixels.shape[0] else np.moveaxis(pixels, 0, 2)
        if pixels.shape[0] not in (1, 3, 4):
            msg = (
                f"array of shape {array.shape} has no axis of 1, 3 or 4 channels, first or last. "
                "Pick the channels to show, such as image[..., :3] or image[..., 0]."
            )
            raise ImageError(msg)
        pixels = np.moveaxis(pixels, 0, 2)
    return pixels


def window(pixels: NDArray[Any]) -> tuple[float, float]:
    """The values that `to_rgb` turns into 0 and 255 in colours such as these."""
    if pixels.dtype == np.uint8:
        return 0.0, 255.0
    if pixels.dtype.kind == "b":
        return 0.0, 1.0
    low, high = pixels.min().item(), pixels.max().item()
    if pixels.dtype.kind == "f" and low >= 0 and high <= 1:
        return 0.0, 1.0
    if low >= 0 and high <= 255:
        return 0.0, 255.0
    if pixels.dtype.kind != "f" and low >= 0 and 32767 < high <= 65535:
        return 0.0, 65535.0
    return float(low), float(low) + ((float(high) - float(low)) or 1.0)


def _to_uint8(pixels: NDArray[Any]) -> RGB:
    if pixels.dtype == np.uint8:
        return pixels
    low, high = window(pixels)
    result = np.empty(pixels.shape, np.uint8)
    for top in range(0, len(pixels), STRIP):
        # float64 holds every 32-bit integer, and the range of float16 and float32 without overflow.
        strip = pixels[top : top + STRIP].astype(np.float64)
        result[top : top + STRIP] = np.rint((strip - low) * (255.0 / (high - low)))
    return result


def _alpha(alpha: NDArray[Any]) -> RGB:
    """Opacity has an absolute scale, so its own range says nothing but which scale that is."""
    if alpha.dtype.kind in "bu" and alpha.dtype.itemsize == 1:
        return _to_uint8(alpha)
    low, high = alpha.min().item(), alpha.max().item()
    opaque = 1 if alpha.dtype.kind == "f" and high <= 1 else 255 if high <= 255 else 65535
    if low < 0 or high > opaque:
        msg = f"the fourth channel runs from {low:g} to {high:g}, expected opacity of 0 to 1, 255 or 65535."
        raise ImageError(msg + " For three channels, give image[..., :3].")
    return np.rint(alpha.astype(np.float64) * (255 / opaque)).astype(np.uint8)


def _on_white(colour: RGB, alpha: RGB) -> RGB:
    # Both products together stay below 2^16, since the weights add up to 255.
    opacity = alpha.astype(np.uint16)
    blended = colour * opacity + np.uint16(255) * (np.uint16(255) - opacity) + np.uint16(127)
    return np.ascontiguousarray((blended // np.uint16(255)).astype(np.uint8))
