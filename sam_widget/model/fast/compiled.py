"""A mask decoder that is compiled in the background, while the uncompiled one answers clicks."""

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
# Limit of torch's variants per compiled function; further kinds of prompts run uncompiled.
_KINDS = 8


class CompiledDecoder:
    """Runs the mask decoder compiled where compiled code is ready, and uncompiled elsewhere.

    Compiled code is specific to one kind of arguments, their shapes, strides and types, and to torch's number of
    threads. Arguments of a new kind run uncompiled while a background thread compiles for them. If the compiler fails,
    it is not used again.

    Attributes:
        begun: The kinds compiled so far or in progress, each with its thread.
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
        """Wait for all compilation in progress, such as before a benchmark."""
        for thread in tuple(self.begun.values()):
            thread.join()

    def _compile(self, kind: Any, arguments: tuple[Any, ...]) -> None:
        # A new thread has a number of its own, and code compiled with that would be compiled again for the click.
        torch.set_num_threads(kind[0])
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
        _LOG.warning("the mask decoder cannot be compiled; it runs uncompiled", exc_info=True)


def _kind(arguments: tuple[Any, ...]) -> Any:
    tensors: list[Tensor] = tree_leaves(arguments)
    return torch.get_num_threads(), *((t.shape, t.stride(), t.dtype, t.device, t.is_inference()) for t in tensors)
