"""The image encoder: a timm ViT with windowed and global attention, and SAM's convolutional neck."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from sam_widget.model.config import SamConfig
from sam_widget.model.layers.channels import LayerNorm2d

if TYPE_CHECKING:
    from timm.models.vision_transformer_sam import VisionTransformerSAM


def image_encoder(config: SamConfig) -> VisionTransformerSAM:
    """Build the image encoder: (B, 3, S, S) normalised pixels to (B, prompt_dim, grid, grid).

    timm's `samvit_*` (the ViT of "Exploring Plain Vision Transformer Backbones for Object Detection",
    arXiv 2203.16527, with decomposed relative positions) already has SAM's neck; only the sizes are ours.
    """
    # Not above: timm takes more than a second to import, and `tiny` does without.
    from timm.models.vision_transformer_sam import VisionTransformerSAM

    # timm's types only allow a norm's class, not a partial with a smaller epsilon.
    kwargs: dict[str, Any] = {"norm_layer": partial(nn.LayerNorm, eps=1e-6)}
    if config.stem == "conv":
        kwargs["embed_layer"] = ConvStem
    return VisionTransformerSAM(
        img_size=config.image_size,
        patch_size=config.patch_size,
        embed_dim=config.embed_dim,
        depth=config.depth,
        num_heads=config.num_heads,
        use_rel_pos=config.relative_positions,
        window_size=config.window_size,
        global_attn_indexes=config.global_attention,
        neck_chans=config.prompt_dim,
        num_classes=0,
        **kwargs,
    )


class ConvStem(nn.Module):
    """Tokens from strided 3x3 convolutions instead of one linear map per patch (arXiv 2106.14881).

    Each convolution halves the side and doubles the channels: (B, 3, S, S) to (B, S/p, S/p, embed_dim).
    """

    def __init__(self, img_size: int, patch_size: int, in_chans: int, embed_dim: int, **_: Any) -> None:
        super().__init__()
        self.grid_size = (img_size // patch_size, img_size // patch_size)
        halvings = patch_size.bit_length() - 1
        layers: list[nn.Module] = []
        channels = in_chans
        for step in range(halvings):
            width = max(embed_dim >> (halvings - 1 - step), 32)
            layers += [nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False), LayerNorm2d(width), nn.GELU()]
            channels = width
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels, embed_dim, kernel_size=1))

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens (B, S/p, S/p, embed_dim) of images (B, 3, S, S)."""
        return self.layers(x).permute(0, 2, 3, 1)  # type: ignore[no-any-return]


def resample_positions(state: dict[str, Tensor], config: SamConfig) -> dict[str, Tensor]:
    """Resample the position tables of an image encoder that was trained at another image size to fit `config`.

    Absolute positions (1, g, g, C) are interpolated bicubically, the relative positions (2g - 1, C) of global blocks
    linearly. Windowed blocks keep theirs: a window has the same size at every image size.
    """
    resampled = dict(state)
    for name, table in state.items():
        if name.endswith("pos_embed") and table.shape[1] != config.grid_size:
            grid = table.permute(0, 3, 1, 2)
            grid = nn.functional.interpolate(grid, size=(config.grid_size,) * 2, mode="bicubic", antialias=True)
            resampled[name] = grid.permute(0, 2, 3, 1).contiguous()
        elif ".rel_pos_" in name:
            block = int(name.split("blocks.")[1].split(".")[0])
            side = config.grid_size if block in config.global_attention else config.window_size
            if table.shape[0] != 2 * side - 1:
                line = nn.functional.interpolate(table.T[None], size=2 * side - 1, mode="linear")
                resampled[name] = line[0].T.contiguous()
    return resampled


def normalise(pixels: Tensor, config: SamConfig) -> Tensor:
    """Standardise pixels (B, 3, h, w) of 0..255 and pad them with zeros on the right and below: (B, 3, S, S)."""
    mean = torch.tensor(config.pixel_mean, device=pixels.device).view(1, 3, 1, 1)
    std = torch.tensor(config.pixel_std, device=pixels.device).view(1, 3, 1, 1)
    height, width = pixels.shape[-2:]
    padding = (0, config.image_size - width, 0, config.image_size - height)
    return nn.functional.pad((pixels.float() - mean) / std, padding)
