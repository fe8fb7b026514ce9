"""What a page's decoder reads: the weights of `tiny`'s prompt encoder and mask decoder, and a photo's features."""

from __future__ import annotations

import torch
from safetensors.torch import save
from torch import Tensor

from sam_widget.errors import ModelError
from sam_widget.model.sam import Sam
from sam_widget.model.tiny.tiny import Tiny
from sam_widget.predictor.embeddings import Embedding

# What only new photos need.
_LEFT_OUT = ("image_encoder.", "grid.")


def decoder_weights(model: Sam) -> bytes:
    """Return the weights after the image encoder as a safetensors file, in half precision if that loses nothing.

    Raises:
        ModelError: It is not `tiny`, or it was tuned.
    """
    if not isinstance(model, Tiny) or model.tuned or model.tokens is not None or model.calibration:
        raise ModelError(
            f"a page cannot hold {model.name!r}, because it was tuned; write a session file with `save`, or open the "
            "image with the model that it was tuned from"
        )
    state = {key: value.detach().float().cpu() for key, value in model.state_dict().items()}
    kept = {key: value.contiguous() for key, value in state.items() if not key.startswith(_LEFT_OUT)}
    if all(torch.equal(value.half().float(), value) for value in kept.values()):
        kept = {key: value.half() for key, value in kept.items()}
    return save(kept)


def photo_features(embedding: Embedding) -> bytes:
    """Return an embedding's features as a safetensors file: `photo.0` to `photo.2`, (pixels, C), finest first."""

    def pixels_first(level: Tensor) -> Tensor:
        return level[0].detach().float().cpu().flatten(1).T.contiguous()

    levels = (*embedding.high_resolution, embedding.features)
    return save({f"photo.{index}": pixels_first(level) for index, level in enumerate(levels)})
