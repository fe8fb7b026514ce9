"""The inference worker: one thread per widget, so that the thread that handles messages never blocks on a model."""

from __future__ import annotations

import atexit
import contextvars
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from sam_widget.widget import threads

Job = TypeVar("Job")

# Seconds that Python's shutdown waits for a job: enough for a decode, but maybe not for an embedding.
PATIENCE = 2.0
# Seconds that `close` waits for a job.
CLOSING = 0.5


class Worker(Generic[Job]):
    """Runs jobs in order in a separate thread; a newer job may supersede the waiting jobs before it.

    Every job is either run or passed to `superseded`, once. `run` must not raise.
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
        """Create a worker; its thread starts with the first job.

        Args:
            run: Runs a job.
            supersedes: Whether a new job supersedes a waiting one. It is applied to the last job in the queue, and
                repeated while it returns true, so that only jobs at the end of the queue are dropped.
            superseded: Called with each job that will not be run.
            name: Name of the thread.
            between: Runs one step of a long task whenever no job waits; returns whether there is more. First called
                after a job. Must not raise either.
        """
        self._between = between
        self._run, self._supersedes, self._superseded = run, supersedes, superseded
        self._name = name
        self._jobs: deque[Job] = deque()
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._is_running = False

    def put(self, job: Job) -> None:
        """Queue a job. After `close` it is superseded immediately."""
        dropped: list[Job] = []
        if not threads.THERE_ARE:
            self._run_here(job)
            return
        with self._wake:
            if self._closed:
                dropped.append(job)
            else:
                while self._jobs and self._supersedes(job, self._jobs[-1]):
                    dropped.append(self._jobs.pop())
                self._jobs.append(job)
                if self._thread is None:
                    # A daemon, because a model that is busy for seconds must not delay the kernel's shutdown. But a
                    # thread that returns from the model's C++ code after Python has ended aborts the process, so
                    # shutdown waits briefly. It runs in the context of the cell that created it, which thus receives
                    # the output of the user's observers.
                    here = contextvars.copy_context()
                    self._thread = threading.Thread(target=here.run, args=(self._loop,), name=self._name, daemon=True)
                    self._thread.start()
                    atexit.register(self._finish, self._thread)
                self._wake.notify()
        for worthless in dropped:
            self._superseded(worthless)

    def _run_here(self, job: Job) -> None:
        """Run a job without a thread; one that is put meanwhile follows it."""
        if self._closed:
            self._superseded(job)
            return
        self._jobs.append(job)
        if self._is_running:
            return
        self._is_running = True
        try:
            while self._jobs:
                self._run(self._jobs.popleft())
                while not self._jobs and self._between():
                    pass
        finally:
            self._is_running = False

    def close(self) -> None:
        """End the thread after its current job; waiting jobs are superseded.

        Waits briefly for the thread, because until it ends, it keeps the widget and its photo in memory.
        """
        with self._wake:
            self._closed = True
            waiting, self._jobs = self._jobs, deque()
            self._wake.notify()
        for job in waiting:
            self._superseded(job)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(CLOSING)

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
