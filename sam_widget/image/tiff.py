"""Read TIFFs that Pillow reads only in part: many bands, 16-bit or float colours, channels on pages, "no data".

Microscopes, cameras, scanners and satellites write such files. tifffile reads them, including the names of their axes.
"""

from __future__ import annotations

import importlib
import io
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sam_widget.errors import ImageError, MissingExtraError
from sam_widget.image.pixels import Pixels, fill, is_value

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# Tags: https://www.awaresystems.be/imaging/tiff/tifftags.html
_BITS, _COMPRESSION, _PHOTOMETRIC, _DESCRIPTION = 258, 259, 262, 270
_SAMPLES, _SUBFILE, _EXTRA_SAMPLES, _SAMPLE_FORMAT, _NO_DATA = 277, 254, 338, 339, 42113
_MIN_IS_WHITE, _MIN_IS_BLACK, _COLOUR = 0, 1, 2
# Compressions supported by libtiff, and so by Pillow; satellites also use LERC, and microscopes JPEG 2000.
_KNOWN_TO_PILLOW = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32946, 34925, 50000, 50001})
# Axes of the channels of one image: channel, sample. Other axes, such as time and depth, enumerate images.
_CHANNELS = "CS"


def is_tiff(data: bytes) -> bool:
    """Whether the data has the signature of a TIFF."""
    return data.startswith(_MAGIC)


def nodata(image: Image.Image) -> float | None:
    """Return the "no data" value in GDAL's tag of an image opened by Pillow, or None."""
    return _number(getattr(image, "tag_v2", {}).get(_NO_DATA))


def _number(text: object) -> float | None:
    try:
        return float(str(text).strip("\0 ")) if text is not None else None
    except ValueError:
        return None


def _first(value: Any, default: int) -> int:
    return int((value[0] if isinstance(value, tuple) else value) or default) if value is not None else default


def pillow_reads_all(image: Image.Image) -> bool:
    """Whether Pillow reads a TIFF without loss: every bit, band and page of channels."""
    tags: Any = getattr(image, "tag_v2", {})
    if _first(tags.get(_COMPRESSION), 1) not in _KNOWN_TO_PILLOW:
        return False
    if getattr(image, "n_frames", 1) > 1 and _names_axes(tags) and _has_tifffile():
        return False
    if _first(tags.get(_PHOTOMETRIC), _MIN_IS_BLACK) not in (_MIN_IS_WHITE, _MIN_IS_BLACK, _COLOUR):
        return True  # Palettes, CMYK, YCbCr and Lab are colours that Pillow converts.
    bits, signed = max(tags.get(_BITS, (1,))), _first(tags.get(_SAMPLE_FORMAT), 1) == 2
    if _first(tags.get(_SAMPLES), 1) == 1:
        # Pillow reads uint32 as int32, and int8 as uint8.
        return not (bits == 32 and image.mode == "I" and not signed) and not (bits == 8 and signed)
    return bits <= 8 and not signed and 0 not in tags.get(_EXTRA_SAMPLES, ())


def _names_axes(tags: Any) -> bool:
    """Whether a TIFF of several pages describes its axes, as ImageJ, OME and tifffile do."""
    text = str(tags.get(_DESCRIPTION, ""))
    return text.startswith(("ImageJ=", '{"shape"', "shape=")) or re.search(r"<(\w+:)?OME\b", text[:5000]) is not None


def _has_tifffile() -> bool:
    try:
        importlib.import_module("tifffile")
    except ImportError:
        return False
    return True


def warn_of_other_pages(image: Image.Image, name: str) -> None:
    """Warn that a TIFF contains images besides the first one, which Pillow reads."""
    tags: Any = getattr(image, "tag_v2", {})
    count = 0
    for page in range(1, min(getattr(image, "n_frames", 1), 1000)):
        try:
            image.seek(page)
        except Exception:  # noqa: BLE001 - damage in other pages does not matter
            break
        # Bits 1 and 4 mark a page as a smaller version or a mask of another page.
        count += not _first(getattr(image, "tag_v2", {}).get(_SUBFILE), 0) & 5
    image.seek(0)
    if count and _names_axes(tags):
        _warn(name, f'has {count + 1} pages, which may be its channels; to read them, pip install "sam-widget[images]"')
    elif count:
        _warn(name, f"has {count + 1} pages; the first is read. For another, read it with tifffile and give the array")


def _warn(name: str, text: str) -> None:
    warnings.warn(f"{name} {text}", stacklevel=6)


