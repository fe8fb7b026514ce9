"""The state of a session: the prompt, its candidates, the accepted objects. All types are frozen dataclasses."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from sam_widget.automatic.finding.finder import Example, Instance
from sam_widget.automatic.finding.places import chosen_by_place
from sam_widget.image.rendering import USUAL, Rendering
from sam_widget.masks.cleanup import TIDY, MaskSettings
from sam_widget.masks.runs import StoredMask
from sam_widget.prompts.geometry import Box, BrushStroke
from sam_widget.prompts.prompt import Prompt
from sam_widget.prompts.words import Order


@dataclass(frozen=True, eq=False)
class Answer:
    """One answer of the model, as what it takes to get it again: a history keeps this instead of the logits.

    Attributes:
        prompt: What was asked.
        rendering: How the model saw the image.
        crop: The part of the image that answered; None for the image as a whole.
        best: Index of the candidate that was chosen at first.
        weights: What identifies the model's weights.
        recall: Returns the answer's logits, (N, h, w) float32, by decoding the prompt again unless they are still
            cached; None where these weights are not loaded. None for an answer in a file that was only read.
    """

    prompt: Prompt
    rendering: Rendering
    crop: Box | None
    best: int
    weights: str
    recall: Recall | None = None


# Returns the logits of an answer, (N, h, w) float32, or None.
Recall = Callable[[Answer], np.ndarray | None]


@dataclass(frozen=True, eq=False)
class Candidate:
    """One of the masks that the model predicts for the prompt.

    Attributes:
        stored: The mask: `source`, cleaned up and painted on.
        score: The predicted IoU, between 0 and 1; None for the mask of an object without a score.
        answer: The source of the logits: the answer of which this is mask `index`, or the logits themselves; None for
            the mask of an object that is not based on a single prediction.
        stability: The stability score, between 0 and 1 (`masks.stability_score`); None without logits.
        source: The thresholded mask, before it is cleaned up and painted on; `stored` itself if it is not changed.
        crop: The crop that was decoded, and that the logits cover; None for the whole image.
        index: Index of the mask in the answer.
    """

    stored: StoredMask
    score: float | None
    answer: Answer | np.ndarray | None
    stability: float | None = None
    source: StoredMask | None = None
    crop: Box | None = None
    index: int = 0

    def __repr__(self) -> str:
        """One line, without arrays."""
        height, width = self.stored.shape
        stability = "" if self.stability is None else f", stability {self.stability:.2f}"
        score = "no score" if self.score is None else f"score {self.score:.2f}"
        return f"Candidate({score}{stability}, {self.stored.area} of {width} x {height} pixels)"

    @property
    def mask(self) -> np.ndarray:
        """The mask, (H, W) bool, read-only."""
        return self.stored.array

    @property
    def logits(self) -> np.ndarray | None:
        """(h, w) float32 at low resolution, read-only; can be a mask prompt.

        Those of older answers are decoded again. None where no single prediction made the mask, or another model did.

        Raises:
            ModelError: They must be decoded again, and the device has too little memory for the model.
        """
        answer = self.answer
        if not isinstance(answer, Answer):
            return answer
        logits = None if answer.recall is None else answer.recall(answer)
        return None if logits is None or self.index >= len(logits) else logits[self.index]

    @property
    def base(self) -> StoredMask:
        """The mask before it is cleaned up and painted on."""
        return self.stored if self.source is None else self.source


@dataclass(frozen=True, eq=False)
class Query:
    """What is searched for.

    Attributes:
        words: Phrases.
        like: Examples.
        not_like: Counter-examples.
        finder: Name of the finder.
        orders: The size or place that words ask for, such as "largest", by words.
    """

    words: tuple[str, ...] = ()
    like: tuple[Example, ...] = ()
    not_like: tuple[Example, ...] = ()
    finder: str = "tiny"
    orders: Mapping[str, Order] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The words in quotes, or how many examples there are."""
        count = len(self.like)
        examples = f"{count} example{'' if count == 1 else 's'}" if count else ""
        return " and ".join(filter(None, [", ".join(map(repr, self.words)), examples])) or "nothing"

    def label_of(self, word: str) -> str:
        """Return the default label of what fits a word; if the word is empty, the label of the examples."""
        labels = {example.label for example in self.like}
        return word or (labels.pop() if len(labels) == 1 else "") or "object"


