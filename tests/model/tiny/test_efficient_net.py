"""The trunk is timm's EfficientNet-Lite2, to the bit."""

from __future__ import annotations

import timm
import torch

from sam_widget.model.tiny.efficient_net import EfficientNetLite


def test_weights_and_features_are_those_of_timm() -> None:
    torch.manual_seed(0)
    theirs = timm.create_model("tf_efficientnet_lite2", features_only=True, out_indices=(-4, -3, -2, -1)).eval()
    for norm in (each for each in theirs.modules() if isinstance(each, torch.nn.BatchNorm2d)):
        norm.running_mean.uniform_(-0.1, 0.1)
        norm.running_var.uniform_(0.5, 2)
    ours = EfficientNetLite().eval()
    ours.load_state_dict(theirs.state_dict())
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert ours.channels == tuple(theirs.feature_info.channels())
    # An odd side, where TensorFlow's padding is not even, and one that is not a multiple of 32.
    for height, width in ((96, 64), (75, 50)):
        pixels = torch.randn(2, 3, height, width)
        with torch.inference_mode():
            assert all(torch.equal(a, b) for a, b in zip(ours(pixels), theirs(pixels), strict=True))
