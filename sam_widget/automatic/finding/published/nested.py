"""Nested outputs of models as named tensors, for files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sam_widget.errors import ModelError


def flattened(value: Any, name: str) -> dict[str, Tensor]:
    """Return the tensors in nested dicts, lists and tuples, each named by its place, such as "seen.features.0"."""
    if isinstance(value, Tensor):
        return {name: value}
    parts = value.items() if isinstance(value, Mapping) else enumerate(value)
    return {key: tensor for place, part in parts for key, tensor in flattened(part, f"{name}.{place}").items()}


def rebuilt(tensors: Mapping[str, Tensor], name: str, device: torch.device) -> Any:
    """Return what `flattened` was given, on a device; lists come back as tuples.

    Raises:
        ModelError: There is nothing of that name.
    """
    if name in tensors:
        return tensors[name].to(device)
    start = f"{name}."
    places = list(dict.fromkeys(key.removeprefix(start).split(".")[0] for key in tensors if key.startswith(start)))
    if not places:
        raise ModelError(f"the features have no {name!r}; measure the image again")
    if not all(place.isdecimal() for place in places):
        return {place: rebuilt(tensors, start + place, device) for place in places}
    return tuple(rebuilt(tensors, start + place, device) for place in sorted(places, key=int))
