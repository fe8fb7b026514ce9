"""A finder whose work is done at a server, for clients that cannot segment; `serve.finding` is the other side.

Words are compared with the photo's own pixels, so the whole photo is sent, once. The server keeps what it computes of
the last photos; it gets the photo again if it does not.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import msgspec
import numpy as np
from PIL import Image

from sam_widget.automatic.finding.finder import Encoding, Example, Finder, Finding, Instance, Step
from sam_widget.automatic.finding.lines import (
    ExamplePart,
    FindLine,
    FoundPart,
    MaskPart,
    features_from_text,
    finding_of,
)
from sam_widget.errors import ModelError
from sam_widget.image.reading import RGB
from sam_widget.masks.runs import StoredMask
from sam_widget.predictor.interface import FindsElsewhere
from sam_widget.predictor.predictor import Predictor
from sam_widget.predictor.served import within_limit
from sam_widget.prompts.geometry import Point
from sam_widget.prompts.prompt import Prompt
from sam_widget.prompts.words import Order


@dataclass(frozen=True, eq=False)
class Sought:
    """An image at a server: the features of a `ServedFinder`.

    Attributes:
        predictor: Its server searches.
        size: Height and width of the image.
        sent: (h, w, 3) uint8, the image as it is sent.
    """

    predictor: FindsElsewhere
    size: tuple[int, int]
    sent: RGB

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the image as it is sent."""
        return self.sent.shape[0], self.sent.shape[1]


class ServedFinder:
    """Finds what another finder finds, which a server runs."""

    at_server = True

    def __init__(self, finder: Finder) -> None:
        """Use a finder that servers have."""
        self._finder = finder
        self.name, self.weights_id, self.threshold = finder.name, finder.weights_id, finder.threshold
        self.example_threshold: float = getattr(finder, "example_threshold", finder.threshold)

    def check(self, words: Sequence[str], like: Sequence[Example], not_like: Sequence[Example]) -> None:
        """See `Finder.check`."""
        self._finder.check(words, like, not_like)

    def order(self, word: str) -> Order | None:
        """See `Finder.order`."""
        return self._finder.order(word)

    def encode(self, image: RGB, predictor: Predictor) -> Encoding:
        """See `Finder.encode`; returns `Sought`."""
        height, width = image.shape[:2]
        sought = Sought(cast("FindsElsewhere", predictor), (height, width), within_limit(image))
        yield from self._asked(sought)
        return sought

    def find(
        self, features: Sought, words: Sequence[str], like: Sequence[Example] = (), not_like: Sequence[Example] = ()
    ) -> Finding:
        """See `Finder.find`."""
        examples = {"like": like, "not_like": not_like}
        parts = {name: [_part(one, features) for one in several] for name, several in examples.items()}
        answer = _end_of(self._asked(features, words=list(words), **parts))
        try:
            finding = finding_of(answer)
        except ValueError as error:
            raise ModelError(f"the server's masks cannot be read ({error})") from error
        return replace(finding, instances=tuple(_enlarged(one, features) for one in finding.instances))

    def describe(self, features: Sought, stored: StoredMask) -> np.ndarray:
        """See `Finder.describe`."""
        answer = _end_of(self._asked(features, describe=[MaskPart.of(_resized(stored, features.shape))]))
        if len(answer.described) != 1:
            raise ModelError("the server does not describe the mask; install the same version of sam_widget there")
        return features_from_text(answer.described[0])

    def _asked(self, sought: Sought, **question: Any) -> Generator[Step, None, FoundPart]:
        asked = msgspec.to_builtins({"finder": self.name, **question})
        for line in sought.predictor.found(sought.sent, asked):
            try:
                told = msgspec.json.decode(line, type=FindLine)
            except msgspec.MsgspecError as error:
                raise ModelError(f"the server's answer cannot be read ({error})") from error
            if told.error:
                raise ModelError(told.error)
            if told.answer is None:
                yield Step(told.done, told.total)
            elif told.answer.weights != self.weights_id:
                raise ModelError(
                    f"the server finds with {told.answer.weights}, and this is {self.weights_id}; install the same "
                    "version of sam_widget on both sides"
                )
            else:
                return told.answer
        raise ModelError("the server has ended before the search was done; try again")


def _end_of(asked: Generator[Step, None, FoundPart]) -> FoundPart:
    while True:
        try:
            next(asked)
        except StopIteration as done:
            return cast("FoundPart", done.value)


def _part(example: Example, sought: Sought) -> ExamplePart:
    if example.stored is None:
        return ExamplePart.of(example)
    return ExamplePart.of(replace(example, stored=_resized(example.stored, sought.shape)))


def _enlarged(one: Instance, sought: Sought) -> Instance:
    """Return an instance in pixels of the image, of which a smaller copy may have been sent."""
    if sought.size == sought.shape:
        return one
    across, down = sought.size[1] / sought.shape[1], sought.size[0] / sought.shape[0]
    points = tuple(Point(point.x * across, point.y * down) for point in one.prompt.points)
    return replace(one, stored=_resized(one.stored, sought.size), prompt=Prompt(points=points))


def _resized(stored: StoredMask, size: tuple[int, int]) -> StoredMask:
    """Return a mask at a height and width."""
    if stored.shape == size:
        return stored
    picture = Image.fromarray(stored.array.astype(np.uint8))
    return StoredMask(np.asarray(picture.resize((size[1], size[0]), Image.Resampling.NEAREST)).astype(bool))
