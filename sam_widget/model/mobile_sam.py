"""MobileSAM (Zhang et al., arXiv 2306.14289): SAM with a distilled TinyViT as its image encoder."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from sam_widget.model.config import MOBILE, TinyVitConfig
from sam_widget.model.layers.channels import LayerNorm2d
from sam_widget.model.sam import Sam


class TinyVitEncoder(nn.Module):
    """A timm TinyViT (arXiv 2207.10666) that ends at stride 16, and SAM's neck."""

    def __init__(self, config: TinyVitConfig) -> None:
        super().__init__()
        # Not above: timm takes more than a second to import, and other models do without.
        from timm.models.tiny_vit import TinyVit

        # Built on the CPU even under the meta device, because its table of offsets is computed rather than loaded.
        with torch.device("cpu"):
            trunk: Any = TinyVit(
                num_classes=0,
                embed_dims=config.widths,
                depths=config.depths,
                num_heads=config.heads,
                window_sizes=config.windows,
            )
        trunk.head = nn.Identity()
        # MobileSAM's fourth stage keeps the grid of the third.
        trunk.stages[-1].downsample.conv2.conv.stride = (1, 1)
        self.trunk = trunk
        dim = config.prompt_dim
        self.neck = nn.Sequential(
            nn.Conv2d(config.widths[-1], dim, kernel_size=1, bias=False),
            LayerNorm2d(dim),
            nn.Conv2d(dim, dim, kernel_size=3, padding=1, bias=False),
            LayerNorm2d(dim),
        )

    def forward_features(self, x: Tensor) -> Tensor:
        """Map normalised pixels (I, 3, S, S) to (I, prompt_dim, g, g)."""
        return self.neck(self.trunk.forward_features(x))  # type: ignore[no-any-return]


class MobileSam(Sam):
    """SAM with a TinyViT as its image encoder."""

    def __init__(self, config: TinyVitConfig, *, name: str = "mobile_sam") -> None:
        super().__init__(config, name=name, encoder=TinyVitEncoder(config))


def mobile_sam() -> MobileSam:
    """Build MobileSAM (10 M parameters, 1024 px)."""
    return MobileSam(MOBILE)
