"""Everything mode in a session: it goes on in steps, between which all else goes on, and ends as one edit."""

from __future__ import annotations

import threading
from abc import ABC
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from sam_widget.errors import SessionError
from sam_widget.image.rendering import SourceImage
from sam_widget.masks.measures import iou
from sam_widget.masks.runs import StoredMask
from sam_widget.predictor.interface import Predictor
from sam_widget.prompts.geometry import Box, Point
from sam_widget.prompts.prompt import Prompt
from sam_widget.session.history import History
from sam_widget.session.state import SegmentedObject

if TYPE_CHECKING:
    from sam_widget.automatic.automatic import EverythingStep, MaskRecord
    from sam_widget.predictor.predictor import Predictor as TorchPredictor

# A mask that agrees with an accepted object as much as this shows the same thing.
SAME = 0.7


@dataclass(frozen=True, eq=False)
class UnderWay:
    """How far `everything` is.

    Attributes:
        done: Points asked about.
        total: Points to be asked about; 0 before that is known.
        objects: What has been found by now. It becomes the session's at the end, unless it turns out to be a double.
    """

    done: int
    total: int
    objects: tuple[SegmentedObject, ...]


class Search:
    """A run of everything mode in a session. Whoever has it calls `advance` until that is false."""

    def __init__(self, session: EverythingMode, steps: Iterator[EverythingStep]) -> None:
        self._session = session
        self._steps = steps
        self._harvest = Harvest()
        self._records: tuple[MaskRecord, ...] = ()
        self._stop = threading.Event()
        self.step: EverythingStep | None = None
        self.state = UnderWay(0, 0, ())
        self.over = False

    def advance(self) -> bool:
        """Ask about the next points. Once this is false, what was found has become the session's, in one edit.

        Whatever is raised ends the run, and nothing has changed then.
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
        with self._session._edit:  # noqa: SLF001  a part of the session
            if self.over:
                return False
            self.step, self._records = step, step.records
            found = self._harvest.objects(step.records, self._session.state.objects)
            self.state = UnderWay(step.done, step.total, found)
            self._session._tell()  # noqa: SLF001  to be seen, but no edit yet
        return True

    def stop(self) -> None:
        """Let the next `advance` be the last; never waits."""
        self._stop.set()

    def end(self, *, keep: bool = True) -> None:
        """End the run, with what has been found by now or with nothing; again, this does nothing."""
        session = self._session
        with session._edit:  # noqa: SLF001  a part of the session
            if self.over:
                return
            self.over = True
            session._search = None  # noqa: SLF001
            # Here, not from the last step: what the person has accepted since need not be there twice.
            found = self._harvest.objects(self._records, session.state.objects) if keep else ()
            self.state = replace(self.state, objects=found)
            try:
                if found:
                    session._change(replace(session.state, objects=(*session.state.objects, *found)))  # noqa: SLF001
            finally:
                session._tell()  # noqa: SLF001


class EverythingMode(History, ABC):
    """A part of `Session`, in a file of its own."""

    source: SourceImage
    predictor: Predictor
    _search: Search | None = None

    @property
    def under_way(self) -> UnderWay | None:
        """How far `everything` is, where it is at work."""
        search = self._search
        return None if search is None else search.state

    def everything(
        self,
        *,
        progress: Callable[[EverythingStep], object] | None = None,
        cancelled: Callable[[], bool] | None = None,
        **options: Any,
    ) -> tuple[SegmentedObject, ...]:
        """Find everything in the image and add it as objects, in one edit: one undo takes all of them back.

        What is an object already is not found again. Other threads may go on editing meanwhile, and `cancel`;
        `under_way` has what is found so far, which every view shows.

        Args:
            progress: Called after every batch of points; see `iter_everything`.
            cancelled: Asked after every batch; once it is true, what has been found by then is kept, as with `cancel`.
            **options: As for `segment_everything`, but for `output_mode`.

        Returns:
            The new objects.

        Raises:
            PromptError: An option is unknown or out of its range.
            SessionError: It is under way already.
        """
        search = self.begin_everything(**options)
        try:
            while search.advance():
                if progress is not None and search.step is not None:
                    progress(search.step)
                if cancelled is not None and cancelled():
                    search.stop()
        except BaseException:
            search.end(keep=False)
            raise
        return search.state.objects

    def begin_everything(self, **options: Any) -> Search:
        """Begin what `everything` does, for who wants to do other things between its steps.

        Raises:
            PromptError: An option is unknown or out of its range.
            SessionError: It is under way already.
        """
        from sam_widget.automatic.automatic import iter_everything  # Imports torch.

        with self._edit:
            if self._search is not None:
                raise SessionError("everything is being segmented already; wait until it is done, or cancel it")
            predictor = cast("TorchPredictor", self.predictor)
            steps = iter_everything(predictor, self.source.render(self._state.rendering), **options)
            self._search = Search(self, steps)
            self._tell()
            return self._search

    def cancel(self) -> None:
        """Stop `everything` after the points it is asking about; what has been found is kept, as one edit.

        Does nothing where it is not under way, and never waits.
        """
        search = self._search
        if search is not None:
            search.stop()

    def _end_search(self) -> None:
        """End what is under way at once, with what has been found."""
        if self._search is not None:
            self._search.end()


class Harvest:
    """Turns records into objects as they are found; the same record becomes the same object.

    What is an object already is left out.
    """

    def __init__(self) -> None:
        self._before: tuple[SegmentedObject, ...] = ()
        self._made: dict[int, tuple[MaskRecord, SegmentedObject | None]] = {}

    def objects(
        self, records: Sequence[MaskRecord], before: tuple[SegmentedObject, ...]
    ) -> tuple[SegmentedObject, ...]:
        """Return the objects of the records, but for those that are among the objects `before`."""
        kept = {id(record) for record in records}
        # Names and colours of masks that turned out to be doubles are free again; all are, where objects have changed.
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
                known = any(_same(record.stored, item.stored) for item in before)
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


def _same(a: StoredMask, b: StoredMask) -> bool:
    # Masks that agree have about the same area; most do not, and need not be decoded.
    if not SAME * b.area <= a.area <= b.area / SAME:
        return False
    return float(np.asarray(iou(a.array, b.array))) >= SAME
