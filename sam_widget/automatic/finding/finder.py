"""What a finder is: a model that finds instances in an image by words and examples.

Three kinds share this protocol: one that scores the masks of everything mode (`embedded`, and CLIP and SigLIP of
`published`), detectors whose boxes prompt a SAM, and SAM 3, which predicts masks. As in the paper's appendix D.5, words
are compared with an image that is encoded once.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from sam_widget.errors import PromptError
from sam_widget.image.reading import RGB
from sam_widget.masks.runs import StoredMask
from sam_widget.prompts.prompt import MOST_LETTERS, Prompt
from sam_widget.prompts.words import Order
from sam_widget.text import clean

if TYPE_CHECKING:
    from torch import Tensor

    from sam_widget.predictor.predictor import Predictor

# Limits on one query, checked before any work is done.
MOST_WORDS = 16
MOST_EXAMPLES = 64


class Step(NamedTuple):
    """Progress of encoding an image: `done` of `total` units."""

    done: int
    total: int


Encoding = Generator[Step, None, Any]
"""Yields progress and returns the features of an image."""


@dataclass(frozen=True, eq=False)
class Example:
    """An example of what to find, or what not to find.

    Attributes:
        stored: Its mask, if it is in the image that is searched.
        features: Its features, as `Finder.describe` returns them, if it is in another image.
        name: Where it is from, such as "cat.jpg: cat".
    """

    stored: StoredMask | None = None
    features: np.ndarray | None = None
    name: str = ""

    @property
    def label(self) -> str:
        """The label of the object that it is: "cat" for "cat.jpg: cat"."""
        return self.name.rpartition(": ")[2]


@dataclass(frozen=True, eq=False)
class Instance:
    """A mask found in an image.

    Attributes:
        stored: The mask.
        score: How well it fits, between 0 and 1.
        word: The words it fits best; empty if only examples were given.
        prompt: A prompt that yields about this mask.
        id: Identifies it among all of this image, whatever the words are.
    """

    stored: StoredMask
    score: float
    word: str = ""
    prompt: Prompt = field(default_factory=Prompt)
    id: str = ""

    def __repr__(self) -> str:
        """One line, without arrays."""
        height, width = self.stored.shape
        word = f"{self.word!r}, " if self.word else ""
        return f"Instance({word}score {self.score:.2f}, {self.stored.area} of {width} x {height} pixels)"

    @property
    def label(self) -> str:
        """The words, as annotations and objects name them."""
        return self.word

    @property
    def mask(self) -> np.ndarray:
        """The mask, (H, W) bool, read-only."""
        return self.stored.array

    @property
    def area(self) -> int:
        """Number of pixels of the mask."""
        return self.stored.area


@dataclass(frozen=True, eq=False)
class Finding:
    """The answer of a finder.

    Attributes:
        instances: Best first, of any score above 0; none is a duplicate of another.
        presence: For each word, how sure the finder is that the image shows it, between 0 and 1.
    """

    instances: tuple[Instance, ...] = ()
    presence: tuple[float, ...] = ()


class Finder(Protocol):
    """Finds instances by words and examples.

    Attributes:
        name: The argument of `load_finder`.
        weights_id: Identifies its weights, and all else on which its features depend.
        threshold: Score from which an instance counts as found, unless another one is given. If there are examples, an
            attribute `example_threshold` comes first.
    """

    name: str
    weights_id: str
    threshold: float

    def check(self, words: Sequence[str], like: Sequence[Example], not_like: Sequence[Example]) -> None:
        """Refuse what cannot be found, before anything is encoded.

        Raises:
            PromptError: A word is not in the vocabulary, or the finder takes no such examples.
        """

    def order(self, word: str) -> Order | None:
        """Return the size or place that a phrase asks for, such as "largest": one of those found is chosen by it.

        None for a finder that reads such words itself, or not at all.

        Raises:
            PromptError: See `check`.
        """

    def encode(self, image: RGB, predictor: Predictor) -> Encoding:
        """Compute the features of an image (H, W, 3) uint8; `predictor` makes masks where the finder makes none.

        Raises:
            ModelError: The device has too little memory.
        """

    def find(
        self, features: Any, words: Sequence[str], like: Sequence[Example] = (), not_like: Sequence[Example] = ()
    ) -> Finding:
        """Score instances in an encoded image by words and examples.

        Args:
            features: What `encode` returned.
            words: Phrases; an instance gets the one that fits it best.
            like: Examples. With words, instances must fit both.
            not_like: Counter-examples.

        Raises:
            PromptError: See `check`.
        """

    def describe(self, features: Any, stored: StoredMask) -> np.ndarray:
        """Return the features of a mask, (D,) float32, with which similar ones are found in other images.

        Raises:
            PromptError: The finder does not compare images.
        """


@runtime_checkable
class AtServer(Protocol):
    """A finder that runs at the server of the predictor; its features only say which image they are of."""

    at_server: bool


@runtime_checkable
class Storable(Protocol):
    """A finder whose features can be kept on disk."""

    def to_tensors(self, features: Any) -> Mapping[str, Tensor]:
        """Return features as tensors, from which `from_tensors` makes them again."""

    def from_tensors(self, tensors: Mapping[str, Tensor], image: RGB, predictor: Predictor) -> Any:
        """Return the features of an image (H, W, 3) uint8, without encoding it.

        Raises:
            ModelError: The tensors are not those of such features.
        """


def check_mask(example: Example) -> StoredMask:
    """Return the mask of an example.

    Raises:
        PromptError: It has no mask in the image that is searched, or an empty one.
    """
    if example.stored is None or not example.stored.area:
        raise PromptError(f"the example {example.name!r} has no mask in this image; give a mask or an object of it")
    return example.stored


def clean_words(words: Sequence[object]) -> tuple[str, ...]:
    """Check and strip words, dropping repeated ones.

    Raises:
        PromptError: One is not text, blank, or too long, or there are too many.
    """
    given = []
    for word in words:
        if not isinstance(word, str) or not word.strip():
            raise PromptError(f"{word!r} is not a word to find; expected text such as 'cat' or 'red cup'")
        given.append(clean(" ".join(word.split())))
        if len(word) > MOST_LETTERS:
            raise PromptError(f"a phrase of {len(word)} characters is too long; expected at most {MOST_LETTERS}")
    cleaned = tuple(dict.fromkeys(given))
    if len(cleaned) > MOST_WORDS:
        raise PromptError(f"{len(cleaned)} phrases are too many to find at once; expected at most {MOST_WORDS}")
    return cleaned
