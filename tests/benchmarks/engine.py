"""A round of tuning: how long it takes, what it brings, and how long clicks take meanwhile.

    python tests/benchmarks/engine.py                                   30 drawn pictures
    python tests/benchmarks/engine.py photos annotations.json           photos with masks, as COCO: 30 to learn from
    python tests/benchmarks/engine.py photos annotations.json --steps 150
    python tests/benchmarks/engine.py --random vit_b --budget 180       a published decoder, without its weights

Run it on a quiet machine; on a busy one, `--busy` measures the round alone, in seconds of the processor. Photos after
the first 30 are those on which clicks are counted. With `--random`, weights and embeddings are random numbers of the
right shapes: times and memory are those of the real ones, except that no mask is ever right, so that judging takes as
long as it can.
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
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import sam_widget as sw
from sam_widget.engine import judging, learner, tuning
from sam_widget.engine.taught import TaughtMask, TaughtPhoto
from sam_widget.engine.tuning import Round, tuning_round
from sam_widget.image.reading import image_hash
from sam_widget.masks.runs import StoredMask
from sam_widget.model.config import Sam2Config
from sam_widget.model.zoo import PUBLISHED
from sam_widget.predictor.embeddings import Embedding, EmbeddingCache, tokens_first
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


class RandomEmbeddings(Predictor):
    """A published model with random weights, whose image encoder is replaced by random numbers."""

    def __init__(self, name: str) -> None:
        torch.manual_seed(0)
        model = PUBLISHED[name].build().eval()
        model.image_encoder = nn.Identity()
        super().__init__(model, cache=EmbeddingCache())

    def embed(self, image: Any, *, keep: bool = True) -> Embedding:
        """Return random numbers in the shape of an embedding, as read from a store."""
        rgb = sw.to_rgb(image)
        digest = image_hash(rgb)
        if (known := self.cache.get(digest, self.model.encoder_id)) is not None:
            return known
        side, width = self.config.grid_size, self.config.prompt_dim
        finer = ((width // 8, 4 * side), (width // 4, 2 * side)) if isinstance(self.config, Sam2Config) else ()
        embedding = Embedding(
            tokens_first(torch.randn(1, width, side, side)), rgb.shape[:2], digest, self.model.name,
            self.model.encoder_id, tuple(torch.randn(1, channels, at, at) for channels, at in finer),
        )  # fmt: skip
        return self.cache.put(embedding) if keep else embedding


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
    parser.add_argument("--random", choices=PUBLISHED, help="a model without its weights, instead of --model")
    parser.add_argument("--busy", action="store_true", help="without clicks, by the processor's time, on one thread")
    parser.add_argument("--learn", type=int, default=30)
    parser.add_argument("--test", type=int, default=30)
    parser.add_argument("--budget", type=float, default=30.0)
    parser.add_argument("--steps", type=int)
    given = parser.parse_args()
    count = given.learn + given.test
    photos = drawn(count) if given.photos is None else annotated(given.photos, given.annotations, count)
    predictor = RandomEmbeddings(given.random) if given.random else Predictor(given.model)
    if given.busy:
        by_processor_time(given, photos, predictor)
        return
    alone = Clicker(photos[0], predictor)
    alone.start()
    time.sleep(6)
    before = alone.stop()
    with ThreadPoolExecutor(1, initializer=low_priority) as background:  # as the widget does it
        measure(given, photos, predictor, background, before)


def by_processor_time(given: argparse.Namespace, photos: list[TaughtPhoto], predictor: Predictor) -> None:
    """Run a round whose budget is counted in seconds of the processor, as if one core were idle."""
    torch.set_num_threads(1)
    clock = SimpleNamespace(monotonic=time.thread_time)
    for module in (judging, learner, tuning):
        setattr(module, "time", clock)  # noqa: B010  mypy knows it as the module
    result = tuning_round(predictor, photos[: given.learn], budget_s=given.budget, steps=given.steps)
    print(result, result.figures, sep="\n")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")
    if not given.random:
        count_clicks(photos[given.learn :], predictor, result)


def measure(
    given: argparse.Namespace,
    photos: list[TaughtPhoto],
    predictor: Predictor,
    background: ThreadPoolExecutor,
    before: float,
) -> None:
    """Run a round while clicks arrive, and judge the result."""
    computed: list[float] = []

    def tuned(**options: Any) -> Round:
        started = time.thread_time()
        with one_core_left():
            result = tuning_round(predictor, photos[: given.learn], **options)
        computed.append(time.thread_time() - started)
        return result

    # Embeds everything, as far as that is not random.
    embedding = background.submit(tuned, steps=1).result() if not given.random else None
    meanwhile = Clicker(photos[0], predictor)
    meanwhile.start()
    started = time.perf_counter()
    result = background.submit(tuned, budget_s=given.budget, steps=given.steps).result()
    seconds = time.perf_counter() - started
    during = meanwhile.stop()
    print(result)
    steps = result.figures.steps if result.figures else 0
    print(f"{seconds:.1f} s, of which the processor took {computed[-1]:.1f}; {steps} steps")
    if embedding is not None and embedding.figures is not None:
        print(f"embedding took {embedding.figures.embedding_seconds:.1f} s before")
    print(f"a click: {before:.1f} ms alone, {during:.1f} ms meanwhile, ratio {during / before:.2f}")
    if result.figures is not None:
        print(f"the round itself {result.figures.seconds} s of {given.budget:.0f}, {result.figures.masks} masks")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")
    if not given.random:
        count_clicks(photos[given.learn :], predictor, result)


def count_clicks(photos: list[TaughtPhoto], predictor: Predictor, result: Round) -> None:
    """Count clicks on other photos before and after a round; one that is refused leaves the model as it is."""
    found = []
    for model in filter(None, (predictor, result.model)):
        data = [sw.evaluate_clicks(model, _session(photo)) for photo in photos]
        clicks = np.concatenate([one.clicks85 for one in data])
        means = {count: np.average([one.miou[count] for one in data], weights=[one.masks for one in data])
                 for count in data[0].miou}  # fmt: skip
        said = ", ".join(f"{mean:.3f} after {count}" for count, mean in means.items())
        print(f"{len(clicks)} other masks: {clicks.mean():.2f} clicks to IoU 0.85, mean IoU {said}")
        found.append(clicks)
    fell = found[0] - found[-1]
    print(f"{found[-1].mean() / found[0].mean():.2f} times the clicks; {fell.mean():.2f} +- "
          f"{fell.std() / len(fell) ** 0.5:.2f} fewer a mask")  # fmt: skip


def _session(photo: TaughtPhoto) -> Session:
    session = Session(photo.read())
    for mask in photo.masks:
        session.add_objects(mask.stored.array)
    return session


if __name__ == "__main__":
    main()
