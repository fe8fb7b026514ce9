"""Every message that crosses between the kernel and a view.

A *request* goes from a view to the kernel as an anywidget custom message, and gets exactly one `Answer`. It names the
view (`client`, a random string) and is numbered by it (`seq`), because every view of a widget hears every answer. The
requests themselves are the signatures of the methods marked as `remote`: `verbs` derives them. Here is what their
fields are made of, what the kernel replies, and `State`, which must survive a reload: the widget's synced trait. An
edit sends what has changed of it (`Update`); the trait follows when there is time. What is large (the photo, masks)
travels in binary buffers.

`js/src/protocol.ts` is generated (`python -m sam_widget.widget.typescript js/src/protocol.ts`), and a test fails when
it is out of date.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

# ------------------------------------------------------------------------------------------------ shared parts

# Limits of what a page may ask, checked before any work is done; no hand reaches them.
MOST_POINTS = 256
MOST_BOXES = 64
MOST_STROKES = 64
MOST_VERTICES = 20_000
MOST_OBJECTS = 10_000
MOST_LETTERS = 1000
MOST_SMOOTHING = 1000

# NaN compares as false with every limit, so it is refused along with the infinities.
Number = Annotated[float, Meta(ge=-1e300, le=1e300)]
# What JavaScript can count to.
Integer = Annotated[int, Meta(ge=-(2**53), le=2**53)]
# A lone surrogate, half a letter, cannot be written as UTF-8.
Text = Annotated[str, Meta(max_length=MOST_LETTERS, pattern="^[^\ud800-\udfff]*$")]
Size = Annotated[int, Meta(ge=0, le=2**53)]
Texts = Annotated[list[Text], Meta(max_length=MOST_OBJECTS)]
Vertices = Annotated[list[Number], Meta(max_length=2 * MOST_VERTICES)]
# Fields of the state with their new values; all but its objects.
Changes = Annotated[dict[str, Any], Meta(extra={"typescript": 'Partial<Omit<State, "objects">>'})]


class Request(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every request has: which view it is from, and its number there."""

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
    """A scribble, or, closed, a lasso: x and y of its vertices in turn, in pixels of the original image."""

    vertices: Vertices
    label: Literal[0, 1]
    closed: bool


