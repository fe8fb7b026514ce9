"""Tensor names of published checkpoints: one function per layout, which renames its keys to ours."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

State = dict[str, Tensor]


@dataclass(frozen=True)
class Layout:
    """A naming scheme for the tensors of a checkpoint.

    Attributes:
        name: Name of the layout in error messages.
        marks: Keys that every checkpoint of this layout has, and that distinguish it from the others.
        to_ours: Renames a state dict.
    """

    name: str
    marks: tuple[str, ...]
    to_ours: Callable[[State], State]


def rename(state: Mapping[str, Tensor], rules: Sequence[tuple[str, str]], *, drop: str = r"(?!)") -> State:
    """Apply rules, pairs of a regular expression and its replacement, to every key; drop keys that match `drop`."""
    dropped = re.compile(drop)
    compiled = [(re.compile(pattern), replacement) for pattern, replacement in rules]
    renamed: State = {}
    for original, tensor in state.items():
        if dropped.match(original):
            continue
        key = original
        for pattern, replacement in compiled:
            key = pattern.sub(replacement, key)
        renamed[key] = tensor
    return renamed


# ------------------------------------------------------------------------------------------------ SAM and HQ-SAM


def from_meta_sam(state: State) -> State:
    """Rename SAM's and HQ-SAM's own keys; only those of the ViT's MLPs, which are timm's here, differ."""
    return rename(state, [(r"^(image_encoder\.blocks\.\d+\.mlp)\.lin([12])\.", r"\1.fc\2.")])


# Both generations of Hugging Face models share these names of the prompt encoder and the mask decoder.
_HUGGING_FACE = [
    (r"\.shared_embedding\.positional_embedding$", ".pe_layer.positional_encoding_gaussian_matrix"),
    (r"^prompt_encoder\.mask_embed\.conv1\.", "prompt_encoder.mask_downscaling.0."),
    (r"^prompt_encoder\.mask_embed\.layer_norm1\.", "prompt_encoder.mask_downscaling.1."),
    (r"^prompt_encoder\.mask_embed\.conv2\.", "prompt_encoder.mask_downscaling.3."),
    (r"^prompt_encoder\.mask_embed\.layer_norm2\.", "prompt_encoder.mask_downscaling.4."),
    (r"^prompt_encoder\.mask_embed\.conv3\.", "prompt_encoder.mask_downscaling.6."),
    (r"^prompt_encoder\.point_embed\.", "prompt_encoder.point_embeddings."),
    (r"^mask_decoder\.upscale_conv1\.", "mask_decoder.output_upscaling.0."),
    (r"^mask_decoder\.upscale_layer_norm\.", "mask_decoder.output_upscaling.1."),
    (r"^mask_decoder\.upscale_conv2\.", "mask_decoder.output_upscaling.3."),
    (r"^(mask_decoder\.transformer\..*)layer_norm(\d|_final_attn)\.", r"\1norm\2."),
    (r"^(mask_decoder\.transformer\..*)\.o_proj\.", r"\1.out_proj."),
    (r"^(mask_decoder\.transformer\.layers\.\d+\.mlp)\.proj_in\.", r"\1.lin1."),
    (r"^(mask_decoder\.transformer\.layers\.\d+\.mlp)\.proj_out\.", r"\1.lin2."),
    # Heads of three layers: proj_in, layers.0, proj_out.
    (r"^(mask_decoder\.(?!transformer).*)\.layers\.0\.", r"\1.layers.1."),
    (r"^(mask_decoder\.(?!transformer).*)\.proj_in\.", r"\1.layers.0."),
    (r"^(mask_decoder\.(?!transformer).*)\.proj_out\.", r"\1.layers.2."),
    (r"^mask_decoder\.hq_token\.", "mask_decoder.hf_token."),
    (r"^mask_decoder\.hq_mask_mlp\.", "mask_decoder.hf_mlp."),
    (r"^mask_decoder\.compress_vit_conv1\.", "mask_decoder.compress_vit_feat.0."),
    (r"^mask_decoder\.compress_vit_norm\.", "mask_decoder.compress_vit_feat.1."),
    (r"^mask_decoder\.compress_vit_conv2\.", "mask_decoder.compress_vit_feat.3."),
    (r"^mask_decoder\.encoder_conv1\.", "mask_decoder.embedding_encoder.0."),
    (r"^mask_decoder\.encoder_norm\.", "mask_decoder.embedding_encoder.1."),
    (r"^mask_decoder\.encoder_conv2\.", "mask_decoder.embedding_encoder.3."),
    (r"^mask_decoder\.mask_conv1\.", "mask_decoder.embedding_maskfeature.0."),
    (r"^mask_decoder\.mask_norm\.", "mask_decoder.embedding_maskfeature.1."),
    (r"^mask_decoder\.mask_conv2\.", "mask_decoder.embedding_maskfeature.3."),
]


def _untied(state: State) -> State:
    """Keep one of the two copies of the random Fourier features; files with tied weights have only the shared one."""
    untied = dict(state)
    shared = untied.pop("shared_image_embedding.positional_embedding")
    untied.setdefault("prompt_encoder.shared_embedding.positional_embedding", shared)
    return untied


def from_hugging_face_sam(state: State) -> State:
    """Rename the keys of `transformers.SamModel` and `transformers.SamHQModel`."""
    return rename(
        _untied(state),
        [
            (r"^vision_encoder\.layers\.(\d+)\.layer_norm([12])\.", r"image_encoder.blocks.\1.norm\2."),
            (r"^vision_encoder\.layers\.(\d+)\.mlp\.lin([12])\.", r"image_encoder.blocks.\1.mlp.fc\2."),
            (r"^vision_encoder\.layers\.", "image_encoder.blocks."),
            (r"^vision_encoder\.patch_embed\.projection\.", "image_encoder.patch_embed.proj."),
            (r"^vision_encoder\.neck\.conv1\.", "image_encoder.neck.0."),
            (r"^vision_encoder\.neck\.layer_norm1\.", "image_encoder.neck.1."),
            (r"^vision_encoder\.neck\.conv2\.", "image_encoder.neck.2."),
            (r"^vision_encoder\.neck\.layer_norm2\.", "image_encoder.neck.3."),
            (r"^vision_encoder\.", "image_encoder."),
            *_HUGGING_FACE,
        ],
    )


# ------------------------------------------------------------------------------------------------ SAM 2


def from_meta_sam2(state: State) -> State:
    """Rename the keys of SAM 2's and 2.1's own checkpoints, without the weights for videos."""
    return rename(
        state,
        [
            (r"^(image_encoder\.trunk\.blocks\.\d+\.mlp)\.layers\.0\.", r"\1.fc1."),
            (r"^(image_encoder\.trunk\.blocks\.\d+\.mlp)\.layers\.1\.", r"\1.fc2."),
            (r"^(image_encoder\.neck\.convs\.\d+)\.conv\.", r"\1."),
            (r"^sam_(prompt_encoder|mask_decoder)\.", r"\1."),
            (r"^(mask_decoder\.transformer\.layers\.\d+\.mlp)\.layers\.0\.", r"\1.lin1."),
            (r"^(mask_decoder\.transformer\.layers\.\d+\.mlp)\.layers\.1\.", r"\1.lin2."),
        ],
        drop=r"memory_|maskmem_|mask_downsample|obj_ptr_|no_obj_|no_mem_pos_enc",
    )


def from_hugging_face_sam2(state: State) -> State:
    """Rename the keys of `transformers.Sam2Model` and `Sam2VideoModel`, without the weights for videos."""
    points = "prompt_encoder.point_embed.weight"
    untied = _untied(state)
    table = untied.pop(points)
    untied |= {f"prompt_encoder.point_embed.{i}.weight": row[None].clone() for i, row in enumerate(table)}
    return rename(
        untied,
        [
            (r"^no_memory_embedding$", "no_mem_embed"),
            (r"^vision_encoder\.backbone\.patch_embed\.projection\.", "image_encoder.trunk.patch_embed.proj."),
            (r"^vision_encoder\.backbone\.(.*)\.layer_norm([12])\.", r"image_encoder.trunk.\1.norm\2."),
            (r"^vision_encoder\.backbone\.(.*)\.mlp\.proj_in\.", r"image_encoder.trunk.\1.mlp.fc1."),
            (r"^vision_encoder\.backbone\.(.*)\.mlp\.proj_out\.", r"image_encoder.trunk.\1.mlp.fc2."),
            (r"^vision_encoder\.backbone\.", "image_encoder.trunk."),
            (r"^vision_encoder\.neck\.", "image_encoder.neck."),
            *_HUGGING_FACE,
        ],
        drop=r"memory_|mask_downsample|object_pointer_|no_object_|no_memory_pos|temporal_|occlusion_",
    )


# ------------------------------------------------------------------------------------------------ MobileSAM


def from_mobile_sam(state: State) -> State:
    """Rename MobileSAM's keys: its stages end with the next stage's downsampling, timm's begin with their own."""
    trunk = "image_encoder.trunk"
    renamed = rename(
        state,
        [
            (r"^image_encoder\.patch_embed\.seq\.0\.", f"{trunk}.patch_embed.conv1."),
            (r"^image_encoder\.patch_embed\.seq\.2\.", f"{trunk}.patch_embed.conv2."),
            (r"^image_encoder\.layers\.(\d+)\.blocks\.", rf"{trunk}.stages.\1.blocks."),
            (r"^(image_encoder\..*)\.c\.weight$", r"\1.conv.weight"),
        ],
        drop=r"image_encoder\.(norm_head|head)\.|image_encoder\..*\.(attention_bias_idxs|ab)$",
    )
    return {
        re.sub(
            r"^image_encoder\.layers\.(\d+)\.downsample\.",
            lambda match: f"{trunk}.stages.{int(match[1]) + 1}.downsample.",
            key,
        ): tensor
        for key, tensor in renamed.items()
    }


