"""Two-way attention without projecting the image gives what plain attention gives."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from sam_widget.model.config import VIT_B
from sam_widget.model.fast import two_way
from sam_widget.model.fast.parts import FAST
from sam_widget.model.fast.twin import twin
from sam_widget.model.fast.two_way import ProjectedImage
from sam_widget.model.mask_decoder import Attention, MaskDecoder, TwoWayAttentionBlock
from tests.model.references import seeded


@pytest.mark.parametrize("few", [1, 5, 15, 16, 40])
@pytest.mark.parametrize("way", ["token_to_image", "image_to_token"])
def test_few_tokens_attend_the_same(monkeypatch: pytest.MonkeyPatch, way: str, few: int) -> None:
    generator = torch.Generator().manual_seed(0)
    attention = twin(seeded(Attention(128, 4, downsample_rate=2)), FAST)  # four heads of 16 channels
    tokens, other = torch.randn(2, 3, few, 128, generator=generator)
    image, image_value = torch.randn(2, 3, 100, 128, generator=generator)
    given: tuple[torch.Tensor, ...]
    with torch.inference_mode():
        if way == "token_to_image":
            given = (tokens, image, image_value)
            expected = attention(*given)
        else:
            given = (image, tokens, other, image_value)
            expected = image_value + attention(*given[:3])
        if few < 16:  # The long way would prove nothing.
            monkeypatch.setattr(attention, "forward", None)
        torch.testing.assert_close(getattr(attention, way)(*given), expected, atol=1e-5, rtol=0)


def test_an_image_is_projected_once_and_decoded_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    config = dataclasses.replace(VIT_B, image_size=128, prompt_dim=64, decoder_mlp_dim=64)
    plain = seeded(MaskDecoder(config))
    decoder = twin(plain, FAST)
    generator = torch.Generator().manual_seed(0)
    image, other, positions = torch.randn(3, 1, 64, 8, 8, generator=generator)
    positions = positions.to(memory_format=torch.channels_last)  # As the prompt encoder makes them.
    no_mask = torch.randn(1, 64, 1, 1, generator=generator).expand(1, 64, 8, 8)

    def answers(features: torch.Tensor, dense: torch.Tensor = no_mask) -> None:
        """Check the fast decoder against the plain one."""
        sparse = torch.randn(1, 3, 64, generator=generator)
        with torch.inference_mode():
            masks, scores = decoder(features, positions, sparse, dense)
            expected = plain(features, positions, sparse, dense)
        torch.testing.assert_close(masks, expected[0], atol=1e-5, rtol=0)
        torch.testing.assert_close(scores, expected[1], atol=1e-5, rtol=0)

    seen: list[ProjectedImage] = []
    project = two_way.project

    def counted(block: TwoWayAttentionBlock, *given: torch.Tensor) -> ProjectedImage:
        seen.append(project(block, *given))
        return seen[-1]

    monkeypatch.setattr(two_way, "project", counted)
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
        dict(plain.named_parameters())["transformer.layers.0.cross_attn_token_to_image.v_proj.weight"].mul_(2)
    answers(image)
    assert len(seen) == 6, "these are other weights"


def test_mixed_precision_goes_the_long_way(monkeypatch: pytest.MonkeyPatch) -> None:
    attention = twin(seeded(Attention(128, 4, downsample_rate=2)), FAST)
    the_long_way = torch.full((1, 100, 128), 7.0)
    monkeypatch.setattr(attention, "forward", lambda *_: the_long_way)
    few, many = torch.zeros(1, 5, 128), torch.zeros(1, 100, 128)
    assert attention.token_to_image(few.bfloat16(), many.bfloat16(), many.bfloat16()) is the_long_way
    with torch.autocast("cpu", torch.bfloat16):
        assert attention.token_to_image(few, many, many) is the_long_way
        assert attention.image_to_token(many, few, few, many + 1).eq(8).all()
