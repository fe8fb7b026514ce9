"""Names the regions of an image: the ImageNet classifier that the trunk of `tiny` comes from.

The head of EfficientNet-Lite2 (Tan and Le, arXiv 1905.11946) is applied to features that are averaged under a mask
instead of over the whole crop, so that it names the region and not its surroundings.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, linear, relu6


class Namer(nn.Module):
    """Classifies regions of images as ImageNet's 1,000 classes."""

    def __init__(self, trunk: nn.Module, *, width: int = 352, hidden: int = 1280, classes: int = 1000) -> None:
        """Build the classifier.

        Args:
            trunk: Maps pixels to a list of features, of which the last, of stride 32, are used.
            width: Channels of those features.
            hidden: Channels of what is pooled.
            classes: Number of classes.
        """
        super().__init__()
        # Kept out of the module's own parameters: it belongs to `tiny`.
        self._trunk = (trunk,)
        self.head = nn.Linear(width, hidden)
        self.classes = nn.Linear(hidden, classes)

    def features(self, pixels: Tensor) -> Tensor:
        """Map RGB (B, 3, h, w) in 0 to 255, sides multiples of 32, to features (B, hidden, h / 32, w / 32)."""
        trunk: Any = self._trunk[0]
        coarsest = trunk(pixels / 127.5 - 1)[-1]
        return relu6(linear(coarsest.movedim(1, -1), self.head.weight, self.head.bias)).movedim(-1, 1)

    def pool(self, features: Tensor, masks: Tensor) -> Tensor:
        """Average features (N, hidden, h, w) under masks (N, H, W) of the same crops: (N, hidden)."""
        height, width = features.shape[2:]
        share = adaptive_avg_pool2d(masks[:, None].to(features.dtype), (height, width))
        # A mask smaller than a cell still weighs the cells that it touches.
        return (features * share).sum((2, 3)) / share.sum((2, 3)).clamp(min=1e-6)

    def probabilities(self, pooled: Tensor, expected: Tensor | None = None) -> Tensor:
        """Map pooled features (N, hidden) to the classes' probabilities (N, classes).

        Args:
            pooled: See `pool`.
            expected: How often each class is expected, relative to its frequency in ImageNet (classes,); all alike if
                not given.
        """
        logits = self.classes(pooled).float()
        return torch.softmax(logits if expected is None else logits + expected.log(), dim=1)
