"""Crops that are embedded separately: choosing a crop, and the prompts that it answers. Pure functions.

A model downscales an image to its input size, so a small thing in a large photo shrinks to nothing, while a crop of it
is seen at higher resolution. Masks and logits of a crop cover only the crop; see `masks.windows`.
"""

from __future__ import annotations

import math
from dataclasses import replace

from sam_widget.errors import PromptError
from sam_widget.prompts.geometry import Box, Point
from sam_widget.prompts.prompt import Prompt

# Margin around the region, as a fraction of its sides: models need to see the surroundings.
MARGIN = 0.25
# Minimum side of a crop, as a fraction of the model's input, or half of the image: smaller crops lack surroundings.
LEAST = 0.5
# Minimum side of a crop without a margin, in pixels.
SMALLEST = 16


def around(region: Box, size: tuple[int, int], *, margin: float, model_side: int) -> Box:
    """Return the crop for a region.

    With a margin, the crop is square like the model's input, if the image has room, and at least `LEAST` of it.
    Without one, it is the region, extended to whole pixels.

    Args:
        region: The part to sharpen.
        size: Width and height of the image, in pixels.
        margin: Margin on each side, as a fraction of the region's side.
        model_side: Side of the model's input, in pixels.

    Raises:
        PromptError: The region lies outside the image, the margin is negative, or the crop is as large as the image or
            too small.
    """
    if not (math.isfinite(margin) and margin >= 0):
        raise PromptError(f"margin is {margin!r}, expected 0 or more; 0.25 is a quarter of the region's sides")
    width, height = size
    region = region.clip(width, height)
    if margin:
        wanted = max(region.width, region.height) * (1 + 2 * margin)
        side = max(wanted, min(LEAST * model_side, max(size) / 2))
        (x0, x1), (y0, y1) = _about(region.x0, region.x1, side, width), _about(region.y0, region.y1, side, height)
        region = Box(x0, y0, x1, y1)
    crop = Box(math.floor(region.x0), math.floor(region.y0), math.ceil(region.x1), math.ceil(region.y1))
    if max(crop.width, crop.height) >= max(size):
        raise PromptError(
            f"the part {crop.corners} is as long as the image, which is {width} x {height} pixels, and would be seen "
            "no finer; give a smaller one"
        )
    if min(crop.width, crop.height) < min(SMALLEST, *size):
        raise PromptError(f"the part {crop.corners} is too small; give one of at least {SMALLEST} pixels per side")
    return crop


def _about(low: float, high: float, side: float, length: int) -> tuple[float, float]:
    """Return an interval of length `side` with the same centre as [low, high], shifted into the image."""
    if side >= length:
        return 0, length
    start = min(max((low + high - side) / 2, 0), length - side)
    return start, start + side


def holds(crop: Box, prompt: Prompt) -> bool:
    """Whether all drawn parts of a prompt lie in a crop; for a mask alone, whether it covers the same crop."""
    x0, y0, x1, y1 = crop.corners
    places = [(point.x, point.y) for point in prompt.points]
    places += [corner for box in prompt.boxes for corner in ((box.x0, box.y0), (box.x1, box.y1))]
    places += [vertex for stroke in prompt.strokes for vertex in stroke.vertices]
    if not places:
        return prompt.mask_crop == crop
    return all(x0 <= x <= x1 and y0 <= y <= y1 for x, y in places)


def inside(crop: Box, prompt: Prompt) -> Prompt:
    """Convert a prompt inside a crop to the crop's pixels; a mask, which must cover the crop, is unchanged."""
    left, top = crop.x0, crop.y0
    return Prompt(
        [Point(point.x - left, point.y - top, point.label) for point in prompt.points],
        boxes=[Box(box.x0 - left, box.y0 - top, box.x1 - left, box.y1 - top) for box in prompt.boxes],
        strokes=[
            replace(stroke, vertices=tuple((x - left, y - top) for x, y in stroke.vertices))
            for stroke in prompt.strokes
        ],
        mask=prompt.mask,
        words=prompt.words,
    )
