"""Small work on one thread: there, waking a pool of them takes longer than they save.

So much the more where other processes want the same cores: every operation would wait for the slowest of its threads.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import torch

_lock = threading.Lock()
_inside = 0
_usual = 1


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on the calling thread alone.

    torch keeps the number for each thread, and as the number that new threads begin with; see `as_usual`.
    """
    global _inside, _usual  # noqa: PLW0603  it is the process's
    with _lock:
        if not _inside:
            _usual = torch.get_num_threads()
        _inside += 1
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            torch.set_num_threads(_usual)


def as_usual() -> None:
    """Let the calling thread use all threads, even if it began while another was in `one_thread`."""
    with _lock:
        if _inside:
            torch.set_num_threads(_usual)
