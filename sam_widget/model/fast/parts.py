"""Fast versions of a model's parts, for `Sam.encode` and `Sam.decode`."""

from __future__ import annotations

import sys
from typing import Any

from torch import nn

from sam_widget.model.fast.positions import FastPositionEmbedding
from sam_widget.model.fast.twin import Kinds, twin
from sam_widget.model.fast.two_way import FastAttention, FastTwoWayTransformer
from sam_widget.model.fast.upscaling import FastMaskDecoder
from sam_widget.model.mask_decoder import Attention, MaskDecoder, TwoWayTransformer
from sam_widget.model.prompt_encoder import PositionEmbeddingRandom
from sam_widget.model.sam import Sam

FAST: Kinds = {
    PositionEmbeddingRandom: FastPositionEmbedding,
    Attention: FastAttention,
    TwoWayTransformer: FastTwoWayTransformer,
    # Exactly this class, because SAM 2, HQ-SAM and EfficientSAM upscale differently.
    MaskDecoder: FastMaskDecoder,
}


class FastParts:
    """Fast twins of a model's parts, in evaluation mode; each is created on first use and shares the weights."""

    def __init__(self, model: Sam) -> None:
        self._model = model
        self._twins: dict[str, tuple[nn.Module, Any]] = {}

    @property
    def image_encoder(self) -> Any:
        """The image encoder for `Sam.encode`."""
        return self._twin("image_encoder")

    @property
    def prompt_encoder(self) -> Any:
        """The prompt encoder for `Sam.decode`."""
        return self._twin("prompt_encoder")

    @property
    def mask_decoder(self) -> Any:
        """The mask decoder for `Sam.decode`, which can also be compiled."""
        return self._twin("mask_decoder")

    def _twin(self, name: str) -> Any:
        part = getattr(self._model, name)
        known = self._twins.get(name)
        if known is None or known[0] is not part:
            known = self._twins[name] = part, twin(part, _kinds()).eval()
        return known[1]


def _kinds() -> Kinds:
    # timm takes more than a second to import. A model that has its ViT has imported it.
    if "timm.models.vision_transformer_sam" not in sys.modules:
        return FAST
    from sam_widget.model.fast.vit import VIT

    return {**FAST, **VIT}
