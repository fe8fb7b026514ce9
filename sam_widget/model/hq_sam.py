"""HQ-SAM (Ke et al., arXiv 2306.01567): SAM with an additional output token on finer image features."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from sam_widget.model.config import VIT_B, VIT_H, VIT_L, SamConfig
from sam_widget.model.layers.channels import LayerNorm2d
from sam_widget.model.mask_decoder import MaskDecoder, Mlp, classify_pixels, per_prompt
from sam_widget.model.sam import ImageFeatures, Sam


class HqMaskDecoder(MaskDecoder):
    """SAM's mask decoder with the high-quality output token and its feature fusion (paper, section 3.2).

    Parameter names follow the published checkpoints.
    """

    def __init__(self, config: SamConfig) -> None:
        super().__init__(config)
        dim = config.prompt_dim
        self.hf_token = nn.Embedding(1, dim)
        self.hf_mlp = Mlp(dim, dim, dim // 8, 3)
        self.compress_vit_feat = nn.Sequential(  # (I, embed_dim, g, g) -> (I, dim / 8, 4g, 4g)
            nn.ConvTranspose2d(config.embed_dim, dim, kernel_size=2, stride=2),
            LayerNorm2d(dim),
            nn.GELU(),
            nn.ConvTranspose2d(dim, dim // 8, kernel_size=2, stride=2),
        )
        self.embedding_encoder = nn.Sequential(  # (I, dim, g, g) -> (I, dim / 8, 4g, 4g)
            nn.ConvTranspose2d(dim, dim // 4, kernel_size=2, stride=2),
            LayerNorm2d(dim // 4),
            nn.GELU(),
            nn.ConvTranspose2d(dim // 4, dim // 8, kernel_size=2, stride=2),
        )
        self.embedding_maskfeature = nn.Sequential(  # (B, dim / 8, 4g, 4g) to the same
            nn.Conv2d(dim // 8, dim // 4, kernel_size=3, padding=1),
            LayerNorm2d(dim // 4),
            nn.GELU(),
            nn.Conv2d(dim // 4, dim // 8, kernel_size=3, padding=1),
        )

    def fuse(self, embedding: Tensor, early: Tensor) -> Tensor:
        """Fuse the last features of the ViT (I, dim, g, g) and early ones (I, embed_dim, g, g) at four times the grid.

        The result does not depend on the prompt, so it is computed once per image: (I, dim / 8, 4g, 4g).
        """
        return self.embedding_encoder(embedding) + self.compress_vit_feat(early)  # type: ignore[no-any-return]

    def forward(
        self, image: Tensor, image_pe: Tensor, sparse: Tensor, dense: Tensor, high_resolution: tuple[Tensor, ...] = ()
    ) -> tuple[Tensor, Tensor]:
        """Decode like `MaskDecoder.forward`; `high_resolution` is the result of `fuse`.

        Each mask is SAM's plus the high-quality one. The reference returns only the best of the three, which is also
        the best one here.
        """
        output_tokens = torch.cat([self.iou_token.weight, self.mask_tokens.weight, self.hf_token.weight])
        tokens, embedded = self.attend(output_tokens, image, image_pe, sparse, dense)
        upscaled = self.upscale(embedded)
        masks = classify_pixels(self.hypernetworks(tokens[:, 1:-1]), upscaled)
        fine = self.embedding_maskfeature(upscaled) + per_prompt(high_resolution[0], len(upscaled))
        return masks + classify_pixels(self.hf_mlp(tokens[:, -1:]), fine), self.iou_prediction_head(tokens[:, 0])


class HqSam(Sam):
    """SAM with a decoder that also uses the tokens after the ViT's first global block."""

    mask_decoder: HqMaskDecoder

    def __init__(self, config: SamConfig, *, name: str = "hq_sam") -> None:
        super().__init__(config, name=name, decoder=HqMaskDecoder(config))

    def encode(self, pixels: Tensor, *, image_encoder: nn.Module | None = None) -> ImageFeatures:
        """Embed images and fuse the features for the high-quality token."""
        encoder: Any = image_encoder or self.image_encoder
        embedding, (early,) = encoder.forward_intermediates(
            self.standardised(pixels), indices=[self.config.global_attention[0]]
        )
        embedding, early = self.for_decoder(embedding), self.for_decoder(early)
        return ImageFeatures(embedding, (self.mask_decoder.fuse(embedding, early),))


def hq_vit_b() -> HqSam:
    """Build HQ-SAM ViT-B."""
    return HqSam(VIT_B, name="hq_vit_b")


def hq_vit_l() -> HqSam:
    """Build HQ-SAM ViT-L."""
    return HqSam(VIT_L, name="hq_vit_l")


def hq_vit_h() -> HqSam:
    """Build HQ-SAM ViT-H."""
    return HqSam(VIT_H, name="hq_vit_h")
