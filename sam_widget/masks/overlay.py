"""Paint masks over a photo in Python, where no view is available."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Protocol

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from sam_widget.image.reading import RGB
from sam_widget.masks.palette import BACKGROUND, CANDIDATE, object_color, rgb
from sam_widget.masks.runs import Mask, StoredMask
from sam_widget.masks.windows import within
from sam_widget.prompts.geometry import Box
from sam_widget.prompts.prompt import Prompt

# Opacity of a mask's interior and its outline.
INSIDE, OUTLINE = 0.45, 1.0
# Radius of a point, as a fraction of the picture's longer side.
POINT = 0.008
# Pixels of the picture around a mask that are looked at with it.
RIM = 2


class Painted(Protocol):
    """Anything with a mask and a colour, such as an object of a session."""

    @property
    def mask(self) -> Mask:
        """The mask, (H, W) bool."""

    @property
    def color(self) -> int:
        """Index into the palette."""


def overlay(
    image: RGB,
    objects: Iterable[Painted] = (),
    *,
    candidate: Mask | None = None,
    prompt: Prompt | None = None,
    max_side: int | None = None,
) -> RGB:
    """Paint objects, a candidate and its prompt over a photo, in the view's colours.

    Args:
        image: (H, W, 3) uint8.
        objects: Later ones lie on top.
        candidate: (H, W) bool, on top of the objects.
        prompt: Its points and boxes, on top of everything.
        max_side: Longest side of the picture, in pixels; defaults to the photo's size.

    Returns:
        (h, w, 3) uint8.
    """
    picture = Image.fromarray(image)
    if max_side is not None:
        picture.thumbnail((max_side, max_side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    for item in objects:
        stored = getattr(item, "stored", None)
        _paint(picture, stored if isinstance(stored, StoredMask) else StoredMask(item.mask), object_color(item.color))
    if candidate is not None:
        _paint(picture, StoredMask(candidate), CANDIDATE)
    if prompt is not None:
        _draw(picture, prompt, picture.width / image.shape[1])
    return np.array(picture)


def _paint(picture: Image.Image, mask: StoredMask, color: str) -> None:
    """Paint a mask, looking only at the part of the picture that it is in: there may be a thousand of them."""
    if not mask.area:
        return
    (height, width), (x, y, wide, high) = mask.shape, mask.bounds
    across, down = width / picture.width, height / picture.height
    # With a rim, which has no part of the mask except at the picture's own edges.
    left, top = max(0, int(x / across) - RIM), max(0, int(y / down) - RIM)
    right = min(picture.width, int((x + wide) / across) + 1 + RIM)
    bottom = min(picture.height, int((y + high) / down) + 1 + RIM)
    u0, v0 = int(left * across), int(top * down)
    u1, v1 = min(width, math.ceil(right * across)), min(height, math.ceil(bottom * down))
    seen = Image.fromarray(within(mask, Box(u0, v0, u1, v1))).convert("L")
    source = (left * across - u0, top * down - v0, min(right * across - u0, u1 - u0), min(bottom * down - v0, v1 - v0))
    # Smaller, each pixel is covered by a part of the mask.
    cover = seen.resize((right - left, bottom - top), Image.Resampling.BOX, box=source)
    inner = cover.filter(ImageFilter.MinFilter(3))
    amount = INSIDE * np.asarray(cover) + (OUTLINE - INSIDE) * (np.asarray(cover) - np.asarray(inner, np.float64))
    picture.paste(rgb(color), (left, top), Image.fromarray(amount.clip(0, 255).astype(np.uint8)))


def _draw(picture: Image.Image, prompt: Prompt, scale: float) -> None:
    draw = ImageDraw.Draw(picture)
    for box in prompt.boxes:
        draw.rectangle([side * scale for side in box.corners], outline=CANDIDATE, width=2)
    radius = max(3.0, POINT * max(picture.size))
    for point in prompt.points:
        x, y = point.x * scale, point.y * scale
        color = CANDIDATE if point.label else BACKGROUND
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color, outline="white", width=2)
