"""Attention piece by piece gives what timm's attention gives."""

from __future__ import annotations

import pytest
import torch
from timm.models.vision_transformer_sam import Attention as TimmAttention
from timm.models.vision_transformer_sam import window_partition, window_unpartition

from sam_widget.model.fast.relative_attention import RelativeAttention, relative_attention
from tests.model.references import seeded

# On a processor, and as on a GPU; in pieces of a row of a head, of some, and of all.
WAYS = [("_PIECE_CPU", "_attend_in_cache"), ("_PIECE_GPU", "_attend_at_once")]
DTYPES = {torch.float32: 1e-5, torch.bfloat16: 2e-2}


@pytest.mark.parametrize("piece", [1, 2 * 9 * 7 * 9 * 4, 1 << 20])
@pytest.mark.parametrize(("pieces", "way"), WAYS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_at_a_time_attend_the_same(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, pieces: str, way: str, piece: int
) -> None:
    monkeypatch.setattr(RelativeAttention, pieces, piece)
    attention = seeded(TimmAttention(32, 2, use_rel_pos=True, input_size=(7, 9)))
    x = torch.randn(3, 7, 9, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected, ours = attention(x), relative_attention(attention.to(dtype))
        given = getattr(ours, way)(x.to(dtype))
        torch.testing.assert_close(given.float(), expected, atol=DTYPES[dtype], rtol=0)
        torch.testing.assert_close(ours(x.to(dtype)).float(), expected, atol=DTYPES[dtype], rtol=0)


# On a processor a row of windows at a time, on a GPU in pieces.
@pytest.mark.parametrize(
    ("way", "piece"), [("_attend_in_cache", 0), *(("_attend_at_once", piece) for piece in (1, 3 * 4**4, 1 << 20))]
)
@pytest.mark.parametrize("size", [(7, 9), (8, 4), (2, 3)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_windows_attend_as_windows_of_a_padded_grid(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, size: tuple[int, int], way: str, piece: int
) -> None:
    monkeypatch.setattr(RelativeAttention, "_PIECE_GPU", piece)
    attention = seeded(TimmAttention(32, 2, use_rel_pos=True, input_size=(4, 4)))
    x = torch.randn(2, *size, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        windows, padded = window_partition(x, 4)
        expected = window_unpartition(attention(windows), 4, size, padded)
        ours = relative_attention(attention.to(dtype), window_size=4)
        given = getattr(ours, way)(x.to(dtype))
        torch.testing.assert_close(given.float(), expected, atol=DTYPES[dtype], rtol=0)


def test_rows_at_a_time_can_be_trained() -> None:
    attention = seeded(TimmAttention(32, 2, use_rel_pos=True, input_size=(7, 7)))
    x = torch.randn(1, 7, 7, 32, generator=torch.Generator().manual_seed(0))
    attention(x).square().sum().backward()
    expected = attention.rel_pos_h.grad.clone()
    attention.zero_grad()
    relative_attention(attention)(x).square().sum().backward()
    torch.testing.assert_close(attention.rel_pos_h.grad, expected, atol=1e-4, rtol=1e-4)
