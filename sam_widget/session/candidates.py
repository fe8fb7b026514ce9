"""Pure functions that compute the masks of candidates and objects: threshold, clean up, paint, merge, subtract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sam_widget.masks import windows
from sam_widget.masks.cleanup import MaskSettings, clean
from sam_widget.masks.measures import box_from_mask, stability_score
from sam_widget.masks.runs import StoredMask
from sam_widget.predictor.interface import Prediction, Predictor
from sam_widget.prompts.geometry import Box, BrushStroke
from sam_widget.prompts.prompt import Prompt
from sam_widget.prompts.strokes import Cover, Layer
from sam_widget.session.state import Answer, Candidate, SegmentedObject


@dataclass(frozen=True)
class Place:
    """The position of a crop's mask in the image.

    Attributes:
        crop: The crop, in pixels of the image.
        size: Height and width of the image, in pixels.
        outside: The mask of the image that continues outside the crop; None if there is none.
    """

    crop: Box
    size: tuple[int, int]
    outside: StoredMask | None

    def put(self, mask: StoredMask) -> StoredMask:
        """Return a crop's mask as a mask of the whole image."""
        around, crop = self.outside, self.crop
        if around is None or not around.area:
            return windows.placed(mask, crop, self.size)
        # Decodes only the box around both masks, because the image may be very large.
        x, y, width, height = around.bounds
        both = Box(min(x, crop.x0), min(y, crop.y0), max(x + width, crop.x1), max(y + height, crop.y1))
        whole = windows.within(around, both)
        left, top = int(crop.x0 - both.x0), int(crop.y0 - both.y0)
        whole[top : top + mask.shape[0], left : left + mask.shape[1]] = mask.array
        return windows.placed(StoredMask(np.ascontiguousarray(whole)), both, self.size)


def candidate_of(
    prediction: Prediction,
    index: int,
    cut: StoredMask,
    predictor: Predictor,
    *,
    answer: Answer,
    settings: MaskSettings,
    strokes: tuple[BrushStroke, ...],
    place: Place | None = None,
) -> Candidate:
    """Return the candidate with one mask of a prediction; if a place is given, the prediction is that of a crop."""
    source = cut if place is None else place.put(cut)
    return Candidate(
        stored=_shaped(source, settings, strokes),
        score=min(max(float(prediction.scores[index]), 0.0), 1.0),
        answer=answer,
        stability=_stability(prediction.logits[index], predictor, cut.shape, settings.threshold),
        source=source,
        crop=None if place is None else place.crop,
        index=index,
    )


def mask_of(prediction: Prediction, index: int, predictor: Predictor, threshold: float) -> StoredMask:
    """Return one mask of a prediction, at a threshold relative to the model's own."""
    if not threshold:
        return prediction.stored_mask(index)
    return predictor.binarize_one(prediction.logits[index], prediction.size, threshold=threshold)


def reshaped(
    candidate: Candidate,
    predictor: Predictor,
    before: MaskSettings,
    settings: MaskSettings,
    strokes: tuple[BrushStroke, ...],
) -> Candidate:
    """Return a candidate with changed settings; without logits, its threshold cannot change."""
    source, stability = candidate.base, candidate.stability
    logits = candidate.logits if settings.threshold != before.threshold else None
    if logits is not None:
        crop = candidate.crop
        size = source.shape if crop is None else windows.shape(crop)
        cut = predictor.binarize_one(logits, size, threshold=settings.threshold)
        if crop is None:
            source = cut
        else:  # the mask outside the crop does not change
            outside = None if _within(source, crop) else source
            source = Place(crop, source.shape, outside).put(cut)
        stability = _stability(logits, predictor, size, settings.threshold)
    stored = _shaped(source, settings, strokes)
    return replace(candidate, stored=stored, source=source, stability=stability)


