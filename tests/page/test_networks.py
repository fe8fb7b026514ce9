"""Networks in a page: what is exported, and what cannot be. `tests/browser/test_page_models.py` runs them."""

from __future__ import annotations

import sys

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor

import sam_widget as sw
from sam_widget.errors import MissingExtraError, ModelError
from sam_widget.model.sam import Sam
from sam_widget.model.tiny.tiny import tiny_vit
from sam_widget.page.networks import decoder_network, encoder_network, features, frame, in_planes, prompting
from sam_widget.page.parts import page_model
from sam_widget.predictor.predictor import Predictor


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    torch.manual_seed(0)
    return Predictor(tiny_vit().eval())


def test_a_decoder_takes_points_masks_and_the_photo(predictor: Predictor) -> None:
    embedding = predictor.embed(sw.sample("cat"))
    graph = onnx.load_from_string(decoder_network(predictor.model, embedding)).graph
    assert [value.name for value in graph.input] == ["points", "labels", "mask", "given", "photo.0"]
    assert [value.name for value in graph.output] == ["masks", "scores"]
    assert set(features(embedding)) == {"photo.0"}


def test_weights_keep_twenty_bits_and_half_precision_loses_nothing() -> None:
    model = sw.load_model("tiny")
    graph = onnx.load_from_string(encoder_network(model)).graph
    large = [onnx.numpy_helper.to_array(each) for each in graph.initializer if len(each.raw_data) > 4096]
    assert sum(value.size for value in large) > 4.5e6
    assert all(np.array_equal(value, value.astype(np.float16)) for value in large)
    with torch.no_grad():
        model.image_encoder.middle.weight += 1e-6
    graph = onnx.load_from_string(encoder_network(model)).graph
    (changed,) = (each for each in graph.initializer if each.name.endswith("image_encoder.middle.weight"))
    bits = np.frombuffer(changed.raw_data, np.uint32)
    assert not (bits & 0xF).any()
    assert (bits & 0x1FFF).any()


def test_planes_can_be_put_together_again() -> None:
    for length in range(9):
        data = bytes(range(1, length + 1))
        whole = np.frombuffer(in_planes(data), np.uint8).reshape(4, -1).T.tobytes()
        assert int.from_bytes(whole[:4], "little") == length
        assert whole[4 : 4 + length] == data


def test_a_page_says_how_a_model_takes_photos_and_prompts() -> None:
    published = {name: each.config for name, each in sw.model.zoo.PUBLISHED.items()}
    assert frame(published["vit_b"]) == {"input": 1024, "logits": 256, "stretched": False, "cubic": False}
    assert frame(published["efficient_sam_ti"]) == {"input": 1024, "logits": 256, "stretched": True, "cubic": True}
    assert prompting(published["sam2.1_hiera_tiny"]) == {"padsBoxes": True, "tokens": 0, "takesMasks": True}
    assert prompting(published["efficient_sam_ti"]) == {"padsBoxes": False, "tokens": 6, "takesMasks": False}


def test_without_onnx_the_error_says_what_to_install(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(
        MissingExtraError, match=r'needs onnx, which is not installed: pip install "sam-widget\[page\]"'
    ):
        page_model(predictor, sw.sample("cat"))


def test_a_model_that_cannot_be_exported_is_named(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    def answers_in_numpy(_self: Sam, image: Tensor, **_given: object) -> tuple[Tensor, Tensor]:
        raise NotImplementedError("no such operator")

    embedding = predictor.embed(sw.sample("cat"))
    monkeypatch.setattr(Sam, "decode", answers_in_numpy)
    with pytest.raises(
        ModelError, match=r"cannot hold 'tiny_vit': torch cannot export it \(NotImplementedError: no such"
    ):
        decoder_network(predictor.model, embedding)


def test_a_tuned_model_is_refused(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    embedding = predictor.embed(sw.sample("cat"))
    monkeypatch.setattr(predictor.model, "tokens", torch.nn.Parameter(torch.zeros(1, 128)))
    with pytest.raises(ModelError, match="cannot hold 'tiny_vit', because it was tuned"):
        decoder_network(predictor.model, embedding)
