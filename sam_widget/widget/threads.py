"""How the worker shares the machine with what carries its answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_core_left() -> Iterator[None]:
    """Let this thread's model computations leave one core to Jupyter and the browser.

    The last core speeds up a decode of milliseconds only a little, and torch's threads keep spinning on it afterwards:
    on a machine of two cores the answer would take longer to travel than to compute. And while a cell keeps a core
    busy, a decode on all cores takes seconds, because its threads wait for each other all the time.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads - 1))
    try:
        yield
    finally:
        torch.set_num_threads(threads)
