"""The worker: every job is run or superseded, once, and never in the caller's thread."""

from __future__ import annotations

import threading

from sam_widget.widget.worker import Worker


class Bench:
    """A worker whose jobs wait until they are released.

    Jobs are strings; a "p..." supersedes a waiting "p...", and whatever is new supersedes a waiting "hover...".
    """

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.dropped: list[str] = []
        self.threads: set[str] = set()
        self.started = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.worker: Worker[str] = Worker(
            self._run,
            supersedes=lambda new, waiting: waiting.startswith("hover") or new[0] == waiting[0] == "p",
            superseded=self.dropped.append,
            name="bench",
        )

    def _run(self, job: str) -> None:
        self.started.release()
        assert self.go.acquire(timeout=60)
        self.threads.add(threading.current_thread().name)
        self.ran.append(job)

    def finish(self, jobs: int) -> None:
        for _ in range(jobs):
            self.go.release()
        done = threading.Event()
        self.go.release()
        self._tail(done)
        assert done.wait(60)

    def _tail(self, done: threading.Event) -> None:
        original = self.worker._run
        self.worker._run = lambda job: (original(job), done.set() if job == "end" else None)[0]
        self.worker.put("end")


def test_jobs_run_in_order_in_a_thread_of_their_own() -> None:
    bench = Bench()
    for job in ("a", "b", "c"):
        bench.worker.put(job)
    bench.finish(3)
    assert bench.ran == ["a", "b", "c", "end"]
    assert bench.threads == {"bench"}
    assert bench.dropped == []


def test_the_newest_prompt_replaces_a_waiting_one_but_not_a_running_one() -> None:
    bench = Bench()
    bench.worker.put("p1")
    assert bench.started.acquire(timeout=60)
    for job in ("p2", "p3", "p4"):
        bench.worker.put(job)
    bench.finish(2)
    assert bench.ran == ["p1", "p4", "end"]
    assert bench.dropped == ["p2", "p3"]


def test_a_prompt_does_not_jump_over_another_edit() -> None:
    bench = Bench()
    bench.worker.put("p1")
    assert bench.started.acquire(timeout=60)
    for job in ("p2", "undo", "p3"):
        bench.worker.put(job)
    bench.finish(4)
    assert bench.ran == ["p1", "p2", "undo", "p3", "end"]


def test_a_newer_job_drops_a_waiting_preview_and_then_the_prompt_that_stood_before_it() -> None:
    bench = Bench()
    bench.worker.put("a")
    assert bench.started.acquire(timeout=60)
    for job in ("p1", "hover1", "hover2", "p2", "undo", "hover3", "p3", "hover4"):
        bench.worker.put(job)
    assert bench.dropped == ["hover1", "hover2", "p1", "hover3"]
    bench.finish(5)
    assert bench.ran == ["a", "p2", "undo", "p3", "end"]
    assert bench.dropped == ["hover1", "hover2", "p1", "hover3", "hover4"]


def test_a_preview_that_nothing_follows_is_run() -> None:
    bench = Bench()
    for job in ("p1", "hover1"):
        bench.worker.put(job)
    for _ in range(2):
        assert bench.started.acquire(timeout=60)
        bench.go.release()
    bench.finish(0)
    assert bench.ran == ["p1", "hover1", "end"]
    assert bench.dropped == []


def test_closing_answers_whatever_waits() -> None:
    bench = Bench()
    bench.worker.put("a")
    assert bench.started.acquire(timeout=60)
    bench.worker.put("b")
    bench.worker.close()
    bench.worker.put("c")
    bench.go.release()
    assert bench.dropped == ["b", "c"]
