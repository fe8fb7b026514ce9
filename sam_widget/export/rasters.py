"""Masks as pixels: label maps, NumPy archives, indexed PNG, one PNG a mask, cut-outs."""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sam_widget.errors import FormatError
from sam_widget.export.shared import (
    checked_size,
    class_names,
    image_of,
    mask_png,
    open_png,
    png_bytes,
    png_text,
    read_bytes,
    safe_name,
    write_bytes,
)
from sam_widget.masks.annotations import AnnotatedImage, Annotation, annotations_of
from sam_widget.masks.runs import Mask, StoredMask

By = Literal["object", "class"]


def label_map(source: Any, *, by: By = "object") -> tuple[NDArray[np.uint16], list[str]]:
    """Return the objects of one image as one array of numbers: 0 is background, n the n-th name.

    Where objects overlap, the later one lies on top; what it hides is lost.

    Args:
        source: A session, masks, or whatever else `images_of` reads.
        by: "object": each object has its own number. "class": objects of one label share one.

    Returns:
        (H, W) uint16, and the names of 1, 2, 3, ...

    Raises:
        FormatError: There are several images, or more than 65,535 objects.
    """
    image = image_of(source, "a label map")
    if by not in ("object", "class"):
        raise FormatError(f"by is {by!r}, expected 'object' or 'class'")
    names = class_names([image], None) if by == "class" else [item.label for item in image]
    if len(names) > np.iinfo(np.uint16).max:
        raise FormatError(f"a label map holds 65,535 numbers, but there are {len(names)} objects; export to COCO")
    width, height = image.size
    numbers = np.zeros((height, width), np.uint16)
    for index, item in enumerate(image, 1):
        numbers[item.mask] = names.index(item.label) + 1 if by == "class" else index
    return numbers, names


# ------------------------------------------------------------------------------------------------ NumPy


def to_npz(source: Any, path: str | os.PathLike[str] | None = None) -> dict[str, NDArray[Any]]:
    """Return, and write if a path is given, a NumPy archive of one image's objects. Lossless, overlaps stay.

    It holds `masks` (N, H, W) bool, `labels` (N,) str, `scores` (N,) float32 (NaN where unknown), `boxes` (N, 4) of
    x0, y0, x1, y1, and `label_map` (H, W) uint16, in which later objects lie on top of earlier ones.

    Raises:
        FormatError: There are several images, or the file cannot be written.
    """
    image = image_of(source, "a NumPy archive")
    width, height = image.size
    scores = [np.nan if item.score is None else item.score for item in image]
    arrays: dict[str, NDArray[Any]] = {
        "masks": np.array([item.mask for item in image], np.bool_).reshape(-1, height, width),
        "labels": np.array([item.label for item in image], np.str_),
        "scores": np.array(scores, np.float32),
        "boxes": np.array([item.box.corners for item in image], np.float64).reshape(-1, 4),
        "label_map": label_map(image)[0],
    }
    if path is not None:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        write_bytes(path, buffer.getvalue())
    return arrays


def to_npy(source: Any, path: str | os.PathLike[str] | None = None, *, by: By = "object") -> NDArray[np.uint16]:
    """Return, and write if a path is given, the label map of one image, without its names; see `label_map`.

    Raises:
        FormatError: There are several images, or the file cannot be written.
    """
    numbers, _ = label_map(source, by=by)
    if path is not None:
        buffer = io.BytesIO()
        np.save(buffer, numbers, allow_pickle=False)
        write_bytes(path, buffer.getvalue())
    return numbers


