"""Tokens are mapped as timm and torch map them."""

from __future__ import annotations

import copy

import pytest
import torch
from timm.layers.mlp import Mlp
from torch import nn
from torch.nn.functional import gelu

from sam_widget.model.fast.twin import twin
from sam_widget.model.layers import token_maps
from sam_widget.model.layers.token_maps import TokenLinear, TokenMlp
from tests.model.references import seeded

TOKENS: dict[type[nn.Module], type[nn.Module]] = {nn.Linear: TokenLinear, Mlp: TokenMlp}
DTYPES = {torch.float32: 1e-5, torch.bfloat16: 2e-2}


@pytest.mark.parametrize("laid", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_tokens_are_mapped_as_by_a_linear_map(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, laid: bool) -> None:
    if not laid:  # As where torch is built without oneDNN.
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    linear = seeded(torch.nn.Linear(12, 20))
    ours = twin(copy.deepcopy(linear), TOKENS).to(dtype)
    x = torch.randn(2, 3, 5, 12, generator=torch.Generator().manual_seed(0))
    assert dict(ours.named_parameters()).keys() == {"weight", "bias"}
    with torch.inference_mode():
        for tokens in (x, x[0, 0], x.transpose(1, 2)):
            expected, given = linear(tokens), tokens.to(dtype)
            torch.testing.assert_close(ours(given).float(), expected, atol=DTYPES[dtype], rtol=0)
            with_gelu = ours.laid_out(given[..., :1, :], gelu=True)(given)
            torch.testing.assert_close(with_gelu.float(), gelu(expected), atol=DTYPES[dtype], rtol=0)


@pytest.mark.parametrize("band", [4, 30, 1000])
@pytest.mark.parametrize("dtype", DTYPES)
def test_some_tokens_at_a_time_are_mapped_the_same(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, band: int
) -> None:
    monkeypatch.setattr(token_maps, "BAND", band)
    mlp = seeded(Mlp(12, 40))
    x = torch.randn(2, 3, 5, 12, generator=torch.Generator().manual_seed(0))
    expected = mlp(x)
    ours = twin(mlp, TOKENS)
    torch.testing.assert_close(ours(x), expected, atol=1e-5, rtol=0)  # where gradients are wanted
    with torch.inference_mode():
        torch.testing.assert_close(ours.to(dtype)(x.to(dtype)).float(), expected, atol=DTYPES[dtype], rtol=0)
