"""COCO instances: one JSON file for any number of images, read by pycocotools and most of the field.

https://cocodataset.org/#format-data
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, Literal

import numpy as np

from sam_widget.errors import FormatError, MaskError, import_extra
from sam_widget.export.rings import one_ring, parts_from_mask
from sam_widget.export.shared import checked_size, class_names, images_of, named, read_json, write_json
from sam_widget.masks.annotations import AnnotatedImage, Annotation
from sam_widget.masks.codecs import mask_from_rle, rle_from_mask
from sam_widget.masks.runs import Mask, StoredMask


def to_coco(
    source: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    segmentation: Literal["rle", "polygons"] = "rle",
    tolerance: float = 0.0,
    classes: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Return, and write if a path is given, the COCO instances of one image or several.

    Overlaps stay: each object is whole. Masks are lossless as RLE. As polygons they are for tools that cannot read RLE;
    a hole is tied to its outline by a bridge. pycocotools reads them back with an IoU of 0.999 or more; with
    `tolerance=1`, and a quarter of the points, with 0.98 or more for a photo's objects.

    Args:
        source: Sessions, masks, or a dict from file names to these; see `images_of`.
        path: Of the JSON file.
        segmentation: "rle" or "polygons".
        tolerance: How far, in pixels, a simplified polygon may stray.
        classes: All categories, in order; without, the labels in the order in which they first occur.

    Raises:
        FormatError: A label is not among the classes, two images have one name, or the file cannot be written.
        MissingExtraError: pycocotools is not installed (or scikit-image, for polygons).
    """
    if segmentation not in ("rle", "polygons"):
        raise FormatError(f"segmentation is {segmentation!r}, expected 'rle' or 'polygons'")
    images = images_of(source)
    categories = class_names(images, classes)
    data: dict[str, Any] = {
        "info": {"description": "Exported by sam_widget"},
        "images": [],
        "annotations": [],
        "categories": [{"id": number, "name": name} for number, name in enumerate(categories, 1)],
    }
    for image_id, (name, image) in enumerate(named(images), 1):
        width, height = image.size
        data["images"].append({"id": image_id, "file_name": name, "width": width, "height": height})
        for item in image:
            entry = {
                "id": len(data["annotations"]) + 1,
                "image_id": image_id,
                "category_id": categories.index(item.label) + 1,
                "segmentation": rle_from_mask(item.mask) if segmentation == "rle" else _polygons(item.mask, tolerance),
                "area": item.area,
                "bbox": list(item.box.xywh),
                "iscrowd": 0,
            }
            data["annotations"].append(entry if item.score is None else entry | {"score": round(item.score, 6)})
    write_json(path, data)
    return data


def _polygons(mask: Mask, tolerance: float) -> list[list[float]]:
    return [np.round(one_ring(part)[:-1], 3).ravel().tolist() for part in parts_from_mask(mask, tolerance=tolerance)]


def from_coco(source: Any) -> list[AnnotatedImage]:
    """Read COCO instances; masks may be polygons, RLE, or RLE with its counts as a list.

    Args:
        source: Path of the JSON file, or what it holds.

    Raises:
        FormatError: It is not COCO, or a mask in it is damaged.
        MissingExtraError: pycocotools is not installed.
    """
    data = read_json(source)
    try:
        names = {category["id"]: str(category["name"]) for category in data["categories"]}
        items: dict[Any, list[Annotation]] = {image["id"]: [] for image in data["images"]}
        sizes = {image["id"]: checked_size(image["width"], image["height"]) for image in data["images"]}
        for entry in data["annotations"]:
            mask = _mask(entry["segmentation"], *sizes[entry["image_id"]])
            score = entry.get("score")
            if mask.any():
                found = Annotation(
                    names[entry["category_id"]], StoredMask(mask), None if score is None else float(score)
                )
                items[entry["image_id"]].append(found)
        return [
            AnnotatedImage(tuple(items[image["id"]]), sizes[image["id"]], PurePath(str(image["file_name"])).name)
            for image in data["images"]
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, FormatError):
            raise
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise FormatError(
            f"these are not COCO instances ({what}); expected an object with images, annotations and categories"
        ) from error


def _mask(segmentation: Any, width: int, height: int) -> Mask:
    if isinstance(segmentation, dict):
        if list(segmentation.get("size", ())) != [height, width]:
            raise MaskError(f"an RLE has size {segmentation.get('size')}, but its image {[height, width]}")
        return mask_from_rle(segmentation)
    codec = import_extra("pycocotools.mask", "coco")
    rings = [np.asarray(ring, dtype=np.float64).tolist() for ring in segmentation]
    if any(len(ring) < 6 or len(ring) % 2 for ring in rings):
        raise MaskError("a polygon has fewer than three corners, or a coordinate too many")
    if not rings:
        return np.zeros((height, width), dtype=np.bool_)
    return np.asarray(codec.decode(codec.merge(codec.frPyObjects(rings, height, width))), dtype=np.bool_)
