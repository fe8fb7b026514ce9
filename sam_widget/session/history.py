"""The states that a session has been through, and the way back and forth between them."""

from __future__ import annotations

import threading
from collections.abc import Callable

from sam_widget.errors import SessionError
from sam_widget.session.state import SessionState


class History:
    """A part of `Session`, in a file of its own: one state after the other, undo and redo.

    Edits happen one after the other, whatever threads they come from, and reading never waits.
    """

    def __init__(self) -> None:
        self._state = SessionState()
        self._past: list[SessionState] = []
        self._future: list[SessionState] = []
        # What the last edit was a step of, if it was one of several that undo takes back at once.
        self._gesture: str | None = None
        self._edit = threading.RLock()
        self._listeners: list[Callable[[], None]] = []

    @property
    def state(self) -> SessionState:
        """Everything at this moment."""
        return self._state

    @property
    def can_undo(self) -> bool:
        """Whether there is anything to undo."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """Whether there is anything to redo."""
        return bool(self._future)

    @property
    def timeline(self) -> tuple[SessionState, ...]:
        """Every state there was, is, and can be redone, in order; `state` is number `position` of them."""
        with self._edit:
            return (*self._past, self._state, *reversed(self._future))

    @property
    def position(self) -> int:
        """How many edits can be undone."""
        return len(self._past)

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after every edit, in the thread that made it. Returns a function that ends this."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def undo(self) -> None:
        """Take back the last edit.

        Raises:
            SessionError: There is none.
        """
        self._travel(self._past, self._future, -1, "undo")

    def redo(self) -> None:
        """Make the edit undone last again.

        Raises:
            SessionError: There is none.
        """
        self._travel(self._future, self._past, +1, "redo")

    def _travel(self, source: list[SessionState], other: list[SessionState], step: int, verb: str) -> None:
        with self._edit:
            if not source:
                raise SessionError(f"there is nothing to {verb}")
            self._write(self.timeline, self.position + step)
            other.append(self._state)
            self._state = source.pop()
            self._gesture = None
            self._tell()

    def _change(self, state: SessionState, *, gesture: str | None = None) -> None:
        """Go on to a state; edits of one gesture are undone at once."""
        passed = [] if gesture is not None and gesture == self._gesture else [self._state]
        # First on the disk: what cannot be saved is not done.
        self._write((*self._past, *passed, state), len(self._past) + len(passed))
        self._past += passed
        self._gesture = gesture
        self._future.clear()
        self._state = state
        self._tell()

    def _write(self, timeline: tuple[SessionState, ...], position: int) -> None:
        """Put a history on the disk, if there is a file for it, before it becomes this one."""

    def _tell(self) -> None:
        for listener in list(self._listeners):
            listener()
