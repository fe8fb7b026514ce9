"""The mark of methods that a view may call. The messages of the wire are derived from them, and from no others."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

# Where a request is carried out: at once, in the thread that receives messages; in the worker that answers prompts; or
# in the one that paints tiles.
Lane = Literal["now", "worker", "tiles"]


@dataclass(frozen=True)
class Remote:
    """What the mark of a method says.

    Attributes:
        name: The type of the message.
        latest: A newer call supersedes those that wait right before it.
        passing: Any newer call supersedes it while it waits: it changes nothing.
        lane: Where it is carried out.
    """

    name: str
    latest: bool = False
    passing: bool = False
    lane: Lane = "worker"


def remote(
    name: str | None = None, *, latest: bool = False, passing: bool = False, lane: Lane = "worker"
) -> Callable[[F], F]:
    """Let views call a method, by its own name or another one. Its parameters are the fields of the message."""

    def mark(method: F) -> F:
        method.__remote__ = Remote(name or method.__name__, latest, passing, lane)  # type: ignore[attr-defined]
        return method

    return mark


def remote_methods(kind: type) -> Iterator[tuple[Remote, Callable[..., Any]]]:
    """Yield the marked methods of a class, inherited ones included, in the order of their names."""
    for name in dir(kind):
        method = inspect.getattr_static(kind, name)
        if isinstance(mark := getattr(method, "__remote__", None), Remote):
            yield mark, method
