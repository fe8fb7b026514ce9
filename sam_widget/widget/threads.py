"""Share the CPU between the worker and the processes that deliver its answers."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

# Python in a browser has none: what would run in one runs at once, or between two messages.
THERE_ARE = sys.platform != "emscripten"
# Niceness of threads that let others go first.
LOW = 10


@contextmanager
def one_core_left() -> Iterator[None]:
    """Leave one core to Jupyter and the browser during this thread's model computations.

    The last core speeds up a decode of milliseconds only slightly, and torch's threads keep spinning on it afterwards:
    on a machine with two cores, delivering the answer would take longer than computing it. And while a cell keeps a
    core busy, a decode on all cores takes seconds, because its threads constantly wait for each other.

    Only this thread is limited. `torch.set_num_threads` would not do: threads that start meanwhile inherit its number
    and never lose it.
    """
    torch = sys.modules.get("torch")
    if torch is None:  # the model is not in this process
        yield
        return
    # The first call in a thread also sets the thread's number, so it must come before the limit.
    threads = torch.get_num_threads()
    with _openmp().limit(limits=max(1, threads - 1)):
        yield


@cache
def _openmp() -> ThreadpoolController:
    """Return torch's thread pools; searching the loaded libraries for them takes 5 ms."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="openmp")


def low_priority() -> None:
    """Let all other threads go first, on systems where threads have priorities of their own (Linux)."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOW)
