"""Measure reading other tools' files: one image of a large COCO file, and a label map with many numbers.

COCO is compared with pycocotools, in turn: a file of 1,000 images with 8 polygons each, of which one image is wanted.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO

import sam_widget as sw


def write_coco(path: Path, images: int) -> None:
    """Write a file of images with 8 objects each, of 40 corners."""
    rng = np.random.default_rng(0)
    annotations = []
    for image in range(images):
        for _ in range(8):
            (x, y), radius = rng.uniform((50, 50), (500, 350)), rng.uniform(20, 60)
            turns = np.sort(rng.uniform(0, 2 * np.pi, 40))
            ring = np.stack([x + radius * np.cos(turns), y + radius * np.sin(turns)], axis=1).ravel().round(2)
            annotations.append(
                {
                    "id": len(annotations),
                    "image_id": image,
                    "category_id": 1,
                    "segmentation": [ring.tolist()],
                    "bbox": [0, 0, 1, 1],
                    "area": 1,
                    "iscrowd": 0,
                }
            )
    names = [{"id": n, "file_name": f"{n:06}.jpg", "width": 640, "height": 480} for n in range(images)]
    path.write_text(
        json.dumps({"images": names, "annotations": annotations, "categories": [{"id": 1, "name": "thing"}]})
    )


def with_pycocotools(path: Path, image: int) -> None:
    """Read one image's masks as pycocotools' users do."""
    with contextlib.redirect_stdout(io.StringIO()):
        data = COCO(str(path))
    for annotation in data.imgToAnns[image]:
        data.annToMask(annotation)


def seconds(read: Callable[[], object]) -> float:
    """Time one call."""
    start = time.perf_counter()
    read()
    return time.perf_counter() - start


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path, wanted = Path(folder) / "many.json", options.images // 2
        write_coco(path, options.images)
        times = [
            (
                seconds(lambda: sw.load_masks(path, image=f"{wanted:06}.jpg")),
                seconds(lambda: with_pycocotools(path, wanted)),
            )
            for _ in range(options.repeats)
        ]
        ours, theirs = (statistics.median(column) for column in zip(*times, strict=True))
        print(f"one image of {options.images:,} in COCO: {ours:.2f} s; pycocotools {theirs:.2f} s")
        numbers = Path(folder) / "map.npy"
        np.save(numbers, np.random.default_rng(0).integers(0, 20_000, (1500, 1500)).astype(np.int32))
        times_of_map = [seconds(lambda: sw.load_masks(numbers)) for _ in range(options.repeats)]
        print(f"a label map of 1500 x 1500 pixels and 20,000 numbers: {statistics.median(times_of_map):.2f} s")


if __name__ == "__main__":
    main()
