"""The sizes of the Segment Anything models: one frozen dataclass each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class SamConfig:
    """The sizes of the architecture in arXiv 2304.02643, appendix A.

    Attributes:
        image_size: Side of the square, padded input, in pixels.
        patch_size: Side of a patch; the embedding grid is `image_size / patch_size` on a side.
        embed_dim: Channels of the ViT.
        depth: Number of ViT blocks.
        num_heads: Attention heads of a ViT block.
        global_attention: Indices of the blocks that attend globally; the others attend within windows.
        window_size: Side of an attention window, in patches.
        relative_positions: Whether attention adds decomposed relative positions. They would cost the small model a
            third of its speed, and its convolutions encode relative positions anyway.
        stem: How patches become tokens: "linear" as in ViT, or "conv", a stack of strided 3x3 convolutions
            ("Early Convolutions Help Transformers See Better", arXiv 2106.14881), which learns from far fewer images.
        prompt_dim: Channels of image embedding, prompt tokens and mask decoder.
        decoder_depth: Two-way attention blocks in the mask decoder.
        decoder_heads: Attention heads in the mask decoder.
        decoder_mlp_dim: Hidden channels of the token MLP in the mask decoder.
        mask_channels: Hidden channels of the mask prompt's convolutions.
        iou_hidden_dim: Hidden channels of the IoU head.
        multimask_outputs: Number of masks predicted for an ambiguous prompt.
        pixel_mean: Mean RGB subtracted from the image, 0 to 255.
        pixel_std: Standard deviation by which the image is divided.
        mask_threshold: Logit above which a pixel belongs to the mask.
        resize: How an image is fitted to the model input: the longest side scaled and the rest padded, or both sides
            stretched to a square.
        antialias: Whether stretching to a square is antialiased.
        upsampling: How low-resolution logits of a stretched image are upsampled to the image's size.
        takes_masks: Whether an earlier mask may be part of a prompt.
        takes_words: Whether words may be part of a prompt, together with points and boxes.
        pads_boxes: Whether a padding point is also added after a box, and not only after points without a box.
        logit_limit: Low-resolution logits are clamped to +/- this value before they are returned.
        pred_iou_thresh: Default threshold of the predicted IoU when everything is segmented.
        stability_score_thresh: Default threshold of the stability score when everything is segmented.
        stability_score_offset: Offset of the logit threshold, each way, in the stability score.
        box_nms_thresh: Default IoU of boxes above which two of all masks are duplicates.
        mask_nms_thresh: Default IoU of masks above which two of all masks are duplicates; 1 compares only boxes.
        min_mask_share: Default share of the image that each of all masks covers at least.
    """

    image_size: int = 1024
    patch_size: int = 16
    embed_dim: int = 768
    depth: int = 12
    num_heads: int = 12
    global_attention: tuple[int, ...] = (2, 5, 8, 11)
    window_size: int = 14
    relative_positions: bool = True
    stem: Literal["linear", "conv"] = "linear"
    prompt_dim: int = 256
    decoder_depth: int = 2
    decoder_heads: int = 8
    decoder_mlp_dim: int = 2048
    mask_channels: int = 16
    iou_hidden_dim: int = 256
    multimask_outputs: int = 3
    pixel_mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    pixel_std: tuple[float, float, float] = (58.395, 57.12, 57.375)
    mask_threshold: float = 0.0
    resize: Literal["longest side", "square"] = "longest side"
    antialias: bool = True
    upsampling: Literal["bilinear", "bicubic"] = "bilinear"
    takes_masks: bool = True
    takes_words: bool = False
    pads_boxes: bool = False
    logit_limit: float = math.inf
    pred_iou_thresh: float = 0.88
    stability_score_thresh: float = 0.95
    stability_score_offset: float = 1.0
    box_nms_thresh: float = 0.7
    mask_nms_thresh: float = 1.0
    min_mask_share: float = 0.0

    @property
    def grid_size(self) -> int:
        """Side of the image embedding, in tokens."""
        return self.image_size // self.patch_size

    @property
    def mask_size(self) -> int:
        """Side of the low-resolution mask logits, both input and output: four logits per token side."""
        return 4 * self.grid_size


@dataclass(frozen=True)
class Sam2Config(SamConfig):
    """The sizes of SAM 2 (Ravi et al., arXiv 2408.00714) for images: a hierarchical trunk instead of a plain ViT.

    `embed_dim` and `num_heads` are those of the first stage and double with each further stage; `window_size` and
    `depth` are unused.

    Attributes:
        stages: Number of blocks of each stage; each stage halves the grid of the previous one.
        windows: Side of an attention window of each stage, in tokens.
        background_size: Grid of the background position embedding, which is interpolated (arXiv 2311.05613).
        stability_delta: Offset of the two thresholds whose masks are compared for stability.
        stability_threshold: Stability below which the single mask is replaced by the best of the three.
    """

    embed_dim: int = 96
    num_heads: int = 1
    global_attention: tuple[int, ...] = (5, 7, 9)
    stages: tuple[int, ...] = (1, 2, 7, 2)
    windows: tuple[int, ...] = (8, 4, 14, 7)
    background_size: tuple[int, int] = (7, 7)
    stability_delta: float = 0.05
    stability_threshold: float = 0.98
    resize: Literal["longest side", "square"] = "square"
    pads_boxes: bool = True
    logit_limit: float = 32.0
    pred_iou_thresh: float = 0.8


@dataclass(frozen=True)
class TinyVitConfig(SamConfig):
    """The sizes of MobileSAM (Zhang et al., arXiv 2306.14289): a TinyViT (arXiv 2207.10666) instead of the ViT.

    Attributes:
        widths: Channels of each stage.
        depths: Blocks of each stage.
        heads: Attention heads of each stage; the first stage is convolutional.
        windows: Side of an attention window of each stage, in tokens.
    """

    widths: tuple[int, ...] = (64, 128, 160, 320)
    depths: tuple[int, ...] = (2, 2, 6, 2)
    heads: tuple[int, ...] = (2, 4, 5, 10)
    windows: tuple[int, ...] = (7, 7, 14, 7)


@dataclass(frozen=True)
class EfficientSamConfig(SamConfig):
    """The sizes of EfficientSAM (Xiong et al., arXiv 2312.00863): a plain ViT, global attention in every block.

    Attributes:
        position_grid: Side of the position embedding's grid, learned at 224 px and interpolated to the image's grid.
        prompt_tokens: Number of tokens to which prompts are padded.
    """

    embed_dim: int = 192
    num_heads: int = 3
    global_attention: tuple[int, ...] = tuple(range(12))
    window_size: int = 0
    relative_positions: bool = False
    resize: Literal["longest side", "square"] = "square"
    antialias: bool = False
    upsampling: Literal["bilinear", "bicubic"] = "bicubic"
    takes_masks: bool = False
    position_grid: int = 14
    prompt_tokens: int = 6


@dataclass(frozen=True)
class TinyConfig(SamConfig):
    """The sizes of the embedded model: a trunk of four levels and a feature pyramid instead of SAM's ViT.

    `embed_dim`, `depth` and `num_heads` are those of a plain ViT, if that is the trunk; the other sizes of SAM's ViT
    are unused.

    Attributes:
        trunk: timm's name of the trunk, or "vit".
        context_depth: Number of pairs of a convolutional and an attention block on the embedding, in the neck.
        fine_dims: Channels of the features of stride 4 and 8 that the mask decoder adds while upscaling.
    """

    image_size: int = 384
    trunk: str = "tf_efficientnet_lite2"
    context_depth: int = 2
    fine_dims: tuple[int, int] = (16, 64)
    prompt_dim: int = 128
    decoder_heads: int = 4
    decoder_mlp_dim: int = 512
    iou_hidden_dim: int = 128
    pixel_mean: tuple[float, float, float] = (127.0, 127.0, 127.0)
    pixel_std: tuple[float, float, float] = (128.0, 128.0, 128.0)
    # Its scores are lower than SAM's, and its logits closer to zero. Of its masks, boxes say little: a whole and its
    # part often have the same. See "Everything mode" in weights/tiny.md.
    pred_iou_thresh: float = 0.35
    stability_score_thresh: float = 0.8
    stability_score_offset: float = 0.1
    box_nms_thresh: float = 1.0
    mask_nms_thresh: float = 0.6
    min_mask_share: float = 0.0005


VIT_B = SamConfig()
VIT_L = SamConfig(embed_dim=1024, depth=24, num_heads=16, global_attention=(5, 11, 17, 23))
VIT_H = SamConfig(embed_dim=1280, depth=32, num_heads=16, global_attention=(7, 15, 23, 31))
SAM2_TINY = Sam2Config()
SAM2_SMALL = Sam2Config(stages=(1, 2, 11, 2), global_attention=(7, 10, 13))
SAM2_BASE_PLUS = Sam2Config(
    embed_dim=112, num_heads=2, stages=(2, 3, 16, 3), global_attention=(12, 16, 20), background_size=(14, 14)
)
SAM2_LARGE = Sam2Config(
    embed_dim=144, num_heads=2, stages=(2, 6, 36, 4), global_attention=(23, 33, 43), windows=(8, 4, 16, 8)
)
MOBILE = TinyVitConfig()
EFFICIENT_TI = EfficientSamConfig()
EFFICIENT_S = EfficientSamConfig(embed_dim=384, num_heads=6)
TINY = TinyConfig()
# Variants with other trunks, for comparison: the encoder of a masked autoencoder of the same size as ours, and
# convolutions followed by attention (EfficientViT, Cai et al., arXiv 2205.14756).
TINY_PLAIN = TinyConfig(
    trunk="vit",
    embed_dim=192,
    depth=8,
    num_heads=6,
    pixel_mean=SamConfig.pixel_mean,
    pixel_std=SamConfig.pixel_std,
)
TINY_HYBRID = TinyConfig(trunk="efficientvit_b1")
# A window of 16 x 16 tokens covers a 256 px image, or a quarter of a 512 px one: windowed blocks trained at 256 px work
# unchanged in a larger model.
TINY_VIT = SamConfig(
    image_size=256,
    embed_dim=192,
    depth=8,
    num_heads=6,
    global_attention=(3, 7),
    window_size=16,
    relative_positions=False,
    stem="conv",
    prompt_dim=128,
    decoder_heads=4,
    decoder_mlp_dim=512,
    iou_hidden_dim=128,
)
# The smallest that lessons train in a minute: a plain ViT, as SAM's, of the size of their masked autoencoder.
SAM_LESSON = SamConfig(
    image_size=64,
    patch_size=8,
    embed_dim=96,
    depth=4,
    num_heads=4,
    global_attention=(0, 1, 2, 3),
    window_size=0,
    relative_positions=False,
    prompt_dim=64,
    decoder_heads=4,
    decoder_mlp_dim=128,
    iou_hidden_dim=64,
)
