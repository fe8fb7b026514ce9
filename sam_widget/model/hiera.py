"""SAM 2's image encoder: a timm Hiera trunk and a feature pyramid without output convolutions."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.functional import interpolate

from sam_widget.model.config import Sam2Config


class FpnNeck(nn.Module):
    """Projects the trunk's stages to one width, and adds the coarsest to the next finer one.

    The two finest levels get no top-down features, because the mask decoder uses them only for detail.
    """

    def __init__(self, widths: list[int], dim: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(width, dim, kernel_size=1) for width in reversed(widths))

    def forward(self, stages: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Map four stages, finest first, to levels of stride 4, 8, 16: (I, dim, 4g, 4g), (.., 2g, 2g), (.., g, g)."""
        coarsest, middle, fine, finest = (conv(stage) for conv, stage in zip(self.convs, reversed(stages), strict=True))
        return finest, fine, middle + interpolate(coarsest, scale_factor=2.0, mode="nearest")


class HieraEncoder(nn.Module):
    """Hiera (arXiv 2306.00989) as used by SAM 2, with windowed absolute positions (arXiv 2311.05613)."""

    def __init__(self, config: Sam2Config) -> None:
        super().__init__()
        # Not above: timm takes more than a second to import, and other models do without.
        from timm.models.hieradet_sam2 import HieraDet

        trunk: Any = HieraDet(
            num_classes=0,
            embed_dim=config.embed_dim,
            num_heads=config.num_heads,
            stages=config.stages,
            window_spec=config.windows,
            global_att_blocks=config.global_attention,
            global_pos_size=config.background_size,
        )
        trunk.head = nn.Identity()
        self.trunk = trunk
        self.neck = FpnNeck([config.embed_dim << stage for stage in range(len(config.stages))], config.prompt_dim)

    def forward_features(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map normalised pixels (I, 3, S, S) to the levels of `FpnNeck.forward`."""
        levels: tuple[Tensor, Tensor, Tensor] = self.neck(self.trunk.forward_intermediates(x, intermediates_only=True))
        return levels
