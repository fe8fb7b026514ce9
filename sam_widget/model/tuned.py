"""Tuned models: the weights in which a model differs from its base, in a small file.

A model whose decoder was tuned answers clicks; other prompts are answered by its base, since what was learned is what
clicks mean (see `engine.trainer`). Embeddings of the base remain valid, because the encoder is the same. Where
the encoder was tuned instead, by low-rank differences that are merged when they are applied (`model.lora`), the model
embeds images itself, and answers every prompt. The file is a safetensors file. Its metadata names the base and the hash
of its weights, so that it is never combined with another one.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from sam_widget.atomic import write_whole
from sam_widget.errors import ModelError, StoreError
from sam_widget.model.calibration import Calibration
from sam_widget.model.fast.parts import FastParts
from sam_widget.model.lora import PREFIX, is_adapted, merged_weights
from sam_widget.model.names import without_precision
from sam_widget.model.sam import Sam

FORMAT = "sam_widget.tuned.1"
ENCODER = "image_encoder."
TOKENS, LORA = "tokens", "lora"


class Tuning(msgspec.Struct, frozen=True, kw_only=True):
    """How a tuned model differs from its base.

    Attributes:
        base: Name of the base, or path of its checkpoint.
        base_weights: Identifies the weights of the base.
        kind: "decoder", "tokens" or "lora".
        calibration: Knots of the calibration of the scores, before and after; None without.
        figures: What was measured when it was tuned.
    """

    base: str
    base_weights: str
    kind: str
    calibration: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    figures: dict[str, Any] = {}


class TunedWeights:
    """The contents of a tuned model's file.

    Attributes:
        tuning: How it differs from its base.
        tensors: The tensors that differ, in half precision.
    """

    def __init__(self, tuning: Tuning, tensors: Mapping[str, Tensor]) -> None:
        """Round the tensors to half precision, as the file has them."""
        self.tuning = tuning
        self.tensors = {name: value.detach().cpu().half().contiguous() for name, value in tensors.items()}

    @property
    def _described(self) -> str:
        return json.dumps(msgspec.to_builtins(self.tuning), sort_keys=True)

    def to_bytes(self) -> bytes:
        """Return the file."""
        return save(dict(sorted(self.tensors.items())), {"format": FORMAT, "tuning": self._described})

    @property
    def digest(self) -> str:
        """16 hexadecimal digits of the contents; the file's own bytes differ, because metadata has no order there."""
        found = hashlib.sha256(self._described.encode())
        for key in sorted(self.tensors):
            value = self.tensors[key]
            found.update(f"{key} {tuple(value.shape)}".encode())
            found.update(value.view(torch.uint8).numpy().data if value.ndim else value.numpy().tobytes())
        return found.hexdigest()[:16]

    def save(self, path: str | Path) -> None:
        """Write the file, replacing an older one only once it is complete.

        Raises:
            StoreError: The file cannot be written.
        """
        try:
            write_whole(Path(path), self.to_bytes())
        except OSError as error:
            raise StoreError(
                f"the model cannot be written to {str(path)!r} ({error.strerror or error}); choose another folder"
            ) from error

    def apply(self, base: Sam, *, name: str) -> Sam:
        """Return a copy of the base with these weights, which shares the tensors that are the same.

        Raises:
            ModelError: The base is another model, or the tensors do not fit it.
        """
        if without_precision(base.weights_id) != self.tuning.base_weights:
            raise ModelError(
                f"{name} was tuned from {self.tuning.base} with the weights {self.tuning.base_weights}, but "
                f"{base.name} has {without_precision(base.weights_id)}; load it with the version of the model that it "
                "was tuned from"
            )
        model = twin_of(base)
        model.name = name
        state = model.state_dict()
        device = next(model.mask_decoder.parameters()).device
        for key, value in self._plain(base, name).items():
            if key == TOKENS and value.ndim == 2 and value.shape[1] == model.config.prompt_dim:
                model.tokens = nn.Parameter(value.float().to(device), requires_grad=False)
            elif key in state and state[key].shape == value.shape:
                _set(model, key, value.to(state[key]))
            else:
                raise ModelError(
                    f"{name} does not fit {base.name}: it has {key} of shape {tuple(value.shape)}; it is damaged, "
                    "or made by a newer version of sam_widget"
                )
        if self.tuning.calibration is not None:
            model.calibration = Calibration(*self.tuning.calibration)
        precision = base.weights_id[len(without_precision(base.weights_id)) :]
        model.weights_id = f"{base.name}-tuned-{self.digest}{precision}"
        model.tuned = self
        if self.tuning.kind != LORA:
            model.later = Later(base)
        if not (is_adapted(self.tensors) or any(key.startswith(ENCODER) for key in self.tensors)):
            model.encoder_id = base.encoder_id
        return model.eval().requires_grad_(requires_grad=False)

    def _plain(self, base: Sam, name: str) -> dict[str, Tensor]:
        """Return tensors that replace some of the base, with low-rank differences merged."""
        plain = {key: value for key, value in self.tensors.items() if not key.startswith(PREFIX)}
        try:
            low_rank = {key: value for key, value in self.tensors.items() if key.startswith(PREFIX)}
            found = merged_weights(base.image_encoder, low_rank)
        except ValueError as error:
            raise ModelError(
                f"{name} does not fit {base.name}: {error}; it is damaged, or made by a newer version of sam_widget"
            ) from error
        return plain | {ENCODER + key: value for key, value in found.items()}


