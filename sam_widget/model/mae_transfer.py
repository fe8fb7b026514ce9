"""Initialise a Segment Anything model from a masked autoencoder: its encoder, resampled to the model's sizes.

Positions are interpolated. The patch projection is resampled to the new patch size such that a larger patch of an
upscaled image gives the same token (Beyer et al., "FlexiViT", arXiv 2212.08013).
"""

from __future__ import annotations

from timm.layers import resample_patch_embed

from sam_widget.errors import ModelError
from sam_widget.model.config import SamConfig, TinyConfig
from sam_widget.model.image_encoder import resample_positions
from sam_widget.model.layouts import State
from sam_widget.model.mae import MaskedAutoencoder


def image_encoder_state(mae: MaskedAutoencoder, config: SamConfig) -> State:
    """Return a masked autoencoder's encoder weights for a plain-ViT image encoder, under the names of `Sam`.

    The class token and the last norm are omitted, because SAM's image encoder does not have them; so is the patch
    projection if the stem is convolutional. A convolutional stem, the neck and relative positions start untrained.

    Raises:
        ModelError: The sizes of the blocks differ.
    """
    wanted = ("patch_embed.proj.", "pos_embed", "blocks.") if config.stem == "linear" else ("pos_embed", "blocks.")
    state = _fitted(mae, config)
    return {f"image_encoder.{name}": value for name, value in state.items() if name.startswith(wanted)}


def plain_vit_state(mae: MaskedAutoencoder, config: TinyConfig) -> State:
    """Return all encoder weights of a masked autoencoder, under the names of `PlainVit`.

    Raises:
        ModelError: The sizes of the blocks differ.
    """
    return _fitted(mae, config)


def _fitted(mae: MaskedAutoencoder, config: SamConfig) -> State:
    """Return the encoder's weights, with patches and positions (1, g, g, C) resampled to the sizes in `config`."""
    ours = (mae.config.embed_dim, mae.config.depth, mae.config.num_heads)
    wanted = (config.embed_dim, config.depth, config.num_heads)
    if ours != wanted:
        raise ModelError(
            f"{mae.name} has {ours[0]} channels, {ours[1]} blocks and {ours[2]} heads, and the image encoder "
            f"{wanted[0]}, {wanted[1]} and {wanted[2]}; pre-train with the image encoder's sizes"
        )
    state, side = mae.encoder.state_dict(), mae.config.grid_size
    projection = state["patch_embed.proj.weight"]  # (C, 3, p, p)
    state["patch_embed.proj.weight"] = resample_patch_embed(projection, [config.patch_size] * 2)  # (C, 3, P, P)
    positions = state["pos_embed"][:, 1:]  # (1, n * n, C), without the class token's, which is zero
    state["pos_embed"] = positions.reshape(1, side, side, -1)
    return resample_positions(state, config)
