"""What a predictor gets from `PlainPredictor`, against what torch makes of the same logits."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from sam_widget.model.config import SamConfig
from sam_widget.predictor.interface import CERTAIN, Predictor
from sam_widget.predictor.plain import PlainPrediction, PlainPredictor
from sam_widget.prompts.prompt import Prompt

SIZE = (70, 90)


class Remembering(PlainPredictor):
    model = SimpleNamespace(name="remembering", weights_id="remembering-0")
    config = SamConfig(image_size=64, mask_threshold=0.5)

    def embed(self, image: np.ndarray, *, keep: bool = True) -> np.ndarray:  # noqa: ARG002
        return image

    def answer(self, embedding: np.ndarray, prompt: Prompt) -> PlainPrediction:  # noqa: ARG002
        return PlainPrediction(np.float32([0.2, 0.8, 0.4]), LOGITS, SIZE, self.config.mask_threshold)


LOGITS = np.random.default_rng(3).normal(size=(3, 16, 16)).astype(np.float32)
PREDICTOR: Predictor = Remembering()


def enlarged(logits: np.ndarray) -> np.ndarray:
    return interpolate(torch.from_numpy(logits)[None, None], SIZE, mode="bilinear", align_corners=False)[0, 0].numpy()


@pytest.mark.parametrize("threshold", [0.0, 0.75])
def test_logits_are_enlarged_and_cut_as_torch_does_it(threshold: float) -> None:
    mask = PREDICTOR.binarize_one(LOGITS[1], SIZE, threshold=threshold).array
    assert np.count_nonzero(mask != (enlarged(LOGITS[1]) > 0.5 + threshold)) <= 2, "rounding of values at the threshold"


def test_a_prediction_knows_its_best_mask_and_makes_one_at_a_time() -> None:
    prediction = PREDICTOR.answer(None, Prompt())
    assert prediction.best == 1
    assert (prediction.stored_mask(2).array == PREDICTOR.binarize_one(LOGITS[2], SIZE).array).all()


def test_a_mask_becomes_logits_by_the_share_of_each_cell_that_it_covers() -> None:
    mask = np.zeros((64, 32), np.bool_)
    mask[:, :5] = True  # A cell is 4 rows by 2 columns.
    logits = PREDICTOR.mask_to_logits(mask)
    assert logits.shape == (16, 16)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits[7, :5], [CERTAIN, CERTAIN, 0, -CERTAIN, -CERTAIN], atol=1e-4)


def test_nothing_is_cut_off_or_kept() -> None:
    assert PREDICTOR.unpad(LOGITS, (10, 90)) is LOGITS
    assert not PREDICTOR.has("0" * 32)