class Later:
    """Answers the prompts of a tuned model that are more than clicks, or none: its base."""

    def __init__(self, base: Sam) -> None:
        self.base = base
        self._parts = FastParts(base)

    def decode(self, image: Tensor, **given: Any) -> tuple[Tensor, Tensor]:
        """See `Sam.decode`."""
        parts = self._parts
        return self.base.decode(image, prompt_encoder=parts.prompt_encoder, mask_decoder=parts.mask_decoder, **given)


def decode(model: Sam, parts: FastParts, image: Tensor, **given: Any) -> tuple[Tensor, Tensor]:
    """Decode like `Sam.decode`, with the fast parts of the model, or with its base where that answers the prompt."""
    if model.later is not None and not only_clicks(given):
        return model.later.decode(image, **{key: value for key, value in given.items() if key != "mask_decoder"})
    mask_decoder = given.pop("mask_decoder", None) or parts.mask_decoder
    return model.decode(image, prompt_encoder=parts.prompt_encoder, mask_decoder=mask_decoder, **given)


def only_clicks(given: Mapping[str, Any]) -> bool:
    """Whether the prompts are clicks, with or without a mask; arguments as in `Sam.decode`."""
    return given.get("points") is not None and given.get("boxes") is None


def twin_of(model: Sam) -> Sam:
    """Return a model with the same parameters: it can be given others without changing the first."""
    # Parameters are shared; modules and their caches are not.
    memo: dict[int, Any] = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    return copy.deepcopy(model, memo)


def _set(model: nn.Module, key: str, value: Tensor) -> None:
    owner, _, name = key.rpartition(".")
    module = model.get_submodule(owner)
    if name in dict(module.named_parameters(recurse=False)):
        setattr(module, name, nn.Parameter(value, requires_grad=False))
    else:
        setattr(module, name, value)


def read_tuned(path: Path) -> TunedWeights | None:
    """Read the file of a tuned model; returns None for any other file.

    Raises:
        ModelError: The file is a tuned model's, and damaged.
    """
    if path.suffix != ".safetensors" or not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                return None
            tuning = msgspec.convert(json.loads(metadata["tuning"]), Tuning)
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except SafetensorError:
        return None  # reported when it is read as a checkpoint
    except (OSError, KeyError, ValueError, msgspec.ValidationError) as error:
        raise ModelError(f"{path} is damaged: it cannot be read as a tuned model ({error}); tune it again") from error
    if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
        raise ModelError(f"{path} holds weights that are not finite: its tuning diverged; tune it again")
    return TunedWeights(tuning, tensors)


def load_tuned(weights: TunedWeights, path: Path, load: Callable[[str], Sam]) -> Sam:
    """Load the base of a tuned model, and apply its weights.

    Args:
        weights: Read from `path`.
        path: Path of the file; the model is named after it.
        load: Loads the base, given its name or the path of its checkpoint.

    Raises:
        ModelError: The base cannot be loaded, or is another model than the one that was tuned.
    """
    base = weights.tuning.base
    try:
        model = load(base)
    except ModelError as error:
        raise ModelError(f"{path} was tuned from {base!r}, which cannot be loaded: {error}") from error
    return weights.apply(model, name=path.stem)


def check_finite(tensors: Mapping[str, Tensor]) -> bool:
    """Return whether all values are finite numbers, also in half precision."""
    return all(bool(torch.isfinite(value.half()).all()) for value in tensors.values())
