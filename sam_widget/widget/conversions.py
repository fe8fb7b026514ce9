"""Convert prompts and settings to wire messages, and back."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from sam_widget.errors import PromptError
from sam_widget.image.rendering import Rendering
from sam_widget.masks.cleanup import MaskSettings
from sam_widget.prompts.prompt import Box, Point, Prompt, Stroke
from sam_widget.widget.protocol import (
    BoxData,
    PointData,
    PromptData,
    RenderingData,
    SettingsData,
    StrokeData,
)

# Number of mask prompts remembered, because a view may build on one that was just undone.
MOST_MASKS = 64


class MaskPrompts:
    """The mask prompts that views may refer to: those of recent states, identified by their content."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[np.ndarray, Box | None]] = OrderedDict()

    def name(self, logits: np.ndarray, crop: Box | None = None) -> str:
        """Return the name of a mask prompt of the image or of a crop; equal content has the same name."""
        name = next((name for name, known in self._known.items() if known[0] is logits and known[1] == crop), None)
        if name is None:
            where = b"" if crop is None else repr(crop.corners).encode()
            name = hashlib.sha256(logits.tobytes() + where).hexdigest()[:16]
        self._known[name] = logits, crop
        self._known.move_to_end(name)
        while len(self._known) > MOST_MASKS:
            self._known.popitem(last=False)
        return name

    def get(self, name: str) -> tuple[np.ndarray, Box | None]:
        """Return a mask prompt, and the crop that it covers.

        Raises:
            PromptError: The name is unknown.
        """
        known = self._known.get(name)
        if known is None:
            raise PromptError(f"mask prompt {name[:40]!r} is not known to the kernel; refine the mask again")
        return known


def prompt_data(prompt: Prompt, masks: MaskPrompts) -> PromptData:
    """Convert a prompt to its message."""
    return PromptData(
        points=[PointData(p.x, p.y, 1 if p.label else 0) for p in prompt.points],
        boxes=[box_data(box) for box in prompt.boxes],
        strokes=[
            StrokeData([value for vertex in s.vertices for value in vertex], 1 if s.label else 0, s.closed)
            for s in prompt.strokes
        ],
        mask=None if prompt.mask is None else masks.name(prompt.mask, prompt.mask_crop),
        words=prompt.words,
    )


def prompt_from(data: PromptData, masks: MaskPrompts) -> Prompt:
    """Convert a message from a view to a prompt.

    Raises:
        PromptError: The prompt is malformed, has too many parts, or refers to an unknown mask prompt.
    """
    mask, crop = (None, None) if data.mask is None else masks.get(data.mask)
    return Prompt(
        points=tuple(Point(p.x, p.y, p.label) for p in data.points),
        boxes=tuple(box_from(box) for box in data.boxes),
        strokes=tuple(Stroke(vertices_from(s.vertices), s.label, s.closed) for s in data.strokes),
        mask=mask,
        mask_crop=crop,
        words=data.words,
    )


def vertices_from(values: Sequence[float]) -> tuple[tuple[float, float], ...]:
    """Pair up the x and y of a stroke's vertices.

    Raises:
        PromptError: The number of coordinates is odd.
    """
    if len(values) % 2:
        raise PromptError(f"{len(values)} coordinates of a stroke; expected x and y in turn")
    return tuple(zip(values[::2], values[1::2], strict=True))


def settings_data(settings: MaskSettings) -> SettingsData:
    """Convert settings to their message."""
    return SettingsData(settings.threshold, settings.holes, settings.islands, settings.smoothing, settings.specks)


def box_data(box: Box) -> BoxData:
    """Convert a box to its message."""
    return BoxData(box.x0, box.y0, box.x1, box.y1)


def box_from(data: BoxData) -> Box:
    """Convert a message from a view to a box, with its corners in any order.

    Raises:
        PromptError: The box is empty.
    """
    return Box.from_corners(data.x0, data.y0, data.x1, data.y1)


def settings_from(data: SettingsData) -> MaskSettings:
    """Convert a message from a view to settings."""
    return MaskSettings(data.threshold, data.holes, data.islands, data.smoothing, data.specks)


def rendering_data(rendering: Rendering) -> RenderingData:
    """Convert a rendering to its message."""
    return RenderingData(list(rendering.channels), rendering.black, rendering.white, rendering.gamma)


def rendering_from(data: RenderingData) -> Rendering:
    """Convert a message from a view to a rendering, which must still be checked by the image."""
    return Rendering(tuple(data.channels), data.black, data.white, data.gamma)
