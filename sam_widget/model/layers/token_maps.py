"""Maps of tokens, each by itself, on thousands of tokens: the linear layers of a ViT, as fast as a processor can."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from timm.layers.mlp import Mlp
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.functional import linear

# Tokens at a time, whose thousands of channels stay in a processor's cache from one map to the next. What is larger
# than 32 MB, moreover, is given back to the system by C's allocator, and every page of it is cleared again.
BAND = 1024


class TokenLinear(nn.Linear):
    """A linear map of tokens, (..., in_features) to (..., out_features)."""

    def __init__(self, layer: nn.Linear) -> None:
        """Take over the parameters of a linear map."""
        super().__init__(layer.in_features, layer.out_features, bias=layer.bias is not None, device="meta")
        self.weight, self.bias = layer.weight, layer.bias

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens."""
        return self.laid_out(x)(x)

    def laid_out(self, x: Tensor, *, gelu: bool = False) -> Callable[[Tensor], Tensor]:
        """Return this map, and maybe a GELU after it, for several times as many tokens as these; see `laid_out`."""
        return laid_out(self.weight, self.bias, x, gelu=gelu)


class TokenMlp(nn.Module):
    """Two linear maps with a GELU between."""

    def __init__(self, mlp: Mlp) -> None:
        """Take over the parameters of timm's, under the same names."""
        super().__init__()
        self.fc1, self.fc2 = TokenLinear(mlp.fc1), TokenLinear(mlp.fc2)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., dim) to (..., dim), on a processor some tokens at a time."""
        tokens = x.reshape(-1, x.shape[-1])
        bands = torch.split(tokens, BAND) if x.device.type == "cpu" else (tokens,)
        widen, narrow = self.fc1.laid_out(bands[0], gelu=True), self.fc2.laid_out(bands[0])
        return torch.cat([narrow(widen(band)) for band in bands]).view(x.shape)


def laid_out(weight: Tensor, bias: Tensor | None, x: Tensor, *, gelu: bool = False) -> Callable[[Tensor], Tensor]:
    """Return the linear map of a weight (out, in), for several times as many tokens (..., in) as these.

    On a processor oneDNN lays out the weight for that many, which takes next to no time, and then multiplies up to a
    sixth faster than the library for matrices (MKL) does on AMD's processors; in half precision it adds the bias as it
    goes, where torch would first fill the output with it. A GELU on what is in the registers anyway costs a tenth.

    Args:
        weight: Of type and device of the tokens.
        bias: (out,), or None.
        x: Some of the tokens.
        gelu: Whether a GELU follows.
    """
    fit = x.dtype == torch.float32 or (x.dtype == torch.bfloat16 and computes_in_bfloat16())
    usual = torch.is_grad_enabled() or torch.is_autocast_enabled(x.device.type) or torch.compiler.is_dynamo_compiling()
    if x.device.type != "cpu" or not fit or usual or not _lays_out():
        return lambda tokens: _gelu(linear(tokens, weight, bias)) if gelu else linear(tokens, weight, bias)
    laid = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), x.numel() // x.shape[-1])  # noqa: SLF001
    after: tuple[Any, ...] = ("gelu", [], "none") if gelu else ("none", [], "")

    def product(tokens: Tensor) -> Tensor:
        made: Tensor = torch.ops.mkldnn._linear_pointwise(tokens.contiguous(), laid, bias, *after)  # noqa: SLF001
        return made

    return product


def _gelu(x: Tensor) -> Tensor:
    """Apply a GELU, which writes over its input where nobody will ask for gradients: half the memory."""
    return functional.gelu(x) if torch.is_grad_enabled() else torch.ops.aten.gelu_(x)  # type: ignore[no-any-return]


def computes_in_bfloat16() -> bool:
    """Return whether this processor has instructions for products in bfloat16 (AVX512-BF16)."""
    supported: bool = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    return supported


def _lays_out() -> bool:
    """Return whether torch was built with oneDNN and the operations that `torch.compile` uses of it."""
    built: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return built and hasattr(torch.ops.mkldnn, "_linear_pointwise")
