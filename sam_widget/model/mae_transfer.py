"""What of a masked autoencoder becomes a Segment Anything model: its encoder, fitted to the image encoder's sizes."""

from __future__ import annotations

from timm.layers import resample_patch_embed
from torch import Tensor

from sam_widget.errors import ModelError
from sam_widget.model.config import SamConfig
from sam_widget.model.image_encoder import resample_positions
from sam_widget.model.layouts import State, rename
from sam_widget.model.mae import MaskedAutoencoder

# Leaves behind the class token and the last norm, for which SAM's image encoder has no place.
_SHARED = r"^encoder\.(?=patch_embed\.proj\.|blocks\.)"


def image_encoder_state(mae: MaskedAutoencoder, config: SamConfig) -> State:
    """Return the weights of a plain-ViT image encoder that a masked autoencoder has learned, under the names of `Sam`.

    Positions (1, 1 + n * n, C) lose the class token's and are interpolated to (1, g, g, C). The patch projection is
    resampled to the other patch size, so that a larger patch of an image that was scaled up gives the same token
    (Beyer et al., "FlexiViT", arXiv 2212.08013); a convolutional stem has nothing to take it and is left out, as are
    the neck and relative positions. They begin untrained.

    Raises:
        ModelError: The blocks are of other sizes.
    """
    ours = (mae.config.embed_dim, mae.config.depth, mae.config.num_heads)
    wanted = (config.embed_dim, config.depth, config.num_heads)
    if ours != wanted:
        raise ModelError(
            f"{mae.name} has {ours[0]} channels, {ours[1]} blocks and {ours[2]} heads, and the image encoder "
            f"{wanted[0]}, {wanted[1]} and {wanted[2]}; pre-train with the image encoder's sizes"
        )
    learned = mae.state_dict()
    state = rename(learned, [(_SHARED, "image_encoder.")], drop=rf"(?!{_SHARED})")
    projection = state.pop("image_encoder.patch_embed.proj.weight")  # (C, 3, p, p)
    if config.stem == "linear":
        size = [config.patch_size, config.patch_size]
        state["image_encoder.patch_embed.proj.weight"] = resample_patch_embed(projection, size)  # (C, 3, P, P)
    else:
        del state["image_encoder.patch_embed.proj.bias"]
    side = mae.config.grid_size
    positions: Tensor = learned["encoder.pos_embed"][:, 1:].unflatten(1, (side, side))  # (1, n, n, C)
    return resample_positions(state | {"image_encoder.pos_embed": positions}, config)
