"""How many clicks a model needs on your own photos: `evaluate_clicks`, the protocol of interactive segmentation."""

from __future__ import annotations

import html
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sam_widget.engine.taught import TeachingData, readable, taught_photos
from sam_widget.errors import ModelError, PromptError, door
from sam_widget.learn.evaluate.evaluate import CAP, GOALS, REPORTED, ModelMethod, Sample, evaluate
from sam_widget.predictor.interface import predictor_of
from sam_widget.predictor.predictor import Predictor

if TYPE_CHECKING:
    from sam_widget.model.sam import Sam


@dataclass(frozen=True)
class ClickFigures:
    """What a model reached; `repr` and notebooks show it as a table.

    Attributes:
        model: Name of the model.
        photos: Number of photos.
        masks: Number of masks.
        miou: Mean IoU after 1, 3 and 5 clicks.
        noc85: Mean number of clicks to IoU 0.85 (NoC@85); a mask that is not reached counts as 20.
        noc90: The same for IoU 0.90.
        failed85: Share of masks that do not reach IoU 0.85 in 20 clicks (FR20@85).
        box: Mean IoU from the box around each mask.
        clicks85: Clicks to IoU 0.85 for each mask, in order.
        skipped: Photos that could not be read, and why.
    """

    model: str
    photos: int
    masks: int
    miou: dict[int, float]
    noc85: float
    noc90: float
    failed85: float
    box: float
    clicks85: tuple[int, ...]
    skipped: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {value}" for name, value in self._rows())

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>"
                       for name, value in self._rows())  # fmt: skip
        return f"<table>{rows}</table>"

    def _rows(self) -> list[tuple[str, str]]:
        rows = [("model", self.model), ("masks", f"{self.masks} in {self.photos} photos")]
        rows += [(f"mean IoU at {count} click{'' if count == 1 else 's'}", f"{value:.3f}")
                 for count, value in self.miou.items()]  # fmt: skip
        rows += [("mean IoU from a box", f"{self.box:.3f}"), ("clicks to IoU 0.85", f"{self.noc85:.2f}")]
        rows += [("clicks to IoU 0.90", f"{self.noc90:.2f}"), ("not at 0.85 in 20 clicks", f"{self.failed85:.0%}")]
        return rows + ([("skipped", "; ".join(self.skipped))] if self.skipped else [])


@door
def evaluate_clicks(
    model: str | Path | Sam | Predictor,
    data: TeachingData,
    *,
    images: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> ClickFigures:
    """Click on masks as a person would until they are right, and count.

    The protocol is that of "Reviving Iterative Training with Mask Guidance" (Sofiiuk et al., arXiv 2102.06583): the
    first click is in the middle of the mask, each further one in the middle of the largest error.

    Args:
        model: A name or checkpoint path, a loaded model, or a predictor, whose embedding cache is then used.
        data: A dict from photos to their masks, or sessions, as for `tune`.
        images: The folder of the file names in `data`.
        progress: Called with the number of masks that are done and the total.

    Raises:
        MaskError: There are no masks, or one does not fit its photo.
        ModelError: The model cannot be loaded, or is not computed here.
    """
    predictor = predictor_of(model)
    if not isinstance(predictor, Predictor):
        raise ModelError(f"{predictor.model.name} is not computed here; pass the name of a model")
    read, failed = readable(taught_photos(data, images=images))
    samples = [
        Sample(f"{number}_{k}", rgb, mask.stored.array)
        for number, (photo, rgb) in enumerate(read)
        for k, mask in enumerate(photo.masks)
    ]
    if not samples:
        raise PromptError(f"none of the photos can be read: {failed[0]}")
    figures = evaluate(ModelMethod(predictor), samples, clicks=CAP, progress=progress)
    clicks85 = figures.clicks_to(GOALS[0])
    reached = np.array([max(course) >= GOALS[0] for course in figures.clicks])
    return ClickFigures(
        predictor.model.name,
        len(read),
        len(samples),
        {count: float(figures.after(count).mean()) for count in REPORTED},
        float(clicks85.mean()),
        float(figures.clicks_to(GOALS[1]).mean()),
        float((~reached).mean()),
        float(np.mean(figures.box)),
        tuple(int(count) for count in clicks85),
        tuple(failed),
    )
