"""The predictor without torch computes masks and mask prompts as the one with torch does."""

from __future__ import annotations

import numpy as np
import pytest

import sam_widget as sw
from sam_widget.errors import ModelError
from sam_widget.predictor.in_view import ViewPredictor, input_pixels
from sam_widget.predictor.interface import Predictor as PredictorLike
from sam_widget.predictor.interface import runs_in_view
from sam_widget.predictor.model_input import input_pixels as with_torch
from sam_widget.predictor.predictor import Predictor
from sam_widget.prompts.prompt import Prompt

SIZES = [(300, 451), (451, 300), (60, 451), (75, 113)]


@pytest.fixture(scope="module")
def torch_predictor() -> Predictor:
    return Predictor("tiny")


@pytest.mark.parametrize("size", SIZES)
def test_masks_and_mask_prompts_are_those_of_torch(size: tuple[int, int], torch_predictor: Predictor) -> None:
    ours, theirs = ViewPredictor(), torch_predictor
    height, width = size
    y, x = np.mgrid[:height, :width]
    mask = (y - height / 2) ** 2 + (x - width / 3) ** 2 < (height / 3) ** 2
    logits = theirs.mask_to_logits(mask)
    assert np.abs(ours.mask_to_logits(mask) - logits).max() < 0.02
    for threshold in (0.0, 1.5):
        one, other = (each.binarize_one(logits, size, threshold=threshold) for each in (ours, theirs))
        assert (one.array ^ other.array).sum() <= 2
    np.testing.assert_array_equal(ours.unpad(logits[None], size), theirs.unpad(logits[None], size))


@pytest.mark.parametrize("size", SIZES)
def test_the_model_sees_the_same_pixels(size: tuple[int, int], torch_predictor: Predictor) -> None:
    import torch

    photo = sw.sample("coffee")[: size[0], : size[1]]
    expected = with_torch(torch_predictor.config, photo, torch.device("cpu"))[0].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(input_pixels(torch_predictor.config, photo), expected)


def test_weights_have_the_same_name_as_with_torch(torch_predictor: Predictor) -> None:
    """So that a session of one continues in the other."""
    assert ViewPredictor().model.weights_id == torch_predictor.model.weights_id


def test_only_what_a_view_has_told_is_known() -> None:
    predictor: ViewPredictor = ViewPredictor()
    like: PredictorLike = predictor
    photo = sw.sample("cat")
    embedding, prompt = like.embed(photo), Prompt().with_point(9, 9)
    with pytest.raises(ModelError, match=r"needs torch and timm, .* click there"):
        like.answer(embedding, prompt)
    with pytest.raises(ModelError, match="show the widget and wait"):
        predictor.features(embedding)
    scores, logits = np.array([0.5, 0.7], np.float32), np.zeros((2, 96, 96), np.float32)
    for wrong in (logits[:1], logits[:, :9]):
        with pytest.raises(ModelError, match="not an answer of tiny"):
            predictor.learn(embedding, prompt, scores=scores, logits=wrong, best=0)
    with pytest.raises(ModelError, match="not an answer of tiny"):
        predictor.learn(embedding, prompt, scores=scores, logits=logits, best=2)
    predictor.learn(embedding, prompt, scores=scores, logits=logits, best=1)
    assert like.answer(like.embed(photo.copy()), prompt).best == 1
    with pytest.raises(ModelError):
        like.answer(like.embed(photo[1:]), prompt)


def test_models_run_in_the_kernel_where_torch_is() -> None:
    assert not runs_in_view("tiny")
    assert not runs_in_view("https://lab:9000")
