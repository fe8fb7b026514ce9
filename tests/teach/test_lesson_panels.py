"""What a page's panels are given."""

from __future__ import annotations

import base64

import numpy as np
import pytest
import torch
from safetensors.torch import load

import sam_widget as sw
from sam_widget.errors import SamWidgetError
from sam_widget.model.mae_zoo import load_mae
from sam_widget.predictor.predictor import Predictor
from sam_widget.teach.embedding_explorer import EmbeddingExplorer
from sam_widget.teach.hidden_patches import HiddenPatches
from sam_widget.teach.lesson_cells import PanelCall, Source
from sam_widget.teach.lesson_panels import RATIOS, SEEDS, STEP, PagePhoto, mae_weights, panel_data


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor("tiny")


def test_panels_of_the_same_image_share_its_photo(predictor: Predictor) -> None:
    photos: dict[Source, PagePhoto] = {}
    calls = [PanelCall("TracedImage", ("sample", "cat"), {}), PanelCall("MaskMaker", ("sample", "cat"), {})]
    assert [panel_data(call, photos, predictor) for call in calls] == [
        {"kind": "TracedImage", "photo": 0},
        {"kind": "MaskMaker", "photo": 0},
    ]
    assert photos["sample", "cat"].viewed
    with pytest.raises(SamWidgetError, match="no image for MaskMaker; expected sw.sample"):
        panel_data(PanelCall("MaskMaker", None, {}), photos, predictor)


def test_the_embeddings_colours_are_those_of_the_panel(predictor: Predictor) -> None:
    data = panel_data(PanelCall("EmbeddingExplorer", ("sample", "cat"), {}), {}, predictor)
    cells = np.frombuffer(base64.b64decode(data["colours"]), np.uint8).reshape(16, 24, 3)
    panel = EmbeddingExplorer(sw.sample("cat"), model=predictor)
    assert (panel.subject.spread(cells) == panel._colours).all()


def test_every_object_of_a_ladder_has_prompts(predictor: Predictor) -> None:
    photos: dict[Source, PagePhoto] = {}
    data = panel_data(PanelCall("PromptLadder", ("scene", 14), {"target": 6}), photos, predictor)
    masks = photos["scene", 14].masks
    assert data["target"] == 6
    assert len(data["rungs"]) == len(masks)
    for rungs, mask in zip(data["rungs"], masks, strict=True):
        first = rungs["clicks"][0]
        assert mask[int(first["y"]), int(first["x"])]
        ys, xs = np.nonzero(mask)
        assert rungs["box"] == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)


def test_patterns_of_hidden_patches_are_those_of_the_panel(predictor: Predictor) -> None:
    data = panel_data(PanelCall("HiddenPatches", ("sample", "coffee"), {}), {}, predictor)
    states = np.unpackbits(np.frombuffer(base64.b64decode(data["masks"]), np.uint8)).reshape(3, RATIOS, SEEDS, 16, 16)
    panel = HiddenPatches(sw.sample("coffee"))
    assert (states[0, 75 // STEP, 0] == panel.mask).all()
    panel.pattern.value, panel.ratio.value, panel.seed.value = "block", 40, 3
    assert (states[1, 40 // STEP, 3] == panel.mask).all()
    square = np.frombuffer(base64.b64decode(data["square"]), np.uint8)
    assert (square == panel.original.ravel()).all()
    assert [control.max for control in (panel.ratio, panel.seed)] == [STEP * (RATIOS - 1), SEEDS - 1]


def test_the_autoencoders_weights_lose_nothing() -> None:
    expected = load_mae("mae").state_dict()
    found = load(mae_weights())
    assert set(found) == set(expected)
    assert all(torch.equal(found[key].float(), value) for key, value in expected.items())
    assert len(mae_weights()) < 10e6
