"""Repeat the steps that led to an object in another session, whose image may have another size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sam_widget.errors import ImageError
from sam_widget.prompts.geometry import Box, BrushStroke, Point, Stroke
from sam_widget.prompts.prompt import Prompt
from sam_widget.session.lineage import Lineage
from sam_widget.session.state import SegmentedObject

if TYPE_CHECKING:
    from sam_widget.session.session import Session


def repeat(
    session: Session, item: SegmentedObject, lineage: Lineage | None, scale: tuple[float, float], *, same: bool
) -> list[str]:
    """Repeat in a session the steps that led to an object; returns notes on steps that could not be repeated."""
    notes = []
    session.clear()
    session.sharpen(None)
    if lineage is None:
        session.adjust(threshold=0, holes=0, islands=0, smoothing=0, specks=item.settings.specks)
        session.set_prompt(_scaled(item.prompt.with_mask(None), scale, session.size))
        return ["its mask was edited or imported, and is compared with the mask of its prompt"]
    area, side = scale[0] * scale[1], (scale[0] * scale[1]) ** 0.5
    settings = lineage.settings
    session.adjust(
        threshold=settings.threshold,
        holes=round(settings.holes * area),
        islands=round(settings.islands * area),
        smoothing=settings.smoothing * side,
        specks=settings.specks,
    )
    try:
        session.set_rendering(lineage.rendering)
    except ImageError:
        notes.append("default rendering: this image cannot be rendered like the recorded one")
    if lineage.crop is not None:
        session.sharpen(_cropped(lineage.crop, scale, session.size), margin=0)
    prompt = _scaled(lineage.prompt.with_mask(None), scale, session.size)
    takes_masks = session.predictor.config.takes_masks
    if lineage.prompt.mask is not None and same:
        crop = lineage.prompt.mask_crop
        session.set_prompt(prompt.with_mask(lineage.prompt.mask, crop and _cropped(crop, scale, session.size)))
    else:
        session.set_prompt(prompt)
        if lineage.prompt.mask is not None and takes_masks:
            session.refine()
            notes.append("refined from its own mask")
        elif lineage.prompt.mask is not None:
            notes.append("not refined: this model does not accept mask prompts")
    if not lineage.best and lineage.index < len(session.candidates):
        session.choose(lineage.index)
    for stroke in lineage.strokes:
        moved = BrushStroke(_moved(stroke.vertices, scale), stroke.radius * side, stroke.label)
        session.brush(moved.vertices, moved.radius, moved.label)
    return notes


def _scaled(prompt: Prompt, scale: tuple[float, float], size: tuple[int, int]) -> Prompt:
    """Scale a prompt without a mask to an image of another size."""
    if scale == (1, 1):
        return prompt
    (x, y), (width, height) = scale, size
    return Prompt(
        # Rounding must not move a point outside the image.
        [Point(min(point.x * x, width), min(point.y * y, height), point.label) for point in prompt.points],
        boxes=[Box(box.x0 * x, box.y0 * y, box.x1 * x, box.y1 * y) for box in prompt.boxes],
        strokes=[Stroke(_moved(stroke.vertices, scale), stroke.label, stroke.closed) for stroke in prompt.strokes],
        words=prompt.words,
    )


def _cropped(crop: Box, scale: tuple[float, float], size: tuple[int, int]) -> Box:
    """Scale a crop to an image of another size, extended to whole pixels."""
    (x, y), (width, height) = scale, size
    return Box(
        math.floor(crop.x0 * x),
        math.floor(crop.y0 * y),
        min(math.ceil(crop.x1 * x), width),
        min(math.ceil(crop.y1 * y), height),
    )


def _moved(vertices: Sequence[tuple[float, float]], scale: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    return tuple((x * scale[0], y * scale[1]) for x, y in vertices)
