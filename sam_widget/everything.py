"""From the records of segment everything to objects of a session."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sam_widget.automatic import MaskRecord
from sam_widget.geometry import Box, Point
from sam_widget.masks import StoredMask, iou
from sam_widget.prompts import Prompt
from sam_widget.state import SegmentedObject

# A mask that agrees with an accepted object as much as this shows the same thing.
SAME = 0.7


class Harvest:
    """Turns records into objects as they are found; the same record always becomes the same object.

    What is an object already is left out.
    """

    def __init__(self, objects: Sequence[SegmentedObject]) -> None:
        self._before = tuple(objects)
        self._made: dict[int, tuple[MaskRecord, SegmentedObject | None]] = {}
        self._labels = {item.label for item in objects}
        self._colors = {item.color for item in objects}

    def objects(self, records: Sequence[MaskRecord]) -> tuple[SegmentedObject, ...]:
        """Return the objects that were there before and, after them, those of the records."""
        kept = {id(record) for record in records}
        # Names and colours of masks that turned out to be doubles are free again.
        self._made = {key: made for key, made in self._made.items() if key in kept}
        now = [item for _, item in self._made.values() if item is not None]
        labels = self._labels | {item.label for item in now}
        colors = self._colors | {item.color for item in now}
        most = len(self._before) + len(now) + len(records) + 1
        free_labels = (name for n in range(1, most + 1) if (name := f"object {n}") not in labels)
        free_colors = (color for color in range(most) if color not in colors)
        found = []
        for record in records:
            if id(record) not in self._made:
                known = any(_same(record.stored, item.stored) for item in self._before)
                made = None if known else _object(record, next(free_labels), next(free_colors))
                self._made[id(record)] = (record, made)
            found.append(self._made[id(record)][1])
        return (*self._before, *(item for item in found if item is not None))


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
