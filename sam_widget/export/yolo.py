"""YOLO segmentation: a text file for each image, one polygon a line, and a `data.yaml` that names the classes.

https://docs.ultralytics.com/datasets/segment/
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sam_widget.errors import FormatError, import_extra
from sam_widget.export.rings import one_ring, pixel_rings
from sam_widget.export.shared import (
    checked_size,
    class_names,
    images_of,
    picture_size,
    png_bytes,
    read_bytes,
    stems,
    write_bytes,
)
from sam_widget.masks.annotations import AnnotatedImage, Annotation
from sam_widget.masks.runs import Mask, StoredMask

# Where in a pixel its point lies, so that rounding (supervision) and cutting off (Ultralytics) both find the pixel.
INSIDE = 0.25


def to_yolo(
    source: Any,
    folder: str | os.PathLike[str],
    *,
    classes: Sequence[str] | None = None,
    images: bool = False,
) -> list[Path]:
    """Write a YOLO dataset: `labels/<image>.txt`, `data.yaml` and, if asked, `images/<image>.png`.

    Overlaps stay: each object is whole, but in one polygon. It runs along the outermost pixels, so a reader that fills
    the pixels under its lines, as Ultralytics and supervision do, gets an object in one part, holes included, without
    loss. One in several parts comes with bridges between them, one pixel wide (IoU 0.98 or more for a photo's objects).

    Args:
        source: Sessions, masks, or a dict from file names to these; see `images_of`.
        folder: Of the dataset.
        classes: All classes, in order; without, the labels in the order in which they first occur.
        images: Write the images, too, as PNG.

    Returns:
        The files written.

    Raises:
        FormatError: A label is not among the classes, two images have one name, an image is wanted and not known, or a
            file cannot be written.
        MissingExtraError: OpenCV or scipy is not installed.
    """
    found = images_of(source)
    names = class_names(found, classes)
    root = Path(folder).expanduser()
    written = []
    for stem, image in stems(found):
        if images:
            if image.pixels is None:
                raise FormatError(
                    f"the pixels of {stem!r} are not known, only its masks; give a session, or images=False"
                )
            written.append(write_bytes(root / "images" / f"{stem}.png", png_bytes(image.pixels)))
        lines = (f"{names.index(item.label)} {_polygon(item.mask)}\n" for item in image)
        written.append(write_bytes(root / "labels" / f"{stem}.txt", "".join(lines).encode()))
    # JSON's strings are YAML's.
    listed = "".join(f"  {number}: {json.dumps(name)}\n" for number, name in enumerate(names))
    data = f"path: .\ntrain: images\nval: images\nnames:\n{listed}" if names else "path: .\ntrain: images\nnames: {}\n"
    return [*written, write_bytes(root / "data.yaml", data.encode())]


def _polygon(mask: Mask) -> str:
    """Return x, y of each corner, as fractions of the image."""
    height, width = mask.shape
    corners = one_ring(pixel_rings(mask))[:-1]
    # A polygon has three corners, be it a single pixel.
    corners = np.vstack((corners, np.repeat(corners[-1:], max(0, 3 - len(corners)), axis=0)))
    return " ".join(f"{value:.7g}" for value in ((corners + INSIDE) / (width, height)).ravel())


def from_yolo(folder: str | os.PathLike[str], *, size: tuple[int, int] | None = None) -> list[AnnotatedImage]:
    """Read a YOLO dataset: the files in `labels`, and the classes in `data.yaml`.

    Args:
        folder: Of the dataset, holding `labels` and `data.yaml`.
        size: Width and height of the images, which these files do not know; without, they are looked up in `images`.

    Raises:
        FormatError: It is not such a folder, a line is malformed, or an image is missing.
        MissingExtraError: OpenCV is not installed.
    """
    root = Path(folder).expanduser()
    names = _names(root / "data.yaml")
    files = sorted((root / "labels").glob("*.txt"))
    if not files:
        raise FormatError(f"there is no file in {str(root / 'labels')!r}; expected a YOLO dataset: labels/*.txt")
    pictures = {path.stem: path for path in sorted((root / "images").glob("*"))}
    found = []
    for file in files:
        picture = pictures.get(file.stem)
        if size is None and picture is None:
            raise FormatError(
                f"there is no image for {file.name!r} in {str(root / 'images')!r}; give size=(width, height)"
            )
        width, height = picture_size(picture) if size is None and picture else checked_size(*(size or (0, 0)))
        lines = [line for line in read_bytes(file).decode("utf-8", "replace").splitlines() if line.strip()]
        items = [_item(line, names, width, height, file.name) for line in lines]
        found.append(AnnotatedImage(tuple(items), (width, height), picture.name if picture else f"{file.stem}.png"))
    return found


def _names(path: Path) -> dict[int, str]:
    yaml = import_extra("yaml", "export")
    try:
        names = yaml.safe_load(read_bytes(path))["names"]
        return {int(key): str(name) for key, name in (names.items() if isinstance(names, dict) else enumerate(names))}
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{str(path)!r} names no classes ({error}); expected YAML with names") from error


def _item(line: str, names: dict[int, str], width: int, height: int, file: str) -> Annotation:
    try:
        number, *fractions = line.split()
        label = names[int(number)]
        corners = np.array(fractions, dtype=np.float64).reshape(-1, 2) * (width, height)
        if len(corners) < 3 or not np.isfinite(corners).all():
            raise ValueError("expected three corners or more")
    except (ValueError, KeyError) as error:
        raise FormatError(
            f"{file!r} has a line that is no polygon ({error}): {line[:60]!r}; expected class, x, y, x, y, ..."
        ) from error
    cv2 = import_extra("cv2", "export")
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [np.clip(np.round(corners), -(2**15), 2**15).astype(np.int32)], 1)
    return Annotation(label, StoredMask(mask.astype(np.bool_)))
