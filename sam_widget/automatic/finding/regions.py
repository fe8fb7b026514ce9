"""Finders that score the masks of everything mode: an image is segmented and each mask described, once.

After that, words cost what `word_scores` costs, and examples a product of features. `embedded`, `own` and
`published.rankers` differ in how they describe a mask, and in the words that they know.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sam_widget.automatic.automatic import MaskRecord, iter_everything
from sam_widget.automatic.finding.finder import Encoding, Example, Finding, Instance, Step, check_mask
from sam_widget.automatic.finding.record_tensors import records_from_tensors, records_to_tensors
from sam_widget.errors import ModelError, PromptError
from sam_widget.image.reading import RGB
from sam_widget.masks.cleanup import TIDY, clean
from sam_widget.masks.measures import iou
from sam_widget.masks.runs import StoredMask
from sam_widget.predictor.predictor import Predictor
from sam_widget.prompts.geometry import Point
from sam_widget.prompts.prompt import Prompt
from sam_widget.prompts.words import Order

# Points along each side of the grid of everything mode: a quarter of its time, for masks large enough to be named.
POINTS = 16
# Masks that are described at a time.
BATCH = 8
# A mask that lies this much inside another one is a part of it.
INSIDE = 0.8
# The larger of two nested masks is kept if it scores at least this much of the smaller one's score.
WHOLE_RATIO = 0.7
# A mask with at least this IoU with a counter-example is refused with it, whatever it resembles.
AGAIN = 0.5


@dataclass(frozen=True, eq=False)
class Regions:
    """An image segmented and described: the features of a `RegionFinder`.

    Attributes:
        image: (H, W, 3) uint8.
        records: Masks of everything.
        features: (N, D) float32 of unit length, by which masks are compared.
        names: (N, ...) float32, what words are compared with; None where those are the features.
        seen: What the finder needs to describe other masks of the image.
    """

    image: RGB
    records: tuple[MaskRecord, ...]
    features: np.ndarray
    names: np.ndarray | None = None
    seen: Any = None

    @property
    def nbytes(self) -> int:
        """The size of its arrays, in bytes."""
        return sum(getattr(part, "nbytes", 0) for part in (self.image, self.features, self.names, self.seen))


@dataclass(frozen=True, eq=False)
class Described:
    """Masks described; see `Regions`."""

    features: np.ndarray
    names: np.ndarray | None = None


class RegionFinder(ABC):
    """Finds the masks of everything mode that fit words, resemble examples, or both.

    Attributes:
        name: See `Finder`.
        weights_id: See `Finder`.
        threshold: See `Finder`.
        unrelated: Cosine of masks that have nothing in common; a likeness is 0 there, and 1 for equal masks.
        like_without_example: Without an example, a mask at least this much like a counter-example is refused.
    """

    name: str
    weights_id: str
    threshold: float
    unrelated: float
    like_without_example: float

    @property
    @abstractmethod
    def width(self) -> int | None:
        """Length of the features of a mask; None if it depends on the predictor."""

    @abstractmethod
    def check_word(self, word: str) -> None:
        """Refuse a word that the finder does not know.

        Raises:
            PromptError: It does not.
        """

    @abstractmethod
    def described(self, image: RGB, masks: Sequence[StoredMask], seen: Any) -> Described:
        """Describe masks of an image (H, W, 3); `seen` is what `look` returned."""

    @abstractmethod
    def word_scores(self, regions: Regions, word: str) -> np.ndarray:
        """Return how well each mask fits a word: (N,) from 0 to 1."""

    def look(self, image: RGB, predictor: Predictor) -> Any:  # noqa: ARG002  for finders that need it
        """Return what describing masks needs besides the image; whatever is slow is computed when it is needed."""
        return None

    def quality(self, regions: Regions) -> np.ndarray:
        """Return what the scores of words are multiplied by: (N,)."""
        return np.ones(len(regions.records), np.float32)

    def order(self, word: str) -> Order | None:  # noqa: ARG002  see `Finder.order`
        """See `Finder.order`."""
        return None

    def check(self, words: Sequence[str], like: Sequence[Example], not_like: Sequence[Example]) -> None:
        """See `Finder.check`."""
        for word in words:
            self.check_word(word)
        for example in (*like, *not_like):
            if example.features is None:
                check_mask(example)
            elif self.width not in {None, len(example.features)}:
                raise PromptError(
                    f"the example {example.name!r} was described by another model; give it again as a mask or an object"
                )

    def encode(self, image: RGB, predictor: Predictor) -> Encoding:
        """See `Finder.encode`; returns `Regions`."""
        records: tuple[MaskRecord, ...] = ()
        points = 0
        for step in iter_everything(image, predictor, stream=False, points_per_side=POINTS):
            points, records = step.total, step.records
            yield Step(step.done, 2 * points)
        # As a session removes specks from the masks of prompts by default.
        records = tuple(replace(record, stored=clean(record.stored, TIDY)) for record in records)
        seen = self.look(image, predictor)
        parts = []
        for start in range(0, len(records), BATCH):
            batch = records[start : start + BATCH]
            parts.append(self.described(image, [record.stored for record in batch], seen))
            yield Step(points + points * (start + len(batch)) // len(records), 2 * points)
        if not parts:
            parts = [self.described(image, [], seen)]
        names = [part.names for part in parts if part.names is not None]
        features = np.concatenate([part.features for part in parts])
        return Regions(image, records, features, np.concatenate(names) if names else None, seen)

    def to_tensors(self, features: Regions) -> dict[str, Tensor]:
        """See `Storable.to_tensors`."""
        arrays = {"features": features.features, "names": features.names}
        described = {name: torch.from_numpy(array) for name, array in arrays.items() if array is not None}
        return {**records_to_tensors(features.records), **described}

    def from_tensors(self, tensors: Mapping[str, Tensor], image: RGB, predictor: Predictor) -> Regions:
        """See `Storable.from_tensors`."""
        records = records_from_tensors(tensors, image.shape[:2])
        features, names = tensors.get("features"), tensors.get("names")
        if features is None or any(len(part) != len(records) for part in (features, names) if part is not None):
            raise ModelError("the features do not belong to the masks; measure the image again")
        return Regions(
            image, records, features.numpy(), None if names is None else names.numpy(), self.look(image, predictor)
        )

    def find(
        self, features: Regions, words: Sequence[str], like: Sequence[Example] = (), not_like: Sequence[Example] = ()
    ) -> Finding:
        """See `Finder.find`.

        The score is that of the words, or the likeness to the nearest example, or the product of both. A mask that is
        nearer to a counter-example than to any example scores 0.
        """
        self.check(words, like, not_like)
        regions, count = features, len(features.records)
        quality = self.quality(regions)
        by_word = np.array([self.word_scores(regions, word) for word in words], np.float32).reshape(len(words), count)
        by_word = by_word * quality
        which = by_word.argmax(0) if words else np.zeros(count, np.intp)
        scores = by_word.max(0) if words else quality if like or not_like else np.zeros(count, np.float32)
        nearest = np.full(count, self.like_without_example, np.float32)
        if like:
            nearest = self._likeness(regions, like)
            scores = scores * np.clip((nearest - self.unrelated) / (1 - self.unrelated), 0, 1)
        if not_like:
            scores = np.where(self._likeness(regions, not_like) >= nearest, 0, scores)
            # Another mask of about the same thing does not take the place of one that was refused.
            refused = _overlaps(regions, not_like)
            scores = np.where((refused >= AGAIN) & (refused > _overlaps(regions, like)), 0, scores)
        instances = [
            Instance(
                stored=regions.records[k].stored,
                score=float(scores[k]),
                word=words[which[k]] if words else "",
                prompt=Prompt(points=tuple(Point(x, y) for x, y in regions.records[k].point_coords)),
                id=str(k),
            )
            for k in wholes(regions.records, scores)
        ]
        presence = tuple(float(row.max(initial=0)) for row in by_word)
        return Finding(tuple(sorted(instances, key=lambda one: -one.score)), presence)

    def describe(self, features: Regions, stored: StoredMask) -> np.ndarray:
        """See `Finder.describe`; returns (D,) float32."""
        for record, known in zip(features.records, features.features, strict=True):
            if record.stored is stored:
                return np.asarray(known)
        return np.asarray(self.described(features.image, [stored], features.seen).features[0])

    def _likeness(self, regions: Regions, examples: Sequence[Example]) -> np.ndarray:
        """Return the cosine of each mask with the nearest example: (N,)."""
        described = [one.features if one.stored is None else self.describe(regions, one.stored) for one in examples]
        nearest: np.ndarray = (regions.features @ np.array(described, np.float32).T).max(1)
        return nearest


def _overlaps(regions: Regions, examples: Sequence[Example]) -> np.ndarray:
    """Return the IoU of each mask with the nearest example in the image: (N,)."""
    masks = [one.stored.array for one in examples if one.stored is not None]
    nearest = [max((float(iou(record.mask, mask)) for mask in masks), default=0.0) for record in regions.records]
    return np.array(nearest, np.float32)


def wholes(records: Sequence[MaskRecord], scores: np.ndarray) -> list[int]:
    """Return indices of masks of which none is a part of another: of a whole and its parts, the better one."""
    kept: list[int] = []
    for k in sorted(np.flatnonzero(scores > 0).tolist(), key=lambda k: -float(scores[k])):
        within = [other for other in kept if _nested(records[k], records[other])]
        if not within:
            kept.append(k)
        elif len(within) == 1:
            part = within[0]
            if records[k].area > records[part].area and scores[k] >= WHOLE_RATIO * scores[part]:
                kept[kept.index(part)] = k
    return kept


def _nested(one: MaskRecord, other: MaskRecord) -> bool:
    return bool(np.count_nonzero(one.mask & other.mask) > INSIDE * min(one.area, other.area))
