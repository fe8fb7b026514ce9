"""A simulated annotator, who knows the masks: the engine runs by itself in the notebook, in tests and benchmarks.

It clicks as in the evaluation (arXiv 2102.06583): first in the middle of the mask, then in the middle of the largest
error, until the mask is good enough; a mask that needs too many clicks is painted by hand instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from sam_widget.engine.acceptance import AGREES
from sam_widget.engine.engine import DataEngine
from sam_widget.masks.distance import next_click
from sam_widget.masks.measures import iou
from sam_widget.session.session import Session

# Seconds of looking for an object, of a click, of looking at a pre-filled mask, and of painting a mask by hand.
LOOK, CLICK, GLANCE, PAINT = 3.0, 1.5, 1.0, 20.0


@dataclass
class SimulatedAnnotator:
    """Someone who annotates photos of which all masks are known.

    Attributes:
        truth: For each photo, by its name, masks (H, W) bool.
        goal: IoU from which a mask is accepted.
        patience: Number of clicks after which it is painted by hand instead.
        time: Seconds of work so far; the clock for `DataEngine(clock=...)` is `annotator.clock`.
    """

    truth: Mapping[str, Sequence[np.ndarray]]
    goal: float = 0.9
    patience: int = 12
    time: float = field(default=0.0, init=False)

    def clock(self) -> float:
        """Return the seconds of work so far."""
        return self.time

    def annotate(self, engine: DataEngine, photo: int, *, done: bool = True) -> int:
        """Do what is left to do on a photo; returns the number of masks that were added.

        Pre-filled masks that agree with no true mask are removed; true masks that are not there yet are clicked on.
        """
        name = engine.album.names[photo]
        session = engine.open(photo)
        truth = [np.asarray(mask, bool) for mask in self.truth[name]]
        wrong = []
        for item in session.objects:
            self.time += GLANCE
            if max((float(iou(item.mask, mask)) for mask in truth), default=0.0) < AGREES:
                wrong.append(item.id)
        session.remove(*wrong)
        added = 0
        for mask in truth:
            if not any(float(iou(item.mask, mask)) >= AGREES for item in session.objects):
                self.segment(session, mask)
                added += 1
        engine.leave(photo)
        if done:
            engine.mark(photo)
        return added

    def segment(self, session: Session, mask: np.ndarray) -> int:
        """Click on a mask until it is good enough, and accept it; returns the number of clicks."""
        self.time += LOOK
        given = np.zeros_like(mask)
        for clicks in range(1, self.patience + 1):
            (x, y), label = next_click(given, mask)
            self.time += CLICK
            session.click(float(x), float(y), label=label)
            chosen = session.chosen
            given = np.zeros_like(mask) if chosen is None else chosen.mask
            if float(iou(given, mask)) >= self.goal:
                session.accept()
                return clicks
        self.time += PAINT
        session.clear()
        session.add_objects(mask)
        return self.patience

    def check(self, engine: DataEngine) -> None:
        """Compare the masks of the blind check with the nearest true ones, as if they had been corrected."""
        while (item := engine.next_check()) is not None:
            number, photo, one = item
            truth = self.truth[engine.album.names[photo]]
            session = engine.open(photo)
            found = next(found for found in session.objects if found.id == one)
            agreed = max((float(iou(found.mask, mask)) for mask in truth), default=0.0)
            self.time += GLANCE
            engine.judge(number, agreed)
            engine.leave(photo)
