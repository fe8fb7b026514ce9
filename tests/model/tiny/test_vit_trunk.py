"""The embedded model on other trunks: the same shapes from each, and a masked autoencoder's encoder is one of them."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch.nn.functional import interpolate

import sam_widget as sw
from sam_widget.model.config import TINY, TINY_HYBRID, TINY_PLAIN, TinyConfig
from sam_widget.model.mae import MAE_TINY, MaskedAutoencoder
from sam_widget.model.mae_transfer import plain_vit_state
from sam_widget.model.tiny.tiny import Tiny
from sam_widget.model.tiny.vit_trunk import PlainVit


@pytest.mark.parametrize("config", [TINY, TINY_PLAIN, TINY_HYBRID], ids=lambda config: config.trunk)
def test_every_trunk_serves_the_same_neck_and_decoder(config: TinyConfig) -> None:
    torch.manual_seed(0)
    model = Tiny(dataclasses.replace(config, image_size=64))
    pixels = torch.rand(2, 3, 64, 48) * 255
    features = model.encode(pixels)
    shapes = [tuple(level.shape) for level in (features.embedding, *features.high_resolution)]
    assert shapes == [(2, 128, 4, 4), (2, 16, 16, 16), (2, 64, 8, 8)]
    logits, scores = model.decode(
        features.embedding,
        high_resolution=features.high_resolution,
        points=torch.tensor([[[20.0, 30.0]], [[5.0, 60.0]]]),
        labels=torch.ones(2, 1, dtype=torch.long),
    )
    assert (tuple(logits.shape), tuple(scores.shape)) == ((2, 4, 16, 16), (2, 4))
    (logits.square().mean() + scores.mean()).backward()
    silent = [name for name, parameter in model.image_encoder.named_parameters() if parameter.grad is None]
    assert not silent
    moved = [
        p.grad.abs().sum() > 0 for p in model.image_encoder.trunk.parameters() if p.ndim > 1 and p.grad is not None
    ]
    assert sum(moved) > 0.9 * len(moved)


@pytest.fixture(scope="module")
def mae() -> MaskedAutoencoder:
    return sw.load_mae()


def everything(mae: MaskedAutoencoder, pixels: torch.Tensor) -> torch.Tensor:
    """What the encoder of a masked autoencoder makes of images of which nothing is masked: (B, C, g, g)."""
    side = mae.config.grid_size
    noise = torch.arange(side * side).float().expand(len(pixels), -1)
    latent = mae(pixels, noise=noise, visible=side * side).latent[:, 1:]
    return latent.transpose(1, 2).unflatten(2, (side, side))


@pytest.mark.parametrize("scale", [1, 2])
def test_a_plain_vit_gives_the_features_of_the_masked_autoencoder(mae: MaskedAutoencoder, scale: int) -> None:
    """At its own size, and on an image twice as large in patches twice as large."""
    size, patch = MAE_TINY.image_size * scale, MAE_TINY.patch_size * scale
    config = dataclasses.replace(TINY_PLAIN, image_size=size, patch_size=patch)
    vit = PlainVit(config).eval()
    random = PlainVit(config).eval()
    vit.load_state_dict(plain_vit_state(mae, config))
    image = torch.from_numpy(sw.sample("cat")[:128, :128]).permute(2, 0, 1)[None]
    pixels = mae.normalise(image)
    larger = enlarged(pixels, scale)
    with torch.inference_mode():
        expected, ours, others = everything(mae, pixels), vit(larger), random(larger)
    torch.testing.assert_close(ours, expected, atol=2e-3, rtol=0)
    assert (others - expected).abs().mean() > 0.1


def enlarged(pixels: torch.Tensor, scale: int) -> torch.Tensor:
    """Scale every patch of 8 px of (1, 3, 128, 128) by itself, as the patch projection was resampled."""
    patches = pixels.unflatten(3, (16, 8)).unflatten(2, (16, 8)).permute(0, 2, 4, 1, 3, 5).flatten(0, 2)
    patches = interpolate(patches, scale_factor=scale, mode="bicubic", antialias=True)
    return patches.unflatten(0, (1, 16, 16)).permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)


def test_the_embedded_model_takes_pixels_as_the_masked_autoencoder_does() -> None:
    assert (TINY_PLAIN.pixel_mean, TINY_PLAIN.pixel_std) == (MAE_TINY.pixel_mean, MAE_TINY.pixel_std)


def test_an_encoder_of_other_sizes_is_refused(mae: MaskedAutoencoder) -> None:
    with pytest.raises(sw.ModelError, match="8 blocks"):
        plain_vit_state(mae, dataclasses.replace(TINY_PLAIN, depth=6))
