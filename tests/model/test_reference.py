"""The models are what their authors published: with the same random weights, their code gives the same numbers.

SAM against Meta's code, HQ-SAM against its authors', and MobileSAM, which is Meta's code on a TinyViT, against Meta's
code on the TinyViT that HQ-SAM's authors took from it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import segment_anything
import torch
from torch import nn

from sam_widget.model.checkpoint import recognise
from sam_widget.model.hq_sam import HqSam
from sam_widget.model.mobile_sam import MobileSam
from sam_widget.model.sam import Sam
from sam_widget.predictor.predictor import EmbeddingCache, Predictor
from tests.model.references import (
    SIZES,
    SMALL,
    SMALL_MOBILE,
    hq_sam,
    mask_iou,
    meta_sam,
    mobile_sam,
    photo,
    prompts,
    segment_anything_hq,
)


class Both(NamedTuple):
    reference: Any
    ours: Predictor


FAMILIES: dict[str, tuple[Callable[[], nn.Module], type, Callable[[], Sam]]] = {
    "sam": (meta_sam, segment_anything.SamPredictor, lambda: Sam(SMALL)),
    "hq_sam": (hq_sam, segment_anything_hq.SamPredictor, lambda: HqSam(SMALL)),
    "mobile_sam": (mobile_sam, segment_anything.SamPredictor, lambda: MobileSam(SMALL_MOBILE)),
}


@pytest.fixture(scope="module", params=list(FAMILIES))
def both(request: pytest.FixtureRequest) -> Both:
    build_reference, predictor, build = FAMILIES[request.param]
    reference, ours = build_reference(), build()
    ours.load_state_dict(recognise(reference.state_dict(), Path("published.pth")))
    return Both(predictor(reference), Predictor(ours.eval(), cache=EmbeddingCache()))


@pytest.mark.parametrize("multimask", [True, False])
@pytest.mark.parametrize("prompt", list(prompts(1, 1)))
@pytest.mark.parametrize("size", list(SIZES.values()), ids=list(SIZES))
def test_same_masks_as_the_reference(both: Both, size: tuple[int, int], prompt: str, multimask: bool) -> None:
    image = photo(size)
    both.reference.set_image(image)
    embedding = both.ours.embed(image)
    np.testing.assert_allclose(embedding.features, both.reference.features, atol=1e-4)

    given = prompts(*size)[prompt]
    masks, scores, logits = both.reference.predict(
        point_coords=given.get("points"),
        point_labels=given.get("labels"),
        box=given.get("box"),
        mask_input=given["mask"][None] if "mask" in given else None,
        multimask_output=multimask,
    )
    ours = both.ours.predict(embedding, **given, multimask=multimask)
    # HQ-SAM's code returns the best of three only.
    which = slice(ours.best, ours.best + 1) if len(scores) == 1 else slice(None)
    np.testing.assert_allclose(ours.logits[which], logits, atol=1e-4)
    np.testing.assert_allclose(ours.scores[which], scores, atol=1e-4)
    assert 0.01 < masks.mean() < 0.99, "a mask worth comparing"
    assert mask_iou(ours.masks[which], masks) >= 0.9995


def test_prompts_are_batched_over_images(both: Both) -> None:
    model = both.ours.model
    generator = torch.Generator().manual_seed(7)
    pixels = torch.rand(2, 3, 128, 128, generator=generator) * 255
    points = torch.rand(6, 2, 2, generator=generator) * 128
    labels = torch.randint(0, 2, (6, 2), generator=generator)
    with torch.inference_mode():
        images = model.encode(pixels)
        together = model.decode(images.embedding, high_resolution=images.high_resolution, points=points, labels=labels)
        for k in range(6):
            image = model.encode(pixels[k // 3][None])
            alone = model.decode(
                image.embedding,
                high_resolution=image.high_resolution,
                points=points[k][None],
                labels=labels[k][None],
            )
            torch.testing.assert_close(together[0][k], alone[0][0], atol=1e-4, rtol=0)
            torch.testing.assert_close(together[1][k], alone[1][0], atol=1e-4, rtol=0)


def test_padding_points_change_nothing(both: Both) -> None:
    model = both.ours.model
    coords, labels = torch.rand(1, 2, 2) * 128, torch.tensor([[1, 0]])
    sparse, _ = model.prompt_encoder(coords, labels)
    padded, _ = model.prompt_encoder(
        torch.cat([coords, torch.rand(1, 3, 2)], dim=1), torch.tensor([[1, 0, -1, -1, -1]])
    )
    torch.testing.assert_close(padded[:, :2], sparse[:, :2])
    torch.testing.assert_close(padded[:, 2:5], sparse[:, 2:3].expand(-1, 3, -1))


def test_positions_follow_the_weights(both: Both) -> None:
    model = both.ours.model
    encoder = type(model.prompt_encoder)(model.config)
    with torch.inference_mode():
        before = encoder.image_positions()
        encoder.load_state_dict(model.prompt_encoder.state_dict())
        after = encoder.image_positions()
        assert not torch.equal(before, after)
        torch.testing.assert_close(after, model.prompt_encoder.image_positions())
        assert encoder.double().image_positions().dtype == torch.float64
