"""Whether ten annotated photos make a model worse: a simulated annotator, a round of the engine, and other photos.

    python tests/benchmarks/ten_photos.py food/train food/train.json food/val food/val.json

The first folder is annotated, the second judged; both have masks as COCO files. A round that the guard refuses leaves
the model unchanged, so that it cannot be worse.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import sam_widget as sw
from sam_widget.engine.engine import DataEngine
from sam_widget.engine.simulated import SimulatedAnnotator


def masks_of(annotations: Path, photos: int, most: int) -> dict[str, list[np.ndarray]]:
    """Return masks of the first photos by their names, at most so many of each."""
    dataset = sw.load_dataset(annotations)
    return {image.name or "": [one.mask for one in image.annotations[:most]] for image in dataset[:photos]}


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    for name in ("photos", "annotations", "judged", "judged_annotations"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--learn", type=int, default=10)
    parser.add_argument("--test", type=int, default=10)
    parser.add_argument("--most", type=int, default=6, help="masks of each photo")
    parser.add_argument("--steps", type=int, default=150, help="so that the result does not depend on the machine")
    given = parser.parse_args()
    truth = masks_of(given.annotations, given.learn, given.most)
    tests = {
        given.judged / name: masks for name, masks in masks_of(given.judged_annotations, given.test, given.most).items()
    }
    annotator = SimulatedAnnotator({Path(name).name: masks for name, masks in truth.items()})
    with tempfile.TemporaryDirectory() as folder:
        engine = DataEngine(
            [given.photos / name for name in truth],
            sessions=folder,
            store=Path(folder) / "store",
            clock=annotator.clock,
        )
        for photo in range(len(truth)):
            annotator.annotate(engine, photo)
        started = time.thread_time()
        result = engine.round(steps=given.steps)
        print(result, result.figures, sep="\n")
        print(f"the round took {time.thread_time() - started:.0f} s of this thread")
        before = sw.evaluate_clicks(engine.base, tests)
        after = before if result.model is None else sw.evaluate_clicks(engine.predictor, tests)
        engine.close()
    one, other = np.array(before.clicks85), np.array(after.clicks85)
    error = float((other - one).std()) / len(one) ** 0.5
    print(f"{before.masks} masks in {before.photos} other photos: {one.mean():.2f} clicks to IoU 0.85 before, "
          f"{other.mean():.2f} after ({(other - one).mean():+.2f} +- {error:.2f}); mean IoU after one click "
          f"{before.miou[1]:.3f}, {after.miou[1]:.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
