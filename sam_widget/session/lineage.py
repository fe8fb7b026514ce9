"""How an object came about: which answer of the model it was, and what the person made of it."""

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
    """All that leads to a mask.

    Attributes:
        prompt: The prompt that was answered.
        index: Which of the candidates was chosen.
        best: Whether that was the one with the highest score, which is chosen without being asked for.
        settings: How its mask was made of its logits.
        strokes: What was painted on it.
        rendering: How the model saw the image.
        crop: The part of the image that answered; None for the image as a whole.
    """

    prompt: Prompt
    index: int
    best: bool
    settings: MaskSettings
    strokes: tuple[BrushStroke, ...]
    rendering: Rendering = USUAL
    crop: Box | None = None


def lineage_of(item: SegmentedObject, timeline: Sequence[SessionState]) -> Lineage | None:
    """Return how an object came about; None for one that was merged, subtracted from, or made elsewhere."""
    if item.candidate is None:
        return None
    return _lineage(item.candidate, item.prompt, item.settings, item.strokes, timeline)


def lineage_of_chosen(state: SessionState, timeline: Sequence[SessionState]) -> Lineage | None:
    """Return how the chosen candidate came about; None where there is none, or it came about otherwise."""
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
    # In files of version 1. Painting and settings make new candidates of the same logits; an object that is edited is
    # alone with its own.
    logits = candidate.answer
    states = [state for state in timeline if any(other.answer is logits for other in state.candidates)]
    if not states:
        return None
    first = max(states, key=lambda state: len(state.candidates))
    index = next(k for k, other in enumerate(first.candidates) if other.answer is logits)
    scores = [other.score for other in first.candidates]
    best = scores[index] == max(scores) and scores.count(scores[index]) == 1
    return Lineage(prompt, index, best, settings, strokes, first.rendering, candidate.crop)