class PromptData(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole prompt of one mask.

    `mask` names a mask prompt that the kernel knows: a view can keep it or drop it, but not make one.
    """

    points: Annotated[list[PointData], Meta(max_length=MOST_POINTS)]
    boxes: Annotated[list[BoxData], Meta(max_length=MOST_BOXES)]
    strokes: Annotated[list[StrokeData], Meta(max_length=MOST_STROKES)]
    mask: Text | None


class SettingsData(Struct, frozen=True, forbid_unknown_fields=True):
    """How masks are made of the model's logits: `MaskSettings`."""

    threshold: Number
    holes: Size
    islands: Size
    smoothing: Annotated[float, Meta(ge=0, le=MOST_SMOOTHING)]


class RenderingData(Struct, frozen=True, forbid_unknown_fields=True):
    """How the image's values become colours; null and an empty list mean the default. See `image.rendering`."""

    channels: Annotated[list[Integer], Meta(max_length=3)]
    black: Number | None
    white: Number | None
    gamma: Number


# ------------------------------------------------------------------------------------------------ kernel -> view


class Answer(Struct, frozen=True, tag_field="type", tag="answer"):
    """The one answer to a request. The state it led to has at least this `revision`."""

    client: str
    seq: int
    outcome: Literal["done", "superseded", "error"]
    error: str | None
    revision: int


class MaskData(Struct, frozen=True):
    """One mask of a `Whole` or an `Update`; its buffer holds packed row runs, as `masks.wire_codec` describes them."""

    id: str
    width: int
    height: int


class Whole(Struct, frozen=True, tag_field="type", tag="whole"):
    """The whole state, and all masks that it names, one buffer each, in the same order; sent when a view says hello."""

    masks: list[MaskData]
    state: State


class Splice(Struct, frozen=True):
    """How the list of objects has changed: `removed` of them from number `start` on, replaced by those `added`."""

    start: int
    removed: int
    added: list[ObjectData]


class Update(Struct, frozen=True, tag_field="type", tag="update"):
    """What has changed since revision `since`: fields of the state, the objects, and masks named for the first time.

    The masks' buffers are in the same order. A view that has another revision asks for the whole with `hello`.
    """

    since: int
    fields: Changes
    objects: Splice | None
    masks: list[MaskData]


class PreviewMask(Struct, frozen=True, tag_field="type", tag="preview_mask"):
    """The answer to a preview: the mask that its prompt would choose, for the view that asked.

    The one buffer holds packed row runs, as a `MaskData`'s does.
    """

    client: str
    seq: int
    width: int
    height: int
    score: float


class TilePicture(Struct, frozen=True, tag_field="type", tag="tile_picture"):
    """A tile as an encoded picture of type `mime` in the one buffer, sent right before the answer to its request."""

    client: str
    seq: int
    mime: str


class File(Struct, frozen=True, tag_field="type", tag="file"):
    """What `export` asked for, in the one buffer, sent right before the answer, for the view that asked."""

    client: str
    seq: int
    name: str
    mime: str


# ------------------------------------------------------------------------------------------------ the synced state


class ValuesData(Struct, frozen=True):
    """The numbers that the image is made of: their type and range.

    `black` and `white` are what the usual rendering shows as such; nearly all values are from `dark` to `bright`.
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
    """What the state says of the image; the picture itself travels in tiles of `tile` pixels a side at most."""

    hash: str
    width: int
    height: int
    levels: int
    tile: int
    values: ValuesData


class CandidateData(Struct, frozen=True):
    """One of the masks that the model offers for the prompt; `stability` is null where there are no logits.

    `crop` is the part of the image that answered, null for the image as a whole.
    """

    mask: str
    score: float
    stability: float | None
    area: int
    crop: BoxData | None


class ObjectData(Struct, frozen=True):
    """An accepted mask. `color` indexes the palette."""

    id: str
    label: str
    mask: str
    score: float
    box: BoxData
    area: int
    color: int


class FoundData(Struct, frozen=True):
    """A mask that `everything` has found, before it is an object."""

    mask: str
    color: int


class ProgressData(Struct, frozen=True):
    """How far `everything` is: points asked about, of how many; 0 of 0 before that is known."""

    done: int
    total: int
    found: list[FoundData]


class State(Struct, frozen=True):
    """All that a view draws. `revision` grows with every change.

    `decode_ms` is how long an answer takes here, measured once the image is embedded; null before. `painted` says that
    a brush has been on the candidates, `editing` names the object that `accept` would replace, and `refines` says
    whether the model takes a mask as a prompt.
    `everything` is null where it is not under way. `rendering` is how the model sees the image, and `crop` the part of
    it that answers the prompts in it. `autosave` names the file that every edit is saved to, if there is one.
    `direct` is what to ask a server with the package's extension for a direct line to the widget; null where there is
    none.
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
    can_undo: bool
    can_redo: bool
    decode_ms: float | None
    everything: ProgressData | None
    rendering: RenderingData
    crop: BoxData | None
    autosave: str | None
    direct: str | None


class GalleryData(Struct, frozen=True):
    """The images that a gallery goes through: a trait of its own, for it never changes and may be long."""

    names: list[str]


class PlaceData(Struct, frozen=True):
    """Where a gallery is and how far: the image shown, and of all images how many objects they have.

    `done` and `failed` are the numbers of the images that are done, and of those that could not be opened.
    """

    index: int
    objects: list[int]
    done: list[int]
    failed: list[int]


class SavedMask(Struct, frozen=True):
    """A mask in a page without a kernel; `runs` are packed row runs in base64."""

    id: str
    width: int
    height: int
    runs: str


class Saved(Struct, frozen=True):
    """What a page without a kernel shows besides the state: the whole photo, encoded and in base64, and the masks."""

    mime: str
    picture: str
    masks: list[SavedMask]


Reply = Answer | Whole | Update | PreviewMask | TilePicture | File


def to_json(message: Struct) -> dict[str, Any]:
    """Return a message or the state as a plain dict, with its `type` where it has one."""
    body: dict[str, Any] = msgspec.to_builtins(message)
    return body
