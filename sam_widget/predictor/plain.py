"""A base class for predictors, in NumPy, for models whose logits span the whole image.

A predictor on another machine, in a page or in a test derives from `PlainPredictor` and adds four members: `model`,
`config`, `embed` and `answer`. It is slower and less exact than `Predictor`, which accounts for its model's padding.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from sam_widget.masks.runs import StoredMask
from sam_widget.model.config import SamConfig
from sam_widget.predictor.interface import CERTAIN, Embedding, ModelIdentity, Prediction
from sam_widget.prompts.prompt import Prompt


@dataclass(frozen=True, eq=False)
class PlainPrediction:
    """The answer to one prompt.

    Attributes:
        scores: (N,) float32, the predicted IoU of each mask.
        logits: (N, h, w) float32 at low resolution; row 0 is the top of the image, and row h - 1 its bottom.
        size: Height and width of the masks, in pixels.
        level: Logit above which a pixel belongs to the mask.
    """

    scores: np.ndarray
    logits: np.ndarray
    size: tuple[int, int]
    level: float = 0.0

    @property
    def best(self) -> int:
        """Index of the highest score."""
        return int(self.scores.argmax())

    def stored_mask(self, index: int) -> StoredMask:
        """Return one mask at image resolution."""
        return StoredMask(_resized(self.logits[index], self.size) > self.level)


class PlainPredictor(ABC):
    """Implements everything that a session requires of a predictor except `model`, `config`, `embed` and `answer`."""

    model: ModelIdentity
    config: SamConfig

    @abstractmethod
    def embed(self, image: np.ndarray, *, keep: bool = True) -> Embedding:
        """Embed (H, W, 3) uint8 RGB."""

    @abstractmethod
    def answer(self, embedding: Embedding, prompt: Prompt) -> Prediction:
        """Answer a prompt that is not empty; logits are (N, `config.mask_size`, `config.mask_size`)."""

    def has(self, image_hash: str) -> bool:  # noqa: ARG002  part of the interface
        """Return False, because no embeddings are cached."""
        return False

    def binarize_one(self, logits: np.ndarray, image_size: tuple[int, int], *, threshold: float = 0.0) -> StoredMask:
        """Upsample logits (h, w) to an image's size and binarize them `threshold` above the model's own threshold."""
        return StoredMask(_resized(logits, image_size) > self.config.mask_threshold + threshold)

    def mask_to_logits(self, mask: np.ndarray) -> np.ndarray:
        """Convert a mask (H, W) bool to a mask prompt, (h, w) float32: the covered share of each cell, as a logit."""
        side = self.config.mask_size
        return (2 * _resized(mask, (side, side), "BOX") - 1) * np.float32(CERTAIN)

    def unpad(self, logits: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:  # noqa: ARG002  see `has`
        """Return the logits unchanged, because the image is not padded."""
        return logits


def _resized(values: np.ndarray, size: tuple[int, int], method: str = "BILINEAR") -> np.ndarray:
    """Resize (h, w) to a height and width, float32."""
    from PIL import Image

    picture = Image.fromarray(values.astype(np.float32))
    return np.asarray(picture.resize((size[1], size[0]), Image.Resampling[method]))
