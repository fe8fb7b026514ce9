"""All messages between the kernel and a view.

A *request* is sent from a view to the kernel as an anywidget custom message, and gets exactly one `Answer`. It contains
the view's id (`client`, a random string) and a sequence number (`seq`), because every view of a widget receives every
answer. The requests are derived from the signatures of the methods marked as `remote`, by `verbs`. This module defines
the types of their fields, the kernel's replies, and `State`, which must survive a reload: the widget's synced trait. An
edit sends only the changes (`Update`); the trait is updated later. Large data (the photo, masks) is sent in binary
buffers. What galleries and data engines show in addition is in `panels`.

`js/src/protocol.ts` is generated (`python -m sam_widget.widget.typescript js/src/protocol.ts`), and a test fails if it
is out of date.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from sam_widget.masks.cleanup import MOST_SMOOTHING
from sam_widget.prompts.geometry import MOST_VERTICES
from sam_widget.prompts.prompt import MOST_BOXES, MOST_POINTS, MOST_STROKES
from sam_widget.widget.panels import (  # noqa: F401 - part of the protocol: of generated types, too
    CheckData,
    EngineData,
    GalleryData,
    HitData,
    JobData,
    PlaceData,
    RoundData,
    SearchedData,
    StageData,
)

# ------------------------------------------------------------------------------------------------ shared parts

# Limits on requests from a page, checked before any work is done; far beyond normal use.
MOST_OBJECTS = 10_000
MOST_LETTERS = 1000

# NaN compares as false with every limit, so it is refused along with the infinities.
Number = Annotated[float, Meta(ge=-1e300, le=1e300)]
# JavaScript's largest safe integer.
Integer = Annotated[int, Meta(ge=-(2**53), le=2**53)]
# Lone surrogates cannot be encoded as UTF-8.
Text = Annotated[str, Meta(max_length=MOST_LETTERS, pattern="^[^\ud800-\udfff]*$")]
Size = Annotated[int, Meta(ge=0, le=2**53)]
Texts = Annotated[list[Text], Meta(max_length=MOST_OBJECTS)]
Vertices = Annotated[list[Number], Meta(max_length=2 * MOST_VERTICES)]
# Changed fields of the state, except its objects.
Changes = Annotated[dict[str, Any], Meta(extra={"typescript": 'Partial<Omit<State, "objects">>'})]


class Request(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The fields of every request: the id of its view, and its sequence number there."""

    client: Text
    seq: Integer


class PointData(Struct, frozen=True, forbid_unknown_fields=True):
    """A click, in pixels of the original image; label 1 is foreground, 0 background."""

    x: Number
    y: Number
    label: Literal[0, 1]


class BoxData(Struct, frozen=True, forbid_unknown_fields=True):
    """A box in pixels of the original image; x1 and y1 are exclusive."""

    x0: Number
    y0: Number
    x1: Number
    y1: Number


class StrokeData(Struct, frozen=True, forbid_unknown_fields=True):
    """A scribble or, if closed, a lasso: x and y of its vertices in turn, in pixels of the original image."""

    vertices: Vertices
    label: Literal[0, 1]
    closed: bool


