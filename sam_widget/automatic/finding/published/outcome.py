"""What published finders have in common: a query's limits, and instances without duplicates."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from sam_widget.automatic.finding.finder import Example, Instance, check_mask
from sam_widget.errors import PromptError
from sam_widget.image.reading import RGB
from sam_widget.masks.runs import StoredMask
from sam_widget.prompts.geometry import Box
from sam_widget.prompts.prompt import Prompt

# Instances with a lower score are not even shown, and no more than so many for each query.
FLOOR = 0.02
MOST = 64
# Of two masks with a higher IoU, the one with the lower score is a duplicate.
DUPLICATE = 0.8


class Scored(NamedTuple):
    """A mask with its score, and the prompt that yields it; None for its tight box."""

    stored: StoredMask
    score: float
    prompt: Prompt | None = None


def instance(scored: Scored, word: str) -> Instance:
    """Return an instance, identified by its pixels."""
    x, y, width, height = scored.stored.bounds
    return Instance(
        stored=scored.stored,
        score=scored.score,
        word=word,
        prompt=scored.prompt or Prompt(box=Box(x, y, x + width, y + height)),
        id=blake2b(scored.stored.runs.tobytes(), digest_size=8).hexdigest(),
    )


def tight_box(example: Example) -> tuple[int, int, int, int]:
    """Return x0, y0, x1, y1 of an example's mask.

    Raises:
        PromptError: It has no mask in the image that is searched, or an empty one.
    """
    x, y, width, height = check_mask(example).bounds
    return x, y, x + width, y + height


def distinct(found: Iterable[tuple[Scored, str]]) -> tuple[Instance, ...]:
    """Return the `MOST` best instances of masks and their words, best first.

    Empty masks are left out, and those that a better one covers.
    """
    kept: list[tuple[Scored, str, _Closeup]] = []
    for scored, word in sorted(found, key=lambda one: -one[0].score):
        if len(kept) == MOST:
            break
        if not scored.stored.area:
            continue
        closeup = _Closeup(scored.stored)
        if not any(closeup.iou(other) > DUPLICATE for _, _, other in kept):
            kept.append((scored, word, closeup))
    return tuple(instance(scored, word) for scored, word, _ in kept)


class _Closeup:
    """The pixels of a mask in its box, decoded when they are needed."""

    def __init__(self, stored: StoredMask) -> None:
        x, y, width, height = stored.bounds
        self.stored, self.area = stored, stored.area
        self.x0, self.y0, self.x1, self.y1 = x, y, x + width, y + height

    @functools.cached_property
    def pixels(self) -> np.ndarray:
        """(height, width) bool, copied from the mask."""
        return self.stored.array[self.y0 : self.y1, self.x0 : self.x1].copy()

    def within(self, x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
        """Return the pixels in a part of the box."""
        return self.pixels[y0 - self.y0 : y1 - self.y0, x0 - self.x0 : x1 - self.x0]

    def iou(self, other: _Closeup) -> float:
        """Return the IoU with another mask; 0, without decoding either, if their areas rule out a duplicate."""
        smaller, larger = sorted((self.area, other.area))
        x0, y0 = max(self.x0, other.x0), max(self.y0, other.y0)
        x1, y1 = min(self.x1, other.x1), min(self.y1, other.y1)
        if smaller <= DUPLICATE * larger or x0 >= x1 or y0 >= y1:
            return 0.0
        shared = np.count_nonzero(self.within(x0, y0, x1, y1) & other.within(x0, y0, x1, y1))
        return float(shared / (smaller + larger - shared))


def likeness(similarity: np.ndarray, unrelated: float) -> np.ndarray:
    """Map cosines, 1 for equal things, to scores between 0, at `unrelated` or less, and 1."""
    scaled: np.ndarray = np.clip((similarity - unrelated) / (1 - unrelated), 0, 1)
    return scaled


def refuse_long(word: str, name: str, tokens: Any, longest: int) -> None:
    """Refuse words with more tokens than a model can read.

    Raises:
        PromptError: There are more.
    """
    if tokens["input_ids"].shape[1] > longest:
        raise PromptError(f"{word!r} is too long for {name}: expected at most {longest} tokens, about as many words")


def picture(image: RGB) -> Any:
    """Return an image that a processor cannot mistake for one with channels first."""
    return Image.fromarray(np.ascontiguousarray(image))
