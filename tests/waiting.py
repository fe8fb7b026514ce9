"""Waits for a state of something outside the test: each has a limit, and says what it waited for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], *, seconds: float = 60, what: str) -> T:
    """Call a function until its result is true, and return that.

    Raises:
        AssertionError: it was not within so many seconds.
    """
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.002)  # Between two looks, not for anything to happen.
    return answer


def at_most(turns: int, condition: Callable[[], object]) -> Iterator[int]:
    """Count the turns of a loop that runs while a condition holds.

    Raises:
        AssertionError: it still holds after so many turns.
    """
    for turn in range(turns):
        if not condition():
            return
        yield turn
    assert not condition(), f"not done after {turns} turns"
