"""Every message that crosses between the kernel and a view, defined once.

A *request* goes from a view to the kernel as an anywidget custom message, and gets exactly one `Answer`. It names the
view (`client`, a random string) and is numbered by it (`seq`), because every view of a widget hears every answer.
What is small and must survive a reload is `State`, the widget's one synced trait. What is large (the photo, masks)
follows as binary buffers of `TilePicture` and `Masks` messages.

`js/src/protocol.ts` is generated from this module (`python -m sam_widget.widget.protocol js/src/protocol.ts`), and a
test fails when the two differ.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import sys
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from sam_widget.errors import ProtocolError

# ------------------------------------------------------------------------------------------------ shared parts


@dataclass(frozen=True)
class PointData:
    """A click, in pixels of the original image; label 1 is foreground, 0 background."""

    x: float
    y: float
    label: Literal[0, 1]


@dataclass(frozen=True)
class BoxData:
    """A box in pixels of the original image; x1 and y1 are exclusive."""

    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True)
class StrokeData:
    """A scribble, or, closed, a lasso: x and y of its vertices in turn, in pixels of the original image."""

    vertices: list[float]
    label: Literal[0, 1]
    closed: bool


@dataclass(frozen=True)
class PromptData:
    """The whole prompt of one mask.

    `mask` names a mask prompt that the kernel knows: a view can keep it or drop it, but not make one.
    """

    points: list[PointData]
    boxes: list[BoxData]
    strokes: list[StrokeData]
    mask: str | None


@dataclass(frozen=True)
class SettingsData:
    """How masks are made of the model's logits: `MaskSettings`."""

    threshold: float
    holes: int
    islands: int
    smoothing: float


@dataclass(frozen=True)
class RenderingData:
    """How the image's values become colours; null is the usual, and so are no channels. See `image.rendering`."""

    channels: list[int]
    black: float | None
    white: float | None
    gamma: float


# ------------------------------------------------------------------------------------------------ view -> kernel


@dataclass(frozen=True)
class Hello:
    """A view has opened: send it every mask that the state names."""

    type: ClassVar[str] = "hello"
    client: str
    seq: int


@dataclass(frozen=True)
class Predict:
    """Set the whole prompt. Supersedes every `predict` still waiting right before it."""

    type: ClassVar[str] = "predict"
    client: str
    seq: int
    prompt: PromptData


@dataclass(frozen=True)
class Preview:
    """Ask what a prompt would give, and change nothing. Superseded, while it waits, by whatever else is asked."""

    type: ClassVar[str] = "preview"
    client: str
    seq: int
    prompt: PromptData


@dataclass(frozen=True)
class Choose:
    """Choose one of the candidates."""

    type: ClassVar[str] = "choose"
    client: str
    seq: int
    index: int


@dataclass(frozen=True)
class Accept:
    """Turn the chosen candidate into an object; an empty label lets the kernel name it."""

    type: ClassVar[str] = "accept"
    client: str
    seq: int
    label: str


@dataclass(frozen=True)
class Remove:
    """Remove objects, by their ids."""

    type: ClassVar[str] = "remove"
    client: str
    seq: int
    objects: list[str]


@dataclass(frozen=True)
class Rename:
    """Give objects, by their ids, another label."""

    type: ClassVar[str] = "rename"
    client: str
    seq: int
    objects: list[str]
    label: str


@dataclass(frozen=True)
class Recolor:
    """Give an object, by its id, another colour of the palette."""

    type: ClassVar[str] = "recolor"
    client: str
    seq: int
    object: str
    color: int


@dataclass(frozen=True)
class Edit:
    """Take up an object again, by its id; `accept` replaces it."""

    type: ClassVar[str] = "edit"
    client: str
    seq: int
    object: str


@dataclass(frozen=True)
class Merge:
    """Unite objects, by their ids, into the first of them."""

    type: ClassVar[str] = "merge"
    client: str
    seq: int
    objects: list[str]


@dataclass(frozen=True)
class Subtract:
    """Take from an object what another one covers, both by their ids."""

    type: ClassVar[str] = "subtract"
    client: str
    seq: int
    object: str
    other: str


