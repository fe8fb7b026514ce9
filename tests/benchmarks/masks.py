"""Compare packed row runs with COCO's compressed RLE, in bytes and in time.

Predicted masks of the sample photos, enlarged to several sizes, and shapes with the outlines that people draw. Both
codecs start from an (H, W) bool array, and end with what would be sent. A widget has no such array: it cuts logits into
runs, so that packing these is all it does; the last two columns give that time and its ratio to COCO's.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from PIL import Image, ImageDraw
from pycocotools import mask as coco

from sam_widget.image.samples import sample
from sam_widget.masks.runs import runs_from_mask
from sam_widget.masks.wire_codec import pack_runs
from sam_widget.predictor.predictor import Predictor

PHOTOS = ("cat", "coffee", "astronaut", "rocket")


def predicted(side: int, count: int) -> list[np.ndarray]:
    """The masks that `tiny` predicts for clicks all over the photos."""
    predictor, rng, masks = Predictor("tiny"), np.random.default_rng(0), []
    for name in PHOTOS:
        photo = Image.fromarray(sample(name))
        scale = side / max(photo.size)
        photo = photo.resize((round(photo.width * scale), round(photo.height * scale)))
        embedding = predictor.embed(np.array(photo))
        for _ in range(count):
            point = rng.uniform(0.1, 0.9, 2) * photo.size
            masks += [mask for mask in predictor.predict(embedding, points=[point]).masks if mask.any()]
    return masks


def drawn(side: int, count: int) -> list[np.ndarray]:
    """Standing figures with head, body, arms and legs, and an outline as irregular as a hand-drawn one."""
    rng, masks = np.random.default_rng(0), []
    for _ in range(count):
        picture = Image.new("1", (side, side * 3 // 4))
        pen = ImageDraw.Draw(picture)
        tall, x, y = rng.uniform(0.4, 0.8) * picture.height, rng.uniform(0.3, 0.7) * side, 0.1 * picture.height

        def blob(cx: float, cy: float, rx: float, ry: float, *, pen: ImageDraw.ImageDraw = pen) -> None:
            tremble = np.cumsum(rng.normal(0, 0.01, 90))
            turns = np.linspace(0, 2 * math.pi, 90)
            points = [
                (cx + rx * (1 + d) * math.cos(t), cy + ry * (1 + d) * math.sin(t))
                for t, d in zip(turns, tremble, strict=True)
            ]
            pen.polygon(points, fill=1)

        blob(x, y + 0.07 * tall, 0.06 * tall, 0.07 * tall)
        blob(x, y + 0.32 * tall, 0.12 * tall, 0.2 * tall)
        for way in (-1, 1):
            blob(x + way * rng.uniform(0.14, 0.2) * tall, y + 0.32 * tall, 0.035 * tall, 0.18 * tall)
            blob(x + way * rng.uniform(0.05, 0.1) * tall, y + 0.74 * tall, 0.05 * tall, 0.26 * tall)
        masks.append(np.array(picture))
    return masks


def as_coco(mask: np.ndarray) -> bytes:
    """COCO's compressed counts."""
    return coco.encode(np.asfortranarray(mask, dtype=np.uint8))["counts"]


def as_runs(mask: np.ndarray) -> bytes:
    """Packed row runs."""
    return pack_runs(runs_from_mask(mask), mask.shape[1])


def milliseconds(encode: Callable[[], bytes], repeats: int) -> float:
    """The median time of encoding a mask."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        encode()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def main() -> None:
    """Measure both codecs on every set of masks: medians, and the ratio of the sums."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=8, help="clicks a photo, and shapes drawn")
    parser.add_argument("--repeats", type=int, default=9)
    arguments = parser.parse_args()
    print(
        f"{'masks':<28}{'bytes':>8}{'COCO':>8}{'ratio':>7}{'worst':>7}{'ms':>9}{'COCO':>9}{'ratio':>7}{'packing':>9}{'ratio':>7}"
    )
    for kind, make in (("predicted", predicted), ("drawn", drawn)):
        for side in (640, 1024, 2048, 4096):
            masks = make(side, arguments.count)
            ours, theirs = (np.array([len(encode(mask)) for mask in masks]) for encode in (as_runs, as_coco))
            known = [(runs_from_mask(mask), mask.shape[1]) for mask in masks]
            fast, slow, packed = (
                np.array([milliseconds(encode, arguments.repeats) for encode in encoders])
                for encoders in (
                    [partial(as_runs, mask) for mask in masks],
                    [partial(as_coco, mask) for mask in masks],
                    [partial(pack_runs, *runs) for runs in known],
                )
            )
            name = f"{len(masks)} {kind}, {masks[0].shape[1]} x {masks[0].shape[0]}"
            sizes = f"{np.median(ours):>8.0f}{np.median(theirs):>8.0f}{ours.sum() / theirs.sum():>7.2f}"
            times = f"{np.median(fast):>9.3f}{np.median(slow):>9.3f}{fast.sum() / slow.sum():>7.2f}"
            alone = f"{np.median(packed):>9.3f}{packed.sum() / slow.sum():>7.2f}"
            print(f"{name:<28}{sizes}{(ours / theirs).max():>7.2f}{times}{alone}")


if __name__ == "__main__":
    main()
