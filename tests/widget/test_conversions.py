"""What travels comes back as it was; mask prompts travel by name."""

from __future__ import annotations

import numpy as np
import pytest

from sam_widget.errors import PromptError
from sam_widget.image.rendering import Rendering
from sam_widget.masks.cleanup import MaskSettings
from sam_widget.prompts.geometry import Box, Point, Stroke
from sam_widget.prompts.prompt import Prompt
from sam_widget.widget import conversions
from sam_widget.widget.conversions import MaskPrompts, prompt_data, prompt_from
from sam_widget.widget.protocol import BoxData, PromptData

LOGITS = np.zeros((4, 4), np.float32)


def test_a_prompt_comes_back() -> None:
    prompt = Prompt(
        points=(Point(1, 2), Point(3.5, 4, 0)),
        boxes=(Box(0, 1, 2, 3),),
        strokes=(Stroke(((0, 0), (1, 2)), 0), Stroke(((0, 0), (1, 2), (3, 1)), 1, closed=True)),
        mask=LOGITS,
        mask_crop=Box(0, 0, 9, 9),
    )
    masks = MaskPrompts()
    assert prompt_from(prompt_data(prompt, masks), masks) == prompt


def test_settings_boxes_and_renderings_come_back() -> None:
    settings, rendering = MaskSettings(0.5, 10, 20, 1.5), Rendering((2, 1, 0), 5, 250, 1.2)
    assert conversions.settings_from(conversions.settings_data(settings)) == settings
    assert conversions.rendering_from(conversions.rendering_data(rendering)) == rendering
    assert conversions.box_from(conversions.box_data(Box(1, 2, 3, 4))) == Box(1, 2, 3, 4)
    assert conversions.box_from(BoxData(3, 4, 1, 2)) == Box(1, 2, 3, 4), "however it was dragged"


def test_a_mask_is_named_by_its_content_and_crop() -> None:
    masks = MaskPrompts()
    name = masks.name(LOGITS)
    assert masks.name(LOGITS) == masks.name(LOGITS.copy()) == name
    assert masks.name(LOGITS, Box(0, 0, 4, 4)) != name
    assert masks.name(LOGITS + 1) != name
    assert masks.get(name)[1] is None


def test_old_masks_are_forgotten_and_an_unknown_one_is_refused() -> None:
    masks = MaskPrompts()
    first = masks.name(LOGITS)
    for number in range(conversions.MOST_MASKS):
        masks.name(LOGITS + 1 + number)
    for name in (first, "x" * 1000):
        with pytest.raises(PromptError, match=r"mask prompt '.{1,40}' is not known to the kernel"):
            prompt_from(PromptData([], [], [], name), masks)


def test_coordinates_come_in_pairs() -> None:
    assert conversions.vertices_from([1, 2, 3, 4]) == ((1, 2), (3, 4))
    with pytest.raises(PromptError, match="3 coordinates of a stroke"):
        conversions.vertices_from([1, 2, 3])
