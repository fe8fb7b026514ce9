"""The background jobs of a data engine: one at a time, in a thread of low priority, with progress and Cancel."""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from sam_widget.errors import SamWidgetError, SessionError
from sam_widget.widget.replies import told
from sam_widget.widget.threads import low_priority, one_core_left
from sam_widget.widget.worker import Worker

log = logging.getLogger(__name__)

Progress = Callable[[str, float], object]
Cancelled = Callable[[], bool]
Work = Callable[[Progress, Cancelled], Any]


@dataclass(eq=False)
class Job:
    """Something that takes long.

    Attributes:
        name: What it is called, such as "Tuning".
        work: Called with functions to report progress and to ask whether to stop.
        step: What it is doing now, in its own words; empty before it has reported any.
        share: The share of the step that is done; None if it is not known.
        finished: Its result or error.
    """

    name: str
    work: Work
    step: str = ""
    share: float | None = None
    finished: Future[Any] = field(default_factory=Future)
    _stop: threading.Event = field(default_factory=threading.Event)

    def stop(self) -> None:
        """Tell it to end early. Does not block."""
        self._stop.set()

    @property
    def stopped(self) -> bool:
        """Whether it was told to end early."""
        return self._stop.is_set()

    def wait(self) -> Any:
        """Return its result. An interrupt, such as the kernel's, also ends the job.

        Raises:
            Exception: That of the job.
        """
        try:
            return self.finished.result()
        except KeyboardInterrupt:
            self.stop()
            raise


class Jobs:
    """Runs jobs in order, and small ones in between while there are none.

    Attributes:
        job: The job that is running, if any.
        error: Why the last job failed, in a sentence; empty if it did not.
    """

    def __init__(self, *, idle: Callable[[], Job | None], changed: Callable[[], object]) -> None:
        """Create the jobs; their thread starts with the first.

        Args:
            idle: Returns a small job for times without any, or None.
            changed: Called when a job begins, reports progress or ends.
        """
        self._idle, self._changed = idle, changed
        self._waiting: list[Job] = []
        self._lock = threading.Lock()
        self._resting = self._closed = self._lowered = False
        self.job: Job | None = None
        self.error = ""
        self._worker: Worker[Job | None] = Worker(
            self._run,
            supersedes=lambda new, waiting: new is None and waiting is None,
            superseded=self._superseded,
            name="sam_widget engine",
            between=self._between,
        )

    def begin(self, name: str, work: Work) -> Job:
        """Queue a job."""
        job = Job(name, work)
        with self._lock:
            self._waiting.append(job)
            self._resting = False
            self.error = ""
        self._worker.put(job)
        self._changed()
        return job

    def wake(self) -> None:
        """Ask for small jobs again, even if the last was cancelled."""
        self._resting = False
        self._worker.put(None)

    def under_way(self, name: str) -> bool:
        """Whether a job of this name is running or waiting."""
        with self._lock:
            running = [] if self.job is None or self.job.finished.done() else [self.job]
            return any(job.name == name and not job.stopped for job in (*running, *self._waiting))

    def cancel(self) -> None:
        """End all jobs early, and begin no small ones before the next job or `wake`. Does not block."""
        with self._lock:
            self._resting = True
            for job in (self.job, *self._waiting):
                if job is not None:
                    job.stop()

    def close(self) -> None:
        """End all jobs early, and the thread."""
        self._closed = True
        atexit.unregister(self.cancel)
        self.cancel()
        self._worker.close()

    def _run(self, job: Job | None) -> None:
        if job is None:
            return
        with self._lock:
            self._waiting.remove(job)
            self.job = job
        self._do(job)

    def _between(self) -> bool:
        job = None if self._resting else self._idle()
        with self._lock:
            self.job = job
        if job is None:
            self._changed()
            return False
        self._do(job)
        return True

    def _do(self, job: Job) -> None:
        if not self._lowered:
            self._lowered = True
            low_priority()
            # A thread in the model's code when Python ends would abort the process.
            atexit.register(self.cancel)

        def progress(step: str, share: float | None) -> None:
            job.step, job.share = step, share
            self._changed()

        self._changed()
        try:
            with one_core_left():
                result = job.work(progress, lambda: job.stopped)
        except Exception as error:
            # Whatever it was, the panel says so and the widget still works.
            job.finished.set_exception(error)
            if not self._closed:
                self.error = told(error)
                if not isinstance(error, SamWidgetError):
                    log.exception("%s has failed", job.name)
        else:
            job.finished.set_result(result)

    def _superseded(self, job: Job | None) -> None:
        if job is not None:
            job.finished.set_exception(SessionError("this widget is closed; make a new one"))
