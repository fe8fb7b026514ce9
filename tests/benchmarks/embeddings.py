"""Measure the embedding store: the mask IoU of half precision, bytes, and time to read compared with time to embed.

python tests/benchmarks/embeddings.py [--model tiny]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable

import numpy as np

import sam_widget as sw
from sam_widget.image.reading import image_hash

PHOTOS = ("cat", "coffee", "astronaut", "rocket")


def milliseconds(run: Callable[[], object], count: int = 5) -> float:
    """Return the median time of a few runs, after one that warms up."""
    run()
    times = []
    for _ in range(count):
        start = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny")
    predictor = sw.Predictor(parser.parse_args().model, cache=sw.EmbeddingCache(size=0))
    ious, scores = [], []
    for name in PHOTOS:
        photo = sw.sample(name)
        full = predictor.embed(photo)
        half = full.halved()
        height, width = photo.shape[:2]
        for x in np.linspace(0.1, 0.9, 4) * width:
            for y in np.linspace(0.1, 0.9, 4) * height:
                a, b = (predictor.predict(embedding, points=[(x, y)]) for embedding in (full, half))
                for mask, again in zip(a.masks, b.masks, strict=True):
                    ious.append((mask & again).sum() / max((mask | again).sum(), 1))
                scores.append(float(abs(a.scores - b.scores).max()))
    print(f"half precision, {len(ious)} masks of {len(PHOTOS)} photos ({predictor.model.name}):")
    print(f"  mask IoU     median {np.median(ious):.5f}, worst {min(ious):.5f}")
    print(f"  score        off by {np.median(scores):.5f} (median), {max(scores):.5f} (worst)")
    with tempfile.TemporaryDirectory() as folder:
        store = sw.EmbeddingStore(folder)
        photo = sw.sample("coffee")
        digest, weights = image_hash(photo), predictor.model.weights_id
        full = predictor.embed(photo)
        embed, write = milliseconds(lambda: predictor.embed(photo)), milliseconds(lambda: store.put(full))
        read = milliseconds(lambda: store.get(digest, weights))
        size = store.path(digest, weights).stat().st_size
        print(f"bytes          {size} in the store, {full.nbytes} in memory: {size / full.nbytes:.2f}")
        print(f"time           embed {embed:.1f} ms, write {write:.1f} ms, read {read:.1f} ms ({read / embed:.2f})")


if __name__ == "__main__":
    main()
