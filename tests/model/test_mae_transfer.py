"""A masked autoencoder's encoder as SAM's image encoder: the same tokens, at other sizes too."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch.nn.functional import interpolate

import sam_widget as sw
from sam_widget.model.config import SamConfig
from sam_widget.model.mae import MaeConfig, MaskedAutoencoder
from sam_widget.model.mae_transfer import image_encoder_state
from sam_widget.model.sam import Sam

MAE = MaeConfig(
    image_size=64,
    patch_size=8,
    embed_dim=32,
    depth=2,
    num_heads=2,
    decoder_embed_dim=16,
    decoder_depth=1,
    decoder_num_heads=2,
)
SAM = SamConfig(
    image_size=64,
    patch_size=8,
    embed_dim=32,
    depth=2,
    num_heads=2,
    global_attention=(1,),
    window_size=8,
    relative_positions=False,
    prompt_dim=32,
    decoder_heads=2,
)


@pytest.fixture
def mae() -> MaskedAutoencoder:
    torch.manual_seed(0)
    return MaskedAutoencoder(MAE).eval()


def tokens(sam: Sam, pixels: torch.Tensor) -> torch.Tensor:
    """What the blocks leave for the neck: (B, g * g, C)."""
    caught = []
    sam.image_encoder.neck.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))
    sam.image_encoder.forward_features(pixels)
    return caught[0].flatten(2).transpose(1, 2)


def enlarged(pixels: torch.Tensor, scale: int) -> torch.Tensor:
    """Scale every patch of 8 px of (1, 3, 64, 64) by itself."""
    patches = pixels.unflatten(3, (8, 8)).unflatten(2, (8, 8)).permute(0, 2, 4, 1, 3, 5).flatten(0, 2)
    patches = interpolate(patches, scale_factor=scale, mode="bicubic", antialias=True)
    return patches.unflatten(0, (1, 8, 8)).permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)


@pytest.mark.parametrize("scale", [1, 2])
def test_tokens_are_the_same(mae: MaskedAutoencoder, scale: int) -> None:
    config = dataclasses.replace(SAM, image_size=64 * scale, patch_size=8 * scale)
    sam = Sam(config).eval()
    loaded = sam.load_state_dict(image_encoder_state(mae, config), strict=False)
    assert not loaded.unexpected_keys
    assert not any("blocks" in key or "embed" in key for key in loaded.missing_keys if "image_encoder" in key)
    pixels = torch.randn(1, 3, 64, 64)
    vit = mae.encoder
    with torch.inference_mode():
        expected = vit.blocks(vit.patch_embed(pixels) + vit.pos_embed[:, 1:])
        ours = tokens(sam, enlarged(pixels, scale))
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=0)


def test_positions_follow_the_grid(mae: MaskedAutoencoder) -> None:
    state = image_encoder_state(mae, dataclasses.replace(SAM, image_size=128))
    table, original = state["image_encoder.pos_embed"], mae.encoder.pos_embed[:, 1:].unflatten(1, (8, 8))
    assert table.shape == (1, 16, 16, 32)
    between = (original[:, :, 3] + original[:, :, 4])[0, 4, :4] / 2
    torch.testing.assert_close(table[0, 8:10, 7:9, :4].mean((0, 1)), between, atol=0.05, rtol=0)


def test_a_convolutional_stem_begins_untrained(mae: MaskedAutoencoder) -> None:
    config = dataclasses.replace(SAM, stem="conv")
    state = image_encoder_state(mae, config)
    assert not any("patch_embed" in key for key in state)
    assert torch.equal(state["image_encoder.blocks.1.mlp.fc2.weight"], mae.encoder.blocks[1].mlp.fc2.weight)
    assert not Sam(config).load_state_dict(state, strict=False).unexpected_keys


def test_other_sizes_are_refused(mae: MaskedAutoencoder) -> None:
    with pytest.raises(sw.ModelError, match="32 channels, 2 blocks"):
        image_encoder_state(mae, dataclasses.replace(SAM, depth=3))
