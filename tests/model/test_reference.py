"""The model is Segment Anything: with the same random weights, the reference code gives the same numbers."""

from __future__ import annotations

import dataclasses
from functools import partial

import numpy as np
import pytest
import torch
from segment_anything import SamPredictor
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, TwoWayTransformer
from segment_anything.modeling import Sam as ReferenceSam

from sam_widget.model.config import VIT_B
from sam_widget.model.sam import Sam
from sam_widget.model.zoo import published_to_ours
from sam_widget.predictor import EmbeddingCache, Predictor

# The full architecture, in sizes that two cores run in milliseconds. A grid of 8 and windows of 3 need padding.
SMALL = dataclasses.replace(
    VIT_B,
    image_size=128,
    embed_dim=48,
    depth=4,
    num_heads=4,
    global_attention=(1, 3),
    window_size=3,
    prompt_dim=32,
    decoder_heads=4,
    decoder_mlp_dim=64,
    iou_hidden_dim=32,
)


def reference_model() -> ReferenceSam:
    c = SMALL
    torch.manual_seed(1)
    model = ReferenceSam(
        image_encoder=ImageEncoderViT(
            img_size=c.image_size,
            patch_size=c.patch_size,
            embed_dim=c.embed_dim,
            depth=c.depth,
            num_heads=c.num_heads,
            out_chans=c.prompt_dim,
            norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
            use_rel_pos=True,
            window_size=c.window_size,
            global_attn_indexes=c.global_attention,
        ),
        prompt_encoder=PromptEncoder(
            embed_dim=c.prompt_dim,
            image_embedding_size=(c.grid_size, c.grid_size),
            input_image_size=(c.image_size, c.image_size),
            mask_in_chans=c.mask_channels,
        ),
        mask_decoder=MaskDecoder(
            transformer_dim=c.prompt_dim,
            transformer=TwoWayTransformer(
                depth=2, embedding_dim=c.prompt_dim, num_heads=c.decoder_heads, mlp_dim=c.decoder_mlp_dim
            ),
            iou_head_hidden_dim=c.iou_hidden_dim,
        ),
        pixel_mean=list(c.pixel_mean),
        pixel_std=list(c.pixel_std),
    )
    for parameter in model.parameters():  # Position tables start at zero and would hide a mistake.
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.1)
    return model.eval()


@pytest.fixture(scope="module")
def both() -> tuple[SamPredictor, Predictor]:
    reference = reference_model()
    ours = Sam(SMALL)
    ours.load_state_dict(published_to_ours(reference.state_dict()))
    return SamPredictor(reference), Predictor(ours.eval(), cache=EmbeddingCache())


IMAGES = {"landscape": (60, 91), "portrait": (150, 70), "square": (128, 128), "tiny": (5, 7), "large": (300, 411)}


def photo(size: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (*size, 3), dtype=np.uint8)


def prompts(height: int, width: int) -> dict[str, dict[str, np.ndarray]]:
    points = np.array([[width * 0.3, height * 0.6], [width * 0.8, height * 0.1]])
    box = np.array([width * 0.2, height * 0.1, width * 0.9, height * 0.7])
    mask = np.random.default_rng(4).normal(size=(SMALL.mask_size, SMALL.mask_size)).astype(np.float32)
    return {
        "point": {"points": points[:1], "labels": np.array([1])},
        "points": {"points": points, "labels": np.array([1, 0])},
        "box": {"box": box},
        "box and points": {"points": points, "labels": np.array([0, 1]), "box": box},
        "mask and point": {"points": points[:1], "labels": np.array([1]), "mask": mask},
    }


@pytest.mark.parametrize("multimask", [True, False])
@pytest.mark.parametrize("prompt", list(prompts(1, 1)))
@pytest.mark.parametrize("size", list(IMAGES.values()), ids=list(IMAGES))
def test_same_masks_as_the_reference(
    both: tuple[SamPredictor, Predictor], size: tuple[int, int], prompt: str, multimask: bool
) -> None:
    reference, ours = both
    image = photo(size)
    reference.set_image(image)
    embedding = ours.embed(image)
    np.testing.assert_allclose(embedding.features, reference.get_image_embedding(), atol=1e-4)

    given = prompts(*size)[prompt]
    masks, scores, logits = reference.predict(
        point_coords=given.get("points"),
        point_labels=given.get("labels"),
        box=given.get("box"),
        mask_input=given["mask"][None] if "mask" in given else None,
        multimask_output=multimask,
    )
    prediction = ours.predict(embedding, **given, multimask=multimask)
    np.testing.assert_allclose(prediction.logits, logits, atol=1e-4)
    np.testing.assert_allclose(prediction.scores, scores, atol=1e-4)
    # Random weights put some logits within rounding of the threshold.
    assert (prediction.masks == masks).mean() > 0.9995


def test_prompts_are_batched_over_images(both: tuple[SamPredictor, Predictor]) -> None:
    _, ours = both
    model = ours.model
    pixels = torch.rand(2, 3, 128, 128) * 255
    points, labels = torch.rand(6, 2, 2) * 128, torch.randint(0, 2, (6, 2))
    with torch.inference_mode():
        together = model.decode(model.encode_image(pixels), points=points, labels=labels)
        for k in range(6):
            image = model.encode_image(pixels[k // 3][None])
            alone = model.decode(image, points=points[k][None], labels=labels[k][None])
            torch.testing.assert_close(together[0][k], alone[0][0], atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(together[1][k], alone[1][0], atol=1e-4, rtol=1e-4)


def test_padding_points_change_nothing(both: tuple[SamPredictor, Predictor]) -> None:
    model = both[1].model
    coords, labels = torch.rand(1, 2, 2) * 128, torch.tensor([[1, 0]])
    sparse, _ = model.prompt_encoder(coords, labels)
    padded, _ = model.prompt_encoder(
        torch.cat([coords, torch.rand(1, 3, 2)], dim=1), torch.tensor([[1, 0, -1, -1, -1]])
    )
    torch.testing.assert_close(padded[:, :2], sparse[:, :2])
    torch.testing.assert_close(padded[:, 2:5], sparse[:, 2:3].expand(-1, 3, -1))
