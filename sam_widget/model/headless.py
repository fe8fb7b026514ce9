"""A model without its image encoder: what answers prompts on embeddings that were made on another machine.

The decoder of a SAM has 4 million parameters, its image encoder up to 637 million. A server sends the former once, and
then only embeddings; clicks need neither a GPU nor a network.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from sam_widget.errors import ModelError
from sam_widget.model.checkpoint import fill
from sam_widget.model.layers.unfilled import unfilled
from sam_widget.model.lora import PREFIX
from sam_widget.model.sam import Sam
from sam_widget.model.tuned import ENCODER, TunedWeights, Tuning
from sam_widget.model.zoo import BUILDERS, best_device, telling_of_memory

FORMAT = "sam_widget.decoder.1"
# Prefixes of the tensors of the model itself, or of the base of a tuned model, and of those that were tuned.
_MODEL, _TUNED = "model.", "tuned."


class _Facts(msgspec.Struct, frozen=True, kw_only=True):
    """The text next to the tensors.

    Attributes:
        name: Name of the model.
        architecture: Name of the function in `BUILDERS` that builds it.
        weights_id: Identifies the weights.
        encoder_id: Identifies the image encoder.
        base: Name of the base of a tuned model.
        base_weights_id: Identifies the weights of the base.
        tuning: How a tuned model differs from its base.
    """

    name: str
    architecture: str
    weights_id: str
    encoder_id: str
    base: str = ""
    base_weights_id: str = ""
    tuning: Tuning | None = None


class Elsewhere(nn.Module):
    """Takes the place of an image encoder that is on another machine."""

    def forward_features(self, _pixels: Tensor) -> Tensor:
        """Refuse.

        Raises:
            ModelError: Always.
        """
        raise ModelError(
            "this model has no image encoder: a server embeds its images. Give the predictor to Session or SamWidget, "
            "or load the whole model with load_model"
        )


def pack(model: Sam) -> bytes:
    """Return a safetensors file of a model without its image encoder; `unpack` reads it.

    Raises:
        ModelError: The model is not one that `load_model` loads, or its tuning changed the image encoder.
    """
    tuned = model.tuned
    whole = model if model.later is None else model.later.base
    base_weights_id = whole.weights_id
    if isinstance(tuned, TunedWeights) and model.later is None:  # it has the decoder of its base
        base_weights_id = tuned.tuning.base_weights
    facts = _Facts(
        name=model.name,
        architecture=architecture_of(whole),
        weights_id=model.weights_id,
        encoder_id=model.encoder_id,
        base=whole.name,
        base_weights_id=base_weights_id,
        tuning=tuned.tuning if isinstance(tuned, TunedWeights) else None,
    )
    tensors = {_MODEL + key: value for key, value in whole.state_dict().items() if not key.startswith(ENCODER)}
    if isinstance(tuned, TunedWeights):
        if any(key.startswith(ENCODER) for key in tuned.tensors):
            raise ModelError(f"the tuning of {model.name} changed its image encoder; serve models without one")
        tensors |= {_TUNED + key: value for key, value in tuned.tensors.items() if not key.startswith(PREFIX)}
    metadata = {"format": FORMAT, "facts": json.dumps(msgspec.to_builtins(facts), sort_keys=True)}
    return save({key: value.detach().cpu().contiguous() for key, value in tensors.items()}, metadata)


def unpack(path: Path, *, device: str | torch.device | None = None) -> Sam:
    """Load a file that `pack` made: a model in evaluation mode that decodes, and does not encode.

    Args:
        path: Path of the file.
        device: None picks cuda, mps or cpu, in this order.

    Raises:
        ModelError: The file is damaged, or of a newer version.
    """
    facts, tensors = _read(path)
    builders = {build.__name__: build for _, build in BUILDERS}
    if facts.architecture not in builders:
        raise ModelError(f"{facts.name} is a {facts.architecture}, which this version does not know; update sam_widget")
    where = torch.device(device) if device is not None else best_device()
    base = _built(builders[facts.architecture])
    fill(base, _under(_MODEL, tensors), path)
    base.name, base.weights_id = facts.base or facts.name, facts.base_weights_id or facts.weights_id
    base.encoder_id = facts.encoder_id
    base.to(dtype=torch.float32)
    with telling_of_memory(base, where):
        base.to(device=where)
    base.eval().requires_grad_(requires_grad=False)
    if facts.tuning is None:
        return base
    model = TunedWeights(facts.tuning, _under(_TUNED, tensors)).apply(base, name=facts.name)
    model.weights_id = facts.weights_id
    return model


def architecture_in(packed: bytes) -> str:
    """Return the name of the architecture in a file that `pack` made."""
    # A safetensors file begins with the length of its header, which is JSON.
    header = json.loads(packed[8 : 8 + int.from_bytes(packed[:8], "little")])
    return str(json.loads(header["__metadata__"]["facts"])["architecture"])


def _read(path: Path) -> tuple[_Facts, dict[str, Tensor]]:
    again = "connect again, with the same version of sam_widget as the server"
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise ModelError(f"{path} is not a decoder of this version; {again}")
            facts = msgspec.convert(json.loads(metadata["facts"]), _Facts)
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, ValueError, msgspec.ValidationError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{path} cannot be read as a decoder ({error}); {again}") from error
    return facts, tensors


def _built(build: Callable[[], Sam]) -> Sam:
    with unfilled():
        model = build()
    model.image_encoder = Elsewhere()
    return model


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    # Copied, because tensors in a file are not aligned as torch aligns them, and are then multiplied differently: the
    # last bits of logits would not be those of the server.
    return {key.removeprefix(prefix): value.clone() for key, value in tensors.items() if key.startswith(prefix)}


def architecture_of(model: Sam) -> str:
    """Return the name of the builder whose model has the same tensors; of the base, if the model was tuned.

    Raises:
        ModelError: There is none.
    """
    model = model if model.later is None else model.later.base
    ours = {key: value.shape for key, value in model.state_dict().items()}
    named = [build for _, build in BUILDERS if build.__name__ == model.name.replace(".", "_")]
    for build in (*named, *(build for config, build in BUILDERS if config == model.config)):
        with unfilled():
            built: Any = build()
        if {key: value.shape for key, value in built.state_dict().items()} == ours:
            return build.__name__
    raise ModelError(f"{model.name} is not one of the architectures of `models()`; serve one of those")
