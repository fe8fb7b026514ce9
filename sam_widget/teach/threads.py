"""How many cores panels compute on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one core. The steps of small models are so short that on a busy machine, cores wait for each other.

    Measured with both cores in use by others: a click landscape took 4 to 6 s with one thread, 20 s with two.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
