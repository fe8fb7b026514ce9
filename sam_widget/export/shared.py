"""What the formats share: what is written, how files are read and written, how labels become class numbers."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from sam_widget.atomic import write_whole
from sam_widget.errors import FormatError
from sam_widget.masks.annotations import AnnotatedImage, annotations_of
from sam_widget.masks.runs import Mask

# What a file may claim to be: a few bytes of JSON must not make gigabytes of mask.
MAX_PIXELS = 2**30


def images_of(source: Any) -> list[AnnotatedImage]:
    """Return the annotated images that something holds.

    Args:
        source: Whatever `annotations_of` reads, for one image; several sessions, widgets or `AnnotatedImage`s; or a
            dict from file names to any of these. A dict names the images; the others keep the names that they have.

    Raises:
        FormatError: There is no image in it.
        MaskError: There are no masks to be had from it.
    """
    if isinstance(source, Mapping) and "segmentation" not in source:
        images = [_image_of(item, name=str(name)) for name, item in source.items()]
    elif isinstance(source, Sequence) and source and all(_is_image(item) for item in source):
        images = [_image_of(item) for item in source]
    else:
        images = [_image_of(source)]
    if not images:
        raise FormatError("there is no image to export; give a session, masks, or a dict from file names to these")
    return images


def image_of(source: Any, format_name: str) -> AnnotatedImage:
    """Return the one annotated image that something holds.

    Raises:
        FormatError: There are several, or none.
        MaskError: There are no masks to be had from it.
    """
    images = images_of(source)
    if len(images) > 1:
        raise FormatError(f"{format_name} holds one image, but {len(images)} were given; write one file for each")
    return images[0]


def _is_image(item: Any) -> bool:
    return isinstance(item, AnnotatedImage) or hasattr(item, "session") or hasattr(item, "objects")


def _image_of(source: Any, name: str | None = None) -> AnnotatedImage:
    source = getattr(source, "session", source)
    if isinstance(source, AnnotatedImage):
        return AnnotatedImage(source.annotations, source.size, name or source.name, source.pixels)
    found = annotations_of(source)
    if hasattr(source, "objects"):
        return AnnotatedImage(found, source.size, name or source.image_name, source.image)
    if not found:
        raise FormatError("there are no masks, so the size of the image is not known; give a session or AnnotatedImage")
    height, width = found[0].stored.shape
    return AnnotatedImage(found, (width, height), name)


def named(images: Iterable[AnnotatedImage], suffix: str = ".png") -> list[tuple[str, AnnotatedImage]]:
    """Return each image with a file name of its own; one that has none is called "image_1" and so on.

    Raises:
        FormatError: Two images have the same name.
    """
    pairs = [(image.name or f"image_{number}{suffix}", image) for number, image in enumerate(images, 1)]
    names = [name for name, _ in pairs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise FormatError(f"two images are called {twice[0]!r}; give a dict from different file names to sessions")
    return pairs


def stems(images: Iterable[AnnotatedImage]) -> list[tuple[str, AnnotatedImage]]:
    """Return each image with the name of its files, less folders and suffix.

    Raises:
        FormatError: Two images have the same one.
    """
    pairs = [(safe_name(PurePath(name).stem), image) for name, image in named(images)]
    found = [stem for stem, _ in pairs]
    if twice := sorted({stem for stem in found if found.count(stem) > 1}):
        raise FormatError(
            f"two images would both write {twice[0]!r}; give a dict from different file names to sessions"
        )
    return pairs


def safe_name(text: str) -> str:
    """Return a text as part of a file name: letters, digits, dots, dashes and underscores, nothing that leads away."""
    return re.sub(r"[^\w.-]+", "_", text).strip("._")[:80] or "unnamed"


def class_names(images: Iterable[AnnotatedImage], classes: Sequence[str] | None) -> list[str]:
    """Return the labels, numbered as classes: as given, or in the order in which they first occur.

    Raises:
        FormatError: A label is not among the classes given.
    """
    used = list(dict.fromkeys(label for image in images for label in image.labels))
    if classes is None:
        return used
    names = list(dict.fromkeys(classes))
    if unknown := [label for label in used if label not in names]:
        raise FormatError(f"label {unknown[0]!r} is not among the classes {names}; add it, or rename the objects")
    return names


# ------------------------------------------------------------------------------------------------ files


def write_bytes(path: str | os.PathLike[str], data: bytes) -> Path:
    """Write a file and the folders that it lies in; whoever looks finds it whole or not at all.

    Raises:
        FormatError: It cannot be written.
    """
    target = Path(path).expanduser()
    try:
        write_whole(target, data)
    except OSError as error:
        raise FormatError(f"cannot write {str(target)!r} ({error}); give another path") from error
    return target


def write_json(path: str | os.PathLike[str] | None, data: Any, indent: int | None = None) -> None:
    """Write JSON, where a path is given.

    Raises:
        FormatError: It cannot be written.
    """
    if path is not None:
        write_bytes(path, json.dumps(data, ensure_ascii=False, indent=indent).encode())


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Read a file.

    Raises:
        FormatError: It cannot be read.
    """
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise FormatError(f"cannot read {os.fspath(path)!r} ({error.strerror or error}); check the path") from error


