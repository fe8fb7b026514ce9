"""COCO instances: one JSON file for any number of images, read by pycocotools and most of the field.

https://cocodataset.org/#format-data
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sam_widget.errors import FormatError, MaskError
from sam_widget.export.files import checked_size, file_size, read_json, write_json
from sam_widget.export.names import name_in_file, pick
from sam_widget.export.reading import Reading, corners, items, key_of, member, optional, score_of, text_of
from sam_widget.export.rings import one_ring, parts_from_mask
from sam_widget.export.sources import class_names, images_of, named
from sam_widget.masks.annotations import AnnotatedImage, Annotation
from sam_widget.masks.codecs import rle_from_stored, runs_from_coco_polygons, stored_from_rle
from sam_widget.masks.runs import Mask, Runs
from sam_widget.masks.scanlines import clipped

# Maximum length of a polygon's outline in pixels: pycocotools allocates 100 bytes for each.
_LONGEST = 2**21


def to_coco(
    source: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    segmentation: Literal["rle", "polygons"] = "rle",
    tolerance: float = 0.0,
    classes: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Convert one or several images to COCO instances, and write them if a path is given.

    Overlaps are preserved: each object is complete. RLE masks are lossless. Polygons are meant for tools that cannot
    read RLE; holes are connected to their outline by a bridge. pycocotools reads them back with an IoU of 0.999 or
    more; with `tolerance=1`, which leaves a quarter of the points, with 0.98 or more for a photo's objects.

    Args:
        source: Sessions, masks, or a dict from file names to these; see `images_of`.
        path: Path of the JSON file.
        segmentation: "rle" or "polygons".
        tolerance: Maximum deviation of a simplified polygon, in pixels.
        classes: All categories in order; by default the labels, in order of first occurrence.

    Raises:
        FormatError: A label is not among the classes, two images have the same name, or the file cannot be written.
        MissingExtraError: scikit-image is not installed, for polygons.
    """
    if segmentation not in ("rle", "polygons"):
        raise FormatError(f"segmentation is {segmentation!r}, expected 'rle' or 'polygons'")
    images = images_of(source)
    categories = class_names(images, classes)
    numbers = {name: number for number, name in enumerate(categories, 1)}
    data: dict[str, Any] = {
        "info": {"description": "Exported by sam_widget"},
        "images": [],
        "annotations": [],
        "categories": [{"id": number, "name": name} for name, number in numbers.items()],
    }
    for image_id, (name, image) in enumerate(named(images), 1):
        width, height = image.size
        data["images"].append({"id": image_id, "file_name": name, "width": width, "height": height})
        for item in image:
            entry = {
                "id": len(data["annotations"]) + 1,
                "image_id": image_id,
                "category_id": numbers[item.label],
                "segmentation": rle_from_stored(item.stored)
                if segmentation == "rle"
                else _polygons(item.mask, tolerance),
                "area": item.area,
                "bbox": list(item.box.xywh),
                "iscrowd": 0,
            }
            data["annotations"].append(entry if item.score is None else entry | {"score": round(item.score, 6)})
    write_json(path, data)
    return data


def _polygons(mask: Mask, tolerance: float) -> list[list[float]]:
    return [np.round(one_ring(part)[:-1], 3).ravel().tolist() for part in parts_from_mask(mask, tolerance=tolerance)]


def from_coco(source: Any, *, image: str | None = None) -> list[AnnotatedImage]:
    """Read COCO instances; masks may be polygons, RLE, or RLE with its counts as a list.

    Boxes without a mask and damaged polygons are skipped with a single warning.

    Args:
        source: Path of the JSON file, or its parsed content.
        image: Name of the only image to read; the others are not decoded.

    Raises:
        FormatError: The file is not COCO, no mask in it can be read, or no image has this name.
        MissingExtraError: The file has polygons, and pycocotools is not installed.
    """
    size = file_size(source)
    data = read_json(source)
    try:
        entries, annotations, categories = (
            items(member(data, name), f"{name!r}") for name in ("images", "annotations", "categories")
        )
    except FormatError as error:
        raise FormatError(
            f"these are not COCO instances ({error}); expected an object with images, annotations and categories"
        ) from error
    reading = Reading(source, "these are not COCO instances", size=size)
    names: dict[Any, str] = {}
    for number, category in enumerate(categories, 1):
        with reading.region(f"category {number}"):
            names[key_of(member(category, "id"), "its id")] = text_of(member(category, "name"), "its name")
    called = [name_in_file(text_of(optional(entry, "file_name"), "a file_name")) for entry in entries]
    images: dict[Any, AnnotatedImage] = {}
    others: set[Any] = {key for entry in entries if isinstance(key := optional(entry, "id"), str | int | float)}
    for number in pick(called, image):
        with reading.region(f"image {number + 1}"):
            entry = entries[number]
            sides = checked_size(member(entry, "width"), member(entry, "height"))
            images[key_of(member(entry, "id"), "its id")] = AnnotatedImage((), sides, called[number] or None)
    found: dict[Any, list[Annotation]] = {key: [] for key in images}
    # Annotations of images that are not requested, or that were reported above.
    skipped = others - images.keys()
    for number, entry in enumerate(annotations, 1):
        if skipped and isinstance(of := optional(entry, "image_id"), str | int | float) and of in skipped:
            continue
        with reading.region(f"annotation {number}"):
            key = key_of(member(entry, "image_id"), "its image_id")
            if key not in images:
                raise FormatError(f"image {key!r} is missing")
            width, height = images[key].size
            category = key_of(member(entry, "category_id"), "its category_id")
            if category not in names:
                raise FormatError(f"category {category!r} is missing")
            runs = _runs(optional(entry, "segmentation"), height, width, reading)
            if runs is not None:
                score = score_of(optional(entry, "score"))
                found[key] += reading.annotation(names[category], runs, (height, width), score)
    reading.finish()
    return [replace(item, annotations=tuple(found[key])) for key, item in images.items()]


def _runs(segmentation: Any, height: int, width: int, reading: Reading) -> Runs | None:
    """Return the row runs of a segmentation; if there is only a box, count it and return None."""
    if isinstance(segmentation, Mapping):
        if list(items(member(segmentation, "size"), "the size of an RLE")) != [height, width]:
            raise MaskError(f"an RLE has size {segmentation['size']}, but its image {[height, width]}")
        return stored_from_rle(segmentation).runs
    if segmentation is None or (isinstance(segmentation, list) and not segmentation):
        reading.pass_over("box without a mask", plural="boxes without a mask")
        return None
    rings = items(segmentation, "the segmentation")
    if isinstance(rings[0], int | float):
        rings = [rings]  # a single polygon without an outer list
    good, error = [], None
    for ring in rings:
        try:
            good.append(_ring(ring, height, width))
        except FormatError as damaged:
            error = damaged
            reading.drop_part("damaged polygon")
    if error is not None and not good:
        reading.keep_parts("damaged polygon", len(rings))
        raise error
    return runs_from_coco_polygons(good, height, width)


def _ring(ring: Any, height: int, width: int) -> NDArray[np.float64]:
    points = clipped(corners(ring, "a polygon"), height, width)
    length = np.abs(np.diff(points, axis=0, append=points[:1])).max(axis=1).sum() if len(points) else 0
    if length > _LONGEST:
        raise FormatError(f"a polygon is {length:,.0f} pixels long, expected {_LONGEST:,} at most; simplify it")
    return points