# ------------------------------------------------------------------------------------------------ EfficientSAM


def from_efficient_sam(state: State) -> State:
    """Rename EfficientSAM's keys, and reshape the positions to a grid, without the unused one of a class token."""
    renamed = rename(
        state,
        [
            (r"^image_encoder\.pos_embed$", "image_encoder.patch_embed.pos_embed"),
            (r"^prompt_encoder\.invalid_points\.", "prompt_encoder.not_a_point_embed."),
            (r"^prompt_encoder\.point_embeddings\.", "prompt_encoder.point_embeddings.0."),
            (r"^prompt_encoder\.bbox_top_left_embeddings\.", "prompt_encoder.point_embeddings.1."),
            (r"^prompt_encoder\.bbox_bottom_right_embeddings\.", "prompt_encoder.point_embeddings.2."),
            (r"^(mask_decoder\.transformer\..*\.mlp)\.layers\.0\.0\.", r"\1.lin1."),
            (r"^(mask_decoder\.transformer\..*\.mlp)\.fc\.", r"\1.lin2."),
            (r"^mask_decoder\.final_output_upscaling_layers\.0\.", "mask_decoder.output_upscaling."),
            (r"^mask_decoder\.final_output_upscaling_layers\.1\.0\.", "mask_decoder.output_upscaling.3."),
            # Heads of three layers: layers.0.0, layers.1.0, fc.
            (r"^(mask_decoder\.(?!transformer).*\.layers\.\d)\.0\.", r"\1."),
            (r"^(mask_decoder\.(?!transformer).*)\.fc\.", r"\1.layers.2."),
        ],
    )
    key = "image_encoder.patch_embed.pos_embed"
    line = renamed[key][:, 1:]  # (1, n * n, C)
    side = math.isqrt(line.shape[1])
    renamed[key] = line.transpose(1, 2).reshape(1, line.shape[2], side, -1).contiguous()
    return renamed