@dataclass(frozen=True)
class Brush:
    """Paint on the candidates: x and y of the stroke's vertices in turn; label 1 adds, 0 erases."""

    type: ClassVar[str] = "brush"
    client: str
    seq: int
    vertices: list[float]
    radius: float
    label: Literal[0, 1]


@dataclass(frozen=True)
class Refine:
    """Ask the model again, with the chosen mask as a mask prompt."""

    type: ClassVar[str] = "refine"
    client: str
    seq: int


@dataclass(frozen=True)
class Adjust:
    """Change how masks are made of logits.

    One `gesture`, such as a drag of a slider, is undone at once, and its newer settings supersede those that wait.
    """

    type: ClassVar[str] = "adjust"
    client: str
    seq: int
    settings: SettingsData
    gesture: str


@dataclass(frozen=True)
class Undo:
    """Undo the last change."""

    type: ClassVar[str] = "undo"
    client: str
    seq: int


@dataclass(frozen=True)
class Redo:
    """Redo the change undone last."""

    type: ClassVar[str] = "redo"
    client: str
    seq: int


@dataclass(frozen=True)
class Clear:
    """Drop the prompt and its candidates; objects stay."""

    type: ClassVar[str] = "clear"
    client: str
    seq: int


@dataclass(frozen=True)
class Render:
    """Let the model see the image rendered like this."""

    type: ClassVar[str] = "render"
    client: str
    seq: int
    rendering: RenderingData


@dataclass(frozen=True)
class Sharpen:
    """Embed a part of the image on its own, to answer the prompts in it; null for the image as a whole.

    With `later` only prompts to come are meant: it is no edit, is done beside the others, and supersedes what waits.
    """

    type: ClassVar[str] = "sharpen"
    client: str
    seq: int
    region: BoxData | None
    later: bool


@dataclass(frozen=True)
class Everything:
    """Find everything, with a grid of so many points a side. Answered when that is over; the state says how far it is.

    All else is answered meanwhile.
    """

    type: ClassVar[str] = "everything"
    client: str
    seq: int
    points_per_side: int


@dataclass(frozen=True)
class Cancel:
    """Stop `everything`, whoever began it; what has been found is kept. Answered at once."""

    type: ClassVar[str] = "cancel"
    client: str
    seq: int


@dataclass(frozen=True)
class Export:
    """Ask for the objects as a file, by the name of its format."""

    type: ClassVar[str] = "export"
    client: str
    seq: int
    format: Literal[
        "coco",
        "yolo",
        "voc",
        "indexed_png",
        "binary_pngs",
        "cutouts",
        "npz",
        "npy",
        "geojson",
        "svg",
        "labelme",
        "label_studio",
        "pandas",
    ]


@dataclass(frozen=True)
class Tile:
    """Ask for a tile of the image at a level: 0 is full size, each further one half of the one before.

    The last level is a single tile, which shows the whole image.
    """

    type: ClassVar[str] = "tile"
    client: str
    seq: int
    level: int
    column: int
    row: int
    rendering: RenderingData


@dataclass(frozen=True)
class Show:
    """Show another image of the gallery, by its number from 0. Supersedes a `show` waiting right before it."""

    type: ClassVar[str] = "show"
    client: str
    seq: int
    index: int


@dataclass(frozen=True)
class Mark:
    """Say of the image that is shown whether it is done."""

    type: ClassVar[str] = "mark"
    client: str
    seq: int
    done: bool


# ------------------------------------------------------------------------------------------------ kernel -> view


@dataclass(frozen=True)
class Answer:
    """The one answer to a request. The state it led to has at least this `revision`."""

    type: ClassVar[str] = "answer"
    client: str
    seq: int
    outcome: Literal["done", "superseded", "error"]
    error: str | None
    revision: int


@dataclass(frozen=True)
class MaskData:
    """One mask of a `Masks` message; its buffer holds packed row runs, as `masks.wire_codec` describes them."""

    id: str
    width: int
    height: int


