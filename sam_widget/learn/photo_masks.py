"""Photos with human masks for training: a picture and nested regions at three levels.

Two layouts are read. A *pack* is a folder with one `SOURCE.json` for each source next to its pictures, as
`python -m sam_widget.learn gather` writes it. A COCO file (`annotations.json`) has its pictures in its own folder, in
`images/`, or at the paths in `file_name`.

A mask inside another one is a part of it; a mask inside a part is a subpart. Most sources label only wholes, so the
other two levels are unknown. Pixels that no mask covers are unknown too. Unknown is id 0.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from sam_widget.atomic import write_whole
from sam_widget.errors import SamWidgetError

NESTED = 0.9
"""Share of a mask that must lie inside another one for it to be a part of that mask."""
SMALLER = 0.8
"""A part has at most this share of the area of the mask that contains it."""
SMALLEST_MASK = 0.0008
"""Share of the photo below which a mask is skipped: it would be lost at training resolution."""
MOST_MASKS = 200
"""Maximum number of masks per photo, the largest first: region ids are bytes."""
_NESTING_SIZE = 128
"""Longest side at which nesting is decided, in pixels."""


@dataclass(frozen=True)
class PhotoRecord:
    """One photo and its encoded masks.

    Attributes:
        path: The picture.
        size: (height, width) of the masks.
        masks: COCO run lengths, compressed or not, or polygons.
        weight: How often the photo is drawn, relative to others.
    """

    path: Path
    size: tuple[int, int]
    masks: tuple[Any, ...]
    weight: float


def read_photos(path: Path) -> list[PhotoRecord]:
    """Read a pack, or a COCO file.

    Raises:
        SamWidgetError: The path is neither, or does not have the expected layout.
    """
    if path.is_dir():
        files = sorted(path.glob("*.json"))
        if not files:
            raise SamWidgetError(f"{path} has no SOURCE.json; pass a folder that `gather` wrote, or annotations.json")
        return [record for file in files for record in _pack(file, _read(file))]
    content = _read(path)
    return _pack(path, content) if "source" in content else _coco(path, content)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SamWidgetError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        raise SamWidgetError(f"{path} has no list of images; expected a COCO file or a pack's SOURCE.json")
    return content


def _pack(path: Path, content: Mapping[str, Any]) -> list[PhotoRecord]:
    weight = float(content.get("weight", 1.0))
    try:
        records = [
            PhotoRecord(
                path.parent / image["file"],
                (int(image["height"]), int(image["width"])),
                tuple({"size": mask["size"], "counts": mask["counts"]} for mask in image["masks"]),
                weight,
            )
            for image in content["images"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise SamWidgetError(f"{path} is not a pack's SOURCE.json: {error!r} is missing or wrong") from error
    # A source's weight is divided by the square root of its number of photos: a large source is drawn more often than
    # a small one, but each of its photos less often.
    return [
        PhotoRecord(r.path, r.size, r.masks, weight / max(len(records), 1) ** 0.5) for r in records if len(r.masks) > 0
    ]


def _coco(path: Path, content: Mapping[str, Any]) -> list[PhotoRecord]:
    masks: dict[Any, list[Any]] = {}
    for annotation in content.get("annotations", ()):
        if annotation.get("segmentation") and not annotation.get("iscrowd"):
            masks.setdefault(annotation["image_id"], []).append(annotation["segmentation"])
    records = []
    for image in content["images"]:
        if image.get("id") not in masks:
            continue
        places = (path.parent / image["file_name"], path.parent / "images" / image["file_name"])
        file = next((place for place in places if place.exists()), None)
        if file is None:
            raise SamWidgetError(f"{path} names {image['file_name']}, which is neither next to it nor in images/")
        size = (int(image["height"]), int(image["width"]))
        records.append(PhotoRecord(file, size, tuple(masks[image["id"]]), 1.0))
    if not records:
        raise SamWidgetError(f"{path} has no image with a segmentation")
    return records


def decode_mask(segmentation: Any, size: tuple[int, int]) -> np.ndarray:
    """Return a COCO segmentation (compressed or plain run lengths, or polygons) as (H, W) bool.

    Raises:
        SamWidgetError: It is none of these, or does not match the size.
    """
    from pycocotools import mask as coco_mask

    height, width = size
    try:
        if isinstance(segmentation, list):
            segmentation = coco_mask.merge(coco_mask.frPyObjects(segmentation, height, width))
        elif isinstance(segmentation["counts"], list):
            segmentation = coco_mask.frPyObjects(segmentation, height, width)
        decoded = coco_mask.decode(segmentation)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SamWidgetError(f"a segmentation cannot be read: {error}; expected run lengths or polygons") from error
    if decoded.shape != (height, width):
        raise SamWidgetError(f"a mask is {decoded.shape} but its photo {(height, width)}")
    return np.asarray(decoded, bool)


def depths(masks: Sequence[np.ndarray]) -> list[int]:
    """Return the nesting depth of each (H, W) mask: 0 for wholes, 1 for parts, 2 and more for subparts.

    Masks must be sorted by decreasing area.
    """
    if not masks:
        return []
    height, width = masks[0].shape
    scale = min(1.0, _NESTING_SIZE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.stack([cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) for mask in masks])
    flat = small.reshape(len(small), -1)
    overlaps, areas = flat @ flat.T, np.maximum(flat.sum(1), 1e-6)
    found: list[int] = []
    for inner in range(len(masks)):
        around = [
            found[outer] + 1
            for outer in range(inner)
            if overlaps[inner, outer] >= NESTED * min(areas[inner], (flat[inner] ** 2).sum())
            and areas[inner] <= SMALLER * areas[outer]
        ]
        found.append(max(around, default=0))
    return found


def paint_levels(masks: Sequence[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """Return the regions (3, H, W) uint8 of (H, W) masks at the levels subpart, part and whole; 0 is unknown.

    Where two masks of a level overlap, the smaller one is in front.
    """
    labels = np.zeros((3, *size), np.uint8)
    ordered = sorted(masks, key=lambda mask: -int(mask.sum()))[:MOST_MASKS]
    for number, (mask, depth) in enumerate(zip(ordered, depths(ordered), strict=True), start=1):
        labels[max(0, 2 - depth)][mask] = number
    return labels


class PhotoMasks:
    """Photos to train on, drawn by weight."""

    def __init__(self, path: Path, *, cache: Path | None = None) -> None:
        """Read the index of a pack or COCO file; pictures are read when they are drawn.

        Args:
            path: The pack's folder, one `SOURCE.json` of it, or a COCO file.
            cache: Folder that caches painted labels; painting takes ten times as long as reading them.

        Raises:
            SamWidgetError: See `read_photos`.
        """
        self.path, self.records = path, read_photos(path)
        weights = np.array([record.weight for record in self.records])
        if not weights.sum() > 0:
            raise SamWidgetError(f"{path} has no photo of positive weight")
        self._cumulative = np.cumsum(weights / weights.sum())
        self._cache = cache
        if cache is not None:
            cache.mkdir(parents=True, exist_ok=True)

    def __len__(self) -> int:
        return len(self.records)

    def draw(self, rng: np.random.Generator) -> int:
        """Return the index of a photo drawn by weight."""
        return min(int(np.searchsorted(self._cumulative, rng.random(), side="right")), len(self.records) - 1)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return image (H, W, 3) and labels (3, H, W), both uint8; see `paint_levels`.

        Raises:
            SamWidgetError: The picture or one of its masks cannot be read.
        """
        record = self.records[index]
        picture = cv2.imread(str(record.path), cv2.IMREAD_COLOR)
        if picture is None:
            raise SamWidgetError(f"{record.path} cannot be read as a picture")
        height, width = record.size
        if picture.shape[:2] != (height, width):
            picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        return np.ascontiguousarray(picture[..., ::-1]), self._labels(record)

    def _labels(self, record: PhotoRecord) -> np.ndarray:
        kept = None
        if self._cache is not None:
            content = f"{record.path.resolve()} {record.size} {record.masks}"
            kept = self._cache / f"{hashlib.sha256(content.encode()).hexdigest()[:24]}.png"
            if kept.exists() and (known := cv2.imread(str(kept), cv2.IMREAD_UNCHANGED)) is not None:
                return np.ascontiguousarray(known.transpose(2, 0, 1))
        height, width = record.size
        smallest = SMALLEST_MASK * height * width
        masks = [mask for mask in (decode_mask(m, record.size) for m in record.masks) if mask.sum() >= smallest]
        labels = paint_levels(masks, record.size)
        if kept is not None:
            _, encoded = cv2.imencode(".png", np.ascontiguousarray(labels.transpose(1, 2, 0)))
            write_whole(kept, encoded.tobytes())
        return labels
