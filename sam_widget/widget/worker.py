"""The inference worker: one thread a widget, so that the thread that handles messages never waits for a model."""

from __future__ import annotations

import atexit
import contextvars
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Job = TypeVar("Job")

# Seconds that the end of Python waits for a job: a decode is done by then, an embedding may not be.
PATIENCE = 2.0


class Worker(Generic[Job]):
    """Runs jobs one after the other in a thread of its own; a newer job may make waiting ones before it worthless.

    Every job is either run or handed to `superseded`, once. `run` must not raise.
    """

    def __init__(
        self,
        run: Callable[[Job], None],
        *,
        supersedes: Callable[[Job, Job], bool],
        superseded: Callable[[Job], None],
        name: str,
        between: Callable[[], bool] = lambda: False,
    ) -> None:
        """Make a worker; its thread starts with the first job.

        Args:
            run: Does a job.
            supersedes: Whether a new job makes a waiting one worthless; asked of the last in the queue, and after it
                of the one that is then the last. So nothing is dropped from before a job that counts.
            superseded: Told of a job that will not be run.
            name: Name of the thread.
            between: Does a part of something long, whenever no job waits; returns whether there is more of it. Asked
                first after a job. Must not raise either.
        """
        self._between = between
        self._run, self._supersedes, self._superseded = run, supersedes, superseded
        self._name = name
        self._jobs: deque[Job] = deque()
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def put(self, job: Job) -> None:
        """Queue a job. After `close` it is superseded at once."""
        dropped: list[Job] = []
        with self._wake:
            if self._closed:
                dropped.append(job)
            else:
                while self._jobs and self._supersedes(job, self._jobs[-1]):
                    dropped.append(self._jobs.pop())
                self._jobs.append(job)
                if self._thread is None:
                    # A daemon: a model busy for seconds must not hold up the end of the kernel. But one that comes out
                    # of the model's C++ when Python has ended aborts the process, so the end waits for it a little.
                    # It runs in the context of the cell that made it: output of the user's observers goes there.
                    here = contextvars.copy_context()
                    self._thread = threading.Thread(target=here.run, args=(self._loop,), name=self._name, daemon=True)
                    self._thread.start()
                    atexit.register(self._finish, self._thread)
                self._wake.notify()
        for worthless in dropped:
            self._superseded(worthless)

    def close(self) -> None:
        """End the thread after the job it is doing; waiting jobs are superseded."""
        with self._wake:
            self._closed = True
            waiting, self._jobs = self._jobs, deque()
            self._wake.notify()
        for job in waiting:
            self._superseded(job)

    def _loop(self) -> None:
        more = False
        while True:
            with self._wake:
                while not self._jobs and not self._closed and not more:
                    self._wake.wait()
                if self._closed:
                    break
                job = self._jobs.popleft() if self._jobs else None
            if job is None:
                more = self._between()
            else:
                self._run(job)
                more = True
        atexit.unregister(self._finish)

    def _finish(self, thread: threading.Thread) -> None:
        with self._wake:
            self._closed = True
            self._jobs.clear()
            self._wake.notify()
        thread.join(PATIENCE)
