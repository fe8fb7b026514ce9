"""SAM 2 in Meta's own layout: with the same weights, the answers that Meta's code gave (see golden/make_sam2.py)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from sam_widget.model.checkpoint import recognise
from sam_widget.model.sam2 import Sam2
from sam_widget.predictor import EmbeddingCache, Predictor
from tests.model.references import GOLDEN_CASES, SMALL_SAM2, golden_weights, mask_iou, photo, prompts

GOLDEN = Path(__file__).resolve().parent / "golden"


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    model = Sam2(SMALL_SAM2)
    state = golden_weights(json.loads((GOLDEN / "sam2.json").read_text()))
    model.load_state_dict(recognise(state, Path("sam2.pt")))
    return Predictor(model.eval(), cache=EmbeddingCache())


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "sam2.npz") as file:
        return dict(file)


@pytest.mark.parametrize(("size", "prompt", "multimask"), GOLDEN_CASES)
def test_same_masks_as_the_reference(
    predictor: Predictor, golden: dict[str, np.ndarray], size: tuple[int, int], prompt: str, multimask: bool
) -> None:
    case = f"{size[0]}x{size[1]}, {prompt}, {multimask}"
    answer = predictor.predict(predictor.embed(photo(size)), **prompts(*size)[prompt], multimask=multimask)
    masks = np.unpackbits(golden[f"{case}: masks"], axis=-1, count=size[1]).astype(bool)
    np.testing.assert_allclose(answer.logits[:, ::2, ::2], golden[f"{case}: logits"], atol=1e-4)
    np.testing.assert_allclose(answer.scores, golden[f"{case}: scores"], atol=1e-4)
    assert mask_iou(answer.masks, masks) >= 0.9995


def test_same_embedding_as_the_reference(predictor: Predictor, golden: dict[str, np.ndarray]) -> None:
    embedding = predictor.embed(photo(GOLDEN_CASES[-1][0]))
    np.testing.assert_allclose(embedding.features[0, ::8], golden["embedding"], atol=1e-4)


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
