"""The lineage of an object: the prediction it is based on, and the edits applied to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sam_widget.image.rendering import USUAL, Rendering
from sam_widget.masks.cleanup import MaskSettings
from sam_widget.prompts.geometry import Box, BrushStroke
from sam_widget.prompts.prompt import Prompt
from sam_widget.session.state import Answer, Candidate, SegmentedObject, SessionState


@dataclass(frozen=True)
class Lineage:
    """Everything needed to recompute a mask.

    Attributes:
        prompt: The prompt.
        index: Index of the chosen candidate.
        best: Whether it is the candidate with the highest score, which is chosen by default.
        settings: Settings of the mask.
        strokes: Brush strokes on the mask.
        rendering: The rendering of the image that the model saw.
        crop: The crop that was decoded; None for the whole image.
    """

    prompt: Prompt
    index: int
    best: bool
    settings: MaskSettings
    strokes: tuple[BrushStroke, ...]
    rendering: Rendering = USUAL
    crop: Box | None = None


def lineage_of(item: SegmentedObject, timeline: Sequence[SessionState]) -> Lineage | None:
    """Return the lineage of an object; None if it was merged, subtracted from, or imported."""
    if item.candidate is None:
        return None
    return _lineage(item.candidate, item.prompt, item.settings, item.strokes, timeline)


def lineage_of_chosen(state: SessionState, timeline: Sequence[SessionState]) -> Lineage | None:
    """Return the lineage of the chosen candidate; None if there is none, or if it is not based on a prediction."""
    if state.chosen is None:
        return None
    return _lineage(state.chosen, state.prompt, state.settings, state.strokes, timeline)


def _lineage(
    candidate: Candidate,
    prompt: Prompt,
    settings: MaskSettings,
    strokes: tuple[BrushStroke, ...],
    timeline: Sequence[SessionState],
) -> Lineage | None:
    if candidate.answer is None or prompt.is_empty:
        return None
    if isinstance(candidate.answer, Answer):
        answer, index = candidate.answer, candidate.index
        return Lineage(prompt, index, index == answer.best, settings, strokes, answer.rendering, candidate.crop)
    # In files of version 1. Painting and settings create new candidates with the same logits; an object being edited
    # is the only candidate.
    logits = candidate.answer
    states = [state for state in timeline if any(other.answer is logits for other in state.candidates)]
    if not states:
        return None
    first = max(states, key=lambda state: len(state.candidates))
    index = next(k for k, other in enumerate(first.candidates) if other.answer is logits)
    scores = [other.score or 0.0 for other in first.candidates]
    best = scores[index] == max(scores) and scores.count(scores[index]) == 1
    return Lineage(prompt, index, best, settings, strokes, first.rendering, candidate.crop)