def painted(candidate: Candidate, stroke: Cover) -> Candidate:
    """Return a candidate with another brush stroke on its mask."""
    mask = candidate.mask.copy()
    stroke.apply(mask)
    return replace(candidate, stored=StoredMask(mask), source=candidate.base)


def as_mask_prompt(
    candidate: Candidate, predictor: Predictor, settings: MaskSettings, strokes: tuple[BrushStroke, ...]
) -> tuple[np.ndarray, Box | None]:
    """Convert a candidate's mask to low-resolution logits, using its own logits where they agree with the mask.

    Returns:
        The logits, and the crop that they cover: the candidate's, unless its mask continues outside.
    """
    logits, crop = candidate.logits, candidate.crop
    if crop is not None and not _within(candidate.stored, crop):
        logits, crop = None, None
    # Specks are too small for the logits: without them, the mask is still what the model said.
    changed = candidate.stored is not candidate.base and (strokes or replace(settings, specks=False) != MaskSettings())
    if logits is not None and not changed and not settings.threshold:
        return logits, crop  # `Prompt` copies it: it is a part of what the decoder keeps for a while.
    drawn = predictor.mask_to_logits(candidate.mask if crop is None else candidate.mask[windows.part(crop)])
    if logits is None:
        return drawn, crop
    agree = (logits > predictor.config.mask_threshold) == (drawn > 0)
    return np.where(agree, logits, drawn).astype(np.float32), crop


def _within(mask: StoredMask, crop: Box) -> bool:
    x, y, width, height = mask.bounds
    inside = x >= crop.x0 and y >= crop.y0 and x + width <= crop.x1 and y + height <= crop.y1
    return inside or not mask.area


def united(objects: Sequence[SegmentedObject]) -> SegmentedObject:
    """Merge objects into the first; its score is their mean, weighted by area."""
    mask = objects[0].mask.copy()
    for item in objects[1:]:
        mask |= item.mask
    prompt = Prompt(
        points=tuple(point for item in objects for point in item.prompt.points),
        boxes=tuple(box for item in objects for box in item.prompt.boxes),
        strokes=tuple(stroke for item in objects for stroke in item.prompt.strokes),
    )
    whole = _with_mask(objects[0], mask)
    if whole is None:
        raise AssertionError("objects are never empty")
    return replace(whole, prompt=prompt, score=None)


def subtracted(item: SegmentedObject, other: SegmentedObject) -> SegmentedObject | None:
    """Subtract another object's mask from an object; returns None if nothing remains."""
    return _with_mask(item, item.mask & ~other.mask)


def _with_mask(item: SegmentedObject, mask: np.ndarray) -> SegmentedObject | None:
    box = box_from_mask(mask)
    if box is None:
        return None
    # Cleared, because no candidate, stroke, setting or search yields this mask.
    edited = replace(item, stored=StoredMask(mask), box=box, candidate=None, origin=None)
    return replace(edited, strokes=(), settings=MaskSettings())


def _shaped(source: StoredMask, settings: MaskSettings, strokes: tuple[BrushStroke, ...]) -> StoredMask:
    """Clean up, then paint, so that painted strokes are not cleaned away."""
    if not settings.cleans and not strokes:
        return source
    cleaned = clean(source, settings)
    return StoredMask(_layer(strokes, source.shape).over(cleaned.array)) if strokes else cleaned


_last: list[Layer] = []


def _layer(strokes: tuple[BrushStroke, ...], shape: tuple[int, int]) -> Layer:
    """Return the strokes as a layer. The last one is cached, because hovering decodes masks under the same strokes."""
    layer = _last[0] if _last else None
    if layer is None or layer.strokes is not strokes or layer.shape != shape:
        layer = Layer(strokes, shape)
        _last[:] = [layer]
    return layer


def _stability(logits: np.ndarray, predictor: Predictor, size: tuple[int, int], threshold: float) -> float:
    level = predictor.config.mask_threshold + threshold
    return float(stability_score(predictor.unpad(logits[None], size), threshold=level)[0])
