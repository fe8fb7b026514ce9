from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from sam_widget.errors import ModelError
from sam_widget.image.samples import sample
from sam_widget.model.names import without_precision
from sam_widget.model.sam import Sam
from sam_widget.model.tuned import TunedWeights, Tuning, read_tuned
from sam_widget.model.zoo import load_model
from sam_widget.predictor.embeddings import EmbeddingCache
from sam_widget.predictor.interface import predictor_of
from sam_widget.predictor.predictor import Predictor

KEY = "mask_decoder.iou_prediction_head.layers.0.weight"


@pytest.fixture(scope="module")
def base() -> Sam:
    return load_model("tiny", device="cpu")


@pytest.fixture(scope="module")
def weights(base: Sam) -> TunedWeights:
    noise = torch.randn(base.state_dict()[KEY].shape, generator=torch.Generator().manual_seed(0))
    changed = base.state_dict()[KEY] + 0.5 * noise
    knots = ((0.0, 0.5, 1.0), (0.0, 0.3, 1.0))
    tuning = Tuning(base="tiny", base_weights=without_precision(base.weights_id), kind="decoder", calibration=knots)
    return TunedWeights(tuning, {KEY: changed})


def test_a_tuned_model_shares_what_is_the_same_and_leaves_its_base_alone(base: Sam, weights: TunedWeights) -> None:
    before = base.state_dict()[KEY].clone()
    model = weights.apply(base, name="cells")
    assert torch.equal(base.state_dict()[KEY], before)
    assert not torch.equal(model.state_dict()[KEY], before)
    assert next(model.image_encoder.parameters()) is next(base.image_encoder.parameters())
    assert model.name == "cells"


def test_it_loads_everywhere_by_path_as_it_was_saved(base: Sam, weights: TunedWeights, tmp_path: Path) -> None:
    model = weights.apply(base, name="tiny-tuned")
    model.save(tmp_path / "cells.safetensors")
    loaded = load_model(tmp_path / "cells.safetensors", device="cpu")
    assert loaded.name == "cells"
    assert loaded.weights_id == model.weights_id
    assert (tmp_path / "cells.safetensors").stat().st_size < 200_000
    image, point = sample("cat"), [(220, 110)]
    one, other = (Predictor(each, cache=EmbeddingCache()) for each in (model, loaded))
    answers = [each.predict(each.embed(image), points=point) for each in (one, other)]
    np.testing.assert_array_equal(answers[0].logits, answers[1].logits)
    np.testing.assert_array_equal(answers[0].scores, answers[1].scores)


def test_embeddings_are_shared_with_the_base_and_answers_are_not(base: Sam, weights: TunedWeights) -> None:
    model, cache, image = weights.apply(base, name="cells"), EmbeddingCache(), sample("cat")
    plain, tuned = Predictor(base, cache=cache), Predictor(model, cache=cache)
    embedding = plain.embed(image)
    assert tuned.embed(image) is embedding
    assert model.weights_id != base.weights_id
    scores = [each.predict(embedding, points=[(220, 110)]).scores for each in (plain, tuned)]
    assert not np.allclose(*scores)


def test_scores_are_calibrated_wherever_they_are_given(base: Sam, weights: TunedWeights) -> None:
    plain = TunedWeights(
        Tuning(base="tiny", base_weights=without_precision(base.weights_id), kind="decoder"), weights.tensors
    )
    without, with_it = (Predictor(each.apply(base, name="x"), cache=EmbeddingCache()) for each in (plain, weights))
    embedding = without.embed(sample("cat"))
    raw = torch.from_numpy(without.predict(embedding, points=[(220, 110)]).scores)
    calibration = with_it.model.calibration
    assert calibration is not None
    wanted = calibration(raw).numpy()
    np.testing.assert_allclose(with_it.predict(embedding, points=[(220, 110)]).scores, wanted, atol=1e-6)
    many = with_it.predict_many(embedding, points=np.array([[(220, 110)]], float))
    np.testing.assert_allclose(many.scores[0], wanted, atol=1e-4)
    points = np.array([(220.0, 110.0)])
    raw, scores = (each.masks_at(embedding, points)[1] for each in (without, with_it))
    torch.testing.assert_close(scores, calibration(raw))


def test_another_base_is_refused(weights: TunedWeights, tmp_path: Path) -> None:
    other = TunedWeights(Tuning(base="tiny", base_weights="tiny-0123", kind="decoder"), weights.tensors)
    other.save(tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match="tuned from tiny with the weights tiny-0123"):
        load_model(tmp_path / "other.safetensors")
    gone = Tuning(base=str(tmp_path / "gone.pt"), base_weights="x", kind="decoder")
    TunedWeights(gone, weights.tensors).save(tmp_path / "gone.safetensors")
    with pytest.raises(ModelError, match=r"gone\.pt', which cannot be loaded"):
        load_model(tmp_path / "gone.safetensors")


def test_damaged_files_are_refused(base: Sam, weights: TunedWeights, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    wrong = TunedWeights(weights.tuning, {KEY: torch.zeros(3)})
    with pytest.raises(ModelError, match=r"has .* of shape \(3,\)"):
        wrong.apply(base, name="a")
    TunedWeights(weights.tuning, {KEY: weights.tensors[KEY] * float("nan")}).save(path)
    with pytest.raises(ModelError, match="not finite"):
        load_model(path)
    save_file({KEY: weights.tensors[KEY]}, path, metadata={"format": "sam_widget.tuned.1", "tuning": '{"base": 3}'})
    with pytest.raises(ModelError, match="damaged"):
        load_model(path)
    path.write_bytes(b"nothing")
    assert read_tuned(path) is None


def test_a_whole_model_is_saved_whole(base: Sam, tmp_path: Path) -> None:
    base.save(tmp_path / "copy.safetensors")
    assert load_file(tmp_path / "copy.safetensors").keys() == base.state_dict().keys()
    assert load_model(tmp_path / "copy.safetensors").name == "copy"


def test_a_tuned_model_answers_clicks_and_its_base_the_rest(base: Sam, weights: TunedWeights) -> None:
    cache, image = EmbeddingCache(), sample("cat")
    plain, tuned = Predictor(base, cache=cache), Predictor(weights.apply(base, name="cells"), cache=cache)
    embedding = plain.embed(image)
    box: dict[str, Any] = {"box": (100, 60, 280, 220)}
    for prompt in (box, box | {"points": [(220, 110)]}):
        answers = [each.predict(embedding, **prompt) for each in (plain, tuned)]
        np.testing.assert_array_equal(answers[0].logits, answers[1].logits)
        traces = [each.trace(embedding, **prompt) for each in (plain, tuned)]
        torch.testing.assert_close(traces[0].hypernetworks, traces[1].hypernetworks)
    corrected: dict[str, Any] = {"points": [(220, 110), (10, 10)], "labels": [1, 0]}
    for prompt in ({"points": [(220, 110)]}, corrected):
        assert not np.allclose(*(each.predict(embedding, **prompt).scores for each in (plain, tuned)))
    assert tuned.model.calibration is not None


def test_a_file_that_was_replaced_is_loaded_again(base: Sam, weights: TunedWeights, tmp_path: Path) -> None:
    path = tmp_path / "cells.safetensors"
    weights.apply(base, name="x").save(path)
    first = predictor_of(path)
    assert predictor_of(path) is first
    better = TunedWeights(weights.tuning, {KEY: weights.tensors[KEY] + 1})
    better.save(path)
    os.utime(path, ns=(1, 1))
    assert predictor_of(path).model.weights_id == better.apply(base, name="x").weights_id != first.model.weights_id