def from_npz(path: str | os.PathLike[str]) -> list[AnnotatedImage]:
    """Read a NumPy file: an archive with `masks` or `label_map`, or one array of either kind. Nothing in it is run.

    Raises:
        FormatError: It is no such file, or it holds more than 2**32 bytes.
    """
    data = read_bytes(path)
    try:
        if zipfile.is_zipfile(io.BytesIO(data)):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                if (total := sum(entry.file_size for entry in archive.infolist())) > 2**32:
                    raise FormatError(f"{os.fspath(path)!r} unpacks to {total / 2**30:.0f} GiB, expected 4 at most")
            loaded = np.load(io.BytesIO(data), allow_pickle=False)
            # What is no array is bytes.
            read = {name: loaded[name] for name in ("masks", "label_map", "labels", "scores") if name in loaded.files}
            arrays = {name: array for name, array in read.items() if isinstance(array, np.ndarray)}
            held = loaded.files
        else:
            array = np.load(io.BytesIO(data), allow_pickle=False)
            arrays = {"masks" if array.dtype == np.bool_ else "label_map": array}
            held = []
    except (ValueError, OSError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{os.fspath(path)!r} is no NumPy file that can be read safely ({error})") from error
    found = arrays.get("masks", arrays.get("label_map"))
    if found is None:
        raise FormatError(f"{os.fspath(path)!r} holds {', '.join(held) or 'nothing'}; expected masks or a label_map")
    if found.size == 0:
        height, width = found.shape[-2:]
        return [AnnotatedImage((), checked_size(width, height))]
    items = annotations_of(found)
    labels, scores = arrays.get("labels"), arrays.get("scores")
    if "masks" in arrays and labels is not None and len(labels) == len(items):
        known = scores if scores is not None and len(scores) == len(items) else np.full(len(items), np.nan)
        items = tuple(
            Annotation(str(label), item.stored, None if np.isnan(score) else float(score))
            for item, label, score in zip(items, labels, known, strict=True)
        )
    height, width = found.shape[-2:]
    return [AnnotatedImage(items, (width, height))]


# ------------------------------------------------------------------------------------------------ PNG


def voc_palette() -> NDArray[np.uint8]:
    """Return the 256 colours of Pascal VOC's label images, (256, 3): a number's bits, dealt to red, green and blue."""
    numbers = np.arange(256)
    colours = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            colours[:, channel] |= (((numbers >> (3 * bit + channel)) & 1) << (7 - bit)).astype(np.uint8)
    return colours


def to_indexed_png(
    source: Any, path: str | os.PathLike[str] | None = None, *, by: By = "object"
) -> tuple[NDArray[np.uint16], list[str]]:
    """Write the label map of one image as a PNG in Pascal VOC's colours, and return it with its names.

    Where objects overlap, the later one lies on top; apart from that it is lossless. The names go into a text chunk.
    More than 254 objects (255 is VOC's "do not care") make a 16-bit grey PNG instead.

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
    """Write each object of one image as a PNG of the image's size, 0 outside and 255 inside. Lossless, overlaps stay.

    Returns:
        The files: `001_label.png`, `002_label.png`, ... Label and score go into a text chunk.

    Raises:
        FormatError: There are several images, or a file cannot be written.
    """
    root = Path(folder).expanduser()
    return [
        write_bytes(root / f"{number:03}_{safe_name(item.label)}.png", mask_png(item.mask, text=_said(item)))
        for number, item in enumerate(image_of(source, "a folder of masks"), 1)
    ]


def to_cutouts(source: Any, folder: str | os.PathLike[str], *, crop: bool = True) -> list[Path]:
    """Write each object of one image as an RGBA PNG: the photo inside the mask, transparent outside.

    Lossless, overlaps stay. Where it lies in the image goes into a text chunk, so that a crop finds back.

    Args:
        source: A session or widget; something that knows the photo.
        folder: Of the files.
        crop: Cut to the object's box; otherwise each PNG has the image's size.

    Returns:
        The files: `001_label.png`, `002_label.png`, ...

    Raises:
        FormatError: There are several images, the photo is not known, or a file cannot be written.
    """
    image = image_of(source, "a folder of cut-outs")
    if image.pixels is None:
        raise FormatError("a cut-out needs the photo, but only masks were given; give a session, or AnnotatedImage")
    root, written = Path(folder).expanduser(), []
    for number, item in enumerate(image, 1):
        x0, y0, x1, y1 = (int(side) for side in item.box.corners) if crop else (0, 0, *image.size)
        alpha = item.mask[y0:y1, x0:x1].astype(np.uint8) * np.uint8(255)
        # Nothing of the photo is left under the transparency.
        shown = np.where(alpha[..., None] > 0, image.pixels[y0:y1, x0:x1], 0).astype(np.uint8)
        png = png_bytes(np.dstack((shown, alpha)), text={**_said(item), "offset": [x0, y0], "size": list(image.size)})
        written.append(write_bytes(root / f"{number:03}_{safe_name(item.label)}.png", png))
    return written


def _said(item: Annotation) -> dict[str, Any]:
    return {"label": item.label, "score": None if item.score is None else round(item.score, 6)}


def from_png(path: str | os.PathLike[str]) -> list[AnnotatedImage]:
    """Read masks from a PNG, or from every PNG in a folder (masks of one image, in the order of their names).

    Colours of a palette and grey values are numbers of objects, 0 the background; where there is one other value, or
    the picture has opacity, it is one mask. Names come from the text chunk, else from the file.

    Raises:
        FormatError: It is no PNG of masks, or a folder without any.
        MaskError: The pictures of a folder differ in size.
    """
    root = Path(path).expanduser()
    files = sorted(root.glob("*.png")) if root.is_dir() else [root]
    if not files:
        raise FormatError(f"there is no PNG in {str(root)!r}")
    read = [_read_png(file) for file in files]
    items = annotations_of([item for found, _ in read for item in found])
    return [AnnotatedImage(items, read[0][1])]


def _read_png(path: Path) -> tuple[list[Annotation], tuple[int, int]]:
    picture = open_png(path)
    text = png_text(picture)
    score = text.get("score")
    label = str(text.get("label") or path.stem)
    score = float(score) if isinstance(score, int | float) else None
    if picture.mode in ("RGBA", "LA"):
        mask, size = _placed(np.asarray(picture.getchannel("A")) > 127, text)
        return ([Annotation(label, StoredMask(mask), score)] if mask.any() else []), size
    if picture.mode not in ("1", "L", "P", "I", "I;16", "I;16B"):
        raise FormatError(
            f"{path.name!r} is a picture of mode {picture.mode}, expected one of masks: indexed, grey, or with opacity"
        )
    numbers = np.asarray(picture).astype(np.int64)
    values = [int(value) for value in np.unique(numbers) if value != 0]
    if picture.mode == "P" and values[1:] and values[-1] == 255:
        values.pop()  # Pascal VOC's "do not care", around its objects
    names = text.get("names")
    if not isinstance(names, list):
        names = [label] if len(values) == 1 else []
        known = dict.fromkeys(values, label) if names else {}
    else:
        known = {number: str(name) for number, name in enumerate(names, 1)}
    items = [Annotation(known.get(value, str(value)), StoredMask(numbers == value), score) for value in values]
    return items, picture.size


def _placed(mask: Mask, text: dict[str, Any]) -> tuple[Mask, tuple[int, int]]:
    """Put a crop where it was in its image, if its text chunk says so."""
    height, width = mask.shape
    try:
        (x, y), size = (int(side) for side in text["offset"]), checked_size(*text["size"])
    except (KeyError, TypeError, ValueError):
        return mask, (width, height)
    if x < 0 or y < 0 or x + width > size[0] or y + height > size[1]:
        return mask, (width, height)
    whole = np.zeros((size[1], size[0]), np.bool_)
    whole[y : y + height, x : x + width] = mask
    return whole, size
