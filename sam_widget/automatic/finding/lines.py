"""The questions and answers of a search at a server, as JSON; `serve.finding` shows them.

Both sides use this module.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence

import msgspec
import numpy as np

from sam_widget.automatic.finding.finder import Example, Finding, Instance
from sam_widget.errors import PromptError
from sam_widget.masks.runs import StoredMask
from sam_widget.masks.wire_codec import pack_runs, unpack_runs
from sam_widget.prompts.geometry import Point
from sam_widget.prompts.prompt import Prompt

# Characters of a mask, and runs of all masks of a question: a mask of a large photo has some thousand.
MOST_CHARACTERS, MOST_RUNS = 2**19, 2_000_000


class MaskPart(msgspec.Struct, frozen=True, kw_only=True):
    """A mask: height and width, and packed row runs (`masks.wire_codec`) in base64."""

    size: tuple[int, int]
    runs: str

    @classmethod
    def of(cls, stored: StoredMask) -> MaskPart:
        """Write a mask."""
        return cls(size=stored.shape, runs=b64encode(pack_runs(stored.runs, stored.shape[1])).decode())

    def stored(self) -> StoredMask:
        """Read it.

        Raises:
            ValueError: It is malformed.
        """
        return StoredMask.of_runs(unpack_runs(b64decode(self.runs, validate=True), *self.size), self.size)


class ExamplePart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An example: a mask of the image, or the features of one in another image, float32 in base64."""

    mask: MaskPart | None = None
    features: str = ""

    @classmethod
    def of(cls, example: Example) -> ExamplePart:
        """Write an example."""
        if example.stored is not None:
            return cls(mask=MaskPart.of(example.stored))
        return cls(features="" if example.features is None else features_to_text(example.features))


class FindQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to find; without words and examples, the image is only prepared.

    Attributes:
        model: Name of the model.
        hash: The image's.
        finder: Name of the finder: "tiny" or "own".
        words: Phrases.
        like: Examples.
        not_like: Counter-examples.
        describe: Masks whose features are wanted, as examples for other images.
        threshold: Score from which an instance counts as found; by default, the finder's own.
        limit: The most instances that count as found.
    """

    model: str
    hash: str
    finder: str = "tiny"
    words: list[str] = []
    like: list[ExamplePart] = []
    not_like: list[ExamplePart] = []
    describe: list[MaskPart] = []
    threshold: float | None = None
    limit: int | None = None


class InstancePart(MaskPart, frozen=True, kw_only=True):
    """An instance; `found` is whether it is at or above the threshold, `points` are those of a prompt for it."""

    id: str
    word: str
    score: float
    found: bool
    points: list[tuple[float, float]] = []


class FoundPart(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: instances, best first, the presence of each word, the finder's weights, and features asked for."""

    hash: str
    weights: str
    message: str
    instances: list[InstancePart] = []
    presence: list[float] = []
    described: list[str] = []


class FindLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of an answer: steps done and in all, or the place in the queue; the last has the answer, or an error."""

    done: int = 0
    total: int = 0
    place: int = 0
    seconds: float = 0
    answer: FoundPart | None = None
    error: str = ""


def examples_of(parts: Sequence[ExamplePart], known: Sequence[StoredMask], size: tuple[int, int]) -> list[Example]:
    """Read examples; see `masks_of`."""
    masks = iter(masks_of([part.mask for part in parts if part.mask is not None], known, size))
    return [
        Example(stored=next(masks)) if part.mask is not None else Example(features=features_from_text(part.features))
        for part in parts
    ]


def masks_of(parts: Sequence[MaskPart], known: Sequence[StoredMask], size: tuple[int, int]) -> list[StoredMask]:
    """Read masks of an image of this height and width.

    Those that are `known` are returned as they are: a finder does not describe them again.

    Raises:
        PromptError: One is malformed or of another size, or they are too many.
    """
    masks: list[StoredMask] = []
    count = 0
    for part in parts:
        if part.size != size:
            raise PromptError(
                f"a mask is of {part.size[0]} x {part.size[1]} pixels, but the image is {size[0]} x {size[1]}"
            )
        if len(part.runs) > MOST_CHARACTERS:
            raise PromptError(f"a mask takes {len(part.runs):,} characters, expected at most {MOST_CHARACTERS:,}")
        try:
            stored = part.stored()
        except ValueError as error:
            raise PromptError(f"a mask is not packed runs in base64 ({error})") from error
        count += len(stored.runs)
        if count > MOST_RUNS:
            raise PromptError(f"the masks have more than {MOST_RUNS:,} runs in all; give fewer of them")
        alike = (one for one in known if one.area == stored.area and np.array_equal(one.runs, stored.runs))
        masks.append(next(alike, stored))
    return masks


def features_to_text(features: np.ndarray) -> str:
    """Write features (D,) float32."""
    return b64encode(features.astype("<f4").tobytes()).decode()


def features_from_text(text: str) -> np.ndarray:
    """Read features, (D,) float32.

    Raises:
        PromptError: They are malformed.
    """
    try:
        features = np.frombuffer(b64decode(text, validate=True), "<f4").astype(np.float32)
    except ValueError as error:
        raise PromptError(f"the features of an example are not float32 in base64 ({error})") from error
    if not len(features) or not np.isfinite(features).all():
        raise PromptError("the features of an example are empty, or no numbers")
    return features


def instance_to_part(one: Instance, *, found: bool) -> InstancePart:
    """Write an instance."""
    mask = MaskPart.of(one.stored)
    points = [(point.x, point.y) for point in one.prompt.points]
    return InstancePart(
        size=mask.size, runs=mask.runs, id=one.id, word=one.word, score=one.score, found=found, points=points
    )


def finding_of(answer: FoundPart) -> Finding:
    """Read what was found.

    Raises:
        ValueError: It is malformed.
    """
    instances = [
        Instance(
            stored=one.stored(),
            score=one.score,
            word=one.word,
            prompt=Prompt(points=tuple(Point(x, y) for x, y in one.points)),
            id=one.id,
        )
        for one in answer.instances
    ]
    return Finding(tuple(instances), tuple(answer.presence))
