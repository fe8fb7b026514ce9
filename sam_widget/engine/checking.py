"""The blind check: masks drawn at random are corrected, and compared with what they were (paper, section 5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sam_widget.engine.journal import Journal
from sam_widget.engine.report import Agreement
from sam_widget.errors import SessionError
from sam_widget.masks.measures import iou
from sam_widget.masks.runs import StoredMask
from sam_widget.session.state import SegmentedObject


class BlindCheck:
    """The check of a folder, in its journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def start(
        self,
        masks: Sequence[tuple[str, str]],
        objects: Callable[[str], Sequence[SegmentedObject]],
        count: int,
        *,
        seed: int,
    ) -> int:
        """Draw masks at random; returns how many there are.

        Args:
            masks: Those to draw from, as names of photos and ids of objects.
            objects: Returns the objects of a photo, by its name.
            count: How many to draw.
            seed: Determines which.

        Raises:
            SessionError: There are none to draw from.
        """
        if not masks:
            raise SessionError("stage 3 has made no masks to check; run it first: automatic()")
        items = []
        for k in np.random.default_rng(seed).permutation(len(masks)).tolist():
            photo, one = masks[k]
            stored = next((item.stored for item in objects(photo) if item.id == one), None)
            if stored is not None:
                items.append((photo, one, stored.packed, stored.shape))
            if len(items) == count:
                break
        self._journal.start_check(items)
        return len(items)

    def left(self) -> list[tuple[int, str, str]]:
        """Return the masks that are not checked yet: number, photo, object."""
        return [(row[0], row[1], row[2]) for row in self._journal.checked() if row[5] is None]

    def judge(self, number: int, agreed: float) -> None:
        """Store how well a mask agrees with its correction: an IoU.

        Raises:
            SessionError: It is not between 0 and 1.
        """
        if not 0 <= agreed <= 1:
            raise SessionError(f"an IoU of {agreed!r} was given; expected a number between 0 and 1")
        self._journal.keep_check(number, float(agreed))

    def corrected(self, photo: str, before: SegmentedObject | None, after: SegmentedObject | None) -> None:
        """Compare a corrected mask with what it was, if it is part of the check; one that was removed agrees in 0.

        Renaming and recolouring are not corrections.
        """
        if before is None or (after is not None and after.stored is before.stored):
            return
        for number, name, one, packed, shape, agreed in self._journal.checked():
            if (name, one) == (photo, before.id) and agreed is None:
                was = StoredMask.from_packed(packed, *shape)
                self._journal.keep_check(number, 0.0 if after is None else float(iou(was.array, after.mask)))

    @property
    def agreement(self) -> Agreement | None:
        """What it has shown so far; None before it is started."""
        rows = self._journal.checked()
        return Agreement(tuple(row[5] for row in rows if row[5] is not None), len(rows)) if rows else None
