"""A finder whose instances are known: squares in a row, each with a word and a score."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from sam_widget.automatic.finding.finder import Encoding, Example, Finding, Instance, Step
from sam_widget.errors import PromptError
from sam_widget.masks.runs import StoredMask
from sam_widget.predictor.interface import Predictor
from sam_widget.prompts.geometry import Point
from sam_widget.prompts.prompt import Prompt

# Word, score; from left to right.
SQUARES = (("cat", 0.9), ("cat", 0.6), ("cup", 0.8), ("cat", 0.2), ("dog", 0.1))
SIDE = 20


class Squares:
    """Finds its squares by word; an example finds the squares of its own word, a counter-example removes itself.

    Attributes:
        encoded: How many images it has encoded.
    """

    name = "squares"
    threshold = 0.5

    def __init__(self, weights_id: str = "squares") -> None:
        self.weights_id = weights_id
        self.encoded = 0

    def check(self, words: Sequence[str], like: Sequence[Example], not_like: Sequence[Example]) -> None:
        del like, not_like
        if "giraffe" in words:
            raise PromptError("'giraffe' is not a word of squares; near words: cat")

    def order(self, word: str) -> None:
        del word

    def encode(self, image: np.ndarray, predictor: Predictor) -> Encoding:
        del predictor
        return self._encode(image)

    def _encode(self, image: np.ndarray) -> Iterator[Step]:
        self.encoded += 1
        for done in (1, 2):
            yield Step(done, 2)
        masks = []
        for k in range(len(SQUARES)):
            mask = np.zeros(image.shape[:2], bool)
            mask[10 : 10 + SIDE, 30 * k + 5 : 30 * k + 5 + SIDE] = True
            masks.append(StoredMask(mask))
        return masks

    def find(
        self,
        features: list[StoredMask],
        words: Sequence[str],
        like: Sequence[Example] = (),
        not_like: Sequence[Example] = (),
    ) -> Finding:
        self.check(words, like, not_like)
        wanted = set(words)
        for example in like:
            at = (
                int(self.describe(features, example.stored)[0])
                if example.features is None
                else int(example.features[0])
            )
            wanted.add(SQUARES[at][0])
        unwanted = {int(self.describe(features, example.stored)[0]) for example in not_like}
        instances = [
            Instance(stored, score, word if words else "", Prompt(points=(Point(30 * k + 15, 20),)), str(k))
            for k, (stored, (word, score)) in enumerate(zip(features, SQUARES, strict=True))
            if word in wanted and k not in unwanted
        ]
        best = {word: max(score for name, score in SQUARES if name == word) for word, _ in SQUARES}
        found = sorted(instances, key=lambda one: -one.score)
        return Finding(tuple(found), tuple(best.get(word, 0.0) for word in words))

    def describe(self, features: Any, stored: StoredMask | None) -> np.ndarray:
        del features
        assert stored is not None
        return np.array([(stored.bounds[0] - 5) // 30], np.float32)
