"""timm's SAM ViT with attention and MLPs that stay within a CPU's cache."""

from __future__ import annotations

from typing import Any

from timm.layers.mlp import Mlp
from timm.models.vision_transformer_sam import Block, VisionTransformerSAM
from torch import Tensor, nn

from sam_widget.model.fast.relative_attention import relative_attention
from sam_widget.model.fast.twin import Kinds, twin
from sam_widget.model.layers.token_maps import TokenLinear, TokenMlp


class Contiguous(nn.Module):
    """Makes tokens (B, H, W, C) contiguous in memory.

    A convolution's output is contiguous per channel; every sum of the residual stream would inherit that layout, and
    every norm would make a copy.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        return x.contiguous()


class FastViT(VisionTransformerSAM):  # type: ignore[misc]
    """Makes tokens contiguous once, before the first block."""

    norm_pre: nn.Module

    def prepare(self) -> None:
        """Insert `Contiguous` in the slot of timm's pre-norm."""
        self.norm_pre = nn.Sequential(self.norm_pre, Contiguous())


class FastBlock(Block):  # type: ignore[misc]
    """Attends piece by piece if there are relative positions, and maps tokens one band at a time."""

    mlp: nn.Module
    attn: Any
    window_size: int

    def prepare(self) -> None:
        """Swap attention and MLP."""
        self.mlp = twin(self.mlp, {Mlp: TokenMlp, nn.Linear: TokenLinear})
        if self.attn.use_rel_pos:
            self.attn = relative_attention(self.attn, window_size=self.window_size)
            self.window_size = 0  # The attention partitions into windows itself.
        else:
            self.attn = twin(self.attn, {nn.Linear: TokenLinear})


VIT: Kinds = {VisionTransformerSAM: FastViT, Block: FastBlock}
