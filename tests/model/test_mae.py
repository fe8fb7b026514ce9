"""The masked autoencoder: the same numbers as transformers' ViTMAE, and what the paper says of each step."""

from __future__ import annotations

import argparse
import dataclasses
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from safetensors.torch import save_file
from torch import Tensor

import sam_widget as sw
from sam_widget.model.mae import MaeConfig, MaskedAutoencoder, middle_square, sincos_positions
from sam_widget.model.mae_zoo import load_mae, save_mae

SMALL = MaeConfig(
    image_size=48,
    patch_size=8,
    embed_dim=48,
    depth=3,
    num_heads=4,
    decoder_embed_dim=32,
    decoder_depth=2,
    decoder_num_heads=2,
)


class Pair(NamedTuple):
    reference: Any
    ours: MaskedAutoencoder
    pixels: Tensor
    noise: Tensor


def hugging_face(config: MaeConfig) -> Any:
    """Transformers' model of the same sizes, with random weights wherever it starts with zeros or ones."""
    from transformers import ViTMAEConfig, ViTMAEForPreTraining

    torch.manual_seed(0)
    model = ViTMAEForPreTraining(
        ViTMAEConfig(
            image_size=config.image_size,
            patch_size=config.patch_size,
            hidden_size=config.embed_dim,
            num_hidden_layers=config.depth,
            num_attention_heads=config.num_heads,
            intermediate_size=4 * config.embed_dim,
            decoder_hidden_size=config.decoder_embed_dim,
            decoder_num_hidden_layers=config.decoder_depth,
            decoder_num_attention_heads=config.decoder_num_heads,
            decoder_intermediate_size=4 * config.decoder_embed_dim,
            mask_ratio=config.mask_ratio,
            norm_pix_loss=config.norm_pix_loss,
            layer_norm_eps=1e-6,
        )
    ).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "position" not in name and "pos_embed" not in name:
                parameter.add_(torch.randn_like(parameter) * 0.1)
        # A model that is built from its sizes alone has zeros here (transformers 5.23).
        for table in (model.vit.embeddings.position_embeddings, model.decoder.decoder_pos_embed):
            table.copy_(torch.randn_like(table))
    return model


def in_memory(model: Any, path: Path) -> None:
    save_file(model.state_dict(), path)


def as_saved(model: Any, path: Path) -> None:
    model.save_pretrained(path.parent / "saved")
    (path.parent / "saved/model.safetensors").rename(path)


def as_published(model: Any, path: Path) -> None:
    """The names of facebook/vit-mae-base, of 2022, in a pickle of plain tensors."""
    state = {}
    for key, tensor in model.state_dict().items():
        name = key.replace("vit.layers.", "vit.encoder.layer.")
        for new, old in (("q_proj", "query"), ("k_proj", "key"), ("v_proj", "value")):
            name = name.replace(f"attention.{new}", f"attention.attention.{old}")
        name = name.replace("attention.o_proj", "attention.output.dense")
        state[name.replace("mlp.fc1", "intermediate.dense").replace("mlp.fc2", "output.dense")] = tensor
    torch.save(state, path.with_suffix(".bin"))
    path.with_suffix(".bin").rename(path.with_suffix(".pt"))


