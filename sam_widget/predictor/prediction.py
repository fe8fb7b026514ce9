"""Answers to prompts: the masks of one prompt, and those of many."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from torch import Tensor

from sam_widget.masks.runs import StoredMask
from sam_widget.predictor.ranking import best_of
from sam_widget.predictor.upsampling import Upscaling


@dataclass(frozen=True, eq=False)
class Prediction:
    """The answer to a prompt: masks in the model's own order, subpart, part, whole.

    Attributes:
        scores: (N,) float32, the predicted IoU of each mask.
        logits: (N, h, w) float32 at low resolution; `logits[best]` can be passed back as `mask`.
    """

    scores: np.ndarray
    logits: np.ndarray
    _exact: Tensor = field(repr=False)  # logits before clamping, on the model's device
    _upscaling: Upscaling = field(repr=False)
    _level: float = field(repr=False)
    # Which masks show what is around the prompt's box, (N,) bool; None without such a box.
    _inverse: np.ndarray | None = field(default=None, repr=False)
    _stored: dict[int, StoredMask] = field(default_factory=dict, repr=False)

    @cached_property
    def masks(self) -> np.ndarray:
        """(N, H, W) bool at image resolution, computed on first access."""
        return self._upscaling.masks(self._exact, self._level)

    @cached_property
    def stored(self) -> tuple[StoredMask, ...]:
        """The masks as row runs, computed without building pixel arrays."""
        return tuple(self.stored_mask(index) for index in range(len(self.scores)))

    def stored_mask(self, index: int) -> StoredMask:
        """Return one of `stored`, without computing the others."""
        known = self._stored.get(index)
        if known is None:
            known = self._stored[index] = self._upscaling.stored(self._exact[index], self._level)
        return known

    def __repr__(self) -> str:
        height, width = self.size
        scores = ", ".join(f"{score:.2f}" for score in self.scores)
        return f"Prediction({len(self.scores)} masks of {height} x {width}, scores {scores}, best {self.best})"

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the masks, in pixels."""
        return self._upscaling.size

    @property
    def best(self) -> int:
        """Index of the highest score, passing over masks that show what is around a box; see `ranking`."""
        return best_of(self.scores, self._inverse)


@dataclass(frozen=True, eq=False)
class StoredPrediction:
    """The answer to one of many prompts: masks as row runs, in the model's own order.

    Attributes:
        stored: The masks.
        scores: (M,) float32, the IoU that the model expects of each mask.
        stability: (M,) float32, how little each mask changes as its threshold moves; see `masks.stability_score`.
        areas: (M,) int64, pixels of each mask.
    """

    stored: tuple[StoredMask, ...]
    scores: np.ndarray
    stability: np.ndarray
    areas: np.ndarray
    _inverse: np.ndarray | None = field(default=None, repr=False)

    @property
    def masks(self) -> np.ndarray:
        """(M, H, W) bool at image resolution; decoded on each access."""
        return np.stack([mask.array for mask in self.stored])

    @property
    def best(self) -> int:
        """Index of the highest score, passing over masks that show what is around a box; see `ranking`."""
        return best_of(self.scores, self._inverse)


@dataclass(frozen=True, eq=False)
class Predictions:
    """The answers to N prompts; `predictions[n]` is the answer to the n-th. Masks are row runs, a few kB each.

    Attributes:
        stored: The M masks of each prompt.
        scores: (N, M) float32, the IoU that the model expects of each mask.
        stability: (N, M) float32, how little each mask changes as its threshold moves; see `masks.stability_score`.
        areas: (N, M) int64, pixels of each mask.
        size: Height and width of the masks, in pixels.
    """

    stored: tuple[tuple[StoredMask, ...], ...]
    scores: np.ndarray
    stability: np.ndarray
    areas: np.ndarray
    size: tuple[int, int]
    _inverse: tuple[np.ndarray | None, ...] = field(repr=False)

    @property
    def best(self) -> np.ndarray:
        """(N,), the best mask of each prompt; see `StoredPrediction.best`."""
        return np.array([answer.best for answer in self], np.intp)

    @property
    def best_stored(self) -> tuple[StoredMask, ...]:
        """The best mask of each prompt."""
        return tuple(masks[best] for masks, best in zip(self.stored, self.best, strict=True))

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, index: int) -> StoredPrediction:
        return StoredPrediction(
            self.stored[index], self.scores[index], self.stability[index], self.areas[index], self._inverse[index]
        )

    def __iter__(self) -> Iterator[StoredPrediction]:
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        height, width = self.size
        each = self.scores.shape[1]
        return f"Predictions({len(self)} prompts, {each} mask{'s' if each != 1 else ''} of {height} x {width} each)"
