"""What published finders have in common: a query's limits, and instances without duplicates."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from sam_widget.automatic.finding.finder import Example, Instance
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
    """A mask with its score."""

    stored: StoredMask
    score: float


def instance(scored: Scored, word: str) -> Instance:
    """Return an instance, prompted by its tight box and identified by its pixels."""
    x, y, width, height = scored.stored.bounds
    return Instance(
        stored=scored.stored,
        score=scored.score,
        word=word,
        prompt=Prompt(box=Box(x, y, x + width, y + height)),
        id=blake2b(scored.stored.runs.tobytes(), digest_size=8).hexdigest(),
    )


def tight_box(example: Example) -> tuple[int, int, int, int]:
    """Return x0, y0, x1, y1 of an example's mask.

    Raises:
        PromptError: It has no mask in the image that is searched, or an empty one.
    """
    if example.stored is None or not example.stored.area:
        raise PromptError(f"the example {example.name!r} has no mask in this image; give a mask or an object of it")
    x, y, width, height = example.stored.bounds
    return x, y, x + width, y + height


def distinct(found: Iterable[tuple[Scored, str]]) -> tuple[Instance, ...]:
    """Return instances of masks and their words, best first, without empty ones and those that a better one covers."""
    kept: list[tuple[Scored, str]] = []
    for scored, word in sorted(found, key=lambda one: -one[0].score):
        if scored.stored.area and not any(_iou(scored.stored, other.stored) > DUPLICATE for other, _ in kept):
            kept.append((scored, word))
    return tuple(instance(scored, word) for scored, word in kept)


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


def _iou(one: StoredMask, other: StoredMask) -> float:
    """Return the IoU of two masks; 0 without decoding them if their areas or boxes rule out a duplicate."""
    smaller, larger = sorted((one.area, other.area))
    if smaller <= DUPLICATE * larger:
        return 0.0
    x0, y0, x1, y1 = (
        np.maximum(_corners(one)[:2], _corners(other)[:2]).tolist()
        + np.minimum(_corners(one)[2:], _corners(other)[2:]).tolist()
    )
    if x0 >= x1 or y0 >= y1:
        return 0.0
    shared = np.count_nonzero(one.array[y0:y1, x0:x1] & other.array[y0:y1, x0:x1])
    return float(shared / (one.area + other.area - shared))


def _corners(stored: StoredMask) -> np.ndarray:
    x, y, width, height = stored.bounds
    return np.array([x, y, x + width, y + height])
