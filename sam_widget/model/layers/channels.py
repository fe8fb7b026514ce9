"""A layer norm over the channels of a feature map."""

from __future__ import annotations

from torch import Tensor, nn


class LayerNorm2d(nn.LayerNorm):
    """Normalises every pixel of (B, C, h, w) over its channels, as SAM's neck and decoder do.

    The same as timm's, which cannot be had without importing all of timm and torchvision.
    """

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__(channels, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C, h, w)."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