@pytest.fixture(scope="module", params=[False, True], ids=["raw pixels", "standardised pixels"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    config = dataclasses.replace(SMALL, norm_pix_loss=request.param)
    reference = hugging_face(config)
    path = tmp_path_factory.mktemp("mae") / "reference.safetensors"
    in_memory(reference, path)
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randn(3, 3, 48, 48, generator=generator)
    return Pair(reference, load_mae(path, config=config, device="cpu"), pixels, torch.rand(3, 36, generator=generator))


def test_latent_prediction_and_loss_are_those_of_transformers(pair: Pair) -> None:
    with torch.inference_mode():
        expected = pair.reference(pair.pixels, noise=pair.noise)
        latent = pair.reference.vit(pair.pixels, noise=pair.noise).last_hidden_state
        ours = pair.ours(pair.pixels, noise=pair.noise)
    torch.testing.assert_close(ours.latent, latent, atol=1e-4, rtol=0)
    torch.testing.assert_close(ours.prediction, expected.logits, atol=1e-4, rtol=0)
    torch.testing.assert_close(ours.loss, expected.loss, atol=1e-4, rtol=0)
    assert torch.equal(ours.mask, expected.mask)
    assert ours.mask.sum(1).tolist() == [27, 27, 27]


def test_patches_are_cut_as_transformers_cuts_them(pair: Pair) -> None:
    patches = pair.ours.patchify(pair.pixels)
    assert torch.equal(patches, pair.reference.patchify(pair.pixels))
    assert torch.equal(pair.ours.unpatchify(patches), pair.pixels)


def test_fixed_positions_are_the_papers() -> None:
    """Columns before rows, sines before cosines: the order that published weights have learned with."""
    table = sincos_positions(48, 6)
    assert table.shape == (1, 37, 48)
    assert not table[0, 0].any(), "the class token has no place"
    row, column = 2, 5
    waves = [1 / 10_000 ** (k / 12) for k in range(12)]
    expected = [wave(at * w) for at in (column, row) for wave in (math.sin, math.cos) for w in waves]
    torch.testing.assert_close(table[0, 1 + row * 6 + column], torch.tensor(expected), atol=1e-6, rtol=0)
    with pytest.raises(sw.ModelError, match="multiple of 4"):
        sincos_positions(30, 6)


@pytest.mark.parametrize("write", [in_memory, as_saved, as_published])
def test_every_version_of_hugging_faces_layout_is_read(write: Any, tmp_path: Path) -> None:
    reference = hugging_face(SMALL)
    path = tmp_path / "model.safetensors"
    write(reference, path)
    written = path if path.exists() else path.with_suffix(".pt")
    model = load_mae(written, config=SMALL, device="cpu")
    pixels, noise = torch.randn(1, 3, 48, 48), torch.rand(1, 36)
    with torch.inference_mode():
        expected = reference(pixels, noise=noise)
        torch.testing.assert_close(model(pixels, noise=noise).prediction, expected.logits, atol=1e-4, rtol=0)


def authors_keys(model: MaskedAutoencoder) -> dict[str, Tensor]:
    return {key.removeprefix("encoder."): tensor for key, tensor in model.state_dict().items()}


def test_the_authors_layout_is_read_and_its_sizes_are_recognised(tmp_path: Path) -> None:
    base = MaeConfig(image_size=32)  # the paper's ViT-Base, on four patches
    with torch.device("meta"):
        model = MaskedAutoencoder(base)
    state = {key: torch.full(tensor.shape, 0.01) for key, tensor in authors_keys(model).items()}
    assert {"cls_token", "mask_token", "blocks.0.attn.qkv.weight", "decoder_blocks.0.mlp.fc1.bias"} <= set(state)
    path = tmp_path / "mae_visualize_vit_base.pth"
    torch.save({"model": state}, path)
    loaded = load_mae(path, device="cpu")
    assert loaded.config == base
    assert loaded.name == "mae_visualize_vit_base"
    assert float(loaded.encoder.blocks[11].mlp.fc1.weight.mean()) == pytest.approx(0.01)


def test_a_checkpoint_with_code_or_without_a_decoder_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "full.pth"
    torch.save({"model": {}, "args": argparse.Namespace(lr=1)}, path)
    with pytest.raises(sw.ModelError, match="plain weights"):
        load_mae(path)
    state = authors_keys(MaskedAutoencoder(SMALL))
    save_file({k: v for k, v in state.items() if "decoder" not in k and "mask" not in k}, tmp_path / "a.safetensors")
    with pytest.raises(sw.ModelError, match="no known layout"):
        load_mae(tmp_path / "a.safetensors")
    save_file(state, tmp_path / "b.safetensors")
    with pytest.raises(sw.ModelError, match="config=MaeConfig"):
        load_mae(tmp_path / "b.safetensors")
    assert load_mae(tmp_path / "b.safetensors", config=SMALL).config == SMALL
    with pytest.raises(sw.ModelError, match="does not fit"):
        load_mae(tmp_path / "b.safetensors", config=dataclasses.replace(SMALL, depth=2))
    with pytest.raises(sw.ModelError, match="vit_mae_base"):
        load_mae("vit_mae_giant")
    with pytest.raises(sw.ModelError, match="check the path"):
        load_mae("nowhere.safetensors")


def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = MaskedAutoencoder(dataclasses.replace(SMALL, mask_ratio=0.5))
    save_mae(model.config, model.state_dict(), tmp_path / "m.safetensors")
    again = load_mae(tmp_path / "m.safetensors", device="cpu")
    assert again.config == model.config
    for key, tensor in again.state_dict().items():
        torch.testing.assert_close(tensor, model.state_dict()[key], atol=1e-3, rtol=1e-3)
    save_file(model.state_dict(), tmp_path / "n.safetensors", metadata={"mae": '{"image_size": "large"}'})
    with pytest.raises(sw.ModelError, match="sizes"):
        load_mae(tmp_path / "n.safetensors")


# --------------------------------------------------------------------------------------------------- the paper


@pytest.fixture
def model() -> MaskedAutoencoder:
    torch.manual_seed(0)
    return MaskedAutoencoder(SMALL).eval()


def test_the_encoder_sees_visible_patches_only(model: MaskedAutoencoder) -> None:
    pixels, noise = torch.randn(1, 3, 48, 48), torch.rand(1, 36)
    with torch.inference_mode():
        first = model(pixels, noise=noise)
        hidden = model.unpatchify(first.mask[..., None].expand(-1, -1, 192)).bool()
        second = model(torch.where(hidden, 99.0, pixels), noise=noise)
    assert first.latent.shape == (1, 1 + 9, 48)
    assert torch.equal(first.latent, second.latent)
    assert torch.equal(first.prediction, second.prediction)
    assert second.loss > first.loss + 100


def test_the_loss_is_of_masked_patches_only(model: MaskedAutoencoder) -> None:
    pixels, noise = torch.randn(1, 3, 48, 48), torch.rand(1, 36)
    masking = model.random_masking(noise)
    perfect = model.patchify(pixels)
    wrong_where_visible = torch.where(masking.mask[..., None].bool(), perfect, perfect + 7)
    assert float(model.forward_loss(pixels, wrong_where_visible, masking.mask)) == 0
    wrong_where_masked = torch.where(masking.mask[..., None].bool(), perfect + 2, perfect)
    assert float(model.forward_loss(pixels, wrong_where_masked, masking.mask)) == pytest.approx(4)


def test_masks_are_random_and_return_every_patch_to_its_place(model: MaskedAutoencoder) -> None:
    noise = torch.rand(64, 36)
    masking = model.random_masking(noise)
    assert masking.mask.sum(1).unique().tolist() == [27]
    assert float(masking.mask.mean(0).min()) > 0.6
    assert float(masking.mask.mean(0).max()) < 0.9
    tokens = torch.arange(36.0).expand(64, -1)[..., None]
    kept = tokens.gather(1, masking.ids_keep[..., None])
    hidden = torch.full((64, 27, 1), -1.0)
    restored = torch.cat([kept, hidden], 1).gather(1, masking.ids_restore[..., None])
    assert torch.equal(restored, torch.where(masking.mask[..., None].bool(), -1.0, tokens))


def test_positions_are_fixed_and_the_rest_learns(model: MaskedAutoencoder) -> None:
    model(torch.randn(2, 3, 48, 48)).loss.backward()
    without = {name for name, parameter in model.named_parameters() if parameter.grad is None}
    assert without == {"encoder.pos_embed", "decoder_pos_embed"}


def test_a_figure_shows_all_four_pictures(model: MaskedAutoencoder, photo: np.ndarray) -> None:
    seen = model.reconstruct(photo, seed=3)
    figure = seen.figure(width=6)
    shown = [np.asarray(axes.images[0].get_array()) for axes in figure.axes]
    for picture, expected in zip(shown, (seen.masked, seen.prediction, seen.pasted, seen.original), strict=True):
        np.testing.assert_array_equal(picture, expected)
    assert figure.axes[0].get_title() == f"masked: {seen.mask.mean():.0%}"
    assert figure.get_size_inches()[0] == 6
    assert not plt.get_fignums(), "a notebook would show it twice"


def test_reconstructions_paste_what_was_painted(model: MaskedAutoencoder, photo: np.ndarray) -> None:
    seen = model.reconstruct(photo, seed=3)
    assert np.array_equal(seen.original, middle_square(photo, 48))
    hidden = seen.mask.repeat(8, 0).repeat(8, 1)
    assert seen.mask.sum() == 27
    assert np.array_equal(seen.pasted[hidden], seen.prediction[hidden])
    assert np.array_equal(seen.pasted[~hidden], seen.original[~hidden])
    assert (seen.masked[hidden] == 128).all()
    assert np.array_equal(seen.masked[~hidden], seen.original[~hidden])
    assert np.array_equal(model.reconstruct(photo, seed=3).prediction, seen.prediction)
    assert not np.array_equal(model.reconstruct(photo, seed=4).mask, seen.mask)


def test_a_given_mask_hides_just_those_patches(model: MaskedAutoencoder, photo: np.ndarray) -> None:
    wanted = np.zeros((6, 6), bool)
    wanted[2:4, 1:5] = True
    assert np.array_equal(model.reconstruct(photo, mask=wanted).mask, wanted)
    for wrong in (np.zeros((6, 6), bool), np.ones((6, 6), bool), np.zeros((5, 6), bool), np.ones((6, 6))):
        with pytest.raises(sw.ModelError, match="mask"):
            model.reconstruct(photo, mask=wrong)


@pytest.mark.parametrize("image", ["photo.png", np.zeros((9, 9)), np.zeros((9, 9, 4), np.uint8), np.zeros((9, 9, 3))])
def test_an_image_that_is_not_rgb_is_refused(model: MaskedAutoencoder, image: object) -> None:
    with pytest.raises(sw.ImageError, match=r"sw\.to_rgb"):
        model.reconstruct(image)


def test_standardised_predictions_are_given_the_true_contrast(photo: np.ndarray) -> None:
    torch.manual_seed(0)
    model = MaskedAutoencoder(dataclasses.replace(SMALL, norm_pix_loss=True)).eval()
    torch.nn.init.zeros_(model.decoder_pred.weight)
    seen = model.reconstruct(photo)
    patch = seen.original[:8, :8].astype(float)  # every prediction is zero, which stands for the mean of its patch
    pixels = model.normalise(torch.from_numpy(patch).permute(2, 0, 1)[None])
    mean = float(pixels.mean())
    expected = model.denormalise(torch.full((1, 3, 1, 1), mean)).flatten().round().clamp(0, 255).byte().tolist()
    assert seen.prediction[4, 4].tolist() == expected


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(sw.ModelError, match="whole number of patches"):
        MaeConfig(image_size=50, patch_size=16)
    with pytest.raises(sw.ModelError, match="mask ratio"):
        MaeConfig(mask_ratio=1.0)
