"""Reference models with seeded random weights: the full architectures, in sizes that two cores run in milliseconds."""

from __future__ import annotations

import dataclasses
import json
import warnings
import zlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import segment_anything
import torch
from torch import Tensor, nn

from sam_widget.model.config import EFFICIENT_TI, MOBILE, SAM2_TINY, VIT_B
from sam_widget.predictor.predictor import Predictor

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of timm, about the names that it is imported by
    import segment_anything_hq

# A grid of 8 and windows of 3 need padding. Two heads of 16 channels let a handful of tokens take the decoder's short
# way through attention; SAM 2's small decoder, whose heads are fixed, takes the long one.
SMALL = dataclasses.replace(
    VIT_B,
    image_size=128,
    embed_dim=48,
    depth=4,
    num_heads=4,
    global_attention=(1, 3),
    window_size=3,
    prompt_dim=64,
    decoder_heads=2,
    decoder_mlp_dim=64,
    iou_hidden_dim=32,
)
# Grids of 32, 16, 8 and 4; windows of 7 in the last two need padding.
SMALL_SAM2 = dataclasses.replace(
    SAM2_TINY,
    image_size=128,
    embed_dim=16,
    stages=(1, 2, 3, 1),
    global_attention=(4,),
    windows=(8, 4, 7, 7),
    prompt_dim=32,
)


# The last width is what tells MobileSAM's code not to halve the grid again. Windows of 7 and 5 need padding.
SMALL_MOBILE = dataclasses.replace(
    MOBILE,
    image_size=128,
    widths=(16, 32, 48, 320),
    depths=(1, 2, 2, 1),
    heads=(1, 2, 3, 5),
    windows=(7, 7, 5, 7),
    prompt_dim=64,
    decoder_heads=2,
    decoder_mlp_dim=64,
    iou_hidden_dim=32,
)
# Positions of 14 x 14 patches, as published, on a grid of 8.
SMALL_EFFICIENT = dataclasses.replace(
    EFFICIENT_TI,
    image_size=128,
    embed_dim=48,
    depth=4,
    num_heads=4,
    prompt_dim=64,
    decoder_heads=2,
    decoder_mlp_dim=64,
    iou_hidden_dim=32,
)
GOLDEN = Path(__file__).resolve().parent / "golden"
Model = TypeVar("Model", bound=nn.Module)


def seeded(model: Model) -> Model:
    """Fill a model with random weights that keep activations near one.

    Many parameters start at zero, or so small that every logit has one sign, and would hide a mistake.
    """
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for module in model.modules():
            kind = type(module).__name__
            for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
                if name == "running_var":
                    tensor.uniform_(0.5, 1.5, generator=generator)
                elif "Norm" in kind and tensor.is_floating_point():
                    tensor.normal_(1 if name == "weight" else 0, 0.1, generator=generator)
                elif kind in {"Linear", "Conv2d", "ConvTranspose2d"} and name == "weight":
                    inputs = tensor.shape[0] if kind == "ConvTranspose2d" else tensor[0].numel()
                    tensor.normal_(std=inputs**-0.5, generator=generator)
                elif name in {"positional_embedding", "positional_encoding_gaussian_matrix"}:
                    # Hugging Face has two copies of it, which are tied in the published weights.
                    tensor.copy_(torch.randn(tensor.shape, generator=torch.Generator().manual_seed(2)))
                elif isinstance(tensor, nn.Parameter):
                    tensor.normal_(std=1 if kind == "Embedding" else 0.1, generator=generator)
    return model.eval()


def _meta_parts() -> dict[str, Any]:
    """The parts that Meta's SAM and its descendants share; HQ-SAM's code has the same under its own name."""
    c = SMALL
    return {
        "prompt_encoder": segment_anything.modeling.PromptEncoder(
            embed_dim=c.prompt_dim,
            image_embedding_size=(c.grid_size, c.grid_size),
            input_image_size=(c.image_size, c.image_size),
            mask_in_chans=c.mask_channels,
        ),
        "pixel_mean": list(c.pixel_mean),
        "pixel_std": list(c.pixel_std),
    }


def _vit() -> dict[str, Any]:
    c = SMALL
    return {
        "img_size": c.image_size,
        "patch_size": c.patch_size,
        "embed_dim": c.embed_dim,
        "depth": c.depth,
        "num_heads": c.num_heads,
        "out_chans": c.prompt_dim,
        "norm_layer": partial(nn.LayerNorm, eps=1e-6),
        "use_rel_pos": True,
        "window_size": c.window_size,
        "global_attn_indexes": c.global_attention,
    }


