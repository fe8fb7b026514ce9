"""The fast parts of a model give what its plain parts give, and stay on its weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sam_widget.model.config import TINY_VIT
from sam_widget.model.efficient_sam import EfficientSam
from sam_widget.model.fast.parts import FastParts
from sam_widget.model.fast.relative_attention import RelativeAttention
from sam_widget.model.fast.two_way import FastAttention
from sam_widget.model.hq_sam import HqSam
from sam_widget.model.mobile_sam import MobileSam
from sam_widget.model.sam import Sam
from sam_widget.model.sam2 import Sam2
from sam_widget.model.zoo import load_model
from sam_widget.predictor.predictor import EmbeddingCache, Predictor
from tests.model.references import SMALL, SMALL_EFFICIENT, SMALL_MOBILE, SMALL_SAM2, photo, seeded

MODELS: dict[str, Callable[[], Sam]] = {
    "sam": lambda: seeded(Sam(SMALL)),
    "plain vit": lambda: seeded(Sam(dataclasses.replace(TINY_VIT, image_size=128, depth=2, global_attention=(1,)))),
    "hq_sam": lambda: seeded(HqSam(SMALL)),
    "mobile_sam": lambda: seeded(MobileSam(SMALL_MOBILE)),
    "efficient_sam": lambda: seeded(EfficientSam(SMALL_EFFICIENT)),
    "sam2": lambda: seeded(Sam2(SMALL_SAM2)),
    "tiny": lambda: load_model("tiny", device="cpu"),
}
POINTS, LABELS = torch.tensor([[[30.0, 40.0], [80.0, 20.0]]]), torch.tensor([[1, 0]])


@pytest.fixture(params=list(MODELS))
def model(request: pytest.FixtureRequest) -> Sam:
    return MODELS[request.param]().eval()


def answer(model: Sam, parts: Any, *, batch: int = 1, **prompt: Tensor) -> tuple[Tensor, ...]:
    side = model.config.image_size
    pixels = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0)) * 255
    given = {name: tensor.expand(batch, *tensor.shape[1:]) for name, tensor in prompt.items()}
    with torch.inference_mode():
        if parts is None:
            features = model.encode(pixels)
            decoded = model.decode(features.embedding, high_resolution=features.high_resolution, **given)
        else:
            features = model.encode(pixels, image_encoder=parts.image_encoder)
            decoded = model.decode(
                features.embedding,
                high_resolution=features.high_resolution,
                **given,
                prompt_encoder=parts.prompt_encoder,
                mask_decoder=parts.mask_decoder,
            )
    return (features.embedding, *features.high_resolution, *decoded)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("with_mask", [False, True])
def test_fast_parts_give_the_same(model: Sam, batch: int, with_mask: bool) -> None:
    prompt = {"points": POINTS, "labels": LABELS}
    if with_mask and model.config.takes_masks:
        side = model.config.mask_size
        prompt["masks"] = torch.randn(1, 1, side, side, generator=torch.Generator().manual_seed(1))
    expected = answer(model, None, batch=batch, **prompt)
    given = answer(model, FastParts(model), batch=batch, **prompt)
    for ours, plain in zip(given, expected, strict=True):
        torch.testing.assert_close(ours, plain, atol=1e-4, rtol=1e-4)


def test_what_pays_is_swapped_in() -> None:
    parts = FastParts(Sam(SMALL))
    assert any(isinstance(module, RelativeAttention) for module in parts.image_encoder.modules())
    assert any(isinstance(module, FastAttention) for module in parts.mask_decoder.modules())


def test_fast_parts_follow_the_weights_whatever_replaces_them() -> None:
    model, other = seeded(Sam(SMALL)).eval(), Sam(SMALL).eval()
    parts = FastParts(model)
    prompt = {"points": POINTS, "labels": LABELS}
    answer(model, parts, **prompt)  # Caches are filled by now.
    model.load_state_dict(other.state_dict())
    changed = answer(model, parts, **prompt)
    torch.testing.assert_close(changed, answer(other, None, **prompt), atol=1e-4, rtol=1e-4)
    model.load_state_dict({key: 0.5 * value for key, value in other.state_dict().items()}, assign=True)
    torch.testing.assert_close(answer(model, parts, **prompt), answer(model, None, **prompt), atol=1e-4, rtol=1e-4)
    model.double()
    assert parts.prompt_encoder.image_positions().dtype == torch.float64


def test_another_part_gets_a_twin_of_its_own() -> None:
    model = seeded(Sam(SMALL)).eval()
    parts = FastParts(model)
    first = parts.mask_decoder
    assert parts.mask_decoder is first
    model.mask_decoder = seeded(Sam(SMALL)).mask_decoder
    assert parts.mask_decoder is not first


def test_hooks_on_the_model_see_what_a_predictor_computes() -> None:
    model = seeded(Sam(SMALL)).eval()
    predictor = Predictor(model, cache=EmbeddingCache())
    seen: list[torch.Size] = []
    handle = model.image_encoder.blocks[1].register_forward_hook(lambda *call: seen.append(call[2].shape))
    predictor.embed(photo((60, 91)))
    handle.remove()
    predictor.embed(photo((60, 92)))
    assert seen == [(1, 8, 8, SMALL.embed_dim)]


def test_a_predictor_leaves_the_model_as_it_is() -> None:
    model = seeded(Sam(SMALL)).train()
    before = [type(module) for module in model.modules()]
    predictor = Predictor(model, cache=EmbeddingCache())
    embedding = predictor.embed(photo((60, 91)))
    logits = predictor.predict(embedding, points=[(20, 30)]).logits
    assert [type(module) for module in model.modules()] == before
    assert all(module.training for module in model.modules())
    assert np.isfinite(logits).all()