def read(data: bytes, name: str, limit: Callable[[int, int, int], None]) -> Pixels:
    """Read the first image of a TIFF with tifffile, with all its channels.

    Args:
        data: The encoded bytes.
        name: Name of the image in messages.
        limit: Called with width, height and bytes per pixel; raises if the image is too large.

    Raises:
        ImageError: The file is damaged or too large.
        MissingExtraError: tifffile or a codec that it requires is not installed.
    """
    try:
        tifffile: Any = importlib.import_module("tifffile")
    except ImportError as error:
        raise MissingExtraError(_needs(name, "tifffile")) from error
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            series = file.series[0]
            page = series.keyframe
            values, opacity = _first_image(file, series, limit, len(data), name), False
            extra = tuple(int(kind) for kind in page.extrasamples)
            if extra and extra[-1] in (1, 2) and "S" in series.axes and values.shape[2] in (2, 4):
                values, opacity = values if values.shape[2] == 4 else values[..., [0, 0, 0, 1]], True
            if page.photometric == _MIN_IS_WHITE and values.dtype.kind == "u":
                values = np.iinfo(values.dtype).max - values
            tag = page.tags.get(_NO_DATA)
            missing = _number(tag.value) if tag is not None else None
            if not values.size:
                raise ValueError("it has no pixels")
    except (ImageError, MissingExtraError):
        raise
    except Exception as error:  # decoders may raise anything for malformed bytes
        if "imagecodecs" in str(error):
            raise MissingExtraError(_needs(name, "imagecodecs")) from error
        raise ImageError(
            f"{name} is a TIFF that is damaged or cut short, or of an unknown kind ({error}). Save it again"
        ) from error
    return Pixels(fill(values, is_value(values, missing), name), opacity)


def _needs(name: str, library: str) -> str:
    return (
        f"{name} is a TIFF of many bands, of 16-bit or float colours, or with a rare compression; it takes {library} "
        'to read: pip install "sam-widget[images]". Or read it yourself and give an array'
    )


def _first_image(file: Any, series: Any, limit: Callable[[int, int, int], None], size: int, name: str) -> NDArray[Any]:
    """Return the first image of a series, as (H, W, C)."""
    axes, shape = str(series.axes), tuple(int(side) for side in series.shape)
    dtype = np.dtype(series.dtype)
    if dtype.kind not in "buif":
        raise ImageError(f"{name} holds numbers of type {dtype}; expected integers or floats. Give a real-valued array")
    if axes == "QYX":
        # A plain array of three axes, written by tifffile: as for arrays, the shorter end axis holds the channels.
        axes = "CYX" if shape[0] < shape[2] else "YXC"
    if "Y" not in axes or "X" not in axes:
        raise ImageError(f"{name} has axes {axes}, expected Y and X among them. Read it and give an array of (H, W, C)")
    sides = dict(zip(axes, shape, strict=True))
    channels = int(np.prod([sides[axis] for axis in axes if axis in _CHANNELS]))
    limit(sides["X"], sides["Y"], channels * dtype.itemsize)
    others = [axis for axis in axes if axis not in f"YX{_CHANNELS}"]
    count = int(np.prod([sides[axis] for axis in others]))
    if count > 1:
        told = ", ".join(f"{sides[axis]} along {axis}" for axis in others)
        _warn(name, f"holds {count} images ({told}); the first is read. For another, read it with tifffile and give it")
    for page in series.pages:
        if page is not None and any(
            start + length > size for start, length in zip(page.dataoffsets, page.databytecounts, strict=False)
        ):
            raise ImageError(f"{name} is a TIFF that is damaged or cut short. Save it again")
    values = _pages(file, series, axes, shape, others) if count > 1 else series.asarray().reshape(shape)
    kept = [axis for axis in axes if axis not in others]
    order = [kept.index(axis) for axis in "YX"] + [kept.index(axis) for axis in kept if axis in _CHANNELS]
    return np.ascontiguousarray(values.transpose(order).reshape(sides["Y"], sides["X"], channels))


def _pages(file: Any, series: Any, axes: str, shape: tuple[int, ...], others: list[str]) -> NDArray[Any]:
    """Read only the pages of the first image of a stack."""
    inner = len(series.keyframe.shape)
    outer = shape[: len(shape) - inner]
    first = tuple(0 if axis in others else slice(None) for axis in axes)
    if any(axis in others for axis in axes[len(outer) :]) or len(series) != int(np.prod(outer)):
        return np.asarray(series.asarray().reshape(shape)[first])  # a page contains more than one image
    pages = np.arange(len(series)).reshape(outer)[first[: len(outer)]]
    values = np.asarray(file.asarray(key=pages.ravel().tolist(), series=0))
    return values.reshape(*pages.shape, *shape[len(outer) :])
