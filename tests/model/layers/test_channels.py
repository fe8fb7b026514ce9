from __future__ import annotations

import torch
from timm.layers.norm import LayerNorm2d as Theirs

from sam_widget.model.layers.channels import LayerNorm2d


def test_every_pixel_is_normalised_over_its_channels_as_timm_does() -> None:
    torch.manual_seed(0)
    ours, theirs = LayerNorm2d(8), Theirs(8)
    for norm in (ours, theirs):
        torch.nn.init.constant_(norm.weight, 1.5)
        torch.nn.init.constant_(norm.bias, 0.25)
    x = torch.randn(2, 8, 5, 3)
    assert torch.equal(ours(x), theirs(x))
