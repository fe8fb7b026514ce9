"""How often a module of a model runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


class Count:
    """The number of calls so far."""

    calls = 0


@contextmanager
def counted(module: nn.Module) -> Iterator[Count]:
    """Count the calls of a module."""
    count = Count()

    def called(*_: object) -> None:
        count.calls += 1

    handle = module.register_forward_hook(called)
    try:
        yield count
    finally:
        handle.remove()
