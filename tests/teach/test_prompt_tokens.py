"""What prompts become."""

from __future__ import annotations

import numpy as np

from sam_widget.predictor.predictor import Predictor
from sam_widget.prompts.geometry import Box
from sam_widget.prompts.prompt import Prompt
from sam_widget.teach.prompt_tokens import PromptTokens
from sam_widget.teach.traced import TracedImage


def test_the_position_of_a_click_is_most_similar_where_it_is(photo: np.ndarray, predictor: Predictor) -> None:
    traced = TracedImage(photo, model=predictor)
    panel = PromptTokens(traced)
    for x, y in ((60, 250), (400, 40)):
        traced.click(x, y)
        peak = np.unravel_index(panel.positions.argmax(), panel.positions.shape)
        assert tuple(peak) == traced.subject.cell_at(x, y)
        assert panel.positions.max() > 0.9


def test_tokens_are_named_after_the_prompt(photo: np.ndarray, predictor: Predictor) -> None:
    traced = TracedImage(photo, model=predictor)
    panel = PromptTokens(traced, lang="zh-TW")
    traced.click(100, 100)
    assert panel.names == ["第 1 點，前景", "填補用的 token"]
    strips = panel.strips.pixels
    traced.widget.session.set_prompt(
        Prompt().with_point(100, 100).with_point(20, 20, 0).with_box(Box(50, 50, 200, 200))
    )
    _ = traced.trace
    assert panel.names == ["第 1 點，前景", "第 2 點，背景", "框的左上角", "框的右下角"]
    assert panel.strips.pixels.shape[0] > strips.shape[0]


def test_the_dense_prompt_is_even_without_a_mask(photo: np.ndarray, predictor: Predictor) -> None:
    traced = TracedImage(photo, model=predictor)
    panel = PromptTokens(traced)
    traced.click(162, 117)
    before = panel.dense.pixels
    traced.add_mask()
    _ = traced.trace
    assert (panel.dense.pixels != before).any()
    assert "convolutions" in panel._says.text
