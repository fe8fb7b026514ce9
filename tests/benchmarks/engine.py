"""A round of tuning: how long it takes, what it brings, and how long clicks take meanwhile.

    python tests/benchmarks/engine.py                                   30 drawn pictures
    python tests/benchmarks/engine.py photos annotations.json           photos with masks, as COCO: 30 to learn from
    python tests/benchmarks/engine.py photos annotations.json --steps 150

Run it on a quiet machine. Photos after the first 30 are those on which clicks are counted.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import sam_widget as sw
from sam_widget.engine.taught import TaughtMask, TaughtPhoto
from sam_widget.engine.tuning import Round, tuning_round
from sam_widget.masks.runs import StoredMask
from sam_widget.predictor.predictor import Predictor
from sam_widget.session.session import Session
from sam_widget.widget.threads import low_priority, one_core_left
from tests.engine.cells import rings


def drawn(count: int) -> list[TaughtPhoto]:
    """Return drawn pictures, of which the annotator wants the middle disc of each ring."""
    found = []
    for seed in range(count):
        picture, masks = rings(seed)
        taught = tuple(TaughtMask(StoredMask(mask)) for mask in masks)
        found.append(TaughtPhoto(f"rings {seed}", lambda picture=picture: picture, taught))  # type: ignore[misc]
    return found


def annotated(folder: Path, annotations: Path, most: int) -> list[TaughtPhoto]:
    """Return photos with the masks that an annotation file has for them, at most 8 each."""
    found = []
    for image in sw.load_dataset(annotations)[:most]:
        taught = tuple(TaughtMask(one.stored) for one in image.annotations[:8])
        found.append(TaughtPhoto(image.name or "", lambda path=folder / (image.name or ""): sw.to_rgb(path), taught))  # type: ignore[misc]
    return found


class Clicker(threading.Thread):
    """Clicks on a photo all the time, and keeps how long each click took, in milliseconds."""

    def __init__(self, photo: TaughtPhoto, predictor: Predictor) -> None:
        super().__init__(daemon=True)
        self.took: list[float] = []
        self._session = Session(photo.read(), model=predictor)
        self._over = threading.Event()

    def run(self) -> None:
        """Click until it is stopped, with the pauses of a person."""
        draw = np.random.default_rng(0)
        width, height = self._session.size
        while not self._over.wait(0.3):
            self._session.clear()
            started = time.perf_counter()
            self._session.click(draw.uniform(1, width - 1), draw.uniform(1, height - 1))
            self.took.append(1000 * (time.perf_counter() - started))

    def stop(self) -> float:
        """Stop, and return the median."""
        self._over.set()
        self.join()
        return statistics.median(self.took)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("photos", nargs="?", type=Path)
    parser.add_argument("annotations", nargs="?", type=Path)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--learn", type=int, default=30)
    parser.add_argument("--test", type=int, default=20)
    parser.add_argument("--budget", type=float, default=30.0)
    parser.add_argument("--steps", type=int)
    given = parser.parse_args()
    count = given.learn + given.test
    photos = drawn(count) if given.photos is None else annotated(given.photos, given.annotations, count)
    predictor = Predictor(given.model)
    alone = Clicker(photos[0], predictor)
    alone.start()
    time.sleep(6)
    before = alone.stop()
    with ThreadPoolExecutor(1, initializer=low_priority) as background:  # as the widget does it
        measure(given, photos, predictor, background, before)


def measure(
    given: argparse.Namespace,
    photos: list[TaughtPhoto],
    predictor: Predictor,
    background: ThreadPoolExecutor,
    before: float,
) -> None:
    """Run a round while clicks arrive, and judge the result."""

    def tuned(**options: Any) -> Round:
        with one_core_left():
            return tuning_round(predictor, photos[: given.learn], **options)

    embedding = background.submit(tuned, steps=1).result()  # embeds everything
    meanwhile = Clicker(photos[0], predictor)
    meanwhile.start()
    started = time.perf_counter()
    result = background.submit(tuned, budget_s=given.budget, steps=given.steps).result()
    seconds = time.perf_counter() - started
    during = meanwhile.stop()
    print(result)
    print(f"{seconds:.1f} s, {result.figures.steps if result.figures else 0} steps")
    if embedding.figures is not None:
        print(f"embedding took {embedding.figures.embedding_seconds:.1f} s before")
    print(f"a click: {before:.1f} ms alone, {during:.1f} ms meanwhile, ratio {during / before:.2f}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")
    tests = {str(number): photo for number, photo in enumerate(photos[given.learn :])}
    for model in filter(None, (predictor, result.model)):
        data = [sw.evaluate_clicks(model, _session(photo)) for photo in tests.values()]
        clicks = np.concatenate([one.clicks85 for one in data])
        first = np.mean([one.miou[1] for one in data])
        print(f"{len(clicks)} other masks: {clicks.mean():.2f} clicks to IoU 0.85, mean IoU after one {first:.3f}")


def _session(photo: TaughtPhoto) -> Session:
    session = Session(photo.read())
    for mask in photo.masks:
        session.add_objects(mask.stored.array)
    return session


if __name__ == "__main__":
    main()
