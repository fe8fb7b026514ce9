"""The weights and features in a page are the model's own."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load

import sam_widget as sw
from sam_widget.errors import ModelError
from sam_widget.page.tensors import decoder_weights, photo_features
from sam_widget.predictor.predictor import Predictor


def test_half_precision_loses_nothing_of_the_shipped_weights() -> None:
    model = sw.load_model("tiny")
    data = decoder_weights(model)
    own = model.state_dict()
    found = load(data)
    assert len(data) < 1.8e6
    assert all(torch.equal(value.float(), own[name].float()) for name, value in found.items())
    assert {name.partition(".")[0] for name in own} - {name.partition(".")[0] for name in found} == {"image_encoder"}


def test_weights_that_half_precision_would_change_stay_single() -> None:
    model = sw.load_model("tiny")
    with torch.no_grad():
        model.mask_decoder.norm.weight += 1e-6  # type: ignore[operator]
    assert {value.dtype for value in load(decoder_weights(model)).values()} == {torch.float32}


def test_a_tuned_model_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    model = sw.load_model("tiny")
    monkeypatch.setattr(model, "tokens", torch.nn.Parameter(torch.zeros(1, 128)))
    with pytest.raises(ModelError, match="cannot hold 'tiny', because it was tuned"):
        decoder_weights(model)


def test_features_are_laid_out_pixel_by_pixel() -> None:
    embedding = Predictor("tiny").embed(sw.sample("cat"))
    found = load(photo_features(embedding))
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        "photo.0": (96 * 96, 16),
        "photo.1": (48 * 48, 64),
        "photo.2": (24 * 24, 128),
    }
    assert torch.equal(found["photo.1"][48 * 3 + 5], embedding.high_resolution[1][0, :, 3, 5].float())
