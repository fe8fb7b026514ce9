"""SAM 2 (Ravi et al., arXiv 2408.00714) on single images, without its memory for videos."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sam_widget.model.config import SAM2_BASE_PLUS, SAM2_LARGE, SAM2_SMALL, SAM2_TINY, Sam2Config
from sam_widget.model.hiera import HieraEncoder
from sam_widget.model.mask_decoder import MaskDecoder, Mlp, classify_pixels, per_prompt
from sam_widget.model.sam import ImageFeatures, Sam


class Sam2Masks(NamedTuple):
    """The output of SAM 2's decoder for B prompts.

    Attributes:
        masks: (B, 4, 4g, 4g) logits.
        scores: (B, 4) predicted IoUs.
        object_score: (B, 1) logit of an object being visible; in training on single images, it always is.
    """

    masks: Tensor
    scores: Tensor
    object_score: Tensor


class Sam2MaskDecoder(MaskDecoder):
    """SAM's mask decoder with high-resolution features and an object score (paper, appendix D.1).

    Parameter names follow the published checkpoints.
    """

    def __init__(self, config: Sam2Config) -> None:
        super().__init__(config)
        self.config = config
        dim = config.prompt_dim
        self.obj_score_token = nn.Embedding(1, dim)
        self.pred_obj_score_head = Mlp(dim, dim, 1, 3)
        self.conv_s0 = nn.Conv2d(dim, dim // 8, kernel_size=1)
        self.conv_s1 = nn.Conv2d(dim, dim // 4, kernel_size=1)

    def project(self, finest: Tensor, fine: Tensor) -> tuple[Tensor, Tensor]:
        """Project the levels of stride 4 and 8 to the decoder's widths, dim / 8 and dim / 4, once per image."""
        return self.conv_s0(finest), self.conv_s1(fine)

    def forward(
        self, image: Tensor, image_pe: Tensor, sparse: Tensor, dense: Tensor, high_resolution: tuple[Tensor, ...] = ()
    ) -> tuple[Tensor, Tensor]:
        """Decode like `MaskDecoder.forward`; `high_resolution` is the result of `project`.

        Outside training, an unstable mask for an unambiguous prompt (index 0) is replaced by the best of the three.
        """
        masks, scores, _ = self.predict(image, image_pe, sparse, dense, high_resolution)
        return (masks, scores) if self.training else self._prefer_stable(masks, scores)

    def predict(
        self, image: Tensor, image_pe: Tensor, sparse: Tensor, dense: Tensor, high_resolution: tuple[Tensor, ...]
    ) -> Sam2Masks:
        """Decode without replacing unstable masks."""
        output_tokens = torch.cat([self.obj_score_token.weight, self.iou_token.weight, self.mask_tokens.weight])
        tokens, embedded = self.attend(output_tokens, image, image_pe, sparse, dense)
        upscaled = self.upscale(embedded, high_resolution)
        return Sam2Masks(
            masks=classify_pixels(self.hypernetworks(tokens[:, 2:]), upscaled),
            scores=self.iou_prediction_head(tokens[:, 1]).sigmoid(),
            object_score=self.pred_obj_score_head(tokens[:, 0]),
        )

    def upscale(self, embedded: Tensor, high_resolution: tuple[Tensor, ...] = ()) -> Tensor:
        """Upscale image features fourfold, adding the finer levels: (B, dim, g, g) to (B, dim / 8, 4g, 4g)."""
        finest, fine = (per_prompt(level, len(embedded)) for level in high_resolution)
        first, norm, act, second, last_act = self.output_upscaling
        upscaled = act(norm(first(embedded) + fine))  # (B, dim / 4, 2g, 2g)
        return last_act(second(upscaled) + finest)  # type: ignore[no-any-return]  # (B, dim / 8, 4g, 4g)

    def _prefer_stable(self, masks: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        # Stability is the IoU of the masks at a slightly higher and a slightly lower threshold.
        delta = self.config.stability_delta
        inner = (masks[:, 0] > delta).sum(dim=(1, 2))
        outer = (masks[:, 0] > -delta).sum(dim=(1, 2))
        stable = inner >= self.config.stability_threshold * outer  # also true if both are empty
        index = torch.where(stable, 0, 1 + scores[:, 1:].argmax(dim=1))
        rows = torch.arange(len(masks), device=masks.device)
        masks = torch.cat([masks[rows, index][:, None], masks[:, 1:]], dim=1)
        return masks, torch.cat([scores[rows, index][:, None], scores[:, 1:]], dim=1)


class Sam2(Sam):
    """SAM 2's image encoder, prompt encoder and mask decoder, joined as in its image predictor."""

    config: Sam2Config
    mask_decoder: Sam2MaskDecoder

    def __init__(self, config: Sam2Config, *, name: str = "sam2") -> None:
        super().__init__(config, name=name, encoder=HieraEncoder(config), decoder=Sam2MaskDecoder(config))
        # Added to video frames without memories, and to single images.
        self.no_mem_embed = nn.Parameter(torch.zeros(1, 1, config.prompt_dim))

    def encode(self, pixels: Tensor, *, image_encoder: nn.Module | None = None) -> ImageFeatures:
        """Embed images at stride 16, and project the finer levels for the decoder."""
        encoder: Any = image_encoder or self.image_encoder
        levels = encoder.forward_features(self.standardised(pixels))
        finest, fine, embedding = (self.for_decoder(level) for level in levels)
        return ImageFeatures(embedding + self.no_mem_embed.view(1, -1, 1, 1), self.mask_decoder.project(finest, fine))


def sam2_hiera_tiny() -> Sam2:
    """Build SAM 2.1 with the smallest trunk."""
    return Sam2(SAM2_TINY, name="sam2.1_hiera_tiny")


def sam2_hiera_small() -> Sam2:
    """Build SAM 2.1 with the second smallest trunk."""
    return Sam2(SAM2_SMALL, name="sam2.1_hiera_small")


def sam2_hiera_base_plus() -> Sam2:
    """Build SAM 2.1 with the second largest trunk."""
    return Sam2(SAM2_BASE_PLUS, name="sam2.1_hiera_base_plus")


def sam2_hiera_large() -> Sam2:
    """Build SAM 2.1 with the largest trunk."""
    return Sam2(SAM2_LARGE, name="sam2.1_hiera_large")
