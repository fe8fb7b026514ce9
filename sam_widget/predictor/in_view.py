"""A predictor without torch: the view runs `tiny` in a Web Worker, and sends what it answered.

Where torch is not installed, as in JupyterLite, a session still has its history, objects and files, in NumPy. Only the
model is missing. A page can run it (`page/`), so the widget's view decodes prompts, and the kernel is told the logits.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sam_widget.errors import NEEDS_TORCH, ModelError
from sam_widget.image.reading import image_hash
from sam_widget.masks.runs import StoredMask
from sam_widget.model.config import TINY, SamConfig
from sam_widget.predictor.fitting import axes, fitted, unpadded
from sam_widget.predictor.interface import CERTAIN, refuse_words
from sam_widget.predictor.plain import PlainPredictor
from sam_widget.prompts.prompt import Prompt

WEIGHTS = Path(__file__).resolve().parent.parent / "weights" / "tiny.safetensors"
# What the names of the encoder's weights begin with, and those that only it uses.
ENCODER, GRID = "image_encoder.", "grid."
# Answers of about 110 kB each, and images of about 2 MB of features each, that are remembered.
MOST_ANSWERS, MOST_IMAGES = 64, 4
K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True)
class ViewEmbedding:
    """An image that a view encodes: its hash, and its height and width in pixels."""

    image_hash: str
    image_size: tuple[int, int]


@dataclass(frozen=True, eq=False)
class ViewPrediction:
    """A view's answer to one prompt.

    Attributes:
        scores: (N,) float32, the predicted IoU of each mask.
        logits: (N, h, w) float32 at low resolution.
        size: Height and width of the masks, in pixels.
        best: Index of the mask to choose.
    """

    scores: NDArray[np.float32]
    logits: NDArray[np.float32]
    size: tuple[int, int]
    best: int
    _config: SamConfig

    def stored_mask(self, index: int) -> StoredMask:
        """Return one mask at image resolution."""
        return _binarized(self._config, self.logits[index], self.size, self._config.mask_threshold)


class ViewPredictor(PlainPredictor):
    """Knows the answers that views have sent; see this module."""

    def __init__(self) -> None:
        self.model = SimpleNamespace(name="tiny", weights_id=f"tiny-{_digest()}-float32")
        # The masks that a prompt may refer to are here, and the model is not.
        self.config = replace(TINY, takes_masks=False)
        self._answers: OrderedDict[tuple[str, Prompt], ViewPrediction] = OrderedDict()
        self._features: OrderedDict[str, dict[str, NDArray[np.float32]]] = OrderedDict()

    def __repr__(self) -> str:
        return "ViewPredictor('tiny')"

    def embed(self, image: np.ndarray, *, keep: bool = True) -> ViewEmbedding:  # noqa: ARG002  nothing is computed
        """Name the image; the view encodes it."""
        return ViewEmbedding(image_hash(image), (image.shape[0], image.shape[1]))

    def has(self, image_hash: str) -> bool:
        """Whether a view has encoded the image."""
        return image_hash in self._features

    def answer(self, embedding: ViewEmbedding, prompt: Prompt) -> ViewPrediction:
        """Return what a view has answered.

        Raises:
            ModelError: No view was asked.
            PromptError: The prompt has words.
        """
        refuse_words(prompt, self.config, self.model.name)
        known = self._answers.get((embedding.image_hash, prompt))
        if known is None:
            raise ModelError(f"this prompt {NEEDS_TORCH}")
        return known

    def learn(
        self,
        embedding: ViewEmbedding,
        prompt: Prompt,
        *,
        scores: NDArray[np.float32],
        logits: NDArray[np.float32],
        best: int,
    ) -> None:
        """Remember a view's answer: scores (N,) and logits (N, h, w).

        Raises:
            ModelError: They are not an answer of this model.
        """
        side = self.config.mask_size
        if logits.shape != (len(scores), side, side) or not 0 <= best < len(scores) or not np.isfinite(scores).all():
            raise ModelError(f"not an answer of {self.model.name}: expected logits (N, {side}, {side}) and N scores")
        _put(
            self._answers,
            (embedding.image_hash, prompt),
            ViewPrediction(scores, logits, embedding.image_size, best, self.config),
            MOST_ANSWERS,
        )

    def learn_features(self, embedding: ViewEmbedding, levels: Sequence[NDArray[np.float32]]) -> None:
        """Remember an image's features, finest level first, each (pixels * channels,).

        Raises:
            ModelError: They are not features of this model.
        """
        side, widths = self.config.mask_size, (*TINY.fine_dims, TINY.prompt_dim)
        shapes = [((side >> level) ** 2, width) for level, width in enumerate(widths)]
        if [level.size for level in levels] != [pixels * width for pixels, width in shapes]:
            raise ModelError(f"not features of {self.model.name}: expected {shapes}")
        named = {f"photo.{index}": level.reshape(shapes[index]) for index, level in enumerate(levels)}
        _put(self._features, embedding.image_hash, named, MOST_IMAGES)

    def features(self, embedding: ViewEmbedding) -> bytes:
        """Return the features of an image that a view has encoded, as a safetensors file (`page.tensors`).

        Raises:
            ModelError: None has.
        """
        known = self._features.get(embedding.image_hash)
        if known is None:
            raise ModelError(
                "torch is not installed here, so the view encodes the image: show the widget and wait until it answers"
            )
        from safetensors.numpy import save

        return save(known)

    def binarize_one(self, logits: np.ndarray, image_size: tuple[int, int], *, threshold: float = 0.0) -> StoredMask:
        """Upsample logits (h, w) to an image's size and binarize them `threshold` above the model's own threshold."""
        return _binarized(self.config, logits, image_size, self.config.mask_threshold + threshold)

    def mask_to_logits(self, mask: np.ndarray) -> np.ndarray:
        """Convert a mask (H, W) bool to a mask prompt, (h, w) float32 logits."""
        from PIL import Image

        height, width = fitted(self.config, *mask.shape)
        side, cells = self.config.image_size, self.config.mask_size
        padded = np.zeros((side, side), np.float32)
        picture = Image.fromarray(mask.astype(np.float32))
        padded[:height, :width] = np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR))
        low = padded.reshape(cells, side // cells, cells, side // cells).mean((1, 3))
        logits: NDArray[np.float32] = (2 * low - 1) * np.float32(CERTAIN)
        return logits

    def unpad(self, logits: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
        """Return the part of (N, h, w) low-resolution logits that covers the image, without the padding."""
        return unpadded(self.config, logits, image_size)


def tensors(*, of_encoder: bool) -> bytes:
    """Return the weights of the image encoder, or the others that prompts need, as a safetensors file."""
    from safetensors.numpy import load_file, save

    kept = {key: value for key, value in load_file(WEIGHTS).items() if value.dtype == np.float16}
    if of_encoder:
        return save({key: value for key, value in kept.items() if key.startswith(ENCODER)})
    return save({key: value for key, value in kept.items() if not key.startswith((ENCODER, GRID))})


def input_pixels(config: SamConfig, rgb: np.ndarray) -> NDArray[np.uint8]:
    """Scale (H, W, 3) uint8 to the model's input, (h, w, 3), as `model_input.input_pixels` does it with torch."""
    from PIL import Image

    height, width = fitted(config, rgb.shape[0], rgb.shape[1])
    return np.asarray(Image.fromarray(rgb).resize((width, height), Image.Resampling.BILINEAR))


def _binarized(config: SamConfig, logits: np.ndarray, size: tuple[int, int], level: float) -> StoredMask:
    rows, columns = axes(
        size,
        logits=config.mask_size,
        fitted=fitted(config, *size),
        side=config.image_size,
        resize=config.resize,
        mode=config.upsampling,
    )
    upsampled = rows.astype(np.float32) @ logits.astype(np.float32) @ columns.astype(np.float32).T
    return StoredMask(upsampled > np.float32(level))


@cache
def _digest() -> str:
    """Return what names the weights, as `load_model` does it."""
    return hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()[:16]


def _put(known: OrderedDict[K, V], key: K, value: V, most: int) -> None:
    known[key] = value
    known.move_to_end(key)
    while len(known) > most:
        known.popitem(last=False)
