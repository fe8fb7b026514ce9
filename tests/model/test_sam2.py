"""SAM 2 in Meta's own layout: with the same weights, the answers that Meta's code gave (see golden/make_sam2.py)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sam_widget.model.checkpoint import recognise
from sam_widget.model.sam2 import Sam2
from sam_widget.predictor.predictor import EmbeddingCache, Predictor
from tests.model.references import (
    GOLDEN_CASES,
    SMALL_SAM2,
    golden_arrays,
    golden_shapes,
    golden_weights,
    same_embedding,
    same_masks,
)


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    model = Sam2(SMALL_SAM2)
    state = golden_weights(golden_shapes("sam2"))
    model.load_state_dict(recognise(state, Path("sam2.pt")))
    return Predictor(model.eval(), cache=EmbeddingCache())


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    return golden_arrays("sam2")


@pytest.mark.parametrize(("size", "prompt", "multimask"), GOLDEN_CASES)
def test_same_masks_as_the_reference(
    predictor: Predictor, golden: dict[str, np.ndarray], size: tuple[int, int], prompt: str, multimask: bool
) -> None:
    same_masks(predictor, golden, size, prompt, multimask=multimask)


def test_same_embedding_as_the_reference(predictor: Predictor, golden: dict[str, np.ndarray]) -> None:
    same_embedding(predictor, golden, GOLDEN_CASES[-1][0])


def test_an_unstable_mask_gives_way_to_the_best_of_three(predictor: Predictor) -> None:
    decoder = predictor.model.mask_decoder
    stable, unstable = torch.full((2, 4, 8, 8), 1.0), torch.full((2, 4, 8, 8), 0.01)
    masks = torch.stack([torch.full((8, 8), float(i)) for i in range(4)]).repeat(3, 1, 1, 1)
    masks[0, 0], masks[1, 0], masks[2, 0] = stable[0, 0], unstable[0, 0], -stable[0, 0]
    scores = torch.tensor([[0.1, 0.2, 0.9, 0.3]]).repeat(3, 1)
    chosen, chosen_scores = decoder._prefer_stable(masks, scores)
    torch.testing.assert_close(chosen[:, 0, 0, 0], torch.tensor([1.0, 2.0, -1.0]))
    torch.testing.assert_close(chosen_scores[:, 0], torch.tensor([0.1, 0.9, 0.1]))
    torch.testing.assert_close(chosen[:, 1:], masks[:, 1:])
