"""A queue of images and the thread that embeds them: people take turns, and a GPU gets several images at a time."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from sam_widget.errors import SamWidgetError
from sam_widget.predictor.embeddings import Embedding
from sam_widget.predictor.fitting import fitted
from sam_widget.predictor.predictor import Predictor

log = logging.getLogger(__name__)
# Images embedded at a time on a GPU, and the seconds that the first of them waits for others.
BATCH, PAUSE_SECONDS = 8, 0.01
# Images that may wait: of one person, and in all; and their pixels in bytes.
MOST_OF_ONE, MOST, MOST_BYTES = 16, 256, 2 * 10**9
# Failures that are remembered, for those who ask for the embedding after it failed.
FAILURES = 1000
# Seconds that an image takes, until one has been measured.
FIRST_GUESS = 1.0
# Share of the latest measurement in the mean.
_RECENT = 0.3


class QueueFullError(SamWidgetError):
    """Too many images are waiting."""


@dataclass(eq=False)
class Job:
    """An image to embed.

    Attributes:
        model: Name of the model.
        rgb: (H, W, 3) uint8.
        digest: Its content hash.
        done: The embedding.
    """

    model: str
    rgb: np.ndarray
    digest: str
    done: Future[Embedding] = field(default_factory=Future)


class Embedder:
    """Embeds images for many people, one person's image after another's, however many each has sent.

    An image that several people ask for is embedded once.
    """

    def __init__(self, predictors: Mapping[str, Predictor], *, at_once: int = 1) -> None:
        """Start the threads.

        Args:
            predictors: By the name of the model. Their caches keep the embeddings.
            at_once: How many threads there are.
        """
        self._predictors = predictors
        # Who waits for what, the person whose turn it is first.
        self._queues: OrderedDict[str, deque[Job]] = OrderedDict()
        self._jobs: dict[tuple[str, str], Job] = {}
        self._failed: OrderedDict[tuple[str, str], Future[Embedding]] = OrderedDict()
        self._changed = threading.Condition()
        self._open = True
        self._seconds: dict[str, float] = {}
        # Images embedded since the start, for the metrics.
        self.embedded = 0
        self._threads = [
            threading.Thread(target=self._run, name=f"sam_widget embedder {number}", daemon=True)
            for number in range(at_once)
        ]
        for thread in self._threads:
            thread.start()

    def ask(self, who: str, model: str, rgb: np.ndarray, digest: str) -> Future[Embedding]:
        """Queue an image, or join those who wait for it. Returns its embedding, which may exist already.

        Raises:
            QueueFullError: The person, or everyone together, has too many images waiting.
        """
        predictor = self._predictors[model]
        found = predictor.cache.get(digest, predictor.model.encoder_id, device=predictor.device)
        with self._changed:
            job = self._jobs.get((model, digest))
            if found is not None and job is None:
                done: Future[Embedding] = Future()
                done.set_result(found)
                return done
            queue = self._waiting_of(who)
            if job is not None and job in queue:
                return job.done
            self._refuse_if_full(queue, rgb.nbytes)
            if job is None:
                self._failed.pop((model, digest), None)
                job = self._jobs[model, digest] = Job(model, rgb, digest)
            # In this person's queue too, because their turn may come first.
            queue.append(job)
            self._changed.notify()
            return job.done

    def check_room(self, who: str) -> None:
        """Refuse an image before it is decoded.

        Raises:
            QueueFullError: See `ask`.
        """
        with self._changed:
            self._refuse_if_full(self._waiting_of(who), 0)

    def waiting(self, model: str, digest: str) -> Future[Embedding] | None:
        """Return the embedding of an image that is queued, or that failed and was not sent again; None otherwise."""
        with self._changed:
            job = self._jobs.get((model, digest))
            return self._failed.get((model, digest)) if job is None else job.done

    def is_queued(self, model: str, digest: str) -> bool:
        """Whether an image waits, or is being embedded."""
        return (model, digest) in self._jobs

    def seconds(self) -> float:
        """Return how long everything that waits will probably take."""
        with self._changed:
            return sum(self._seconds.get(job.model, FIRST_GUESS) for job in self._in_turn())

    def place(self, model: str, digest: str) -> tuple[int, float]:
        """Return an image's place in the queue, from 1, and the seconds it will probably take; 0, 0 if not there."""
        with self._changed:
            seconds = 0.0
            for number, job in enumerate(self._in_turn(), 1):
                seconds += self._seconds.get(job.model, FIRST_GUESS)
                if (job.model, job.digest) == (model, digest):
                    return number, seconds
            underway = (model, digest) in self._jobs
            return (1, self._seconds.get(model, FIRST_GUESS)) if underway else (0, 0.0)

    def __len__(self) -> int:
        return len(self._jobs)

    def close(self) -> None:
        """Finish the image that is being embedded, and refuse the others."""
        with self._changed:
            self._open = False
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        for job in self._jobs.values():
            job.done.cancel()

    def _waiting_of(self, who: str) -> deque[Job]:
        queue = self._queues[who] = deque(filter(_is_waiting, self._queues.get(who, ())))
        return queue

    def _refuse_if_full(self, queue: deque[Job], nbytes: int) -> None:
        full = len(self._jobs) >= MOST or nbytes + sum(job.rgb.nbytes for job in self._jobs.values()) > MOST_BYTES
        if len(queue) >= MOST_OF_ONE or full:
            most = "you have" if len(queue) >= MOST_OF_ONE else "everyone has"
            raise QueueFullError(f"{most} too many images waiting; send this one again later")

    def _in_turn(self) -> Iterator[Job]:
        """Yield what waits in the order in which it will be embedded, each image once."""
        queues = [deque(queue) for queue in self._queues.values()]
        seen: set[int] = set()
        while queues := [queue for queue in queues if queue]:
            for queue in queues:
                # Someone else's turn may have come first.
                while queue and (id(queue[0]) in seen or not _is_waiting(queue[0])):
                    queue.popleft()
                if queue:
                    job = queue.popleft()
                    seen.add(id(job))
                    yield job

    def _next(self) -> Job | None:
        """Take the next image out of the queue, and let its owner's next turn come last."""
        for who in list(self._queues):
            queue = self._queues[who]
            while queue and not _is_waiting(queue[0]):
                queue.popleft()
            if queue:
                self._queues.move_to_end(who)
                job = queue.popleft()
                job.done.set_running_or_notify_cancel()
                return job
            del self._queues[who]
        return None

    def _batch(self) -> list[Job]:
        """Wait for work; returns images of one size for one model. None at all means the end."""
        with self._changed:
            while self._open and (first := self._next()) is None:
                self._changed.wait()
            if not self._open:
                return []
            assert first is not None  # noqa: S101  for the type checker
        predictor = self._predictors[first.model]
        if predictor.device.type == "cpu":
            return [first]
        time.sleep(PAUSE_SECONDS)
        batch = [first]
        with self._changed:
            for job in list(self._in_turn()):
                alike = job.model == first.model and self._size(job) == self._size(first)
                if alike and len(batch) < BATCH:
                    job.done.set_running_or_notify_cancel()
                    batch.append(job)
        return batch

    def _size(self, job: Job) -> tuple[int, int]:
        return fitted(self._predictors[job.model].config, *job.rgb.shape[:2])

    def _run(self) -> None:
        while batch := self._batch():
            self._embed(batch)

    def _embed(self, batch: list[Job]) -> None:
        model, start = batch[0].model, time.perf_counter()
        try:
            made = self._predictors[model].embed_many([job.rgb for job in batch])
        except Exception as error:  # handed to those who wait
            if len(batch) > 1:  # Too many for the memory, or one of them is at fault.
                for job in batch:
                    self._embed([job])
                return
            if not isinstance(error, SamWidgetError):
                log.exception("could not embed an image with %s", model)
            self._finish(batch, error)
        else:
            seconds = (time.perf_counter() - start) / len(batch)
            with self._changed:
                mean = self._seconds.get(model, seconds)
                self._seconds[model] = mean + _RECENT * (seconds - mean)
                self.embedded += len(batch)
            self._finish(batch, made)

    def _finish(self, batch: list[Job], result: list[Embedding] | Exception) -> None:
        with self._changed:
            for job in batch:
                del self._jobs[job.model, job.digest]
                if isinstance(result, Exception):
                    self._failed[job.model, job.digest] = job.done
                    while len(self._failed) > FAILURES:
                        self._failed.popitem(last=False)
        for number, job in enumerate(batch):
            if isinstance(result, Exception):
                job.done.set_exception(result)
            else:
                job.done.set_result(result[number])


def _is_waiting(job: Job) -> bool:
    return not (job.done.running() or job.done.done())
