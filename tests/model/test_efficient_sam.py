"""EfficientSAM: through its own key layout, the answers that its authors' code gave for the same weights.

golden/efficient_sam.json and .npz were made once, in November 2026, with the code of the public repository
yformer/EfficientSAM at commit d525f622, which is on no package index and not part of this repository. Its image
encoder, prompt encoder, two-way transformer and mask decoder were built in the sizes of `SMALL_EFFICIENT`, as its
`build_efficient_sam` builds them in full size. `golden_weights` with `TABLES` filled them from the names and shapes of
their tensors, which the json file keeps together with those of the published `efficient_sam_vitt.pt`. For every case
the photo went in as RGB in 0..1 through `get_image_embeddings`, and the prompt, a box being two points labelled 2 and
3, through `predict_masks`, once with and once without an output size. Masks are its full-size logits from zero up,
packed; logits are every second.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import sam_widget as sw
from sam_widget.model.checkpoint import builder_for, fill, recognise
from sam_widget.model.efficient_sam import EfficientSam
from sam_widget.model.zoo import BUILDERS, PUBLISHED
from sam_widget.predictor.predictor import EmbeddingCache, Predictor
from tests.model.references import (
    GOLDEN_CASES,
    SMALL_EFFICIENT,
    golden_arrays,
    golden_shapes,
    golden_weights,
    photo,
    prompts,
    same_embedding,
    same_masks,
)

SHAPES: dict[str, dict[str, list[int]]] = golden_shapes("efficient_sam")
TABLES = ("_embeddings.", "token.", "tokens.", "gaussian")
CASES = [case for case in GOLDEN_CASES if "mask" not in case[1]]


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    model = EfficientSam(SMALL_EFFICIENT)
    model.load_state_dict(recognise(golden_weights(SHAPES["small"], tables=TABLES), Path("efficient_sam.pt")))
    return Predictor(model.eval(), cache=EmbeddingCache())


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    return golden_arrays("efficient_sam")


@pytest.mark.parametrize(("size", "prompt", "multimask"), CASES)
def test_same_masks_as_the_reference(
    predictor: Predictor, golden: dict[str, np.ndarray], size: tuple[int, int], prompt: str, multimask: bool
) -> None:
    same_masks(predictor, golden, size, prompt, multimask=multimask)


def test_same_embedding_as_the_reference(predictor: Predictor, golden: dict[str, np.ndarray]) -> None:
    same_embedding(predictor, golden, CASES[-1][0])


def published_shapes(name: str) -> dict[str, list[int]]:
    shapes = SHAPES["efficient_sam_ti"]
    if name == "efficient_sam_ti":
        return shapes
    # The larger one has a ViT of twice the width.
    wider = {192: 384, 576: 1152, 768: 1536}
    return {
        key: [wider.get(side, side) for side in shape] if key.startswith("image_encoder.") else shape
        for key, shape in shapes.items()
    }


@pytest.mark.parametrize("name", ["efficient_sam_ti", "efficient_sam_s"])
def test_the_layout_is_recognised_and_fits(name: str) -> None:
    path = Path("published.pt")
    state = {key: torch.zeros(shape, device="meta") for key, shape in published_shapes(name).items()}
    state = recognise(state, path)
    with torch.device("meta"):
        model = builder_for(state, path, BUILDERS)()
    assert model.name == name
    assert model.config == PUBLISHED[name].config
    fill(model, state, path)


def test_a_published_file_answers(tmp_path: Path) -> None:
    path = tmp_path / "efficient_sam_vitt.pt"
    torch.save({"model": golden_weights(SHAPES["efficient_sam_ti"])}, path)
    model = sw.load_model(path, device="cpu")
    assert isinstance(model, EfficientSam)
    assert not any(tensor.is_meta for tensor in (*model.parameters(), *model.buffers()))
    features = torch.zeros(1, 256, 64, 64)
    with torch.inference_mode():
        logits, scores = model.decode(features, boxes=torch.tensor([[10.0, 20.0, 300.0, 400.0]]))
    assert (logits.shape, scores.shape) == ((1, 4, 256, 256), (1, 4))


def test_prompts_are_padded_to_six_tokens_and_longer_ones_are_whole(predictor: Predictor) -> None:
    encoder = predictor.model.prompt_encoder
    points, labels = torch.rand(1, 8, 2) * 128, torch.ones(1, 8, dtype=torch.int64)
    sparse, _ = encoder(points[:, :2], labels[:, :2])
    padded, _ = encoder(points[:, :4], torch.tensor([[1, 1, -1, -1]]))
    assert sparse.shape[1] == 6
    torch.testing.assert_close(padded, sparse)
    assert encoder(points, labels)[0].shape[1] == 8


def test_a_mask_is_refused(predictor: Predictor) -> None:
    embedding = predictor.embed(photo((60, 91)))
    with pytest.raises(sw.PromptError, match="takes no mask"):
        predictor.predict(embedding, **prompts(60, 91)["mask and point"])