@dataclass(frozen=True)
class Masks:
    """Masks that the state names: one buffer each, in the same order; and the state, where it is news.

    Views draw it at once. The trait brings it again, after the answer, and stays for views to come.
    """

    type: ClassVar[str] = "masks"
    masks: list[MaskData]
    state: State | None


@dataclass(frozen=True)
class PreviewMask:
    """The answer to a preview: the mask that its prompt would choose, for the view that asked.

    The one buffer holds packed row runs, as a `MaskData`'s does.
    """

    type: ClassVar[str] = "preview_mask"
    client: str
    seq: int
    width: int
    height: int
    score: float


@dataclass(frozen=True)
class TilePicture:
    """A tile as an encoded picture of type `mime` in the one buffer, sent right before the answer to its request."""

    type: ClassVar[str] = "tile_picture"
    client: str
    seq: int
    mime: str


@dataclass(frozen=True)
class File:
    """What `export` asked for, in the one buffer, sent right before the answer, for the view that asked."""

    type: ClassVar[str] = "file"
    client: str
    seq: int
    name: str
    mime: str


# ------------------------------------------------------------------------------------------------ the synced state


@dataclass(frozen=True)
class ValuesData:
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


@dataclass(frozen=True)
class ImageData:
    """What the state says of the image; the picture itself travels in tiles of `tile` pixels a side at most."""

    hash: str
    width: int
    height: int
    levels: int
    tile: int
    values: ValuesData


@dataclass(frozen=True)
class CandidateData:
    """One of the masks that the model offers for the prompt; `stability` is null where there are no logits.

    `crop` is the part of the image that answered, null for the image as a whole.
    """

    mask: str
    score: float
    stability: float | None
    area: int
    crop: BoxData | None


@dataclass(frozen=True)
class ObjectData:
    """An accepted mask. `color` indexes the palette."""

    id: str
    label: str
    mask: str
    score: float
    box: BoxData
    area: int
    color: int


@dataclass(frozen=True)
class FoundData:
    """A mask that `everything` has found, before it is an object."""

    mask: str
    color: int


@dataclass(frozen=True)
class ProgressData:
    """How far `everything` is: points asked about, of how many; 0 of 0 before that is known."""

    done: int
    total: int
    found: list[FoundData]


@dataclass(frozen=True)
class State:
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


@dataclass(frozen=True)
class GalleryData:
    """The images that a gallery goes through: a trait of its own, for it never changes and may be long."""

    names: list[str]


@dataclass(frozen=True)
class PlaceData:
    """Where a gallery is and how far: the image shown, and of all images how many objects they have.

    `done` and `failed` are the numbers of the images that are done, and of those that could not be opened.
    """

    index: int
    objects: list[int]
    done: list[int]
    failed: list[int]


@dataclass(frozen=True)
class SavedMask:
    """A mask in a page without a kernel; `runs` are packed row runs in base64."""

    id: str
    width: int
    height: int
    runs: str


@dataclass(frozen=True)
class Saved:
    """What a page without a kernel shows beside the state: the whole photo, encoded and in base64, and the masks."""

    mime: str
    picture: str
    masks: list[SavedMask]


Request = (
    Hello
    | Predict
    | Preview
    | Choose
    | Accept
    | Remove
    | Rename
    | Recolor
    | Edit
    | Merge
    | Subtract
    | Brush
    | Refine
    | Adjust
    | Undo
    | Redo
    | Clear
    | Render
    | Sharpen
    | Everything
    | Cancel
    | Export
    | Tile
    | Show
    | Mark
)
Reply = Answer | Masks | PreviewMask | TilePicture | File

REQUESTS: dict[str, Any] = {kind.type: kind for kind in get_args(Request)}


# ------------------------------------------------------------------------------------------------ reading and writing


def to_json(message: Any) -> dict[str, Any]:
    """Return a message or the state as a plain dict, with its `type` where it has one."""
    body = dataclasses.asdict(message)
    kind = getattr(type(message), "type", None)
    return {"type": kind, **body} if kind else body


