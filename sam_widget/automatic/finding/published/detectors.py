"""Detectors find boxes for words, and a SAM makes masks of the boxes, as in Grounded SAM (arXiv 2401.14159).

`owlv2` and `grounding_dino` are such detectors.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from sam_widget.automatic.finding.finder import Encoding, Example, Finding, Instance, Step
from sam_widget.automatic.finding.published.checkpoints import Checkpoint, enough_memory
from sam_widget.automatic.finding.published.nested import flattened, rebuilt
from sam_widget.automatic.finding.published.outcome import MOST, Scored, distinct
from sam_widget.errors import PromptError
from sam_widget.image.reading import RGB
from sam_widget.masks.measures import nms
from sam_widget.masks.runs import StoredMask
from sam_widget.predictor.predictor import Embedding, Predictor
from sam_widget.prompts.prompt import Prompt
from sam_widget.prompts.words import Order

# Of two boxes with a higher IoU, the one with the lower score is a duplicate.
SAME_BOX = 0.7
# Phrases whose boxes are kept for an image, and masks.
ANSWERS, MASKS = 64, 1024


class Boxes(NamedTuple):
    """Boxes found for a phrase: (N, 4) x0, y0, x1, y1 in pixels of the image, which they may cross, and scores (N,)."""

    corners: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True, eq=False)
class Detected:
    """An encoded image: the features of a `Detector`.

    Attributes:
        size: Height and width of the image, in pixels.
        seen: What the detector computed for the image.
        predictor: The SAM that makes masks of boxes.
        embedding: The image as that SAM embedded it.
        boxes: Boxes found so far, by phrase.
        masks: Masks made so far, by box.
    """

    size: tuple[int, int]
    seen: Any
    predictor: Predictor
    embedding: Embedding
    boxes: dict[str, Boxes] = field(default_factory=dict)
    masks: dict[tuple[float, ...], StoredMask] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """The size of the detector's tensors, in bytes."""
        return sum(tensor.numel() * tensor.element_size() for tensor in flattened(self.seen, "seen").values())


class Detector(ABC):
    """Finds boxes by words, which a SAM turns into masks."""

    def __init__(self, name: str, checkpoint: Checkpoint, threshold: float) -> None:
        """Wrap a loaded model."""
        self.name = name
        self.weights_id = checkpoint.weights_id
        self.threshold = threshold
        self.checkpoint = checkpoint

    @abstractmethod
    def look(self, image: RGB) -> Any:
        """Return what words are compared with, for an image (H, W, 3) uint8."""

    @abstractmethod
    def boxes(self, seen: Any, word: str, size: tuple[int, int]) -> Boxes:
        """Return the boxes of a phrase with a score above `FLOOR`, by the processor's own post-processing."""

    def check(self, words: Sequence[str], like: Sequence[Example], not_like: Sequence[Example]) -> None:
        """See `Finder.check`."""
        for word in words:
            self.check_word(word)
        if like or not_like:
            raise PromptError(f"{self.name} finds by words only; for examples, use 'tiny', SAM 3, OWLv2 or CLIP")

    @abstractmethod
    def check_word(self, word: str) -> None:
        """Refuse words that are too long for the model.

        Raises:
            PromptError: They have too many tokens.
        """

    def order(self, word: str) -> Order | None:  # noqa: ARG002  see `Finder.order`
        """See `Finder.order`; the model reads such words itself."""
        return None

    def encode(self, image: RGB, predictor: Predictor) -> Encoding:
        """See `Finder.encode`; returns `Detected`."""
        yield Step(0, 2)
        with torch.inference_mode(), enough_memory(self.name, self.checkpoint.device):
            seen = self.look(image)
        yield Step(1, 2)
        return Detected((image.shape[0], image.shape[1]), seen, predictor, predictor.embed(image))

    def to_tensors(self, features: Detected) -> dict[str, Tensor]:
        """See `Storable.to_tensors`; the embedding is stored by the predictor."""
        return flattened(features.seen, "seen")

    def from_tensors(self, tensors: Mapping[str, Tensor], image: RGB, predictor: Predictor) -> Detected:
        """See `Storable.from_tensors`."""
        seen = rebuilt(tensors, "seen", self.checkpoint.device)
        return Detected((image.shape[0], image.shape[1]), seen, predictor, predictor.embed(image))

    def find(
        self, features: Detected, words: Sequence[str], like: Sequence[Example] = (), not_like: Sequence[Example] = ()
    ) -> Finding:
        """See `Finder.find`; the score is the detector's."""
        self.check(words, like, not_like)
        answers = [self._known(features, word) for word in words]
        presence = tuple(float(answer.scores.max(initial=0)) for answer in answers)
        return Finding(masks_of(features, answers, words), presence)

    def describe(self, features: Detected, stored: StoredMask) -> np.ndarray:  # noqa: ARG002  see `Finder.describe`
        """See `Finder.describe`."""
        raise PromptError(f"{self.name} does not compare images; use 'tiny', OWLv2 or CLIP")

    def _known(self, features: Detected, word: str) -> Boxes:
        if word not in features.boxes:
            with torch.inference_mode(), enough_memory(self.name, self.checkpoint.device):
                found = self.boxes(features.seen, word, features.size)
            while len(features.boxes) >= ANSWERS:
                features.boxes.pop(next(iter(features.boxes)), None)
            features.boxes[word] = found
        return features.boxes[word]


def masks_of(features: Detected, answers: Sequence[Boxes], words: Sequence[str]) -> tuple[Instance, ...]:
    """Return the masks of the best boxes of all words, without duplicates, decoded in one batch."""
    corners, scores, which = boxed(features, answers)
    masks = _masks(features, corners)
    return distinct(
        (Scored(mask, float(score), Prompt.from_arrays(box=box)), words[index])
        for mask, score, box, index in zip(masks, scores, corners, which, strict=True)
    )


def boxed(features: Detected, answers: Sequence[Boxes]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the best boxes of several answers, clipped to the image and without duplicates.

    Returns:
        Boxes (N, 4), scores (N,), and the index of the answer that each is from (N,).
    """
    corners = np.concatenate([answer.corners for answer in answers] or [np.zeros((0, 4))])
    scores = np.concatenate([answer.scores for answer in answers] or [np.zeros(0)])
    which = np.repeat(np.arange(len(answers)), [len(answer.scores) for answer in answers])
    corners = corners.clip(0, np.array([*features.size[::-1]] * 2))
    solid = np.flatnonzero(((corners[:, 2:] - corners[:, :2]) >= 1).all(1))
    chosen = solid[nms(corners[solid], scores[solid], SAME_BOX)][:MOST]
    return corners[chosen], scores[chosen], which[chosen]


def _masks(features: Detected, corners: np.ndarray) -> list[StoredMask]:
    keys = [tuple(box) for box in corners.round(2).tolist()]
    new = [key for key in dict.fromkeys(keys) if key not in features.masks]
    if new:
        answers = features.predictor.predict_many(features.embedding, boxes=np.array(new))
        while features.masks and len(features.masks) + len(new) > MASKS:
            features.masks.pop(next(iter(features.masks)), None)
        features.masks.update(zip(new, answers.best_stored, strict=True))
    return [features.masks[key] for key in keys]
