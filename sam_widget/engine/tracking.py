"""Watch a session, and write down who or what made each of its masks, and how long it took."""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec

from sam_widget.engine.journal import Journal, MaskEntry
from sam_widget.prompts.prompt import Prompt
from sam_widget.session.session import Session
from sam_widget.session.state import SegmentedObject

# A pause longer than this many seconds is not part of the work on a mask.
PAUSE = 120.0


class Tracker:
    """Keeps the journal of one open session, from the edits that are made in it."""

    def __init__(
        self,
        session: Session,
        photo: str,
        journal: Journal,
        *,
        stage: Callable[[], int],
        who: str,
        clock: Callable[[], float],
        told: Callable[[SegmentedObject | None, SegmentedObject | None], object],
    ) -> None:
        """Start the clock of the first mask.

        Args:
            session: The open session.
            photo: Name of its photo.
            journal: Where entries go.
            stage: Returns the current stage.
            who: Who is at work.
            clock: Returns seconds.
            told: Called with an object before and after a change: None before it was accepted, and after it was
                removed.
        """
        self.session, self.photo = session, photo
        self._journal, self._stage, self._who, self._clock, self._told = journal, stage, who, clock, told
        self._lock = threading.Lock()
        self._since = clock()
        self._before = {item.id: item for item in session.objects}
        self._filling = False
        self._reconcile()
        self._unsubscribe = session.on_change(self._changed)

    @property
    def seconds(self) -> float:
        """Time since the last mask was accepted, or the photo was opened."""
        return self._clock() - self._since

    def _reconcile(self) -> None:
        """Write down masks that the journal does not know: the process was killed, or they are older than it."""
        known = {entry.object: entry for entry in self._journal.masks(self.photo)}
        for item in self._before.values():
            if item.id not in known:
                self._journal.keep_mask(self._entry(item, seconds=None))
        again = [one for one, entry in known.items() if entry.gone and one in self._before]
        self._journal.mark_gone(self.photo, again, gone=False)
        self._journal.mark_gone(self.photo, [one for one in known if one not in self._before])

    def fill(self, add: Callable[[], tuple[SegmentedObject, ...]], entries: Callable[[SegmentedObject, int], MaskEntry]
             ) -> tuple[SegmentedObject, ...]:  # fmt: skip
        """Add objects that no person made, with their provenance.

        Args:
            add: Adds them to the session, and returns them.
            entries: Returns the entry of an object, given its number among them.
        """
        self._filling = True
        try:
            added = add()
        finally:
            self._filling = False
        for number, item in enumerate(added):
            self._journal.keep_mask(entries(item, number))
        with self._lock:
            self._before = {item.id: item for item in self.session.objects}
        return added

    def _changed(self) -> None:
        if self._filling:
            return
        with self._lock:
            before, now = self._before, {item.id: item for item in self.session.objects}
            if before.keys() == now.keys() and all(before[key] is now[key] for key in now):
                return
            self._before = now
            spent = self._clock() - self._since
            made = [item for key, item in now.items() if key not in before]
            if made:
                self._since = self._clock()
        lost = [key for key in before if key not in now]
        known = {entry.object for entry in self._journal.masks(self.photo)} if made else set()
        for item in made:
            if item.id in known:  # undone and redone
                self._journal.mark_gone(self.photo, [item.id], gone=False)
            else:
                self._journal.keep_mask(self._entry(item, seconds=min(spent, PAUSE) / len(made)))
            self._told(None, item)
        if lost:
            self._journal.mark_gone(self.photo, lost)
        for key in lost:
            self._told(before[key], None)
        for key, item in now.items():
            if key in before and before[key] is not item:
                self._told(before[key], item)

    def _entry(self, item: SegmentedObject, *, seconds: float | None) -> MaskEntry:
        answer = None if item.candidate is None else item.candidate.answer
        model = getattr(answer, "weights", None) or self.session.predictor.model.weights_id
        clicks = gestures(item.prompt) + len(item.strokes)
        return MaskEntry(
            self.photo,
            item.id,
            self._stage(),
            model,
            clicks if item.candidate is not None else None,
            seconds,
            self._who,
            _prompts(item.prompt),
        )

    def close(self) -> None:
        """Stop watching."""
        self._unsubscribe()


def gestures(prompt: Prompt) -> int:
    """Return the number of clicks, boxes and strokes of a prompt."""
    return len(prompt.points) + len(prompt.boxes) + len(prompt.strokes)


def _prompts(prompt: Prompt) -> str:
    given = {
        "points": [[point.x, point.y, point.label] for point in prompt.points],
        "boxes": [list(box.corners) for box in prompt.boxes],
        "strokes": len(prompt.strokes),
    }
    return msgspec.json.encode({key: value for key, value in given.items() if value}).decode()
