"""Named masks: the common type that all formats write and read, and that a session imports.

Files are handled by `sam_widget.export`. This module imports neither torch nor the session: their objects are
recognised by their attributes.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sam_widget.errors import MaskError
from sam_widget.masks.codecs import stored_from_rle
from sam_widget.masks.runs import Mask, StoredMask, in_bands, runs_by_number
from sam_widget.prompts.prompt import Box, Prompt
from sam_widget.text import clean

_EXPECTED = (
    "expected a Session, a SamWidget, objects of a session, records of segment_everything, supervision.Detections, "
    "a label map of shape (H, W) and integer type, masks of shape (H, W) or (N, H, W) and type bool, or a list of these"
)

# Frozen, so that all masks of unknown origin can share it.
_NO_PROMPT = Prompt()


@dataclass(frozen=True, eq=False)
class Annotation:
    """A mask with a name.

    Attributes:
        label: Its name.
        stored: The stored mask.
        score: The IoU predicted by the model, between 0 and 1; None if unknown.
        prompt: The prompt it was made from, if known.
        id: Identifies the annotation.

    Raises:
        MaskError: The score is not a finite number.
    """

    label: str
    stored: StoredMask
    score: float | None = None
    prompt: Prompt = _NO_PROMPT
    id: str = field(default_factory=lambda: os.urandom(6).hex())

    def __post_init__(self) -> None:
        """Make the label valid Unicode, because JSON, XML and the wire use UTF-8; reject scores that are not JSON."""
        object.__setattr__(self, "label", clean(str(self.label)))
        if self.score is not None and not math.isfinite(self.score):
            raise MaskError(f"the score of {self.label!r} is {self.score}, expected a finite number or None")

    def __repr__(self) -> str:
        """One line, without arrays."""
        height, width = self.stored.shape
        score = "no score" if self.score is None else f"score {self.score:.2f}"
        return f"Annotation({self.label!r}, {score}, {self.area} of {width} x {height} pixels)"

    @property
    def mask(self) -> Mask:
        """The mask, (H, W) bool, read-only."""
        return self.stored.array

    @property
    def area(self) -> int:
        """Number of pixels of the mask."""
        return self.stored.area

    @cached_property
    def box(self) -> Box:
        """The tight box around the mask.

        Raises:
            MaskError: The mask is empty.
        """
        x, y, width, height = self.stored.bounds
        if not width:
            raise MaskError(f"the mask of {self.label!r} is empty; leave it out")
        return Box(x, y, x + width, y + height)


@dataclass(frozen=True, eq=False)
class AnnotatedImage:
    """The masks of one image.

    Attributes:
        annotations: The masks in order of creation; later ones lie on top.
        size: Width and height of the image, in pixels.
        name: File name of the image; None if unknown.
        pixels: (H, W, 3) uint8, for formats that include the image; None if unknown.
    """

    annotations: tuple[Annotation, ...]
    size: tuple[int, int]
    name: str | None = None
    pixels: NDArray[np.uint8] | None = None

    def __repr__(self) -> str:
        """One line, without arrays."""
        width, height = self.size
        return f"AnnotatedImage({self.name!r}, {width} x {height}, {len(self.annotations)} masks)"

    def __len__(self) -> int:
        return len(self.annotations)

    def __iter__(self) -> Iterator[Annotation]:
        return iter(self.annotations)

    @property
    def labels(self) -> tuple[str, ...]:
        """The distinct labels, in order of first occurrence."""
        return tuple(dict.fromkeys(item.label for item in self.annotations))


def annotations_of(source: Any, *, labels: Sequence[str] | str | None = None) -> tuple[Annotation, ...]:
    """Return the masks in `source`.

    Args:
        source: A Session or SamWidget (its objects), objects, `MaskRecord`s or the dicts of SAM's own generator,
            `supervision.Detections`, a label map (each number but 0 is one mask), masks, or several of these.
        labels: Names of the masks: one for all, or one each. By default they keep their names; unnamed ones become
            "object 1", "object 2", ...

    Raises:
        MaskError: The source contains no masks, one of them is empty, or their sizes differ.
    """
    found = list(_masks_in(source))
    if labels is not None:
        names = [labels] * len(found) if isinstance(labels, str) else list(labels)
        if len(names) != len(found):
            raise MaskError(f"{len(found)} masks but {len(names)} labels; give one label for all, or one per mask")
        found = [replace(item, label=str(name).strip()) for item, name in zip(found, names, strict=True)]
    taken = {item.label for item in found}
    free = (name for number in range(1, 2 * len(found) + 2) if (name := f"object {number}") not in taken)
    found = [item if item.label else replace(item, label=next(free)) for item in found]
    for number, item in enumerate(found):
        if not item.area:
            raise MaskError(f"mask {number}, {item.label!r}, is empty; leave it out")
        if item.stored.shape != found[0].stored.shape:
            raise MaskError(
                f"mask {number}, {item.label!r}, has shape {item.stored.shape} and mask 0 {found[0].stored.shape}; "
                "expected the masks of one image, all of its height and width"
            )
    return tuple(found)


def _masks_in(source: Any) -> Iterator[Annotation]:
    """Yield the masks in `source`; unnamed masks have an empty label."""
    if isinstance(source, Annotation):
        yield source
    elif isinstance(source, Mapping):
        if "segmentation" not in source:
            raise MaskError(f"cannot read masks from a dict with the keys {', '.join(map(str, source))}; {_EXPECTED}")
        yield _record(source)
    elif isinstance(source, np.ndarray):
        yield from _in_array(source)
    elif hasattr(source, "segmentation"):
        yield _record({name: getattr(source, name, None) for name in _RECORD})
    elif hasattr(source, "stored") and hasattr(source, "label"):
        yield Annotation(source.label, source.stored, source.score, source.prompt, source.id)
    elif hasattr(source, "xyxy") and hasattr(source, "confidence"):
        yield from _detections(source)
    elif hasattr(source, "session"):
        yield from _masks_in(source.session.objects)
    elif hasattr(source, "objects"):
        yield from _masks_in(source.objects)
    elif isinstance(source, Iterable) and not isinstance(source, str | bytes):
        for item in source:
            yield from _masks_in(item)
    else:
        raise MaskError(f"cannot read masks from {type(source).__name__}; {_EXPECTED}")


def _in_array(array: NDArray[Any]) -> Iterator[Annotation]:
    if array.dtype == np.bool_ and array.ndim in (2, 3):
        for mask in array.reshape(-1, *array.shape[-2:]):
            yield Annotation("", StoredMask(mask.copy()))
    elif array.dtype.kind in "iu" and array.ndim == 2:
        height, width = array.shape
        for number, runs in runs_by_number(in_bands(array), width).items():
            yield Annotation(str(number), StoredMask.of_runs(runs, (height, width)))
    else:
        raise MaskError(f"cannot read masks from an array of shape {array.shape} and type {array.dtype}; {_EXPECTED}")


# Keys of a mask record of SAM's automatic mask generator.
_RECORD = ("segmentation", "label", "predicted_iou", "point_coords")


def _record(record: Mapping[str, Any]) -> Annotation:
    segmentation, points = record["segmentation"], record.get("point_coords")
    if isinstance(segmentation, Mapping):
        stored = stored_from_rle(segmentation)
    else:
        mask = np.array(segmentation, dtype=np.bool_)
        if mask.ndim != 2:
            raise MaskError(f"the segmentation of a record has shape {mask.shape}, expected (H, W) bool or a COCO RLE")
        stored = StoredMask(mask)
    score = record.get("predicted_iou")
    return Annotation(
        label=str(record.get("label") or ""),
        stored=stored,
        score=None if score is None else min(max(float(score), 0.0), 1.0),
        prompt=Prompt() if points is None or len(points) == 0 else Prompt.from_arrays(points),
    )


def _detections(detections: Any) -> Iterator[Annotation]:
    if detections.mask is None:
        raise MaskError("these detections have boxes but no masks; expected supervision.Detections with mask")
    names = detections.data.get("class_name", detections.class_id)
    for number, mask in enumerate(detections.mask):
        score = None if detections.confidence is None else float(detections.confidence[number])
        label = "" if names is None else str(names[number])
        yield Annotation(label, StoredMask(np.array(mask, dtype=np.bool_)), score)