def read_json(source: Any) -> Any:
    """Read JSON from a path; what was read already is returned as it is.

    Raises:
        FormatError: It cannot be read, or is no JSON.
    """
    if not isinstance(source, str | os.PathLike):
        return source
    try:
        return json.loads(read_bytes(source))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{os.fspath(source)!r} is no JSON ({error}); export it again") from error


def open_png(path: str | os.PathLike[str]) -> Image.Image:
    """Open a picture whose pixels are masks.

    Raises:
        FormatError: It cannot be read, is no picture that Pillow knows, or is too large.
    """
    try:
        with Image.open(Path(path).expanduser()) as picture:
            checked_size(picture.width, picture.height)
            picture.load()
            return picture
    # Decoders raise whatever malformed bytes make them trip over.
    except Exception as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"cannot read {os.fspath(path)!r} as a picture ({error}); expected a PNG") from error


def picture_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Return width and height of a picture as `to_rgb` reads it: upright.

    Raises:
        FormatError: It cannot be read.
    """
    try:
        with Image.open(path) as picture:
            # EXIF's orientations 5 to 8 lie on their side.
            turned = picture.getexif().get(ExifTags.Base.Orientation, 1) in range(5, 9)
            return checked_size(*(picture.size[::-1] if turned else picture.size))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"cannot read {os.fspath(path)!r} as a picture ({error}); check the file") from error


def checked_size(width: Any, height: Any) -> tuple[int, int]:
    """Return width and height as numbers that a mask may have.

    Raises:
        FormatError: They are not.
    """
    try:
        sides = int(width), int(height)
    except (TypeError, ValueError) as error:
        raise FormatError(f"the image's size is {width!r} x {height!r}, expected two numbers of pixels") from error
    if min(sides) < 1 or sides[0] * sides[1] > MAX_PIXELS:
        raise FormatError(f"the image's size is {sides[0]} x {sides[1]}, expected 1 to {MAX_PIXELS} pixels in all")
    return sides


def png_bytes(pixels: np.ndarray | Image.Image, *, text: Mapping[str, Any] | None = None) -> bytes:
    """Encode pixels as PNG, with a text chunk that says of them what their format cannot.

    Args:
        pixels: (H, W) or (H, W, C) uint8, or a Pillow image.
        text: Goes into the chunk `sam_widget`, as JSON.
    """
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    info = PngInfo()
    if text is not None:
        info.add_text("sam_widget", json.dumps(text))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def png_text(picture: Image.Image) -> dict[str, Any]:
    """Return what `png_bytes` said of a picture; empty where it is another's."""
    try:
        said = json.loads(getattr(picture, "text", {}).get("sam_widget", "{}"))
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def mask_png(mask: Mask, *, text: Mapping[str, Any] | None = None) -> bytes:
    """Encode a mask as PNG, 0 and 255; `text` as in `png_bytes`."""
    return png_bytes(mask.astype(np.uint8) * np.uint8(255), text=text)
