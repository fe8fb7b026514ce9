"""Modules without initial weights, for checkpoints to fill."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_DRAWS = {Tensor.normal_, Tensor.uniform_, nn.init.normal_, nn.init.uniform_, nn.init.kaiming_uniform_}


def unfilled() -> AbstractContextManager[Any]:
    """Build modules on the meta device, and draw no random weights.

    Drawing them there would give nothing, but torch would import its compiler for that, which takes a second.
    """
    stack = ExitStack()
    stack.enter_context(torch.device("meta"))
    stack.enter_context(_WithoutDraws())
    return stack


class _WithoutDraws(TorchFunctionMode):
    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if func in _DRAWS:
            return args[0] if args else given["tensor"]
        if func is torch.randn:
            return torch.empty(*args, **given)
        return func(*args, **given)
