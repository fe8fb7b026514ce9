"""Masks as PNGs: one indexed PNG of all objects, one PNG per mask, or cut-outs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sam_widget.errors import FormatError, MaskError
from sam_widget.export.files import MAX_PICTURE, checked_size, mask_png, open_png, png_bytes, png_text, write_bytes
from sam_widget.export.label_maps import By, label_map, voc_palette
from sam_widget.export.names import safe_name
from sam_widget.export.reading import Reading, score_of, text_of
from sam_widget.export.sources import image_of
from sam_widget.masks.annotations import AnnotatedImage, Annotation
from sam_widget.masks.runs import Runs, StoredMask, runs_by_number
from sam_widget.masks.windows import placed
from sam_widget.prompts.geometry import Box

# Number of pixels processed at a time.
_BAND = 2**22


def to_indexed_png(
    source: Any, path: str | os.PathLike[str] | None = None, *, by: By = "object"
) -> tuple[NDArray[np.uint16], list[str]]:
    """Write the label map of one image as a PNG with Pascal VOC's palette, and return it with its names.

    Lossless, except where objects overlap: the later one is on top. The names are stored in a text chunk. For more than
    254 objects (255 is VOC's "do not care"), a 16-bit grey PNG is written instead.

    Raises:
        FormatError: There are several images, or the file cannot be written.
    """
    numbers, names = label_map(source, by=by)
    if path is not None:
        if len(names) < 255:
            picture = Image.fromarray(numbers.astype(np.uint8), "P")
            picture.putpalette(voc_palette().tobytes())
        else:
            picture = Image.fromarray(numbers)
        write_bytes(path, png_bytes(picture, text={"names": names}))
    return numbers, names


def to_binary_pngs(source: Any, folder: str | os.PathLike[str]) -> list[Path]:
    """Write each object of one image as a PNG of the image's size, 0 outside and 255 inside. Lossless with overlaps.

    Returns:
        The files: `001_label.png`, `002_label.png`, ... Label and score are stored in a text chunk.

    Raises:
        FormatError: There are several images, or a file cannot be written.
    """
    root = Path(folder).expanduser()
    return [
        write_bytes(root / f"{number:03}_{safe_name(item.label)}.png", mask_png(item.mask, text=_metadata(item)))
        for number, item in enumerate(image_of(source, "a folder of masks"), 1)
    ]


def to_cutouts(source: Any, folder: str | os.PathLike[str], *, crop: bool = True) -> list[Path]:
    """Write each object of one image as an RGBA PNG: the photo inside the mask, transparent outside.

    Lossless, including overlaps. The position in the image is stored in a text chunk, so that crops can be read back.

    Args:
        source: A session, a widget, or anything else that includes the photo.
        folder: Folder of the files.
        crop: Crop to the object's box; otherwise each PNG has the image's size.

    Returns:
        The files: `001_label.png`, `002_label.png`, ...

    Raises:
        FormatError: There are several images, the photo is unknown, or a file cannot be written.
    """
    image = image_of(source, "a folder of cut-outs")
    if image.pixels is None:
        raise FormatError("a cut-out needs the photo, but only masks were given; give a session, or AnnotatedImage")
    root, written = Path(folder).expanduser(), []
    for number, item in enumerate(image, 1):
        x0, y0, x1, y1 = (int(side) for side in item.box.corners) if crop else (0, 0, *image.size)
        alpha = item.mask[y0:y1, x0:x1].astype(np.uint8) * np.uint8(255)
        # Erase the photo in transparent pixels.
        visible = np.where(alpha[..., None] > 0, image.pixels[y0:y1, x0:x1], 0).astype(np.uint8)
        png = png_bytes(
            np.dstack((visible, alpha)), text={**_metadata(item), "offset": [x0, y0], "size": list(image.size)}
        )
        written.append(write_bytes(root / f"{number:03}_{safe_name(item.label)}.png", png))
    return written


def _metadata(item: Annotation) -> dict[str, Any]:
    return {"label": item.label, "score": None if item.score is None else round(item.score, 6)}


def from_png(
    path: str | os.PathLike[str], *, threshold: float | None = None, max_bytes: int = MAX_PICTURE
) -> list[AnnotatedImage]:
    """Read masks from a PNG, or from every PNG in a folder (masks of one image, sorted by name).

    Palette indices and grey values are numbers of objects, 0 the background; a picture with only one other value, or
    with opacity, is a single mask. Names are read from the text chunk, or else from the file name.

    Args:
        path: Path of the file or folder.
        threshold: For soft masks, with grey edges, the grey above which a pixel belongs to the mask. From 0 to 1, a
            fraction of white; above 1, a grey value.
        max_bytes: Maximum decoded size of each picture.

    Raises:
        FormatError: The file is not a PNG of masks or is too large, the folder contains none, or a mask is soft and no
            threshold is given.
        MaskError: The pictures in a folder differ in size.
    """
    root = Path(path).expanduser()
    files = sorted(file for file in root.iterdir() if file.suffix.lower() == ".png") if root.is_dir() else [root]
    if not files:
        raise FormatError(f"there is no PNG in {str(root)!r}")
    reading = Reading(path, "this is not a PNG of masks")
    found: list[Annotation] = []
    sizes: dict[tuple[int, int], str] = {}
    for file in files:
        masks, (width, height) = _read_png(file, threshold, max_bytes)
        sizes.setdefault((width, height), file.name)
        for label, runs, score in masks:
            found += reading.annotation(label, runs, (height, width), score)
    if len(sizes) > 1:
        (first, name), (other, different) = list(sizes.items())[:2]
        raise MaskError(f"{name!r} has {first} pixels, but {different!r} {other}; expected the masks of one image")
    reading.finish()
    return [AnnotatedImage(tuple(found), next(iter(sizes)))]


Found = tuple[list[tuple[str, Runs, float | None]], tuple[int, int]]


def _read_png(path: Path, threshold: float | None, max_bytes: int) -> Found:
    picture = open_png(path, max_bytes=max_bytes)
    text = png_text(picture)
    label = path.stem
    score: float | None = None
    try:
        label = text_of(text.get("label"), "label") or label
        score = score_of(text.get("score"))
    except FormatError:
        text = {}
    if picture.mode in ("RGBA", "LA"):
        opaque = runs_by_number((band > 127 for band in _bands(picture.getchannel("A"))), picture.width)
        runs, size = _placed(opaque.get(1, np.empty((0, 2), np.uint32)), picture.size, text)
        return ([(label, runs, score)] if len(runs) else []), size
    if picture.mode == "RGB" and all(_is_grey(band) for band in _bands(picture)):
        grey_channel = picture.getchannel("R")
        picture = grey_channel if grey_channel.getextrema() != (0, 0) else picture
    if picture.mode not in ("1", "L", "P", "I", "I;16", "I;16B"):
        raise FormatError(
            f"{path.name!r} is a picture of mode {picture.mode}, expected one of masks: indexed, grey, or with opacity"
        )
    grey = picture.mode not in ("P", "1") and "names" not in text
    if threshold is not None and grey:
        white = 255 if picture.mode == "L" else 65535
        cut = threshold * white if threshold < 1 else threshold
        above = runs_by_number((band > cut for band in _bands(picture)), picture.width)
        return [(label, runs, score) for runs in above.values()], picture.size
    found = runs_by_number(_bands(picture), picture.width)
    if grey and _is_soft(picture, found):
        raise FormatError(
            f"{path.name!r} looks like a soft mask: its {len(found)} greys fade from one to the next; say where to cut "
            "it, load_masks(..., threshold=0.5), or save a label map with a palette"
        )
    if picture.mode == "P" and len(found) > 1 and 255 in found and 254 not in found:
        del found[255]  # Pascal VOC's "do not care", around objects
    names = text.get("names")
    if isinstance(names, list):
        known = {number: _name_of(name) for number, name in enumerate(names, 1)}
    else:
        known = dict.fromkeys(found, label) if len(found) == 1 else {}
    return [(known.get(value) or str(value), runs, score) for value, runs in found.items()], picture.size


def _name_of(name: Any) -> str:
    return str(name) if isinstance(name, str | int | float) else ""


def _bands(picture: Image.Image) -> Iterator[NDArray[Any]]:
    """Yield a picture from top to bottom, a few rows at a time; a whole array would double the memory."""
    rows = max(1, _BAND // picture.width)
    for top in range(0, picture.height, rows):
        yield np.asarray(picture.crop((0, top, picture.width, min(top + rows, picture.height))))


def _is_grey(band: NDArray[Any]) -> bool:
    return bool((band[..., 0] == band[..., 1]).all() and (band[..., 0] == band[..., 2]).all())


def _is_soft(picture: Image.Image, found: dict[int, Runs]) -> bool:
    """Whether the greys of a picture are a mask with soft edges rather than numbers of objects.

    On a soft edge, most pixels between black and white have both a darker and a lighter neighbour; pixels of an object
    have neighbours with its own number or of the background. Small consecutive numbers from 1 are always object
    numbers, however thin the objects.
    """
    high = max(found, default=0)
    if len(found) < 2 or high < (128 if picture.mode == "L" else 2**15):
        return False
    between = fading = 0
    for band in _bands(picture):
        middle = band[1:-1, 1:-1].astype(np.int32)
        darker, lighter = np.zeros(middle.shape, np.bool_), np.zeros(middle.shape, np.bool_)
        rows, columns = band.shape
        for y, x in ((0, 1), (1, 0), (1, 2), (2, 1), (0, 0), (0, 2), (2, 0), (2, 2)):
            other = band[y : y + rows - 2, x : x + columns - 2]
            darker |= other < middle
            lighter |= other > middle
        grey = (middle > 0) & (middle < high)
        between += int(np.count_nonzero(grey))
        fading += int(np.count_nonzero(grey & darker & lighter))
    return fading > between / 2


def _placed(runs: Runs, size: tuple[int, int], text: dict[str, Any]) -> tuple[Runs, tuple[int, int]]:
    """Move a crop back to its position in the image, if its text chunk contains it."""
    width, height = size
    try:
        (x, y), whole = (int(side) for side in text["offset"]), checked_size(*text["size"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return runs, size
    if x < 0 or y < 0 or x + width > whole[0] or y + height > whole[1]:
        return runs, size
    crop = StoredMask.of_runs(runs, (height, width))
    return placed(crop, Box(x, y, x + width, y + height), whole[::-1]).runs, whole
