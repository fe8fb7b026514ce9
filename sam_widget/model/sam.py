"""Segment Anything: the complete model, and a builder for each size of the ViT."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from safetensors.torch import save
from torch import Tensor, cat, nn

from sam_widget.atomic import write_whole
from sam_widget.errors import StoreError
from sam_widget.model.calibration import Calibration
from sam_widget.model.config import VIT_B, VIT_H, VIT_L, SamConfig
from sam_widget.model.image_encoder import image_encoder, normalise
from sam_widget.model.mask_decoder import MaskDecoder
from sam_widget.model.prompt_encoder import PromptEncoder


class SavedDifference(Protocol):
    """What a tuned model differs in from its base; see `model.tuned`."""

    def save(self, path: str | Path) -> None:
        """Write it to a file that `load_model` reads."""


class LaterDecoder(Protocol):
    """What answers the prompts of a tuned model that are not clicks."""

    @property
    def base(self) -> Sam:
        """The model that it was tuned from."""

    def decode(self, image: Tensor, **given: Any) -> tuple[Tensor, Tensor]:
        """See `Sam.decode`."""


class ImageFeatures(NamedTuple):
    """The features of an image used by the mask decoder, computed once per image.

    Attributes:
        embedding: (I, prompt_dim, g, g) image embeddings.
        high_resolution: Finer features, finest first, for decoders that use them.
    """

    embedding: Tensor
    high_resolution: tuple[Tensor, ...] = ()


class Sam(nn.Module):
    """Image encoder, prompt encoder and mask decoder (paper, section 3).

    Attributes:
        config: The sizes of the model.
        name: The name it was loaded under.
        weights_id: Identifies the weights, so that answers from different weights are never mixed up.
        calibration: Corrects the predicted IoUs; None if they are used as they are.
        tokens: (T, prompt_dim) learned tokens added to every prompt; None without.
        tuned: The difference from the model that this one was tuned from; None if it was not.
        later: Answers prompts other than clicks; None if this model does it itself.
    """

    # Encoders have methods that nn.Module's types do not declare.
    image_encoder: Any

    def __init__(
        self,
        config: SamConfig,
        *,
        name: str = "sam",
        encoder: nn.Module | None = None,
        decoder: MaskDecoder | None = None,
    ) -> None:
        """Build the model with random weights.

        Args:
            config: The sizes of the model.
            name: Name in errors and embeddings.
            encoder: Replacement of SAM's ViT; its `forward_features` returns image embeddings.
            decoder: Replacement of SAM's mask decoder.
        """
        super().__init__()
        self.config = config
        self.name = name
        self.weights_id = f"{name}-{uuid.uuid4().hex[:16]}"
        self.calibration: Calibration | None = None
        self.tokens: nn.Parameter | None = None
        self.tuned: SavedDifference | None = None
        self.later: LaterDecoder | None = None
        self._encoder_id: str | None = None
        self.image_encoder = image_encoder(config) if encoder is None else encoder
        self.prompt_encoder = PromptEncoder(config)
        self.mask_decoder = MaskDecoder(config) if decoder is None else decoder

    @property
    def encoder_id(self) -> str:
        """Identifies the image encoder, so that models that differ only in the decoder share embeddings."""
        return self._encoder_id or self.weights_id

    @encoder_id.setter
    def encoder_id(self, value: str) -> None:
        self._encoder_id = value

    def save(self, path: str | Path) -> None:
        """Write a safetensors file that `load_model` reads; of a tuned model, only the difference from its base.

        Raises:
            StoreError: The file cannot be written.
        """
        if self.tuned is not None:
            return self.tuned.save(path)
        state = {key: value.cpu().contiguous() for key, value in self.state_dict().items()}
        try:
            write_whole(Path(path), save(state, {"format": "pt"}))
        except OSError as error:
            raise StoreError(
                f"the model cannot be written to {str(path)!r} ({error.strerror or error}); choose another folder"
            ) from error
        return None

    def encode_image(self, pixels: Tensor) -> Tensor:
        """Embed images: (I, 3, h, w) RGB of 0..255, longest side `config.image_size`, to (I, prompt_dim, g, g)."""
        return self.encode(pixels).embedding

    def encode(self, pixels: Tensor, *, image_encoder: nn.Module | None = None) -> ImageFeatures:
        """Embed images like `encode_image`, and return all features that the mask decoder uses.

        Args:
            pixels: See `encode_image`.
            image_encoder: Another version of the model's image encoder, such as that of `FastParts`.
        """
        encoder: Any = image_encoder or self.image_encoder
        return ImageFeatures(self.for_decoder(encoder.forward_features(self.standardised(pixels))))

    def standardised(self, pixels: Tensor) -> Tensor:
        """Convert pixels to the image encoder's input, in the type of its weights."""
        return normalise(pixels, self.config).to(next(self.image_encoder.parameters()).dtype)

    def for_decoder(self, features: Tensor) -> Tensor:
        """Convert features to the type of the decoder's weights, which may be more precise than the encoder's."""
        return features.to(next(self.mask_decoder.parameters()).dtype)

    def see_prompts(
        self,
        features: ImageFeatures,
        sparse: Tensor,
        dense: Tensor,
        *,
        points: Tensor | None,  # noqa: ARG002  used by subclasses
        labels: Tensor | None,  # noqa: ARG002
        boxes: Tensor | None,  # noqa: ARG002
        masks: Tensor | None,  # noqa: ARG002
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """Return sparse and dense prompt embeddings and finer features as inputs of the mask decoder."""
        return sparse, dense, features.high_resolution

    def decode(
        self,
        image: Tensor,
        *,
        high_resolution: tuple[Tensor, ...] = (),
        points: Tensor | None = None,
        labels: Tensor | None = None,
        boxes: Tensor | None = None,
        masks: Tensor | None = None,
        prompt_encoder: nn.Module | None = None,
        mask_decoder: Callable[..., tuple[Tensor, Tensor]] | None = None,
        again: bool = True,  # noqa: ARG002  used by subclasses
    ) -> tuple[Tensor, Tensor]:
        """Decode B prompts on I embedded images; prompts of one image are consecutive, B / I each.

        Args:
            image: (I, prompt_dim, g, g) from `encode_image`.
            high_resolution: The finer features from `encode`.
            points: (B, N, 2) x, y in pixels of the padded model input.
            labels: (B, N): 1 foreground, 0 background, -1 padding.
            boxes: (B, 4) x0, y0, x1, y1 in the same pixels.
            masks: (B, 1, 4g, 4g) logits of an earlier prediction.
            prompt_encoder: Another version of the model's prompt encoder, such as that of `FastParts`.
            mask_decoder: Another version of its mask decoder, or a `CompiledDecoder`.
            again: Whether a model that decodes a prompt twice, as `tiny` does, may do so.

        Returns:
            Mask logits (B, 4, 4g, 4g) and predicted IoUs (B, 4): index 0 for an unambiguous prompt, 1 to 3 for an
            ambiguous one.
        """
        encoder: Any = prompt_encoder or self.prompt_encoder
        sparse, dense = encoder(points, labels, boxes, masks)
        if self.tokens is not None:
            sparse = cat([sparse, self.tokens.expand(len(sparse), -1, -1)], dim=1)
        features = ImageFeatures(image, high_resolution)
        sparse, dense, high_resolution = self.see_prompts(
            features, sparse, dense, points=points, labels=labels, boxes=boxes, masks=masks
        )
        positions = encoder.image_positions().to(image.dtype)
        decoded: tuple[Tensor, Tensor] = (mask_decoder or self.mask_decoder)(
            image, positions, sparse.to(image.dtype), dense.to(image.dtype), high_resolution
        )
        return decoded


def vit_b() -> Sam:
    """Build SAM ViT-B (94 M parameters, 1024 px)."""
    return Sam(VIT_B, name="vit_b")


def vit_l() -> Sam:
    """Build SAM ViT-L (312 M parameters, 1024 px)."""
    return Sam(VIT_L, name="vit_l")


def vit_h() -> Sam:
    """Build SAM ViT-H (641 M parameters, 1024 px)."""
    return Sam(VIT_H, name="vit_h")
