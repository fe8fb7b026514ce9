"""A plain ViT as the trunk of the embedded model: a masked autoencoder's encoder with a feature pyramid."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from sam_widget.model.config import TinyConfig
from sam_widget.model.layers.channels import LayerNorm2d
from sam_widget.model.mae import sincos_positions


class PlainVit(nn.Module):
    """The encoder of a masked autoencoder without masking: class token, blocks with global attention, norm."""

    def __init__(self, config: TinyConfig) -> None:
        super().__init__()
        dim, side, norm = config.embed_dim, config.grid_size, partial(nn.LayerNorm, eps=1e-6)
        self.patch_embed: Any = nn.ModuleDict({"proj": nn.Conv2d(3, dim, config.patch_size, stride=config.patch_size)})
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        positions = sincos_positions(dim, side)[:, 1:]  # the class token's is zero
        self.pos_embed = nn.Parameter(positions.reshape(1, side, side, dim))  # (1, g, g, C)
        self.blocks: Any = nn.Sequential(
            *(Block(dim, config.num_heads, qkv_bias=True, norm_layer=norm) for _ in range(config.depth))
        )
        self.norm = norm(dim)
        self._initialise()

    def _initialise(self) -> None:
        for module in self.blocks.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        projection = self.patch_embed["proj"]
        nn.init.xavier_uniform_(projection.weight.data.view(projection.out_channels, -1))
        nn.init.normal_(self.cls_token, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised pixels (B, 3, S, S) to tokens (B, C, g, g)."""
        tokens = self.patch_embed["proj"](x).permute(0, 2, 3, 1) + self.pos_embed  # (B, g, g, C)
        with_class = torch.cat([self.cls_token.expand(len(x), -1, -1), tokens.flatten(1, 2)], dim=1)  # (B, 1 + g*g, C)
        encoded = self.norm(self.blocks(with_class))[:, 1:]
        return encoded.transpose(1, 2).unflatten(2, tokens.shape[1:3])


class VitTrunk(nn.Module):
    """A plain ViT whose last tokens are resampled to levels of stride 4 to 32.

    This is the simple feature pyramid of "Exploring Plain Vision Transformer Backbones for Object Detection"
    (arXiv 2203.16527): all levels are computed from the last tokens.

    Attributes:
        channels: Channels of the levels, finest first.
    """

    def __init__(self, config: TinyConfig) -> None:
        super().__init__()
        dim = config.embed_dim
        self.channels = (dim // 4, dim // 2, dim, dim)
        self.vit = PlainVit(config)
        self.to_finest = nn.Sequential(
            nn.ConvTranspose2d(dim, dim // 2, kernel_size=2, stride=2),
            LayerNorm2d(dim // 2),
            nn.GELU(),
            nn.ConvTranspose2d(dim // 2, dim // 4, kernel_size=2, stride=2),
        )
        self.to_fine = nn.ConvTranspose2d(dim, dim // 2, kernel_size=2, stride=2)
        self.to_coarse = nn.MaxPool2d(kernel_size=2)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map normalised pixels (B, 3, S, S) to four levels, finest first."""
        tokens = self.vit(x)
        return [self.to_finest(tokens), self.to_fine(tokens), tokens, self.to_coarse(tokens)]
