"""Prompts and settings survive conversion; mask prompts are sent by name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam_widget.errors import PromptError
from sam_widget.image.rendering import Rendering
from sam_widget.masks.cleanup import MaskSettings
from sam_widget.prompts.geometry import Box
from sam_widget.prompts.prompt import Prompt
from sam_widget.widget import conversions
from sam_widget.widget.conversions import MaskPrompts, prompt_data, prompt_from
from sam_widget.widget.protocol import BoxData, PromptData
from tests.strategies import BOXES, PROMPTS, RENDERINGS, SETTINGS

LOGITS = np.zeros((4, 4), np.float32)


@given(PROMPTS, st.none() | BOXES)
def test_a_prompt_comes_back(prompt: Prompt, crop: Box | None) -> None:
    masks, prompt = MaskPrompts(), replace(prompt, mask_crop=crop)
    assert prompt_from(prompt_data(prompt, masks), masks) == prompt


@given(SETTINGS, RENDERINGS, BOXES)
def test_settings_renderings_and_boxes_come_back(settings: MaskSettings, rendering: Rendering, box: Box) -> None:
    assert conversions.settings_from(conversions.settings_data(settings)) == settings
    assert conversions.rendering_from(conversions.rendering_data(rendering)) == rendering
    assert conversions.box_from(conversions.box_data(box)) == box
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