@dataclass(frozen=True, eq=False)
class Search:
    """A search and all that it found.

    Attributes:
        query: What was searched for.
        instances: Those not accepted yet, best first, of any score.
        threshold: Score from which an instance counts as found.
        limit: The most instances that count as found; None for all.
        presence: For each word, how sure the finder is that the image shows it.
        weights: The weights of the finder and of the model that made the masks.
        known: How many more would count as found at first, but are objects already.
    """

    query: Query
    instances: tuple[Instance, ...]
    threshold: float
    limit: int | None = None
    presence: tuple[float, ...] = ()
    weights: str = ""
    known: int = 0

    @cached_property
    def found(self) -> tuple[Instance, ...]:
        """The instances that count as found, best first."""
        above = [one for one in self.instances if one.score >= self.threshold]
        return tuple(chosen_by_place(above, self.query.orders)[: self.limit])

    @property
    def faint(self) -> tuple[Instance, ...]:
        """The instances that do not count as found, best first."""
        found = {one.id for one in self.found}
        return tuple(one for one in self.instances if one.id not in found)

    @property
    def message(self) -> str:
        """What was found, or why nothing was, in a sentence."""
        if self.found and not self.query.words:
            return f"{len(self.found)} like {self.query.text}"
        if self.found:
            counts = Counter(one.word for one in self.found)
            return ", ".join(f"{word}: {counts[word] or 'none'}" for word in self.query.words)
        nothing = f"nothing like {self.query.text}" if not self.query.words else f"no {self.query.text}"
        if self.known:
            nothing += " besides what is an object already"
        if not self.instances:
            return f"{nothing} in this image"
        return f"{nothing} above {self.threshold:.2f}; the nearest is {self.instances[0].score:.2f}, shown faintly"

    def without(self, ids: Iterable[str]) -> Search:
        """Return the search without some of its instances."""
        gone = set(ids)
        return replace(self, instances=tuple(one for one in self.instances if one.id not in gone))


@dataclass(frozen=True, eq=False)
class Origin:
    """How an object was found.

    Attributes:
        query: What was searched for.
        word: The words that it fits; empty if it was found by examples alone.
        instance: Its id among the instances of the image.
        weights: The weights of the finder and of the model that made the masks.
    """

    query: Query
    word: str
    instance: str
    weights: str


@dataclass(frozen=True, eq=False)
class SegmentedObject:
    """An accepted mask.

    Attributes:
        label: Its name.
        stored: The mask.
        score: The predicted IoU; None for a mask that was merged, or made elsewhere without a score.
        box: The tight box around the mask.
        prompt: The prompt it was made from.
        color: Index into the palette; at first, no two objects of a session share one.
        id: Identifies the object, whatever else changes.
        candidate: The candidate that was accepted, from which editing the object starts; None for an imported mask.
        strokes: Brush strokes on the mask.
        settings: Settings with which the mask was computed from its logits.
        origin: The search that found it, if it was found by words or examples.
    """

    label: str
    stored: StoredMask
    score: float | None
    box: Box
    prompt: Prompt
    color: int = 0
    id: str = field(default_factory=lambda: os.urandom(6).hex())
    candidate: Candidate | None = None
    strokes: tuple[BrushStroke, ...] = ()
    settings: MaskSettings = field(default_factory=MaskSettings)
    origin: Origin | None = None

    def __repr__(self) -> str:
        """One line, without arrays."""
        height, width = self.stored.shape
        score = "no score" if self.score is None else f"score {self.score:.2f}"
        return f"SegmentedObject({self.label!r}, {score}, {self.area} of {width} x {height} pixels)"

    @property
    def mask(self) -> np.ndarray:
        """The mask, (H, W) bool, read-only."""
        return self.stored.array

    @property
    def area(self) -> int:
        """Number of pixels of the mask."""
        return self.stored.area

    @property
    def stability(self) -> float | None:
        """The stability score of the candidate that was accepted, if there was one."""
        return None if self.candidate is None else self.candidate.stability


@dataclass(frozen=True, eq=False)
class SessionState:
    """A state of a session. It is immutable, so that it can be read from any thread and restored by undo.

    Attributes:
        prompt: The current prompt.
        candidates: The masks predicted for it.
        chosen_index: Index of the candidate that `accept` would use.
        objects: The accepted objects, oldest first.
        strokes: Brush strokes on the candidates.
        settings: Settings with which the candidates' masks are computed; kept when an object is accepted. By
            default, specks are removed.
        editing: The id of the accepted object that is being edited; `accept` replaces it.
        rendering: The rendering of the image that the model sees.
        crop: The crop that is used to decode prompts inside it; see `Session.sharpen`.
        search: The search by words or examples that is shown; None if there is none.
        label: The label that `accept` uses by default: the words that found the candidate; empty for "object 1", ...
    """

    prompt: Prompt = field(default_factory=Prompt)
    candidates: tuple[Candidate, ...] = ()
    chosen_index: int | None = None
    objects: tuple[SegmentedObject, ...] = ()
    strokes: tuple[BrushStroke, ...] = ()
    settings: MaskSettings = TIDY
    editing: str | None = None
    rendering: Rendering = USUAL
    crop: Box | None = None
    search: Search | None = None
    label: str = ""

    def __repr__(self) -> str:
        """One line, with the numbers of things."""
        points, boxes = len(self.prompt.points), len(self.prompt.boxes)
        return (
            f"SessionState({points} points, {boxes} boxes, {len(self.candidates)} candidates, "
            f"{len(self.objects)} objects)"
        )

    @property
    def chosen(self) -> Candidate | None:
        """The chosen candidate."""
        return None if self.chosen_index is None else self.candidates[self.chosen_index]

    def shrink(self) -> None:
        """Keep the candidates' masks packed until they are next looked at."""
        for candidate in self.candidates:
            candidate.stored.shrink()
            candidate.base.shrink()
