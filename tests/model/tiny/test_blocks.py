"""The blocks compute what timm's of the same weights do."""

from __future__ import annotations

import torch
from timm.models.convnext import ConvNeXtBlock
from timm.models.vision_transformer import Block
from torch import nn

from sam_widget.model.tiny.blocks import ConvBlock, TransformerBlock


def test_a_convolutional_block_is_that_of_convnext() -> None:
    torch.manual_seed(0)
    theirs = ConvNeXtBlock(16, kernel_size=5, mlp_ratio=3, ls_init_value=None, act_layer="relu").eval()
    ours = ConvBlock(16, kernel=5, ratio=3)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 16, 9, 7)
    assert torch.equal(ours(x), theirs(x))


def test_a_transformer_block_is_that_of_a_vit() -> None:
    torch.manual_seed(0)
    theirs = Block(32, 4, mlp_ratio=2, qkv_bias=True, act_layer=nn.ReLU).eval()
    ours = TransformerBlock(32, 4, ratio=2)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 11, 32)
    assert torch.equal(ours(x), theirs(x))