def parse_request(content: object) -> Request:
    """Read a request that a view sent.

    Raises:
        ProtocolError: The type is unknown, or a field is missing, unexpected, or of the wrong kind.
    """
    if not isinstance(content, dict):
        raise ProtocolError(f"a message must be an object with a type, not {type(content).__name__}")
    kind = content.get("type")
    if not isinstance(kind, str) or kind not in REQUESTS:
        raise ProtocolError(f"unknown message type {str(kind)[:40]!r}; expected one of {', '.join(REQUESTS)}")
    body = {key: value for key, value in content.items() if key != "type"}
    request: Request = _read(REQUESTS[kind], body, kind)
    return request


def _read(expected: Any, value: object, path: str) -> Any:
    """Check `value` against a type annotation and return it, dataclasses built."""
    if dataclasses.is_dataclass(expected):
        return _read_dataclass(expected, value, path)
    origin, args = get_origin(expected), get_args(expected)
    if origin in {Union, types.UnionType}:
        if value is None:
            return None
        (inner,) = (arg for arg in args if arg is not types.NoneType)
        return _read(inner, value, path)
    if origin is list:
        if isinstance(value, list):
            return [_read(args[0], item, f"{path}[{i}]") for i, item in enumerate(value)]
    elif origin is Literal:
        if value in args and not isinstance(value, bool):
            return value
    elif expected is float:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    elif isinstance(value, expected) and not (expected is int and isinstance(value, bool)):
        return value
    raise ProtocolError(f"{path} must be {_typescript(expected)}, not {str(value)[:40]!r}")


def _read_dataclass(expected: Any, value: object, path: str) -> Any:
    if not isinstance(value, dict):
        raise ProtocolError(f"{path} must be an object, not {str(value)[:40]!r}")
    hints = _fields(expected)
    if missing := hints.keys() - value.keys():
        raise ProtocolError(f"{path} lacks {', '.join(sorted(missing))}")
    if extra := value.keys() - hints.keys():
        raise ProtocolError(f"{path} has unknown fields {', '.join(sorted(map(str, extra)))[:80]}")
    return expected(**{name: _read(hint, value[name], f"{path}.{name}") for name, hint in hints.items()})


@functools.cache
def _fields(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


# ------------------------------------------------------------------------------------------------ TypeScript

_SCALARS = {int: "number", float: "number", str: "string", bool: "boolean", types.NoneType: "null"}


def _typescript(hint: Any) -> str:
    if hint in _SCALARS:
        return _SCALARS[hint]
    origin, args = get_origin(hint), get_args(hint)
    if origin is list:
        return f"{_typescript(args[0])}[]"
    if origin is Literal:
        return " | ".join(f'"{arg}"' if isinstance(arg, str) else str(arg) for arg in args)
    if origin in {Union, types.UnionType}:
        return " | ".join(_typescript(arg) for arg in args)
    return str(hint.__name__)


def typescript() -> str:
    """Return `js/src/protocol.ts`."""
    module = sys.modules[__name__]
    kinds = [
        value
        for value in vars(module).values()
        if dataclasses.is_dataclass(value) and isinstance(value, type) and value.__module__ == __name__
    ]
    lines = ["// Generated from sam_widget/widget/protocol.py by `make protocol`. Do not edit.", ""]
    for kind in kinds:
        summary = (kind.__doc__ or "").strip().splitlines()[0]
        lines += [f"/** {summary} */", f"export interface {kind.__name__} {{"]
        if tag := getattr(kind, "type", None):
            lines.append(f'  type: "{tag}";')
        lines += [f"  {name}: {_typescript(hint)};" for name, hint in _fields(kind).items()]
        lines += ["}", ""]
    for name in ("Request", "Reply"):
        members = " | ".join(member.__name__ for member in get_args(getattr(module, name)))
        lines += [f"export type {name} = {members};", ""]
    return "\n".join(lines)


def main(arguments: typing.Sequence[str] | None = None) -> None:
    """Write the TypeScript to the path given, or to standard output."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments:
        Path(arguments[0]).write_text(typescript(), encoding="utf-8")
    else:
        sys.stdout.write(typescript())


if __name__ == "__main__":
    main()