def _decoder() -> dict[str, Any]:
    c = SMALL
    return {
        "transformer_dim": c.prompt_dim,
        "transformer": segment_anything.modeling.TwoWayTransformer(
            depth=2, embedding_dim=c.prompt_dim, num_heads=c.decoder_heads, mlp_dim=c.decoder_mlp_dim
        ),
        "iou_head_hidden_dim": c.iou_hidden_dim,
    }


def meta_sam() -> nn.Module:
    encoder = segment_anything.modeling.ImageEncoderViT(**_vit())
    decoder = segment_anything.modeling.MaskDecoder(**_decoder())
    return seeded(segment_anything.modeling.Sam(image_encoder=encoder, mask_decoder=decoder, **_meta_parts()))


def hq_sam() -> nn.Module:
    encoder = segment_anything_hq.modeling.ImageEncoderViT(**_vit())
    decoder = segment_anything_hq.modeling.MaskDecoderHQ(**_decoder(), vit_dim=SMALL.embed_dim)
    return seeded(segment_anything_hq.modeling.Sam(image_encoder=encoder, mask_decoder=decoder, **_meta_parts()))


class _TinyViT(segment_anything_hq.modeling.TinyViT):  # type: ignore[misc]
    """MobileSAM's trunk, whose own code expects 1024 px and a neck of 256 channels."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch_embed(x)
        for layer in self.layers:
            x = layer(x)
        return self.neck(x.transpose(1, 2).unflatten(2, (SMALL_MOBILE.grid_size,) * 2))  # type: ignore[no-any-return]


def mobile_sam() -> nn.Module:
    c = SMALL_MOBILE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of timm, about the names that it is imported by
        encoder = _TinyViT(
            img_size=c.image_size,
            embed_dims=list(c.widths),
            depths=list(c.depths),
            num_heads=list(c.heads),
            window_sizes=list(c.windows),
            drop_path_rate=0.0,
        )
    neck = segment_anything.modeling.ImageEncoderViT(**_vit()).neck
    neck[0] = nn.Conv2d(c.widths[-1], c.prompt_dim, kernel_size=1, bias=False)
    encoder.neck = neck
    decoder = segment_anything.modeling.MaskDecoder(**_decoder())
    return seeded(segment_anything.modeling.Sam(image_encoder=encoder, mask_decoder=decoder, **_meta_parts()))


def _hugging_face_parts() -> dict[str, dict[str, Any]]:
    c = SMALL
    return {
        "vision_config": {
            "image_size": c.image_size,
            "patch_size": c.patch_size,
            "hidden_size": c.embed_dim,
            "num_hidden_layers": c.depth,
            "num_attention_heads": c.num_heads,
            "output_channels": c.prompt_dim,
            "global_attn_indexes": list(c.global_attention),
            "window_size": c.window_size,
            "num_pos_feats": c.prompt_dim // 2,
            "mlp_dim": 4 * c.embed_dim,
        },
        "prompt_encoder_config": {
            "hidden_size": c.prompt_dim,
            "image_size": c.image_size,
            "patch_size": c.patch_size,
            "mask_input_channels": c.mask_channels,
        },
        "mask_decoder_config": {
            "hidden_size": c.prompt_dim,
            "mlp_dim": c.decoder_mlp_dim,
            "num_attention_heads": c.decoder_heads,
            "iou_head_hidden_dim": c.iou_hidden_dim,
            # Its default, 1e-6, is not what the published weights were trained with.
            "layer_norm_eps": 1e-5,
        },
    }


def hugging_face_sam() -> nn.Module:
    from transformers import SamConfig, SamModel

    return seeded(SamModel(SamConfig(**_hugging_face_parts())))


def hugging_face_hq_sam() -> nn.Module:
    from transformers import SamHQConfig, SamHQModel

    parts = _hugging_face_parts()
    parts["mask_decoder_config"]["vit_dim"] = SMALL.embed_dim
    return seeded(SamHQModel(SamHQConfig(**parts)))


def hugging_face_sam2() -> nn.Module:
    from transformers import Sam2Config, Sam2Model

    c = SMALL_SAM2
    widths = [c.embed_dim << stage for stage in range(4)]
    trunk = {
        "hidden_size": c.embed_dim,
        "num_attention_heads": c.num_heads,
        "image_size": [c.image_size, c.image_size],
        "blocks_per_stage": list(c.stages),
        "embed_dim_per_stage": widths,
        "num_attention_heads_per_stage": [c.num_heads << stage for stage in range(4)],
        "window_size_per_stage": list(c.windows),
        "global_attention_blocks": list(c.global_attention),
        "window_positional_embedding_background_size": list(c.background_size),
    }
    config = Sam2Config(
        vision_config={
            "backbone_config": {"model_type": "sam2_hiera_det_model", **trunk},
            "backbone_channel_list": widths[::-1],
            "backbone_feature_sizes": [[c.grid_size * 4] * 2, [c.grid_size * 2] * 2, [c.grid_size] * 2],
            "fpn_hidden_size": c.prompt_dim,
        },
        prompt_encoder_config={
            "hidden_size": c.prompt_dim,
            "image_size": c.image_size,
            "patch_size": c.patch_size,
            "mask_input_channels": c.mask_channels,
        },
        mask_decoder_config={
            "hidden_size": c.prompt_dim,
            "mlp_dim": c.decoder_mlp_dim,
            "num_attention_heads": c.decoder_heads,
            "iou_head_hidden_dim": c.iou_hidden_dim,
        },
    )
    return seeded(Sam2Model(config))


def golden_weights(
    shapes: Mapping[str, Sequence[int]], *, tables: Sequence[str] = ("embed", "token", "gaussian")
) -> dict[str, Tensor]:
    """Make weights from the names and shapes of a checkpoint's tensors alone, the same on every machine.

    Matrices are scaled by their inputs, but not those that have a part of `tables` in their name.
    """
    weights = {}
    for key, shape in shapes.items():
        uniform = np.random.default_rng(zlib.crc32(key.encode())).random(tuple(shape)) * 2 - 1
        if len(shape) < 2:
            values = uniform * 0.1 + (1 if key.endswith("weight") else 0)
        elif "pos_embed" in key:
            values = uniform * 0.1
        else:
            inputs = 1 if any(part in key for part in tables) else np.prod(shape[1:])
            values = uniform * (2 / inputs) ** 0.5
        weights[key] = torch.from_numpy(values.astype(np.float32))
    return weights


SIZES = {"landscape": (60, 91), "portrait": (150, 70), "square": (128, 128), "tiny": (5, 7), "large": (300, 411)}


def photo(size: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (*size, 3), dtype=np.uint8)


def prompts(height: int, width: int) -> dict[str, dict[str, np.ndarray]]:
    """Prompts for an image, as `Predictor.predict` takes them."""
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


GOLDEN_CASES = [
    *(((60, 91), prompt, multimask) for prompt in prompts(1, 1) for multimask in (True, False)),
    ((300, 411), "point", True),
    ((150, 70), "box", False),
]


def mask_iou(a: np.ndarray | Tensor, b: np.ndarray | Tensor) -> float:
    """Return the IoU of all masks together."""
    a, b = torch.as_tensor(a), torch.as_tensor(b)
    return float((a & b).sum() / (a | b).sum().clamp(min=1))


def golden_arrays(name: str) -> dict[str, np.ndarray]:
    """What a reference answered, by case; see the test that reads it."""
    with np.load(GOLDEN / f"{name}.npz") as file:
        return dict(file)


def golden_shapes(name: str) -> Any:
    """The names and shapes of the tensors of a reference's checkpoint."""
    return json.loads((GOLDEN / f"{name}.json").read_text())


def same_masks(
    predictor: Predictor, golden: Mapping[str, np.ndarray], size: tuple[int, int], prompt: str, *, multimask: bool
) -> None:
    """Check a predictor's answer against a reference's: masks in full, scores, and every second logit."""
    case = f"{size[0]}x{size[1]}, {prompt}, {multimask}"
    answer = predictor.predict(predictor.embed(photo(size)), **prompts(*size)[prompt], multimask=multimask)
    masks = np.unpackbits(golden[f"{case}: masks"], axis=-1, count=size[1]).astype(bool)
    np.testing.assert_allclose(answer.logits[:, ::2, ::2], golden[f"{case}: logits"], atol=1e-4)
    np.testing.assert_allclose(answer.scores, golden[f"{case}: scores"], atol=1e-4)
    assert mask_iou(answer.masks, masks) >= 0.9995


def same_embedding(predictor: Predictor, golden: Mapping[str, np.ndarray], size: tuple[int, int]) -> None:
    """Check every eighth channel of a predictor's embedding against a reference's."""
    embedding = predictor.embed(photo(size))
    np.testing.assert_allclose(embedding.features[0, ::8], golden["embedding"], atol=1e-4)
