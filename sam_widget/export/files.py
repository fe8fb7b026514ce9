"""Read and write annotation files, JSON, pictures and bytes, with limits on the sizes that a file may claim."""

from __future__ import annotations

import io
import json
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from sam_widget.atomic import write_whole
from sam_widget.errors import FormatError
from sam_widget.export.reading import number, shown
from sam_widget.masks.runs import Mask
from sam_widget.text import clean

# The largest image size that a file may claim. Masks are stored as row runs, so this does not limit memory.
MAX_PIXELS = 2**30
# Maximum decoded size of a picture of masks in bytes, half a second of work: a few kB of PNG must not become gigabytes.
MAX_PICTURE = 2**27


def write_bytes(path: str | os.PathLike[str], data: bytes) -> Path:
    """Write a file atomically, creating its folders.

    Raises:
        FormatError: The file cannot be written.
    """
    target = Path(path).expanduser()
    try:
        write_whole(target, data)
    except (OSError, ValueError) as error:  # a NUL in a path is a ValueError
        raise FormatError(f"cannot write {str(target)!r} ({_reason(error)}); give another path") from error
    return target


def write_json(path: str | os.PathLike[str] | None, data: Any, indent: int | None = None) -> None:
    """Write JSON if a path is given.

    Raises:
        FormatError: The file cannot be written.
    """
    if path is not None:
        # A lone surrogate in an option, such as a prefix, is not valid UTF-8.
        write_bytes(path, clean(json.dumps(data, ensure_ascii=False, indent=indent)).encode())


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Read a file.

    Raises:
        FormatError: The file cannot be read.
    """
    try:
        return Path(path).expanduser().read_bytes()
    except (OSError, ValueError) as error:
        raise FormatError(f"cannot read {os.fspath(path)!r} ({_reason(error)}); check the path") from error


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def file_size(source: Any) -> int:
    """Return the size of a file in bytes; 0 if it does not exist, or if `source` is not a path."""
    try:
        return Path(source).expanduser().stat().st_size if isinstance(source, str | os.PathLike) else 0
    except (OSError, ValueError):
        return 0


class JsonFile(os.PathLike[str]):
    """A parsed JSON file, which can be used as a path; `read_json` returns its data without reading it again.

    Attributes:
        data: The parsed content.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Read the file.

        Raises:
            FormatError: The file cannot be read, or is not JSON.
        """
        self._path = os.fspath(path)
        self.data = read_json(path)

    def __fspath__(self) -> str:
        return self._path


def read_json(source: Any) -> Any:
    """Read JSON from a path; parsed data is returned unchanged.

    Raises:
        FormatError: The file cannot be read, or is not JSON.
    """
    if isinstance(source, JsonFile):
        return source.data
    if not isinstance(source, str | os.PathLike):
        return source
    data = read_bytes(source)
    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    # Several times slower, but accepts NaN, lone surrogates, UTF-16 and a byte order mark, and reports error positions.
    try:
        return json.loads(data)
    except RecursionError as error:
        raise FormatError(f"{os.fspath(source)!r} is not JSON of annotations: it is nested too deeply") from error
    except ValueError as error:
        raise FormatError(f"{os.fspath(source)!r} is not JSON ({error}); export it again") from error


def open_png(
    source: str | os.PathLike[str] | bytes, *, called: str | None = None, max_bytes: int = MAX_PICTURE
) -> Image.Image:
    """Open a picture whose pixels are masks.

    Args:
        source: Path of the file, or its content.
        called: Name in error messages; defaults to the path.
        max_bytes: Maximum decoded size; larger pictures are rejected by their header.

    Raises:
        FormatError: The picture cannot be read, is not in a format that Pillow supports, or is too large.
    """
    name = called or repr(os.fspath(source))
    file: BinaryIO | Path = io.BytesIO(source) if isinstance(source, bytes) else Path(source).expanduser()
    try:
        with warnings.catch_warnings():
            # Pillow warns above 89 megapixels; the limit here is in bytes.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            opened = Image.open(file)
        with opened as picture:
            checked_size(picture.width, picture.height)
            deep = {"I": 4, "F": 4, "RGBA": 4, "RGBX": 4, "CMYK": 4, "RGB": 4, "I;16": 2, "I;16B": 2, "LA": 4}
            size = picture.width * picture.height * deep.get(picture.mode, 1)
            if size > max_bytes:
                raise FormatError(
                    f"{name} has {picture.width} x {picture.height} pixels, which unpack to {size / 1e6:,.0f} MB; "
                    f"expected {max_bytes / 1e6:,.0f} MB at most. If you trust it, load_masks(..., max_bytes={size})"
                )
            picture.load()
            return picture
    except FormatError:
        raise
    except UnidentifiedImageError as error:
        raise FormatError(f"cannot read {name} as a picture; expected a PNG") from error
    # Decoders may raise anything for malformed bytes.
    except Exception as error:
        raise FormatError(f"cannot read {name} as a picture ({_reason(error)}); expected a PNG") from error


def picture_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Return the width and height of a picture after rotation by its EXIF orientation, as `to_rgb` reads it.

    Raises:
        FormatError: The picture cannot be read.
    """
    try:
        with Image.open(Path(path).expanduser()) as picture:
            # EXIF orientations 5 to 8 swap width and height.
            turned = picture.getexif().get(ExifTags.Base.Orientation, 1) in range(5, 9)
            return checked_size(*(picture.size[::-1] if turned else picture.size))
    except FormatError:
        raise
    except Exception as error:  # decoders may raise anything for malformed bytes
        raise FormatError(f"cannot read {os.fspath(path)!r} as a picture ({_reason(error)}); check the file") from error


def checked_size(width: Any, height: Any) -> tuple[int, int]:
    """Validate the width and height of a mask.

    Raises:
        FormatError: They are not numbers, or the size is too large.
    """
    try:
        sides = int(number(width, "the width")), int(number(height, "the height"))
    except FormatError as error:
        raise FormatError(
            f"the image's size is {shown(width)} x {shown(height)}, expected two numbers of pixels"
        ) from error
    if min(sides) < 1 or sides[0] * sides[1] > MAX_PIXELS:
        raise FormatError(
            f"the image's size is {sides[0]:.15g} x {sides[1]:.15g}, expected 1 to {MAX_PIXELS} pixels in all"
        )
    return sides


def png_bytes(pixels: np.ndarray | Image.Image, *, text: Mapping[str, Any] | None = None) -> bytes:
    """Encode pixels as PNG, with metadata in a text chunk.

    Args:
        pixels: (H, W) or (H, W, C) uint8, or a Pillow image.
        text: Metadata, stored as JSON in the chunk `sam_widget`.
    """
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    info = PngInfo()
    if text is not None:
        info.add_text("sam_widget", json.dumps(text))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def png_text(picture: Image.Image) -> dict[str, Any]:
    """Return the metadata stored by `png_bytes`; empty for other pictures."""
    try:
        said = json.loads(getattr(picture, "text", {}).get("sam_widget", "{}"))
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def mask_png(mask: Mask, *, text: Mapping[str, Any] | None = None) -> bytes:
    """Encode a mask as PNG, 0 and 255; `text` as in `png_bytes`."""
    return png_bytes(mask.astype(np.uint8) * np.uint8(255), text=text)
