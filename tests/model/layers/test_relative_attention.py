"""Attention by the short ways gives what attention gives."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch
from timm.layers.mlp import Mlp
from timm.models.vision_transformer_sam import Attention as TimmAttention
from timm.models.vision_transformer_sam import window_partition, window_unpartition
from torch.nn.functional import gelu

from sam_widget.model import mask_decoder
from sam_widget.model.config import VIT_B
from sam_widget.model.layers import token_maps
from sam_widget.model.layers.relative_attention import RelativeAttention
from sam_widget.model.layers.token_maps import TokenLinear, TokenMlp
from sam_widget.model.mask_decoder import Attention, MaskDecoder, Seen, TwoWayAttentionBlock
from tests.model.references import seeded


@pytest.mark.parametrize("few", [1, 5, 15, 16, 40])
@pytest.mark.parametrize("way", ["from_few", "to_few"])
def test_few_tokens_attend_the_same(monkeypatch: pytest.MonkeyPatch, way: str, few: int) -> None:
    generator = torch.Generator().manual_seed(0)
    attention = seeded(Attention(128, 4, downsample_rate=2))  # four heads of 16 channels
    tokens, other = torch.randn(2, 3, few, 128, generator=generator)
    image, image_value = torch.randn(2, 3, 100, 128, generator=generator)
    given: tuple[torch.Tensor, ...]
    with torch.inference_mode():
        if way == "from_few":
            given = (tokens, image, image_value)
            expected = attention(*given)
        else:
            given = (image, tokens, other, image_value)
            expected = image_value + attention(*given[:3])
        if few < 16:  # The long way would prove nothing.
            monkeypatch.setattr(attention, "forward", None)
        torch.testing.assert_close(getattr(attention, way)(*given), expected, atol=1e-5, rtol=0)


def test_an_image_is_seen_once_and_clicks_are_answered_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    config = dataclasses.replace(VIT_B, image_size=128, prompt_dim=64, decoder_mlp_dim=64)
    decoder = seeded(MaskDecoder(config))
    generator = torch.Generator().manual_seed(0)
    image, other, positions = torch.randn(3, 1, 64, 8, 8, generator=generator)
    positions = positions.to(memory_format=torch.channels_last)  # As the prompt encoder makes them.
    no_mask = torch.randn(1, 64, 1, 1, generator=generator).expand(1, 64, 8, 8)

    def answers(features: torch.Tensor, dense: torch.Tensor = no_mask) -> None:
        """Check what the decoder says now against what it says without a memory."""
        sparse = torch.randn(1, 3, 64, generator=generator)
        with torch.inference_mode():
            masks, scores = decoder(features, positions, sparse, dense)
            expected = copy.deepcopy(decoder)(features, positions, sparse, dense.contiguous())
        torch.testing.assert_close(masks, expected[0], atol=1e-5, rtol=0)
        torch.testing.assert_close(scores, expected[1], atol=1e-5, rtol=0)

    seen: list[Seen] = []
    see = TwoWayAttentionBlock.see

    def counted(block: TwoWayAttentionBlock, *given: torch.Tensor) -> Seen:
        seen.append(see(block, *given))
        return seen[-1]

    monkeypatch.setattr(TwoWayAttentionBlock, "see", counted)
    for _ in range(3):
        answers(image)
    assert len(seen) == 1
    answers(other)
    answers(image)
    assert len(seen) == 3, "the last image alone is remembered"
    answers(image, torch.randn(1, 64, 8, 8, generator=generator))
    assert len(seen) == 3, "a mask makes each image another one"
    answers(image, (2 * no_mask[:, :, :1, :1]).expand(1, 64, 8, 8))
    answers(image)
    assert len(seen) == 5
    with torch.no_grad():
        dict(decoder.named_parameters())["transformer.layers.0.cross_attn_token_to_image.v_proj.weight"].mul_(2)
    answers(image)
    assert len(seen) == 6, "these are other weights"


def test_mixed_precision_goes_the_long_way(monkeypatch: pytest.MonkeyPatch) -> None:
    attention = seeded(Attention(128, 4, downsample_rate=2))
    the_long_way = torch.full((1, 100, 128), 7.0)
    monkeypatch.setattr(attention, "forward", lambda *_: the_long_way)
    few, many = torch.zeros(1, 5, 128), torch.zeros(1, 100, 128)
    assert attention.from_few(few.bfloat16(), many.bfloat16(), many.bfloat16()) is the_long_way
    with torch.autocast("cpu", torch.bfloat16):
        assert attention.from_few(few, many, many) is the_long_way
        assert attention.to_few(many, few, few, many + 1).eq(8).all()


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
        expected, ours = attention(x), RelativeAttention(attention.to(dtype))
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
        ours = RelativeAttention(attention.to(dtype), window_size=4)
        given = getattr(ours, way)(x.to(dtype))
        torch.testing.assert_close(given.float(), expected, atol=DTYPES[dtype], rtol=0)


@pytest.mark.parametrize("laid", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_tokens_are_mapped_as_by_a_linear_map(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, laid: bool) -> None:
    if not laid:  # As where torch is built without oneDNN.
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    linear = seeded(torch.nn.Linear(12, 20))
    ours = TokenLinear(copy.deepcopy(linear)).to(dtype)
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
    ours = TokenMlp(mlp)
    torch.testing.assert_close(ours(x), expected, atol=1e-5, rtol=0)  # where gradients are wanted
    with torch.inference_mode():
        torch.testing.assert_close(ours.to(dtype)(x.to(dtype)).float(), expected, atol=DTYPES[dtype], rtol=0)


@pytest.mark.parametrize("band", [5, 64, 1000])
def test_masks_are_made_of_some_cells_at_a_time(monkeypatch: pytest.MonkeyPatch, band: int) -> None:
    monkeypatch.setattr(mask_decoder, "BAND", band)
    decoder = seeded(MaskDecoder(dataclasses.replace(VIT_B, image_size=128, prompt_dim=64, decoder_mlp_dim=64)))
    generator = torch.Generator().manual_seed(0)
    tokens, embedded = torch.randn(2, 4, 64, generator=generator), torch.randn(2, 64, 8, 8, generator=generator)
    with torch.inference_mode():
        expected = mask_decoder.classify_pixels(decoder.hypernetworks(tokens), decoder.output_upscaling(embedded))
        torch.testing.assert_close(decoder.masks(tokens, embedded), expected, atol=1e-5, rtol=0)


def test_rows_at_a_time_can_be_trained() -> None:
    attention = seeded(TimmAttention(32, 2, use_rel_pos=True, input_size=(7, 7)))
    x = torch.randn(1, 7, 7, 32, generator=torch.Generator().manual_seed(0))
    attention(x).square().sum().backward()
    expected = attention.rel_pos_h.grad.clone()
    attention.zero_grad()
    RelativeAttention(attention)(x).square().sum().backward()
    torch.testing.assert_close(attention.rel_pos_h.grad, expected, atol=1e-4, rtol=1e-4)
