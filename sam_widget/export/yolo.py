"""YOLO segmentation: a text file for each image, one polygon a line, and a `data.yaml` that names the classes.

https://docs.ultralytics.com/datasets/segment/
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sam_widget.errors import FormatError, import_extra
from sam_widget.export.files import png_bytes, write_bytes
from sam_widget.export.rings import one_ring, pixel_rings
from sam_widget.export.sources import class_names, images_of, stems
from sam_widget.masks.runs import Mask

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

    Files keep the names and folders of their images, by which trainers find them.

    Overlaps stay: each object is whole, but in one polygon. It runs along the outermost pixels, so a reader that fills
    the pixels under its lines, as Ultralytics and supervision do, gets an object in one part, holes included, without
    loss. One in several parts comes with bridges between them, one pixel wide (IoU 0.98 or more for a photo's objects).

    Args:
        source: Sessions, masks, or a dict from file names to these; see `images_of`.
        folder: Folder of the dataset.
        classes: All classes, in order; by default the labels, in order of first occurrence.
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
    numbers = {name: number for number, name in enumerate(names)}
    root = Path(folder).expanduser()
    written = []
    for stem, image in stems(found, suffix=".txt"):
        if images:
            if image.pixels is None:
                raise FormatError(
                    f"the pixels of {stem!r} are not known, only its masks; give a session, or images=False"
                )
            written.append(write_bytes(root / "images" / f"{stem}.png", png_bytes(image.pixels)))
        lines = (f"{numbers[item.label]} {_polygon(item.mask)}\n" for item in image)
        written.append(write_bytes(root / "labels" / f"{stem}.txt", "".join(lines).encode()))
    data: dict[str, Any] = {"path": ".", "train": "images"} | ({"val": "images"} if names else {})
    data["names"] = dict(enumerate(names))
    text = import_extra("yaml", "export").safe_dump(data, allow_unicode=True, sort_keys=False, width=10**6)
    return [*written, write_bytes(root / "data.yaml", text.encode())]


def _polygon(mask: Mask) -> str:
    """Return x, y of each corner, as fractions of the image."""
    height, width = mask.shape
    corners = one_ring(pixel_rings(mask))[:-1]
    # A polygon has three corners, be it a single pixel.
    corners = np.vstack((corners, np.repeat(corners[-1:], max(0, 3 - len(corners)), axis=0)))
    return " ".join(f"{value:.7g}" for value in ((corners + INSIDE) / (width, height)).ravel())
