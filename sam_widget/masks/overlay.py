"""Paint masks over a photo in Python, where no view is available."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from sam_widget.image.reading import RGB
from sam_widget.masks.palette import BACKGROUND, CANDIDATE, object_color, rgb
from sam_widget.masks.runs import Mask
from sam_widget.prompts.prompt import Prompt

# Opacity of a mask's interior and its outline.
INSIDE, OUTLINE = 0.45, 1.0
# Radius of a point, as a fraction of the picture's longer side.
POINT = 0.008


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
    layers = [(item.mask, object_color(item.color)) for item in objects]
    if candidate is not None:
        layers.append((candidate, CANDIDATE))
    for mask, color in layers:
        # When downscaled, a pixel may be partly covered by the mask.
        cover = Image.fromarray(mask).convert("L").resize(picture.size, Image.Resampling.BOX)
        inner = cover.filter(ImageFilter.MinFilter(3))
        amount = INSIDE * np.asarray(cover) + (OUTLINE - INSIDE) * (np.asarray(cover) - np.asarray(inner, np.float64))
        picture.paste(rgb(color), mask=Image.fromarray(amount.clip(0, 255).astype(np.uint8)))
    if prompt is not None:
        _draw(picture, prompt, picture.width / image.shape[1])
    return np.array(picture)


def _draw(picture: Image.Image, prompt: Prompt, scale: float) -> None:
    draw = ImageDraw.Draw(picture)
    for box in prompt.boxes:
        draw.rectangle([side * scale for side in box.corners], outline=CANDIDATE, width=2)
    radius = max(3.0, POINT * max(picture.size))
    for point in prompt.points:
        x, y = point.x * scale, point.y * scale
        color = CANDIDATE if point.label else BACKGROUND
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color, outline="white", width=2)
