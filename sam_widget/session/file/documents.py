"""The documents of a session file: the types of their JSON, which msgspec checks on reading.

A document is a JSON object, defined by one of the structs below; a `Hash` names another document or a blob. Masks of
candidates are `packed` blobs, and those of objects `mask` blobs. Coordinates are pixels of the image.

Version 1 has `source` (hash of a mask, or null) where version 2 has `change`, prompts where version 2 has their hashes,
candidates with `logits` and no `answer`, `mask` blobs for all masks, and no `specks` in settings; its older files lack
`crop` and `mask_crop`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import UNSET, Meta, Struct, UnsetType

from sam_widget.image.rendering import Rendering
from sam_widget.masks.cleanup import MaskSettings
from sam_widget.prompts.geometry import Box, BrushStroke, Point, Stroke
from sam_widget.prompts.words import Order

Hash = str
# x0, y0, x1, y1 in pixels of the image.
Corners = tuple[float, float, float, float]
# Other than as a prediction, a score may be any finite number; NaN, which JSON lacks, is read as null.
Score = Annotated[float, Meta(ge=-1e300, le=1e300)]
Share = Annotated[float, Meta(ge=0, le=1)]
Index = Annotated[int, Meta(ge=0, le=2**53)]


class PromptDocument(Struct, frozen=True, kw_only=True):
    """A prompt: one that it continues, and what was drawn after it, so that each click of many costs the same."""

    kind: ClassVar = "prompt"
    base: Hash | None = None
    points: tuple[Point, ...]
    boxes: tuple[Box, ...]
    strokes: tuple[Stroke, ...]
    mask: Hash | None  # logits
    mask_crop: Corners | None = None
    words: str | UnsetType = UNSET


class AnswerPart(Struct, frozen=True, kw_only=True):
    """What it takes to decode the logits of a candidate again: its `index`, and the one chosen at first, `best`."""

    prompt: Hash
    rendering: Rendering
    best: Index
    index: Index


class CandidateDocument(Struct, frozen=True, kw_only=True):
    """A candidate. Its logits are those of an answer, or stored, or there are none.

    `change` is a mask of the pixels in which cleaning up and painting changed the mask; null for none. `model` is a key
    of the meta row `models`; `crop` is the part of the image that was decoded.
    """

    kind: ClassVar = "candidate"
    mask: Hash
    change: Hash | None = None
    source: Hash | UnsetType | None = UNSET  # version 1
    score: Score | None
    stability: Score | None
    model: str | None
    crop: Corners | None = None
    answer: AnswerPart | None = None
    logits: Hash | None


class ExamplePart(Struct, frozen=True, kw_only=True):
    """An example of a query: a mask of the image, or the features of one in another image, as logits of shape 1 x D."""

    name: str
    mask: Hash | None
    features: Hash | None


class QueryDocument(Struct, frozen=True, kw_only=True):
    """What was searched for; see `Query`."""

    kind: ClassVar = "query"
    words: tuple[str, ...]
    like: tuple[ExamplePart, ...]
    not_like: tuple[ExamplePart, ...]
    orders: dict[str, Order] | UnsetType = UNSET  # such as "largest", by words
    finder: str


class InstancePart(Struct, frozen=True, kw_only=True):
    """An instance of a search; see `Instance`."""

    id: str
    word: str
    score: Share
    mask: Hash
    prompt: Hash


class SearchDocument(Struct, frozen=True, kw_only=True):
    """A search and its instances, best first; see `Search`."""

    kind: ClassVar = "search"
    query: Hash
    threshold: Share
    limit: Annotated[int, Meta(ge=1, le=2**53)] | None
    presence: tuple[Share, ...]
    weights: str
    known: Index = 0
    instances: tuple[InstancePart, ...]


class OriginPart(Struct, frozen=True, kw_only=True):
    """The search that found an object; see `Origin`."""

    query: Hash
    word: str
    instance: str
    weights: str


class ObjectDocument(Struct, frozen=True, kw_only=True):
    """An accepted object; see `SegmentedObject`."""

    kind: ClassVar = "object"
    # Lone surrogates cannot be encoded as UTF-8.
    id: Annotated[str, Meta(pattern="^[^\ud800-\udfff]*$")]
    label: str
    mask: Hash
    area: Index
    box: Corners
    score: Score | None
    color: Annotated[int, Meta(ge=-(2**53), le=2**53)]
    prompt: Hash | PromptDocument
    candidate: Hash | None
    strokes: tuple[BrushStroke, ...]
    settings: MaskSettings
    model: str | None
    origin: OriginPart | UnsetType = UNSET  # found by words or examples


class StateDocument(Struct, frozen=True, kw_only=True):
    """A state: `objects` from the oldest on, `editing` the id of one of them, `chosen` the index of a candidate."""

    kind: ClassVar = "state"
    prompt: Hash | PromptDocument
    candidates: tuple[Hash, ...]
    chosen: Index | None
    objects: tuple[Hash, ...]
    strokes: tuple[BrushStroke, ...]
    settings: MaskSettings
    editing: str | None
    rendering: Rendering
    crop: Corners | None = None
    search: Hash | UnsetType = UNSET
    label: str | UnsetType = UNSET


AnyDocument = PromptDocument | CandidateDocument | QueryDocument | SearchDocument | ObjectDocument | StateDocument
