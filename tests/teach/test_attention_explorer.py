"""Attention in both directions."""

from __future__ import annotations

import numpy as np
import pytest

from sam_widget.predictor.predictor import Predictor
from sam_widget.prompts.prompt import Prompt
from sam_widget.teach.attention_explorer import AttentionExplorer
from sam_widget.teach.traced import TracedImage


@pytest.fixture(scope="module")
def panel(photo: np.ndarray, predictor: Predictor) -> AttentionExplorer:
    traced = TracedImage(photo, model=predictor)
    traced.click(162, 117)
    return AttentionExplorer(traced)


def test_the_maps_are_those_of_the_layer_head_and_token(panel: AttentionExplorer) -> None:
    panel.layer.value, panel.head.value, panel.token.value = 1, 2, 4
    layer = panel.traced.trace.layers[1]
    assert panel.reads.ravel() == pytest.approx(panel.traced.cells(layer.token_to_image[0, 2, 4].numpy()).ravel())
    assert panel.writes is not None
    assert panel.writes.ravel() == pytest.approx(panel.traced.cells(layer.image_to_token[0, 2, :, 4].numpy()).ravel())
    panel.head.value = -1
    mean = layer.token_to_image[0, :, 4].mean(dim=0).numpy()
    assert panel.reads.ravel() == pytest.approx(panel.traced.cells(mean).ravel())
    assert panel.traced.last_trace.final_token_to_image is not layer.token_to_image


def test_the_final_attention_has_one_direction(panel: AttentionExplorer) -> None:
    panel.layer.value = 2
    assert panel.writes is None
    assert "one way only" in panel._says[1].text
    panel.layer.value = 0
    assert panel.writes is not None


def test_each_choice_changes_the_pictures(panel: AttentionExplorer) -> None:
    panel.layer.value, panel.head.value, panel.token.value = 0, -1, 0
    seen = {panel.picture().tobytes()}
    for control, value in ((panel.layer, 1), (panel.head, 0), (panel.token, 5)):
        control.value = value
        seen.add(panel.picture().tobytes())
    assert len(seen) == 4


def test_a_prompt_with_other_tokens_changes_the_list(panel: AttentionExplorer) -> None:
    panel.token.value = 6
    panel.traced.widget.session.set_prompt(Prompt().with_point(50, 50).with_point(90, 90).with_point(200, 200, 0))
    _ = panel.traced.trace
    assert [name for name, _ in panel.token.options][-2:] == ["point 3, background", "padding"]
    assert panel.token.value == 6
    panel.traced.click(162, 117)
    assert len(panel.token.options) == 7