def _ours(state: State) -> State:
    return dict(state)


_SAM2_TRUNK = "image_encoder.trunk.patch_embed.proj.weight"
# If a checkpoint matches several layouts, the first is used: extensions of SAM's ViT come before it.
LAYOUTS = (
    Layout("EfficientSAM", ("mask_decoder.final_output_upscaling_layers.0.0.weight",), from_efficient_sam),
    Layout("sam_widget's SAM", ("image_encoder.blocks.0.mlp.fc1.weight",), _ours),
    Layout("sam_widget's SAM 2", (_SAM2_TRUNK, "mask_decoder.iou_token.weight"), _ours),
    Layout("sam_widget's MobileSAM", ("image_encoder.trunk.patch_embed.conv1.conv.weight",), _ours),
    Layout("sam_widget's tiny", ("image_encoder.trunk.conv_stem.weight", "prompt_maps.0.scale"), _ours),
    Layout("Meta's SAM and HQ-SAM", ("image_encoder.blocks.0.mlp.lin1.weight",), from_meta_sam),
    Layout("Meta's SAM 2", (_SAM2_TRUNK, "sam_mask_decoder.iou_token.weight"), from_meta_sam2),
    Layout(
        "Hugging Face's SamModel and SamHQModel",
        ("vision_encoder.layers.0.mlp.lin1.weight", "shared_image_embedding.positional_embedding"),
        from_hugging_face_sam,
    ),
    Layout(
        "Hugging Face's Sam2Model",
        (
            "vision_encoder.backbone.patch_embed.projection.weight",
            "shared_image_embedding.positional_embedding",
            "prompt_encoder.point_embed.weight",
        ),
        from_hugging_face_sam2,
    ),
    Layout("MobileSAM", ("image_encoder.patch_embed.seq.0.c.weight",), from_mobile_sam),
)
