"""A click is traced once, and every panel that follows it is drawn again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from sam_widget.errors import SamWidgetError
from sam_widget.model.sam import Sam
from sam_widget.model.sam2 import Sam2
from sam_widget.predictor.predictor import EmbeddingCache, Predictor
from sam_widget.prompts.geometry import Box
from sam_widget.prompts.prompt import Prompt
from sam_widget.teach.attention_explorer import AttentionExplorer
from sam_widget.teach.embedding_explorer import EmbeddingExplorer
from sam_widget.teach.mask_maker import MaskMaker
from sam_widget.teach.panel import Panel
from sam_widget.teach.prompt_tokens import PromptTokens
from sam_widget.teach.traced import TracedImage
from tests.model.references import SMALL, SMALL_SAM2, seeded
from tests.model.references import photo as small_photo


@pytest.fixture
def traced(photo: np.ndarray, predictor: Predictor) -> Iterator[TracedImage]:
    image = TracedImage(photo, model=predictor)
    yield image
    image.close()


def test_a_trace_is_the_predictors(traced: TracedImage, photo: np.ndarray, predictor: Predictor) -> None:
    with pytest.raises(SamWidgetError, match="click on the image first"):
        _ = traced.trace
    traced.click(162, 117)
    expected = predictor.trace(predictor.embed(photo), points=[(162, 117)])
    assert traced.trace.scores.numpy() == pytest.approx(expected.scores.numpy())
    assert traced.trace.layers[1].token_to_image.numpy() == pytest.approx(
        expected.layers[1].token_to_image.numpy(), abs=1e-5
    )
    assert traced.trace.blocks == (), "the image encoder does not depend on the click"
    assert "ms" in traced.note.text


def pixels(panel: Panel) -> bytes:
    """What a panel shows."""
    picture = panel.picture()
    assert picture is not None
    return picture.tobytes()


def test_one_click_redraws_all_panels_that_follow_it(traced: TracedImage) -> None:
    traced.click(162, 117)
    panels = PromptTokens(traced), AttentionExplorer(traced), MaskMaker(traced)
    before = [pixels(panel) for panel in panels]
    # As a click in the view does.
    traced.widget.click(420, 30)
    traced.widget.session.set_prompt(Prompt().with_point(420, 30))
    _ = traced.trace
    assert all(pixels(panel) != old for panel, old in zip(panels, before, strict=True))


def test_the_mask_is_added_to_the_prompt(traced: TracedImage) -> None:
    traced.click(162, 117)
    without = traced.trace.dense_prompt
    traced.mask_button.click()
    assert (traced.trace.dense_prompt - without).abs().max() > 0.1
    assert traced.prompt.mask is not None


def test_what_cannot_be_traced_is_said_and_the_next_click_works(traced: TracedImage) -> None:
    traced.click(162, 117)
    two = replace(Prompt(), boxes=(Box(10, 10, 50, 50), Box(100, 100, 150, 150)))
    traced.widget.session.set_prompt(two)
    _ = traced.trace
    assert "2 boxes" in traced.note.text
    traced.click(100, 100)
    assert "2 boxes" not in traced.note.text


def test_a_panel_that_fails_does_not_stop_the_others(traced: TracedImage) -> None:
    told: list[int] = []

    def fail() -> None:
        raise ValueError("no")

    traced.follow(fail)
    traced.follow(lambda: told.append(1))
    traced.click(100, 100)
    assert told == [1]


def test_cells_cover_the_image_without_the_padding(traced: TracedImage) -> None:
    rows, columns = traced.embedding.shown or (0, 0)
    assert traced.cells(np.arange(24 * 24)).shape == (rows, columns)
    assert traced.cells(np.arange(24 * 24))[1, 0] == 24


@pytest.mark.parametrize("model", ["vit_b", "sam2"])
def test_the_panels_follow_other_models(model: str) -> None:
    """With random weights, in small versions of the architectures."""
    made = seeded(Sam(SMALL, name="vit_b")) if model == "vit_b" else seeded(Sam2(SMALL_SAM2))
    traced = TracedImage(small_photo((60, 91)), model=Predictor(made, cache=EmbeddingCache()))
    traced.click(30, 40)
    tokens, attention = PromptTokens(traced), AttentionExplorer(traced)
    maker, explorer = MaskMaker(traced), EmbeddingExplorer(traced)
    peak = np.unravel_index(tokens.positions.argmax(), tokens.positions.shape)
    assert tuple(peak) == traced.subject.cell_at(30, 40)
    assert tokens.names == ["point 1, foreground", "padding"]
    assert len(attention.token.options) == traced.trace.layers[0].tokens.shape[1]
    assert attention.writes is not None
    assert explorer.similarity.shape == attention.reads.shape == tokens.positions.shape
    before = maker.picture().tobytes()
    traced.click(80, 10)
    assert maker.picture().tobytes() != before
    traced.close()
