"""A cache of values that depend only on the image, for all prompts on it."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

T = TypeVar("T")


class _Entry(NamedTuple):
    images: list[weakref.ref[Tensor]]
    marks: list[Any]
    weights: Sequence[Tensor]  # kept alive so that their addresses are not reused
    value: Any


class PerImageCache(Generic[T]):
    """Caches one value computed from the last image and the current weights. Copies and pickles start empty."""

    def __init__(self) -> None:
        self._entry: _Entry | None = None

    def get(self, images: Sequence[Tensor], weights: Sequence[Tensor], make: Callable[[], T]) -> T:
        """Return `make()`, or its last result if neither images nor weights have changed.

        Args:
            images: Features of an image, compared by identity.
            weights: Everything else the value depends on, compared by address and version, so that training, loading
                and moving weights all count as a change.
            make: Computes the value. With gradients enabled it is always called.
        """
        if torch.is_grad_enabled() or torch.compiler.is_dynamo_compiling() or any(w.is_inference() for w in weights):
            return make()
        marks = [(id(w), w.data_ptr(), w._version) for w in weights]  # noqa: SLF001  torch has no public name for it
        entry = self._entry
        if (
            entry is not None
            and entry.marks == marks
            and len(entry.images) == len(images)
            and all(ref() is image for ref, image in zip(entry.images, images, strict=True))
        ):
            cached: T = entry.value
            return cached
        value = make()
        self._entry = _Entry([weakref.ref(image) for image in images], marks, weights, value)
        return value

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return type(self), ()


def weights_of(*modules: nn.Module) -> list[Tensor]:
    """Return the parameters of modules, several times faster than `parameters`."""
    found: list[Tensor] = []
    for module in modules:
        found += [weight for weight in module._parameters.values() if weight is not None]  # noqa: SLF001  faster than torch's public iterators
        found += weights_of(*module.children())
    return found
