from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from sam_widget.model.config import TINY
from sam_widget.model.layers.unfilled import unfilled
from sam_widget.model.tiny.tiny import Tiny
from sam_widget.model.zoo import PUBLISHED

# What importing takes longer than to load `tiny` and to embed a photo.
SLOW = ("timm", "torchvision", "torch._dynamo", "sympy")
FIRST_CLICK = f"""
import sys, numpy as np, sam_widget as sw
session = sw.Session(sw.sample("cat"), model="tiny")
session.click(175, 130)
assert len(session.candidates) == 3
print([name for name in {SLOW} if name in sys.modules])
"""


@pytest.mark.parametrize("name", ["mobile_sam", "efficient_sam_ti", "sam2.1_hiera_tiny"])
def test_parts_and_shapes_are_those_of_a_model_with_weights(name: str) -> None:
    with unfilled():
        model = PUBLISHED[name].build()
    filled = PUBLISHED[name].build()
    shapes = {key: tensor.shape for key, tensor in filled.state_dict().items()}
    assert {key: tensor.shape for key, tensor in model.state_dict().items()} == shapes
    assert all(parameter.is_meta for parameter in model.mask_decoder.parameters())


def test_nothing_is_drawn() -> None:
    before = torch.get_rng_state()
    with unfilled():
        assert Tiny(TINY).prompt_encoder.pe_layer.positional_encoding_gaussian_matrix.is_meta
        assert nn.init.normal_(tensor=torch.empty(3)).is_meta
    assert torch.equal(torch.get_rng_state(), before)
    assert not nn.Linear(2, 2).weight.is_meta


def test_a_first_click_waits_for_no_library_that_it_does_without() -> None:
    done = subprocess.run([sys.executable, "-c", FIRST_CLICK], capture_output=True, text=True, check=False, timeout=120)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