class PromptData(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The whole prompt of one mask.

    `mask` is the name of a mask prompt in the kernel: a view can keep or drop it, but not create one. `words` say what
    the object is, for models that take them.
    """

    points: Annotated[list[PointData], Meta(max_length=MOST_POINTS)]
    boxes: Annotated[list[BoxData], Meta(max_length=MOST_BOXES)]
    strokes: Annotated[list[StrokeData], Meta(max_length=MOST_STROKES)]
    mask: Text | None
    words: Text = ""


class SettingsData(Struct, frozen=True, forbid_unknown_fields=True):
    """How masks are computed from the model's logits; see `MaskSettings`."""

    threshold: Number
    holes: Size
    islands: Size
    smoothing: Annotated[float, Meta(ge=0, le=MOST_SMOOTHING)]
    specks: bool = True


class RenderingData(Struct, frozen=True, forbid_unknown_fields=True):
    """How the image's values are mapped to colours; null and an empty list mean the default. See `image.rendering`."""

    channels: Annotated[list[Integer], Meta(max_length=3)]
    black: Number | None
    white: Number | None
    gamma: Number


# ------------------------------------------------------------------------------------------------ kernel -> view


class Answer(Struct, frozen=True, tag_field="type", tag="answer"):
    """The only answer to a request. The resulting state has at least this `revision`."""

    client: str
    seq: int
    outcome: Literal["done", "superseded", "error"]
    error: str | None
    revision: int


class MaskData(Struct, frozen=True):
    """One mask of a `Whole` or an `Update`; its buffer contains packed row runs, see `masks.wire_codec`."""

    id: str
    width: int
    height: int


class Whole(Struct, frozen=True, tag_field="type", tag="whole"):
    """The whole state, and all masks it refers to, one buffer each, in the same order; sent in reply to `hello`."""

    masks: list[MaskData]
    state: State


class Splice(Struct, frozen=True):
    """A change of the list of objects: `removed` of them, from index `start` on, are replaced by those `added`."""

    start: int
    removed: int
    added: list[ObjectData]


class FoundChange(Struct, frozen=True):
    """A change of the masks that `everything` has found: some names are removed, then others are added at the end."""

    removed: list[str]
    added: list[FoundData]


class Update(Struct, frozen=True, tag_field="type", tag="update"):
    """The changes since revision `since`: fields of the state, the objects, what has been found, and new masks.

    In `fields`, the list of what `everything` has found is empty: `found` changes that of the view, which is empty if
    nothing was running. The masks' buffers are in the same order. A view at another revision requests the whole state
    with `hello`.
    """

    since: int
    fields: Changes
    objects: Splice | None
    found: FoundChange | None
    masks: list[MaskData]


class PreviewMask(Struct, frozen=True, tag_field="type", tag="preview_mask"):
    """The reply to a preview, for the requesting view: the mask that its prompt would choose.

    The only buffer contains packed row runs, as for `MaskData`.
    """

    client: str
    seq: int
    width: int
    height: int
    score: float


class TilePicture(Struct, frozen=True, tag_field="type", tag="tile_picture"):
    """A tile as an encoded picture of type `mime` in the only buffer, sent right before the answer to its request."""

    client: str
    seq: int
    mime: str


class File(Struct, frozen=True, tag_field="type", tag="file"):
    """The file requested by `export`, in the only buffer, sent directly before the answer to the requesting view."""

    client: str
    seq: int
    name: str
    mime: str


# ------------------------------------------------------------------------------------------------ the synced state


class ValuesData(Struct, frozen=True):
    """The values of the image: their type and range.

    The default rendering shows `black` and `white` as such; nearly all values are between `dark` and `bright`.
    """

    dtype: str
    channels: int
    low: float
    high: float
    black: float
    white: float
    dark: float
    bright: float


class ImageData(Struct, frozen=True):
    """The state's description of the image; the picture itself is sent in tiles of at most `tile` x `tile` pixels."""

    hash: str
    width: int
    height: int
    levels: int
    tile: int
    values: ValuesData


class CandidateData(Struct, frozen=True, omit_defaults=True):
    """One of the masks that the model predicts for the prompt; `stability` is null without logits.

    `crop` is the crop that was decoded, null for the whole image. `model` names the model, if it is another than the
    state's.
    """

    mask: str
    score: float | None
    stability: float | None
    area: int
    crop: BoxData | None
    model: str = ""


class ObjectData(Struct, frozen=True):
    """An accepted mask. `color` indexes the palette; `score` is null for a merged or imported mask without one."""

    id: str
    label: str
    mask: str
    score: float | None
    box: BoxData
    area: int
    color: int


class FoundData(Struct, frozen=True):
    """A mask that `everything` has found, before it becomes an object."""

    mask: str
    color: int


class ProgressData(Struct, frozen=True):
    """The progress of `everything` or `find`: number of points decoded and in total; 0 of 0 if not known yet."""

    kind: Literal["everything", "find"]
    done: int
    total: int
    found: list[FoundData]


class InstanceData(Struct, frozen=True):
    """A mask that `find` has scored; `found` is whether it counts as found, rather than being shown faintly.

    `word` is the index of the words that it fits best; -1 if it was found by examples alone.
    """

    id: str
    mask: str
    word: int
    score: float
    found: bool


class SearchData(Struct, frozen=True):
    """A search by words, and by examples, of which only the numbers are sent; instances are sorted, best first."""

    words: list[str]
    like: int
    not_like: int
    threshold: float
    message: str
    instances: list[InstanceData]


class State(Struct, frozen=True):
    """Everything that a view draws. `revision` increases with every change.

    `decode_ms` is the duration of a decode, measured once the image is embedded; null before. `painted` is whether the
    candidates have brush strokes, `editing` the id of the object that `accept` would replace, and `refines` whether the
    model accepts mask prompts, `takes_words` whether it accepts words together with points and boxes. `everything` is
    null if neither it nor `find` is running, and `search` if there is none. `label` is the label that `accept` uses by
    default, if the candidate was found by words. `rendering` is the rendering that the model sees, and `crop` the crop
    that is used to decode prompts inside it. `autosave` is the name of the file to which every edit is saved, if any.
    `direct` is the path of a direct line to the widget, for a server with the package's extension; null if there is
    none. `meanwhile` says which other model answers at present, and why; it is empty if the widget's own does.
    """

    revision: int
    status: Literal["loading", "embedding", "ready", "predicting", "error"]
    message: str
    model: str
    image: ImageData | None
    prompt: PromptData
    candidates: list[CandidateData]
    chosen: int | None
    objects: list[ObjectData]
    settings: SettingsData
    painted: bool
    editing: str | None
    refines: bool
    takes_words: bool
    can_undo: bool
    can_redo: bool
    decode_ms: float | None
    everything: ProgressData | None
    search: SearchData | None
    label: str
    rendering: RenderingData
    crop: BoxData | None
    autosave: str | None
    direct: str | None
    meanwhile: str


class SavedMask(Struct, frozen=True):
    """A mask in a page without a kernel; `runs` are packed row runs, in base64."""

    id: str
    width: int
    height: int
    runs: str


class Saved(Struct, frozen=True):
    """The data of a page without a kernel besides the state: the whole photo, encoded and in base64, and the masks."""

    mime: str
    picture: str
    masks: list[SavedMask]


Reply = Answer | Whole | Update | PreviewMask | TilePicture | File


def to_json(message: Struct) -> dict[str, Any]:
    """Convert a message or the state to a plain dict, with its `type` if it has one."""
    body: dict[str, Any] = msgspec.to_builtins(message)
    return body
