"""What a model makes of an image alone, kept for the prompts that follow."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

T = TypeVar("T")


class _Known(NamedTuple):
    images: list[weakref.ref[Tensor]]
    marks: list[Any]
    weights: Sequence[Tensor]  # Kept, so that nothing else takes their place in memory.
    made: Any


class OfOneImage(Generic[T]):
    """Remembers what was made of the image asked about last. Copied or pickled, it forgets."""

    def __init__(self) -> None:
        self._known: _Known | None = None

    def get(self, images: Sequence[Tensor], weights: Sequence[Tensor], make: Callable[[], T]) -> T:
        """Return what `make` makes, without calling it where nothing has changed since the last time.

        Args:
            images: Features of an image; other tensors are another image, whatever they hold.
            weights: All else that the outcome depends on. Weights that somebody goes on training are others.
            make: Is called with nothing. Where gradients are wanted it always is.
        """
        if torch.is_grad_enabled() or torch.compiler.is_dynamo_compiling() or any(w.is_inference() for w in weights):
            return make()
        marks = [(id(w), w.data_ptr(), w._version) for w in weights]  # noqa: SLF001
        known = self._known
        if (
            known is not None
            and known.marks == marks
            and len(known.images) == len(images)
            and all(ref() is image for ref, image in zip(known.images, images, strict=True))
        ):
            made: T = known.made
            return made
        made = make()
        self._known = _Known([weakref.ref(image) for image in images], marks, weights, made)
        return made

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return type(self), ()


def weights_of(*parts: nn.Module) -> list[Tensor]:
    """Return the weights of parts of a network, as `parameters` does, sooner."""
    found: list[Tensor] = []
    for part in parts:
        found += [weight for weight in part._parameters.values() if weight is not None]  # noqa: SLF001
        found += weights_of(*(child for child in part._modules.values() if child is not None))  # noqa: SLF001
    return found
