"""How the worker shares the machine with what carries its answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_core_left() -> Iterator[None]:
    """Let this thread's model computations leave one core to Jupyter and the browser.

    The last core gains a decode of milliseconds little, and torch's threads go on turning on it after the decode: on a
    machine of two cores a person would wait longer for the answer to travel than for the model. And beside a cell that
    keeps a core busy, a decode on all of them takes seconds, for its threads wait for each other all the time.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads - 1))
    try:
        yield
    finally:
        torch.set_num_threads(threads)
