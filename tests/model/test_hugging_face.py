"""Hugging Face's models: through their own key layout, the same random weights give the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from sam_widget.model.checkpoint import recognise
from sam_widget.model.hq_sam import HqMaskDecoder, HqSam
from sam_widget.model.mask_decoder import per_prompt
from sam_widget.model.sam import Sam
from sam_widget.model.sam2 import Sam2
from tests.model.references import (
    SMALL,
    SMALL_SAM2,
    hugging_face_hq_sam,
    hugging_face_sam,
    hugging_face_sam2,
    mask_iou,
)

SIDE = SMALL.image_size


class Pair(NamedTuple):
    reference: Any
    ours: Sam
    pixels: Tensor


class TransposingDecoder(HqMaskDecoder):
    """HQ-SAM's decoder with the one difference that Hugging Face's has (transformers 5.23).

    Theirs builds masks on the image as it was before the tokens' attention, transposed; the published weights were
    trained with the authors' code, which ours follows (`test_reference.py`).
    """

    def attend(
        self, output_tokens: Tensor, image: Tensor, image_pe: Tensor, sparse: Tensor, dense: Tensor
    ) -> tuple[Tensor, Tensor]:
        tokens, _ = super().attend(output_tokens, image, image_pe, sparse, dense)
        return tokens, (per_prompt(image, len(sparse)) + dense).transpose(2, 3)


def transposing_hq_sam() -> HqSam:
    model = HqSam(SMALL)
    model.mask_decoder = TransposingDecoder(SMALL)
    return model


FAMILIES: dict[str, tuple[Callable[[], nn.Module], Callable[[], Sam]]] = {
    "sam": (hugging_face_sam, lambda: Sam(SMALL)),
    "hq_sam": (hugging_face_hq_sam, transposing_hq_sam),
    "sam2": (hugging_face_sam2, lambda: Sam2(SMALL_SAM2)),
}


@pytest.fixture(scope="module", params=list(FAMILIES))
def pair(request: pytest.FixtureRequest) -> Pair:
    build_reference, build = FAMILIES[request.param]
    reference, ours = build_reference(), build()
    ours.load_state_dict(recognise(reference.state_dict(), Path("model.safetensors")))
    return Pair(reference, ours.eval(), torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(2)) * 255)


def test_same_image_embedding(pair: Pair) -> None:
    with torch.inference_mode():
        ours = pair.ours.encode(pair.pixels)
        theirs = pair.reference.get_image_embeddings(pair.ours.standardised(pair.pixels))
    if isinstance(theirs, list):  # SAM 2: finest first.
        for level, their_level in zip((*ours.high_resolution, ours.embedding), theirs, strict=True):
            torch.testing.assert_close(level, their_level, atol=1e-4, rtol=0)
    else:  # HQ-SAM: and what its ViT knew early.
        theirs = theirs[0] if isinstance(theirs, tuple) else theirs
        torch.testing.assert_close(ours.embedding, theirs, atol=1e-4, rtol=0)


def prompts() -> dict[str, dict[str, Tensor]]:
    """Two images, three prompts each: (2, 3, ...)."""
    generator = torch.Generator().manual_seed(5)
    points = torch.rand(2, 3, 4, 2, generator=generator) * SIDE
    labels = torch.randint(0, 2, (2, 3, 4), generator=generator)
    boxes = torch.rand(2, 3, 4, generator=generator) * SIDE / 2 + torch.tensor([0, 0, SIDE / 2, SIDE / 2])
    padded = labels.clone()
    padded[:, 1, 2:], padded[:, 2, 1:] = -1, -1
    return {
        "point": {"points": points[:, :, :1], "labels": labels[:, :, :1]},
        "points": {"points": points, "labels": labels},
        "padded points": {"points": points, "labels": padded},
        "box": {"boxes": boxes},
        "box and points": {"points": points, "labels": labels, "boxes": boxes},
    }


@pytest.mark.parametrize("prompt", list(prompts()))
def test_same_prompt_embeddings(pair: Pair, prompt: str) -> None:
    given = prompts()[prompt]
    with torch.inference_mode():
        sparse, dense = pair.ours.prompt_encoder(**{key: value.flatten(0, 1) for key, value in given.items()})
        their_sparse, their_dense = pair.reference.get_prompt_embeddings(
            **{f"input_{key}": value for key, value in given.items()}
        )
    # The order of tokens is nothing to attention, and not everybody's the same.
    torch.testing.assert_close(
        sparse.sort(dim=1).values, their_sparse.flatten(0, 1).sort(dim=1).values, atol=1e-5, rtol=0
    )
    torch.testing.assert_close(dense[:2], their_dense.expand_as(dense[:2]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("multimask", [True, False])
@pytest.mark.parametrize("prompt", [*prompts(), "mask and points"])
def test_same_masks(pair: Pair, prompt: str, multimask: bool) -> None:
    pixels = pair.pixels
    if prompt == "mask and points":  # Theirs takes one mask an image.
        given = {key: value[:1, :1] for key, value in prompts()["points"].items()}
        generator = torch.Generator().manual_seed(6)
        masks = torch.randn(1, 1, SMALL.mask_size, SMALL.mask_size, generator=generator)
        pixels, extra = pixels[:1], {"masks": masks}
    else:
        given, extra = prompts()[prompt], {}

    with torch.inference_mode():
        features = pair.ours.encode(pixels)
        logits, scores = pair.ours.decode(
            features.embedding,
            high_resolution=features.high_resolution,
            **{key: value.flatten(0, 1) for key, value in given.items()},
            **extra,
        )
        theirs = pair.reference(
            pixel_values=pair.ours.standardised(pixels),
            multimask_output=multimask,
            **{f"input_{key}": value for key, value in (given | extra).items()},
        )
    their_logits, their_scores = theirs.pred_masks.flatten(0, 1), theirs.iou_scores.flatten(0, 1)
    logits, scores = (logits[:, 1:], scores[:, 1:]) if multimask else (logits[:, :1], scores[:, :1])
    if isinstance(pair.ours, HqSam) and multimask:  # Theirs are sorted by score.
        order = scores.argsort(dim=1, descending=True)
        scores = scores.gather(1, order)
        logits = torch.stack([image[rank] for image, rank in zip(logits, order, strict=True)])
    torch.testing.assert_close(logits, their_logits, atol=1e-4, rtol=0)
    torch.testing.assert_close(scores, their_scores, atol=1e-4, rtol=0)
    assert mask_iou(logits > 0, their_logits > 0) >= 0.9995


def test_a_mask_alone_prompts_sam2_as_in_its_training() -> None:
    build_reference, build = FAMILIES["sam2"]
    reference, ours = build_reference(), build()
    ours.load_state_dict(recognise(reference.state_dict(), Path("model.safetensors")))
    generator = torch.Generator().manual_seed(8)
    pixels = torch.rand(1, 3, SIDE, SIDE, generator=generator) * 255
    masks = torch.randn(1, 1, SMALL.mask_size, SMALL.mask_size, generator=generator)
    with torch.inference_mode():
        features = ours.eval().encode(pixels)
        logits, _ = ours.decode(features.embedding, high_resolution=features.high_resolution, masks=masks)
        theirs = reference(pixel_values=ours.standardised(pixels), input_masks=masks)
    torch.testing.assert_close(logits[:, 1:], theirs.pred_masks[0], atol=1e-4, rtol=0)
