"""Decode images, such as files and downloads.

Pillow reads nearly all of them. For several 16-bit channels it keeps only the upper eight bits, and it does not support
bands beyond colour and opacity: such TIFFs are read by tifffile (`tiff`), other formats by OpenCV.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from sam_widget.errors import ImageError, MissingExtraError
from sam_widget.image import tiff
from sam_widget.image.pixels import MAX_PIXELS, Pixels, fill, is_value

# A file that decodes to more bytes than this, and to more than this multiple of its own size, counts as a bomb.
MAX_UNSUSPECTED_BYTES = 128 * 2**20
MAX_RATIO = 300

# Common mistakes instead of an image: how the data starts, what it is, and what to do.
_SVG = rb"(<\?xml.*?)?(<!--.*?-->\s*)*(<!doctype svg.*?)?<svg"
_HEIF = re.compile(rb"....ftyp(heic|heix|heim|heis|hevc|hevx|mif1|msf1)", re.DOTALL)
_NOT_IMAGES = (
    (re.compile(_SVG, re.DOTALL | re.IGNORECASE), "an SVG drawing", "Export it as PNG."),
    (re.compile(rb"<(!doctype html|html|head|body)", re.IGNORECASE), "a web page", "Copy the image's own address."),
    (re.compile(rb"%PDF"), "a PDF document", "Export the page as PNG."),
    (_HEIF, "a HEIF photo", "pip install pillow-heif, or convert it to JPEG or PNG."),
    (re.compile(rb"\x93NUMPY"), "a NumPy file", "Load it with numpy.load and give the array."),
)
# The transposition that turns stored pixels upright, by EXIF orientation.
_UPRIGHT: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}


def decode(data: bytes, name: str, max_pixels: int) -> Pixels:
    """Decode an image.

    Args:
        data: The encoded bytes.
        name: Name of the image in messages.
        max_pixels: Maximum number of decoded pixels.

    Raises:
        ImageError: The data is not an image, is damaged, or is too large.
        MissingExtraError: Decoding it without loss requires a library that is not installed.
    """
    if not data:
        raise ImageError(
            f"{name} is empty; expected an encoded image. If it is an open file, go to its start first: seek(0)"
        )
    image = _open(data, name)
    if image is None:
        return tiff.read(data, name, _Limit(name, len(data), max_pixels))
    with image:
        limit = _Limit(name, len(data), max_pixels)
        # Grey and palettes become RGB.
        limit(image.width, image.height, max(3, len(image.getbands())))
        if image.format == "TIFF" and not tiff.pillow_reads_all(image):
            return tiff.read(data, name, limit)
        if image.format == "TIFF":
            tiff.warn_of_other_pages(image, name)
        if _is_deep(image, data):
            return _by_opencv(data, image, name)
        return from_pillow(image, name)


class _Limit:
    """Rejects images whose decoded size is too large, before they are decoded."""

    def __init__(self, name: str, size: int, max_pixels: int) -> None:
        self._name, self._size, self._max_pixels = name, size, max_pixels

    def __call__(self, width: int, height: int, bytes_per_pixel: int) -> None:
        """Check a decoded size.

        Raises:
            ImageError: The size is too large.
        """
        trust = "if you trust it, sam_widget.image.reading.to_rgb(source, max_pixels=...)"
        if width * height > self._max_pixels:
            raise ImageError(
                f"{self._name} is {width} x {height} pixels, more than the limit of {self._max_pixels}. Give a smaller "
                f"version or, {trust}"
            )
        unpacked = width * height * bytes_per_pixel
        # A limit chosen by the caller means that the caller trusts the file.
        if self._max_pixels == MAX_PIXELS and unpacked > max(MAX_UNSUSPECTED_BYTES, MAX_RATIO * self._size):
            raise ImageError(
                f"{self._name} is too large: its {self._size / 1e3:.0f} kB unpack to {unpacked / 1e6:.0f} MB "
                f"({width} x {height} pixels), as those of a decompression bomb do. Give a smaller version or, {trust}"
            )


def _open(data: bytes, name: str) -> Image.Image | None:
    """Open an image; returns None for a TIFF that Pillow does not support."""
    try:
        return Image.open(io.BytesIO(data))
    # The user's warning filters may turn the warning into an exception.
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(
            f"{name} is too large: {error} Open it yourself and give the pixels as an array, or a smaller version"
        ) from error
    except Exception as error:  # decoders may raise anything for malformed bytes
        if tiff.is_tiff(data):
            return None
        start = data[:2000].lstrip(b"\xef\xbb\xbf \t\r\n")
        if _HEIF.match(start) and load_heif():
            with contextlib.suppress(Exception):  # a damaged file is reported below
                return Image.open(io.BytesIO(data))
            raise ImageError(f"{name} is a HEIF photo that is damaged or cut short. Save it again") from error
        for pattern, what, advice in _NOT_IMAGES:
            if pattern.match(start):
                raise ImageError(f"{name} is {what}, expected an image made of pixels. {advice}") from error
        raise ImageError(
            f"{name} is not in an image format that Pillow knows. Convert it to PNG or JPEG, or give an array"
        ) from error


def load_heif() -> bool:
    """Enable HEIF, the format of phone photos, in Pillow if its plug-in is installed; returns whether it is enabled."""
    try:
        importlib.import_module("pillow_heif").register_heif_opener()
    except (ImportError, AttributeError):
        return ".heic" in Image.registered_extensions()  # supported by another plug-in
    return True


def from_opened(image: Image.Image, name: str, max_pixels: int) -> Pixels:
    """Read an open Pillow image; decodes its file instead if that has more detail and has not been read yet.

    Raises:
        ImageError: The image is damaged or too large.
        MissingExtraError: Decoding it without loss requires a library that is not installed.
    """
    file = getattr(image, "fp", None)
    if (
        image.format in ("JPEG2000", "PNG", "PPM", "TIFF")
        and file is not None
        and image.tell() == 0
        and getattr(image, "tile", None)
    ):
        with contextlib.suppress(OSError, ValueError):  # closed, or not a file that can be read again
            place = file.tell()
            file.seek(0)
            data = file.read()
            file.seek(place)
            if (image.format == "TIFF" and not tiff.pillow_reads_all(image)) or _is_deep(image, data):
                return decode(data, name, max_pixels)
    return from_pillow(image, name)


def from_pillow(image: Image.Image, name: str) -> Pixels:
    """Read an image as decoded by Pillow, turned upright by its EXIF orientation.

    Raises:
        ImageError: The image is damaged.
    """
    try:
        upright = ImageOps.exif_transpose(image)
        # One channel of more than 8 bits: Pillow's own conversion clips values at 255.
        if upright.mode in ("I", "F") or upright.mode.startswith("I;"):
            values = np.asarray(upright)[..., np.newaxis]
            return Pixels(fill(values, is_value(values, tiff.nodata(image)), name), opacity=False)
        opacity = bool(upright.has_transparency_data)
        return Pixels(np.asarray(upright.convert("RGBA" if opacity else "RGB")), opacity)
    except ImageError:
        raise
    except Exception as error:  # decoders may raise anything for malformed bytes
        raise ImageError(
            f"{name} is damaged or cut short, or of a kind that cannot become RGB ({error}). Save it again"
        ) from error


# ------------------------------------------------------------------------------------------------ 16 bits a channel


def _is_deep(image: Image.Image, data: bytes) -> bool:
    """Whether the image has several channels of more than 8 bits, of which Pillow would keep only the upper eight."""
    if len(image.getbands()) < 2:
        return False
    if image.format == "JPEG2000":
        # The size marker of the code stream; its 40th byte is the depth of the first component, minus one.
        start = data.find(b"\xff\x4f\xff\x51")
        return start >= 0 and len(data) > start + 42 and (data[start + 42] & 127) + 1 > 8
    arguments = np.ravel([tile[3] for tile in getattr(image, "tile", ())[:1]]) if image.format in ("PNG", "PPM") else ()
    return any(";16" in str(item) or (str(item).isdigit() and int(item) > 255) for item in arguments)


def _by_opencv(data: bytes, image: Image.Image, name: str) -> Pixels:
    try:
        cv2: Any = importlib.import_module("cv2")
    except ImportError as error:
        raise MissingExtraError(
            f'{name} has 16 bits a channel, which takes OpenCV to read: pip install "sam-widget[images]". Or open it '
            "yourself and give an array"
        ) from error
    try:
        values: NDArray[Any] | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        values = None
    if values is None or values.ndim != 3:
        raise ImageError(f"{name} is damaged or cut short, or OpenCV does not know its kind. Save it again")
    # OpenCV's channel order is blue, green, red.
    values = values[..., [2, 1, 0, 3][: values.shape[2]]]
    values = _UPRIGHT.get(image.getexif().get(0x0112, 1), np.asarray)(values)
    return Pixels(values, opacity=values.shape[2] == 4)
