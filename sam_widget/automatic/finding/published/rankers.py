"""CLIP (arXiv 2103.00020) and SigLIP 2 (arXiv 2502.14786) rank the masks of everything mode by words or examples.

As in appendix D.5 of Segment Anything (arXiv 2304.02643), an image encoder sees each mask in a square crop, 1.5 times
as large as its box, with the background and without; both embeddings are averaged. Embeddings are kept, so that words
cost the text encoder and a matrix product.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sam_widget.automatic.finding.published.checkpoints import Checkpoint, enough_memory
from sam_widget.automatic.finding.regions import Described, RegionFinder, Regions
from sam_widget.errors import PromptError
from sam_widget.image.reading import RGB
from sam_widget.masks.runs import StoredMask

# A crop is this much larger than the longer side of the mask's box.
CONTEXT = 1.5
# Encoded phrases that are kept.
PHRASES = 256
# The templates of the models' own zero-shot classifiers.
CLIP_TEMPLATE, SIGLIP_TEMPLATE = "a photo of a {}.", "This is a photo of {}."
# Longest phrase of SigLIP, to which the others are padded, in tokens.
SIGLIP_TOKENS = 64
# CLIP only compares: a word must fit better than each of these does, the canonical phrases of LERF (arXiv 2303.09553,
# section 3.4).
CANONICAL = ("object", "things", "stuff", "texture")


class RankingFinder(RegionFinder):
    """Finds by words, by examples in this or another image, or by both."""

    # Usual values, not measured ones.
    unrelated = 0.5
    like_without_example = 0.85

    def __init__(self, name: str, checkpoint: Checkpoint, threshold: float) -> None:
        """Wrap a loaded `CLIPModel`, `SiglipModel` or `Siglip2Model`."""
        self.name = name
        self.weights_id = checkpoint.weights_id
        self.threshold = threshold
        self.checkpoint = checkpoint
        self._is_siglip = "siglip" in checkpoint.model.config.model_type
        self._query = functools.lru_cache(PHRASES)(self._encode_phrase)

    @property
    def width(self) -> int:
        """Length of an embedding."""
        config = self.checkpoint.model.config
        return int(config.vision_config.hidden_size if self._is_siglip else config.projection_dim)

    def check_word(self, word: str) -> None:
        """See `RegionFinder.check_word`."""
        self._tokens(word)

    def described(self, image: RGB, masks: Sequence[StoredMask], seen: Any) -> Described:  # noqa: ARG002  sees nothing else
        """See `RegionFinder.described`."""
        return Described(self.embed(image, masks) if masks else np.zeros((0, self.width), np.float32))

    def word_scores(self, regions: Regions, word: str) -> np.ndarray:
        """See `RegionFinder.word_scores` and `score`."""
        return self.score(regions.features, word)

    def score(self, embeddings: np.ndarray, word: str) -> np.ndarray:
        """Return the probability that a word fits each of some embeddings (N, D): (N,).

        SigLIP's is the sigmoid of its logit. CLIP's is the softmax of its logits for the word and for a canonical
        phrase; of all canonical phrases, the one that fits best counts.
        """
        model = self.checkpoint.model
        scale = float(model.logit_scale.exp())
        logits = scale * embeddings @ self._query(word)
        if self._is_siglip:
            return _sigmoid(logits + float(model.logit_bias))
        others = np.stack([scale * embeddings @ self._query(phrase) for phrase in CANONICAL])
        return _sigmoid(logits - others.max(0))

    def embed(self, image: RGB, masks: Sequence[StoredMask]) -> np.ndarray:
        """Return the embeddings of masks of an image (H, W, 3): (N, D) of unit length."""
        pictures = [picture for mask in masks for picture in crops(image, mask)]
        inputs = self.checkpoint.processor(images=pictures, return_tensors="pt").to(self.checkpoint.device)
        with torch.inference_mode(), enough_memory(self.name, self.checkpoint.device):
            unit = _unit(self.checkpoint.model.get_image_features(**inputs).pooler_output)
            mean = unit.reshape(len(masks), 2, -1).mean(1)
            return _unit(mean).float().cpu().numpy()

    def _encode_phrase(self, word: str) -> np.ndarray:
        with torch.inference_mode(), enough_memory(self.name, self.checkpoint.device):
            text = self.checkpoint.model.get_text_features(**self._tokens(word)).pooler_output
            query: np.ndarray = _unit(text)[0].float().cpu().numpy()
        return query

    def _tokens(self, word: str) -> Any:
        template = SIGLIP_TEMPLATE if self._is_siglip else CLIP_TEMPLATE
        longest = self.checkpoint.model.config.text_config.max_position_embeddings
        padding: dict[str, Any] = {"padding": True}
        if self._is_siglip:
            longest = min(longest, SIGLIP_TOKENS)
            padding = {"padding": "max_length", "max_length": longest}
        tokens = self.checkpoint.processor(text=[template.format(word)], return_tensors="pt", **padding)
        if tokens["input_ids"].shape[1] > longest:
            raise PromptError(f"{word!r} is too long for {self.name}: expected at most {longest} tokens")
        return tokens.to(self.checkpoint.device)


def crops(image: RGB, mask: StoredMask) -> tuple[Image.Image, Image.Image]:
    """Return a square around a mask with the background and without it, black outside the image."""
    x, y, width, height = mask.bounds
    side = max(1, round(CONTEXT * max(width, height)))
    left, top = x + (width - side) // 2, y + (height - side) // 2
    x0, y0, x1, y1 = max(0, left), max(0, top), min(mask.shape[1], left + side), min(mask.shape[0], top + side)
    whole, alone = np.zeros((2, side, side, 3), np.uint8)
    inside = slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)
    whole[inside] = image[y0:y1, x0:x1]
    alone[inside] = image[y0:y1, x0:x1] * mask.array[y0:y1, x0:x1, None]
    return Image.fromarray(whole), Image.fromarray(alone)


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    probabilities: np.ndarray = 1 / (1 + np.exp(-logits.astype(np.float64)))
    return probabilities.astype(np.float32)


def _unit(embeddings: Tensor) -> Tensor:
    return torch.nn.functional.normalize(embeddings, dim=-1)
