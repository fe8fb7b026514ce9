"""The states that a session has been through, and the way back and forth between them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sam_widget.errors import SessionError
from sam_widget.session.state import SessionState

# States farther from the present one than this keep their masks packed: undo takes a moment longer there.
NEAR = 16


class Save(Protocol):
    """Puts a history on the disk, or raises."""

    def __call__(self, new: Sequence[SessionState], start: int, position: int) -> None:
        """Replace all states from number `start` on with new ones; number `position` becomes the present one."""


@dataclass(frozen=True)
class _Track:
    """The history at one moment, so that a reader sees state, position and length that belong together.

    The list only ever grows, and only beyond `length`; whatever shortens or changes it makes another list.
    """

    states: list[SessionState] = field(default_factory=lambda: [SessionState()])
    position: int = 0
    length: int = 1


class History:
    """One state after the other, undo and redo.

    Edits happen one after the other, whatever threads they come from, and reading never waits.

    Attributes:
        editing: Held during an edit, from reading the state to committing the next one.
    """

    def __init__(self, save: Save | None = None) -> None:
        """Begin with an empty state; `save` is called before every change becomes visible."""
        self.editing = threading.RLock()
        self._save = save
        self._track = _Track()
        # The first state that the file does not have as it is here.
        self._unsaved = 1
        # What the last edit was a step of, if it was one of several that one undo takes back.
        self._gesture: str | None = None
        self._listeners: list[Callable[[], None]] = []

    @property
    def state(self) -> SessionState:
        """Everything at this moment."""
        track = self._track
        return track.states[track.position]

    @property
    def can_undo(self) -> bool:
        """Whether there is anything to undo."""
        return self._track.position > 0

    @property
    def can_redo(self) -> bool:
        """Whether there is anything to redo."""
        track = self._track
        return track.position < track.length - 1

    @property
    def timeline(self) -> tuple[SessionState, ...]:
        """Every state there was, is, and can be redone, in order; `state` is number `position` of them."""
        track = self._track
        return tuple(track.states[: track.length])

    @property
    def position(self) -> int:
        """How many edits can be undone."""
        return self._track.position

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after every edit, in the thread that made it. Returns a function that ends this."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def notify(self) -> None:
        """Call the listeners. The edit has been made: the error of a listener is logged, not raised."""
        for listener in list(self._listeners):
            try:
                listener()
            except Exception:
                import logging

                logging.getLogger(__name__).exception("a listener of a session failed")

    def undo(self) -> None:
        """Take back the last edit.

        Raises:
            SessionError: There is none.
        """
        with self.editing:
            if not self.can_undo:
                raise SessionError("there is nothing to undo")
            self._travel(-1)

    def redo(self) -> None:
        """Make the edit undone last again.

        Raises:
            SessionError: There is none.
        """
        with self.editing:
            if not self.can_redo:
                raise SessionError("there is nothing to redo")
            self._travel(+1)

    def change(self, state: SessionState, *, gesture: str | None = None) -> None:
        """Move to a state; consecutive edits of one gesture are undone together."""
        with self.editing:
            now = self._track
            start = now.position if gesture is not None and gesture == self._gesture else now.position + 1
            states = now.states if start == now.length else now.states[:start]
            self._commit(states, start, [state], start)
            self._gesture = gesture

    def amend(self, state: SessionState) -> None:
        """Replace the present state without an edit: nothing to undo, saved with the next edit."""
        with self.editing:
            now = self._track
            states = now.states[: now.length]
            states[now.position] = state
            self._unsaved = min(self._unsaved, now.position)
            self._track = _Track(states, now.position, now.length)
            self.notify()

    def restore(self, states: Sequence[SessionState], position: int) -> None:
        """Take over a history that is on the disk."""
        with self.editing:
            self._track = _Track(list(states), position, len(states))
            self._unsaved = len(states)
            self._gesture = None

    def _travel(self, step: int) -> None:
        now = self._track
        self._commit(now.states, now.length, [], now.position + step)
        self._gesture = None

    def _commit(self, states: list[SessionState], start: int, new: list[SessionState], position: int) -> None:
        if self._save is not None:
            unsaved = min(start, self._unsaved)
            self._save([*states[unsaved:start], *new], unsaved, position)  # What cannot be saved is not done.
        states[start:] = new
        self._unsaved = start + len(new)
        self._track = _Track(states, position, self._unsaved)
        for far in (position - NEAR, position + NEAR):
            if 0 <= far < self._unsaved:
                states[far].shrink()
        self.notify()
