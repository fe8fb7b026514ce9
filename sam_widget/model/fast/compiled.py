"""A mask decoder that is compiled while it is in use: clicks are answered meanwhile."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from sam_widget.model.mask_decoder import MaskDecoder

_LOG = logging.getLogger(__name__)
# Prompts of more kinds than torch compiles one function for stay as they are.
_KINDS = 8


class CompiledDecoder:
    """Answers as the mask decoder does, compiled where it is ready and as it is where it is not.

    Compiled code is for one kind of arguments: their shapes, strides and types. Arguments of a kind that has not been
    seen are answered at once, and compiled for in a background thread. Where the compiler fails it is not asked again.

    Attributes:
        begun: The kinds that are compiled for, each with the thread that does.
    """

    def __init__(self, decoder: MaskDecoder, *, backend: str | Callable[..., Any] = "inductor") -> None:
        self._decoder = decoder
        self._compiled: Callable[..., tuple[Tensor, Tensor]] = torch.compile(decoder, backend=backend, dynamic=False)
        self.begun: dict[Any, threading.Thread] = {}
        self._ready: set[Any] = set()
        self._failed = False
        self._compiler = threading.Lock()

    def __call__(self, *arguments: Any) -> tuple[Tensor, Tensor]:
        """Decode; see `MaskDecoder.forward`."""
        kind = _kind(arguments)
        if kind in self._ready and not self._failed:
            try:
                return self._compiled(*arguments)
            except Exception:  # noqa: BLE001  whatever a compiler's code may raise
                self._give_up()
        elif kind not in self.begun and len(self.begun) < _KINDS and not self._failed:
            thread = threading.Thread(target=self._compile, args=(kind, arguments), daemon=True)
            if self.begun.setdefault(kind, thread) is thread:
                thread.start()
        decoded: tuple[Tensor, Tensor] = self._decoder(*arguments)
        return decoded

    def join(self) -> None:
        """Wait until everything begun is compiled, as a benchmark wants to."""
        for thread in tuple(self.begun.values()):
            thread.join()

    def _compile(self, kind: Any, arguments: tuple[Any, ...]) -> None:
        with self._compiler, torch.inference_mode():
            if self._failed:
                return
            try:
                self._compiled(*arguments)
            except Exception:  # noqa: BLE001  no compiler on this machine, an unsupported operation, no memory
                self._give_up()
            else:
                self._ready.add(kind)

    def _give_up(self) -> None:
        self._failed = True
        _LOG.warning("the mask decoder cannot be compiled and runs as it is", exc_info=True)


def _kind(arguments: tuple[Any, ...]) -> Any:
    tensors: list[Tensor] = tree_leaves(arguments)
    return tuple((t.shape, t.stride(), t.dtype, t.device, t.is_inference()) for t in tensors)
