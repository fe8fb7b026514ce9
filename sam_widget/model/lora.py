"""Low-rank adaptation (LoRA, Hu et al., arXiv 2106.09685) of an image encoder: W + BA instead of W in its attention.

It takes the layers that compute queries, keys and values: in SAM's ViT, in SAM 2's Hiera, in the attention of `tiny`.
The library for this, peft, brings transformers and accelerate along, and wraps layers in classes with other names:
neither the fast twins, which are found by class, nor checkpoints would fit them. torch's parametrizations do the same
in a few lines, and what learns is the merged weight itself, so that nothing changes when it is merged for good.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

RANK = 4
# Names of the tensors in a file: `lora.<name of the layer>.down` (r, in) and `.up` (out, r).
PREFIX, DOWN, UP = "lora.", ".down", ".up"
_LAYER = "qkv"


class LowRank(nn.Module):
    """A weight (out, in) plus the product of two small matrices, which is zero at first."""

    def __init__(self, weight: Tensor, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        out, into = weight.shape
        drawn = torch.randn(rank, into, generator=generator) / into**0.5
        self.down = nn.Parameter(drawn.to(weight.device))
        self.up = nn.Parameter(torch.zeros(out, rank, device=weight.device))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the adapted weight, of the same type."""
        return merged(weight, self.down, self.up)


def merged(weight: Tensor, down: Tensor, up: Tensor) -> Tensor:
    """Return W + BA in the type of W, computed in float32: bfloat16 would lose small differences before the sum."""
    return (weight.float() + up.float() @ down.float()).to(weight.dtype)


def layers_of(encoder: nn.Module) -> dict[str, nn.Linear]:
    """Return the layers that can be adapted, by name."""
    return {
        name: layer
        for name, layer in encoder.named_modules()
        if name.rpartition(".")[2] == _LAYER and isinstance(layer, nn.Linear)
    }


def adapt(encoder: nn.Module, *, rank: int = RANK, seed: int = 0) -> dict[str, nn.Parameter]:
    """Let an encoder compute with adapted weights.

    Args:
        encoder: Changed in place; nothing else of it learns.
        rank: Rank of the difference.
        seed: Determines the values at first.

    Returns:
        The parameters that learn, under their names in a file; empty if the encoder has no attention.
    """
    generator = torch.Generator().manual_seed(seed)
    encoder.requires_grad_(requires_grad=False)
    learned: dict[str, nn.Parameter] = {}
    for name, layer in layers_of(encoder).items():
        low_rank = LowRank(layer.weight, rank, generator)
        parametrize.register_parametrization(layer, "weight", low_rank)
        learned[f"{PREFIX}{name}{DOWN}"], learned[f"{PREFIX}{name}{UP}"] = low_rank.down, low_rank.up
    return learned


def is_adapted(tensors: Mapping[str, Tensor]) -> bool:
    """Whether the tensors of a tuned model change the image encoder."""
    return any(name.startswith(PREFIX) for name in tensors)


def scaled(tensors: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """Return tensors whose products are a share of those given."""
    return {name: value * share if name.endswith(UP) else value for name, value in tensors.items()}


def merged_weights(encoder: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the adapted weights of an encoder, by their names in it; it is not changed.

    Raises:
        ValueError: The tensors do not fit it.
    """
    layers, found = layers_of(encoder), {}
    names = {name.removeprefix(PREFIX).rpartition(".")[0] for name in tensors}
    for name in sorted(names):
        down, up = tensors.get(f"{PREFIX}{name}{DOWN}"), tensors.get(f"{PREFIX}{name}{UP}")
        if name not in layers or down is None or up is None:
            raise ValueError(f"the encoder has no layer {name}, or the file lacks one of its two matrices")
        weight = layers[name].weight
        if (up.shape[0], down.shape[1]) != weight.shape or up.shape[1] != down.shape[0]:
            raise ValueError(f"the difference of {name} is of another shape")
        found[f"{name}.weight"] = merged(weight, down.to(weight.device), up.to(weight.device))
    return found
