"""The history of a session's states, with undo and redo."""

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
    """Writes a history to disk, or raises."""

    def __call__(self, new: Sequence[SessionState], start: int, position: int) -> None:
        """Replace all states from index `start` on with new ones, and make `position` the current index."""


@dataclass(frozen=True)
class _Track:
    """A consistent snapshot of the history: state, position and length.

    The list is only appended to, beyond `length`; operations that shorten or change it create a new list.
    """

    states: list[SessionState] = field(default_factory=lambda: [SessionState()])
    position: int = 0
    length: int = 1


class History:
    """A sequence of states with undo and redo.

    Edits are serialised, whatever thread they come from, and reading never blocks.

    Attributes:
        editing: Lock held during an edit, from reading the state to committing the next one.
    """

    def __init__(self, save: Save | None = None) -> None:
        """Start with an empty state. `save` is called before each change becomes visible."""
        self.editing = threading.RLock()
        self._save = save
        self._track = _Track()
        # Index of the first state that differs from the file.
        self._unsaved = 1
        # The gesture of the last edit, if several edits are undone together.
        self._gesture: str | None = None
        self._listeners: list[Callable[[], None]] = []

    @property
    def state(self) -> SessionState:
        """The current state."""
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
        """All states in order, past, current and redoable; `state` is the one at index `position`."""
        track = self._track
        return tuple(track.states[: track.length])

    @property
    def position(self) -> int:
        """The number of edits that can be undone."""
        return self._track.position

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after every edit, in the editing thread. Returns a function that unsubscribes it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def notify(self) -> None:
        """Call the listeners. Their errors are logged rather than raised, because the edit is already complete."""
        for listener in list(self._listeners):
            try:
                listener()
            except Exception:
                import logging

                logging.getLogger(__name__).exception("a listener of a session failed")

    def undo(self) -> None:
        """Undo the last edit.

        Raises:
            SessionError: There is nothing to undo.
        """
        with self.editing:
            if not self.can_undo:
                raise SessionError("there is nothing to undo")
            self._travel(-1)

    def redo(self) -> None:
        """Redo the edit that was undone last.

        Raises:
            SessionError: There is nothing to redo.
        """
        with self.editing:
            if not self.can_redo:
                raise SessionError("there is nothing to redo")
            self._travel(+1)

    def change(self, state: SessionState, *, gesture: str | None = None) -> None:
        """Commit a new state; consecutive edits of the same gesture are undone together."""
        with self.editing:
            now = self._track
            start = now.position if gesture is not None and gesture == self._gesture else now.position + 1
            states = now.states if start == now.length else now.states[:start]
            self._commit(states, start, [state], start)
            self._gesture = gesture

    def amend(self, state: SessionState) -> None:
        """Replace the current state without recording an edit; it is saved with the next edit."""
        with self.editing:
            now = self._track
            states = now.states[: now.length]
            states[now.position] = state
            self._unsaved = min(self._unsaved, now.position)
            self._track = _Track(states, now.position, now.length)
            self.notify()

    def restore(self, states: Sequence[SessionState], position: int) -> None:
        """Load a history that is already on disk."""
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
            self._save([*states[unsaved:start], *new], unsaved, position)  # raises before the change becomes visible
        states[start:] = new
        self._unsaved = start + len(new)
        self._track = _Track(states, position, self._unsaved)
        for far in (position - NEAR, position + NEAR):
            if 0 <= far < self._unsaved:
                states[far].shrink()
        self.notify()
