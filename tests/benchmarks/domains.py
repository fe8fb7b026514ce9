"""Photos of a domain that `tiny` is bad at, as COCO, for `engine.py`: 60 photos, at most 640 pixels, in a fixed order.

    python tests/benchmarks/domains.py chest CLONE chest   writes the photos to chest/ and their masks to chest.json
    python tests/benchmarks/domains.py disc CLONE disc
    python tests/benchmarks/domains.py knee CLONE knee
    python tests/benchmarks/engine.py chest chest.json

CLONE is a clone of the GitHub repository with the data. None of it is part of this package.

chest: lungs and heart in chest X-rays, GeneralBlockchain/covid-19-chest-xray-segmentations-dataset, CC BY 4.0; each
    photo's own licence is in its metadata.csv.
disc: the optic disc in photos of the retina (DRIONS-DB), DeepTrial/Optic-Disc-Unet at commit 7370005; the repository
    states no licence.
knee: the thigh bone in X-rays of knees, CharlotteYu-qq/knee_segmentation_project; the repository states no licence.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import binary_fill_holes

PHOTOS, SIDE = 60, 640
# Masks that cover less or more of the photo are left out.
LEAST, MOST = 0.001, 0.9
Photo = tuple[Path, Callable[[], list[np.ndarray]]]


def chest(clone: Path) -> list[Photo]:
    """Lungs and heart, whose masks are cut out and placed by a table."""
    rows: dict[str, list[dict[str, str]]] = {}
    for row in csv.DictReader((clone / "structure.csv").read_text("utf-8").splitlines()):
        if row["Class"].endswith(("Left Lung", "Right Lung", "Cardiomediastinum")):
            rows.setdefault(row["Filename"], []).append(row)

    def masks(path: Path) -> list[np.ndarray]:
        width, height = Image.open(path).size
        found = []
        for row in rows[path.name]:
            part = np.array(Image.open(clone / row["Mask"]).convert("RGBA"))
            drawn = part[..., 3 if part[..., 3].min() < 255 else 0] > 127
            whole = np.zeros((height, width), bool)
            y, x = (0, 0) if drawn.shape == whole.shape else (int(row["Top"]), int(row["Left"]))
            whole[y : y + drawn.shape[0], x : x + drawn.shape[1]] = drawn[: height - y, : width - x]
            found.append(whole)
        return found

    paths = [clone / "images" / name for name in rows]
    return [(path, lambda path=path: masks(path)) for path in paths if path.exists()]  # type: ignore[misc]


def disc(clone: Path) -> list[Photo]:
    """The optic disc, drawn as an outline."""

    def masks(path: Path) -> list[np.ndarray]:
        drawn = np.array(Image.open(path.parents[1] / "groundtruth" / path.name).convert("L"))
        return [binary_fill_holes(drawn > 127)]

    paths = (clone / "Dataset" / "image").glob("*/image/*.jpg")
    return [(path, lambda path=path: masks(path)) for path in paths]  # type: ignore[misc]


def knee(clone: Path) -> list[Photo]:
    """The thigh bone, whose value differs from mask to mask."""

    def masks(path: Path) -> list[np.ndarray]:
        return [np.array(Image.open(path.parents[1] / "masks" / path.name)) > 0]

    drawn = {path.name for path in (clone / "data" / "masks").glob("*.png")}
    paths = [path for path in (clone / "data" / "xrays").glob("*.png") if path.name in drawn]
    return [(path, lambda path=path: masks(path)) for path in paths]  # type: ignore[misc]


DOMAINS = {"chest": chest, "disc": disc, "knee": knee}


def main() -> None:
    """Write a domain."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("domain", choices=DOMAINS)
    parser.add_argument("clone", type=Path)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    photos = sorted(DOMAINS[given.domain](given.clone), key=lambda photo: str(photo[0]))
    random.Random(0).shuffle(photos)
    given.folder.mkdir(parents=True, exist_ok=True)
    written: dict[Path, list[np.ndarray]] = {}
    for path, masks in photos:
        if len(written) == PHOTOS:
            break
        image = Image.open(path).convert("RGB")
        scale = min(1, SIDE / max(image.size))
        size = (round(image.width * scale), round(image.height * scale))
        small = [np.array(Image.fromarray(255 * mask.astype(np.uint8)).resize(size)) > 127 for mask in masks()]
        if kept := [mask for mask in small if LEAST <= mask.mean() <= MOST]:
            name = given.folder / f"{len(written):03d}.jpg"
            image.resize(size).save(name, quality=92)
            written[name] = kept
    annotations = given.folder.with_suffix(".json")
    annotations.write_text(json.dumps(coco(written)), "utf-8")
    print(f"{len(written)} photos, {sum(map(len, written.values()))} masks in {annotations}")


def coco(photos: dict[Path, list[np.ndarray]]) -> dict[str, object]:
    """Return masks as COCO, with uncompressed run lengths."""
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for path, masks in photos.items():
        height, width = masks[0].shape
        images.append({"id": len(images) + 1, "file_name": path.name, "height": height, "width": width})
        for mask in masks:
            flat = np.concatenate([[False], mask.ravel(order="F")])
            edges = np.flatnonzero(flat[1:] != flat[:-1])
            runs = np.diff(np.concatenate([[0], edges, [mask.size]]))
            annotations.append(
                {"id": len(annotations) + 1, "image_id": len(images), "category_id": 1, "iscrowd": 0,
                 "area": int(mask.sum()), "segmentation": {"size": [height, width], "counts": runs.tolist()}}
            )  # fmt: skip
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "object"}]}


if __name__ == "__main__":
    main()
