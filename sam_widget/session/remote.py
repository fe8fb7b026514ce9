"""The marker for methods that a view may call. The wire's request messages are derived from exactly these methods."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

# Where a request runs: immediately, in the thread that receives messages; in the worker that decodes prompts; or in the
# worker that renders tiles.
Lane = Literal["now", "worker", "tiles"]


@dataclass(frozen=True)
class Remote:
    """Properties of a marked method.

    Attributes:
        name: The type of the message.
        latest: Whether a newer call supersedes waiting calls directly before it.
        passing: Whether any newer call supersedes it while it waits, because it changes nothing.
        lane: Where it runs.
    """

    name: str
    latest: bool = False
    passing: bool = False
    lane: Lane = "worker"


def remote(
    name: str | None = None, *, latest: bool = False, passing: bool = False, lane: Lane = "worker"
) -> Callable[[F], F]:
    """Allow views to call a method, by its own name or `name`. Its parameters are the fields of the message."""

    def mark(method: F) -> F:
        method.__remote__ = Remote(name or method.__name__, latest, passing, lane)  # type: ignore[attr-defined]
        return method

    return mark


def remote_methods(kind: type) -> Iterator[tuple[Remote, Callable[..., Any]]]:
    """Yield the marked methods of a class, including inherited ones, sorted by name."""
    for name in dir(kind):
        method = inspect.getattr_static(kind, name)
        if isinstance(mark := getattr(method, "__remote__", None), Remote):
            yield mark, method
