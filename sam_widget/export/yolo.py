"""YOLO segmentation: a text file per image with one polygon per line, and a `data.yaml` with the class names.

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

# Offset of a point in its pixel, chosen so that both rounding (supervision) and truncation (Ultralytics) hit the pixel.
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

    Overlaps are preserved: each object is complete, in a single polygon. It follows the outermost pixels, so readers
    that also fill the pixels under its lines, like Ultralytics and supervision, restore an object in one part without
    loss, including holes. Several parts are joined by bridges one pixel wide (IoU 0.98 or more for a photo's objects).

    Args:
        source: Sessions, masks, or a dict from file names to these; see `images_of`.
        folder: Folder of the dataset.
        classes: All classes, in order; by default the labels, in order of first occurrence.
        images: Also write the images, as PNG.

    Returns:
        The files written.

    Raises:
        FormatError: A label is not among the classes, two images have the same name, an image to write is unknown, or
            a file cannot be written.
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
    # Even a single pixel needs a polygon of three corners.
    corners = np.vstack((corners, np.repeat(corners[-1:], max(0, 3 - len(corners)), axis=0)))
    return " ".join(f"{value:.7g}" for value in ((corners + INSIDE) / (width, height)).ravel())
