"""How candidates and objects get their masks: cut from logits, cleaned up, painted on, united, subtracted. All pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from sam_widget.cleanup import MaskSettings, clean
from sam_widget.geometry import BrushStroke
from sam_widget.masks import StoredMask, box_from_mask, stability_score
from sam_widget.painting import Layer, paint
from sam_widget.prompts import Prompt
from sam_widget.state import Candidate, SegmentedObject

if TYPE_CHECKING:
    from sam_widget.predictor import Prediction, Predictor


def candidates_of(
    prediction: Prediction, predictor: Predictor, settings: MaskSettings, strokes: tuple[BrushStroke, ...]
) -> tuple[Candidate, ...]:
    """Return the candidates of a prediction."""
    masks, level = prediction.masks, settings.threshold
    size = (masks.shape[1], masks.shape[2])
    if level:
        masks = predictor.cut(prediction.logits, size, threshold=level)
    stabilities = _stability(prediction.logits, predictor, size, level)
    found = []
    for mask, score, logits, stability in zip(masks, prediction.scores, prediction.logits, stabilities, strict=True):
        source = StoredMask(mask)
        stored = _shaped(source, settings, strokes)
        found.append(Candidate(stored, min(max(float(score), 0.0), 1.0), _frozen(logits), float(stability), source))
    return tuple(found)


def reshaped(
    candidate: Candidate,
    predictor: Predictor,
    before: MaskSettings,
    settings: MaskSettings,
    strokes: tuple[BrushStroke, ...],
) -> Candidate:
    """Return a candidate with other settings than before; without logits, its threshold cannot move."""
    source, stability = candidate.base, candidate.stability
    if candidate.logits is not None and settings.threshold != before.threshold:
        logits, size = candidate.logits[None], source.shape
        source = StoredMask(predictor.cut(logits, size, threshold=settings.threshold)[0])
        stability = float(_stability(logits, predictor, size, settings.threshold)[0])
    stored = _shaped(source, settings, strokes)
    return replace(candidate, stored=stored, source=source, stability=stability)


def painted(candidate: Candidate, stroke: BrushStroke) -> Candidate:
    """Return a candidate with one more stroke on its mask."""
    return replace(candidate, stored=StoredMask(paint(candidate.mask, [stroke])), source=candidate.base)


def as_mask_prompt(candidate: Candidate, predictor: Predictor, settings: MaskSettings) -> np.ndarray:
    """Return low-resolution logits that say what the candidate's mask says, its own wherever they agree with it."""
    if candidate.logits is not None and candidate.stored is candidate.base and not settings.threshold:
        return candidate.logits
    drawn = predictor.mask_prompt(candidate.mask)
    if candidate.logits is None:
        return drawn
    level = predictor.config.mask_threshold
    agree = (candidate.logits > level) == (drawn > 0)
    return np.where(agree, candidate.logits, drawn).astype(np.float32)


def united(objects: Sequence[SegmentedObject]) -> SegmentedObject:
    """Return the first object grown by the others; its score is the mean by area."""
    mask = objects[0].mask.copy()
    for item in objects[1:]:
        mask |= item.mask
    areas = [item.area for item in objects]
    prompt = Prompt(
        points=tuple(point for item in objects for point in item.prompt.points),
        boxes=tuple(box for item in objects for box in item.prompt.boxes),
        strokes=tuple(stroke for item in objects for stroke in item.prompt.strokes),
    )
    score = float(np.average([item.score for item in objects], weights=areas))
    whole = _with_mask(objects[0], mask)
    if whole is None:
        raise AssertionError("objects are never empty")
    return replace(whole, prompt=prompt, score=score)


def subtracted(item: SegmentedObject, other: SegmentedObject) -> SegmentedObject | None:
    """Return an object less what another one covers; None where nothing is left."""
    return _with_mask(item, item.mask & ~other.mask)


def _with_mask(item: SegmentedObject, mask: np.ndarray) -> SegmentedObject | None:
    box = box_from_mask(mask)
    if box is None:
        return None
    # No candidate, stroke or setting leads to this mask.
    return replace(item, stored=StoredMask(mask), box=box, candidate=None, strokes=(), settings=MaskSettings())


def _shaped(source: StoredMask, settings: MaskSettings, strokes: tuple[BrushStroke, ...]) -> StoredMask:
    """Clean up, then paint: what a person has painted is not tidied away."""
    if not settings.cleans and not strokes:
        return source
    cleaned = clean(source.array, settings)
    return StoredMask(_layer(strokes, source.shape).over(cleaned) if strokes else cleaned)


_last: list[Layer] = []


def _layer(strokes: tuple[BrushStroke, ...], shape: tuple[int, int]) -> Layer:
    """Return the strokes as a layer; the last one is kept, for hovering asks for masks under the same paint."""
    layer = _last[0] if _last else None
    if layer is None or layer.strokes is not strokes or layer.shape != shape:
        layer = Layer(strokes, shape)
        _last[:] = [layer]
    return layer


def _stability(logits: np.ndarray, predictor: Predictor, size: tuple[int, int], threshold: float) -> np.ndarray:
    level = predictor.config.mask_threshold + threshold
    return stability_score(predictor.inside(logits, size), threshold=level)


def _frozen(array: np.ndarray) -> np.ndarray:
    array = array.copy() if array.base is not None else array
    array.flags.writeable = False
    return array
