"""Share the CPU between the worker and the processes that deliver its answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_core_left() -> Iterator[None]:
    """Leave one core to Jupyter and the browser during this thread's model computations.

    The last core speeds up a decode of milliseconds only slightly, and torch's threads keep spinning on it afterwards:
    on a machine with two cores, delivering the answer would take longer than computing it. And while a cell keeps a
    core busy, a decode on all cores takes seconds, because its threads constantly wait for each other.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads - 1))
    try:
        yield
    finally:
        torch.set_num_threads(threads)
