"""What everything mode finds on photos: for objects with human masks, the IoU of the best mask found.

    python tests/benchmarks/everything_photos.py DATA [--objects 20] [--seed 17] [--set score=0.3,mask=0.7 ...]

DATA is a folder of packs, as `python -m sam_widget.learn gather` writes it; see `learn.photo_masks`. Photos are spread
evenly over the sources; of each, one mask that covers 1% to 60% of it is drawn, always the same. With `--seed`, photos
are drawn from all sources of the folder instead, and of each, one mask that covers more than 1% of it. Each `--set` is
one measurement; without any, the defaults of the model are measured. `--list` prints the IoU of every object. The
ceiling is what could be found with this grid: the best of all masks predicted, however low their scores.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import sam_widget as sw
from sam_widget.automatic.automatic import MaskRecord
from sam_widget.image.reading import to_rgb
from sam_widget.learn.photo_masks import decode_mask, read_photos

# Sources of everyday photos in which things are labelled as wholes.
SOURCES = ("coco", "cocoperson", "animals", "cats", "food")
SMALLEST, LARGEST = 0.01, 0.6
NAMES = {
    "score": "pred_iou_thresh",
    "stability": "stability_score_thresh",
    "box": "box_nms_thresh",
    "mask": "mask_nms_thresh",
    "share": "min_mask_share",
    "points": "points_per_side",
}
CEILING = {"score": -9.0, "stability": 0.0, "box": 1.0, "mask": 1.0, "share": 0.0}


class Labelled(NamedTuple):
    """A photo and the human mask of one of its objects, (H, W) bool."""

    path: Path
    mask: np.ndarray


def labelled(data: Path, sources: Sequence[str], count: int) -> list[Labelled]:
    """Return one object each of `count` photos, spread evenly over sources and photos."""
    each = -(-count // len(sources))
    rng = np.random.default_rng(0)
    spread: list[list[Labelled]] = []
    for source in sources:
        photos = []
        for record in read_photos(data / f"{source}.json"):
            masks = [decode_mask(mask, record.size) for mask in record.masks]
            fitting = [mask for mask in masks if SMALLEST <= mask.mean() <= LARGEST]
            if fitting:
                photos.append(Labelled(record.path, fitting[rng.integers(len(fitting))]))
        places = np.arange(min(each, len(photos))) + 0.5
        spread.append([photos[int(place)] for place in places * (len(photos) / len(places))])
    mixed = [item for items in zip_longest(*spread) for item in items if item is not None]
    return mixed[:count]


def drawn(data: Path, seed: int, count: int) -> list[Labelled]:
    """Return one object each of `count` photos, drawn from all photos of the folder."""
    rng = np.random.default_rng(seed)
    records, found = read_photos(data), []
    for place in rng.permutation(len(records)):
        record = records[place]
        masks = [decode_mask(mask, record.size) for mask in record.masks]
        fitting = [mask for mask in masks if mask.mean() > SMALLEST]
        if fitting:
            found.append(Labelled(record.path, fitting[rng.integers(len(fitting))]))
        if len(found) == count:
            break
    return found


def best_iou(records: Sequence[MaskRecord], mask: np.ndarray) -> float:
    """Return the highest IoU of any record with a mask."""
    area = np.count_nonzero(mask)
    shared = [np.count_nonzero(record.mask & mask) for record in records]
    return max((s / (r.area + area - s) for s, r in zip(shared, records, strict=True)), default=0.0)


def measure(
    predictor: sw.Predictor, objects: Sequence[Labelled], options: dict[str, Any], *, each: bool = False
) -> str:
    """Return mean and median of the best IoU, masks per photo on average and at most, and seconds per photo.

    Args:
        predictor: The model.
        objects: The objects to look for.
        options: Options of `segment_everything`.
        each: Print the IoU of each object.
    """
    ious, counts, start = [], [], time.perf_counter()
    for item in objects:
        records = sw.segment_everything(to_rgb(item.path), predictor, **options)
        ious.append(best_iou(records, item.mask))
        counts.append(len(records))
        if each:
            name = f"{item.path.parent.name}/{item.path.name}"
            print(f"  {name:<60}{item.mask.mean():>7.1%} of the photo, best IoU {ious[-1]:.3f}", flush=True)
    seconds = (time.perf_counter() - start) / len(objects)
    return (
        f"{np.mean(ious):>9.3f}{np.median(ious):>9.3f}{np.mean(np.array(ious) > 0.5):>9.0%}{np.mean(counts):>9.0f}"
        f"{max(counts):>9}{seconds:>9.1f}"
    )


def parsed(text: str) -> dict[str, Any]:
    """Return the options in "score=0.3,mask=0.7"."""
    pairs = (pair.split("=") for pair in text.split(",") if pair)
    return {NAMES[name]: int(value) if name == "points" else float(value) for name, value in pairs}


def main() -> None:
    """Measure each setting on the same objects."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--objects", type=int, default=20)
    parser.add_argument("--sources", nargs="+", default=list(SOURCES))
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--set", action="append", dest="sets", metavar="NAME=VALUE,...", help=", ".join(NAMES))
    parser.add_argument("--seed", type=int, help="draw photos from all sources")
    parser.add_argument("--list", action="store_true", help="print the IoU of each object")
    parser.add_argument("--ceiling", action="store_true", help="also measure the ceiling, which takes a minute a photo")
    arguments = parser.parse_args()
    if arguments.seed is None:
        objects = labelled(arguments.data, arguments.sources, arguments.objects)
    else:
        objects = drawn(arguments.data, arguments.seed, arguments.objects)
    predictor = sw.Predictor(arguments.model)
    print(f"{len(objects)} objects, {arguments.model}")
    print(f"{'':<40}" + "".join(f"{name:>9}" for name in ("best IoU", "median", "> 0.5", "masks", "most", "s")))
    settings = {text: parsed(text) for text in arguments.sets or [""]}
    if arguments.ceiling:
        settings["ceiling"] = {NAMES[name]: value for name, value in CEILING.items()}
    for name, options in settings.items():
        print(f"{name or 'defaults':<40}{measure(predictor, objects, options, each=arguments.list)}", flush=True)


if __name__ == "__main__":
    main()
