"""Everything mode in a session: it runs in steps, without blocking other edits, and ends as a single edit."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

import numpy as np

from sam_widget.errors import ModelError, SessionError
from sam_widget.masks.measures import iou
from sam_widget.masks.runs import StoredMask
from sam_widget.predictor.interface import Predictor, SegmentsElsewhere
from sam_widget.prompts.geometry import Box, Point
from sam_widget.prompts.prompt import Prompt
from sam_widget.session.history import History
from sam_widget.session.state import SegmentedObject

if TYPE_CHECKING:
    from sam_widget.automatic.automatic import EverythingStep, MaskRecord
    from sam_widget.predictor.predictor import Predictor as TorchPredictor

# A mask with at least this IoU with an accepted object is a duplicate.
SAME = 0.7


@dataclass(frozen=True, eq=False)
class UnderWay:
    """The progress of `everything` or `find`.

    Attributes:
        done: Number of points decoded so far.
        total: Total number of points; 0 if not known yet.
        objects: The objects found so far. At the end they are added to the session, except for duplicates.
        kind: Which of the two it is.
    """

    done: int
    total: int
    objects: tuple[SegmentedObject, ...]
    kind: Literal["everything", "find"] = "everything"


class Run(Protocol):
    """Work on a session that is done step by step, while others edit.

    Attributes:
        state: The progress.
        over: Whether it has ended.
    """

    state: UnderWay
    over: bool

    def advance(self) -> bool:
        """Do the next step; returns False after the last one."""

    def stop(self) -> None:
        """Make the next `advance` the last. Does not block."""

    def end(self, *, keep: bool = True) -> None:
        """End the run, keeping what it found so far or discarding it. Has no effect if it has ended."""


class Running:
    """The run of a session, of which there is one at a time.

    Attributes:
        run: The last one; None before the first.
    """

    def __init__(self) -> None:
        """Start without a run."""
        self.run: Run | None = None

    @property
    def state(self) -> UnderWay | None:
        """The progress; None if nothing is running."""
        return None if self.run is None or self.run.over else self.run.state

    def check_idle(self) -> None:
        """Refuse to start a second run.

        Raises:
            SessionError: One is running.
        """
        if self.state is not None:
            raise SessionError("the image is being searched already; wait until that is done, or cancel it")


class EverythingRun:
    """A run of everything mode on a session's history; call `advance` until it returns False."""

    def __init__(self, history: History, steps: Iterator[EverythingStep]) -> None:
        """Prepare a run, without using the model yet."""
        self._history = history
        self._steps = steps
        self._collector = EverythingCollector()
        self._records: tuple[MaskRecord, ...] = ()
        self._stop = threading.Event()
        self.step: EverythingStep | None = None
        self.state = UnderWay(0, 0, ())
        self.over = False

    def advance(self) -> bool:
        """Decode the next points. Returns False once the run is complete and its objects were added in one edit.

        An exception ends the run without changing the session.
        """
        try:
            # Other edits may happen during this.
            step = None if self._stop.is_set() or self.over else next(self._steps, None)
        except BaseException:
            self.end(keep=False)
            raise
        if step is None or self._stop.is_set():
            self.end()
            return False
        with self._history.editing:
            if self.over:
                return False
            self.step, self._records = step, step.records
            found = self._collector.objects(step.records, self._history.state.objects)
            self.state = UnderWay(step.done, step.total, found)
            self._history.notify()  # views show intermediate results, which are not an edit
        return True

    def stop(self) -> None:
        """Make the next `advance` the last. Does not block."""
        self._stop.set()

    def end(self, *, keep: bool = True) -> None:
        """End the run, keeping the objects found so far or discarding them. Has no effect if it has ended."""
        history = self._history
        with history.editing:
            if self.over:
                return
            self.over = True
            # Recomputed here, to skip duplicates of objects accepted since the last step.
            now = history.state
            found = self._collector.objects(self._records, now.objects) if keep else ()
            self.state = replace(self.state, objects=found)
            try:
                if found:
                    history.change(replace(now, objects=(*now.objects, *found)))
            finally:
                history.notify()


def begin(history: History, predictor: Predictor, image: np.ndarray, **options: Any) -> EverythingRun:
    """Begin a run on an image (H, W, 3) uint8; the options are those of `segment_everything`.

    Raises:
        PromptError: An option is unknown or out of range.
        ModelError: The predictor can only answer one prompt at a time.
    """
    from sam_widget.automatic.automatic import iter_everything  # Imports torch.

    if not (hasattr(predictor, "masks_at") or isinstance(predictor, SegmentsElsewhere)):
        raise ModelError(
            f"{predictor.model.name} answers one prompt at a time and cannot segment everything; use sw.Predictor"
        )
    return EverythingRun(history, iter_everything(image, cast("TorchPredictor", predictor), **options))


class EverythingCollector:
    """Converts records to objects as they are found; the same record always becomes the same object.

    Skips masks that duplicate an existing object.
    """

    def __init__(self) -> None:
        self._before: tuple[SegmentedObject, ...] = ()
        self._made: dict[int, tuple[MaskRecord, SegmentedObject | None]] = {}

    def objects(
        self, records: Sequence[MaskRecord], before: tuple[SegmentedObject, ...]
    ) -> tuple[SegmentedObject, ...]:
        """Return the objects of the records, without duplicates of the objects `before`."""
        kept = {id(record) for record in records}
        # Names and colours of duplicates can be reused; if the existing objects have changed, all are reassigned.
        same = before is self._before
        self._before = before
        self._made = {key: made for key, made in self._made.items() if same and key in kept}
        now = [item for _, item in self._made.values() if item is not None]
        labels = {item.label for item in (*before, *now)}
        colors = {item.color for item in (*before, *now)}
        most = len(before) + len(now) + len(records) + 1
        free_labels = (name for n in range(1, most + 1) if (name := f"object {n}") not in labels)
        free_colors = (color for color in range(most) if color not in colors)
        found = []
        for record in records:
            if id(record) not in self._made:
                known = any(duplicates(record.stored, item.stored) for item in before)
                made = None if known else _object(record, next(free_labels), next(free_colors))
                self._made[id(record)] = (record, made)
            found.append(self._made[id(record)][1])
        return tuple(item for item in found if item is not None)


def _object(record: MaskRecord, label: str, color: int) -> SegmentedObject:
    x, y, width, height = record.stored.bounds
    (point,) = record.point_coords
    return SegmentedObject(
        label=label,
        stored=record.stored,
        score=min(max(record.predicted_iou, 0.0), 1.0),
        box=Box(x, y, x + width, y + height),
        prompt=Prompt(points=(Point(*point),)),
        color=color,
    )


def duplicates(a: StoredMask, b: StoredMask) -> bool:
    """Whether a mask duplicates another one."""
    # Duplicates have about the same area; comparing areas first avoids decoding most masks.
    if not SAME * b.area <= a.area <= b.area / SAME:
        return False
    return float(np.asarray(iou(a.array, b.array))) >= SAME
