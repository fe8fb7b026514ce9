"""Generate Python code that recreates a session's current state."""

from __future__ import annotations

import base64
import dataclasses
import itertools
import zlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sam_widget.automatic.finding.finder import Example
from sam_widget.errors import SessionError
from sam_widget.image.reading import image_hash
from sam_widget.image.rendering import USUAL, Rendering
from sam_widget.image.samples import sample, samples
from sam_widget.masks.cleanup import TIDY, MaskSettings
from sam_widget.masks.runs import StoredMask
from sam_widget.model.names import without_precision
from sam_widget.prompts.geometry import Box
from sam_widget.prompts.prompt import Prompt
from sam_widget.session.file.reader import image_blobs
from sam_widget.session.lineage import Lineage, lineage_of, lineage_of_chosen
from sam_widget.session.state import Query, SegmentedObject

if TYPE_CHECKING:
    from sam_widget.session.session import Session

# Maximum number of characters of an image embedded in the code, if it has neither a file nor an address.
LONGEST_IMAGE = 8_000_000
_UNPACK = """
def unpack(text, dtype, *shape):
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype).reshape(shape)
"""


def to_code(session: Session, *, image: str | None = None, model: str | None = None) -> str:
    """Return Python that creates a session `s` with the same objects, prompt and candidates; see `Session.to_code`."""
    writer = _Writer(session)
    body = list(writer.lines())
    opening = f"s = sw.Session({_image(session, image)}, model={_model(session, model)!r})"
    head = ["import sam_widget as sw"]
    if writer.packs:
        head = ["import base64", "import zlib", "", "import numpy as np", "", *head]
    return "\n".join([*head, *(_UNPACK.rstrip().split("\n") if writer.packs else []), "", opening, *body, ""])


class _Writer:
    """Writes one session, keeping track of what previous lines have set."""

    def __init__(self, session: Session) -> None:
        self.packs = False
        self._session = session
        self._state, self._timeline = session.state, session.timeline
        self._settings, self._rendering = TIDY, USUAL
        self._crop: Box | None = None
        self._colors: list[int] = []

    def lines(self) -> Iterator[str]:
        for query, items in itertools.groupby(self._state.objects, self._found_here):
            if query is None:
                for item in items:
                    yield from self._object(item)
            else:
                yield from self._found(query, list(items))
        yield from self._work()

    def _found_here(self, item: SegmentedObject) -> Query | None:
        """Return the query that finds an object, if the session's models would find it again."""
        origin = item.origin
        if origin is None:
            return None
        weights = without_precision(self._session.predictor.model.weights_id)
        return origin.query if origin.weights.endswith(f" on {weights}") else None

    def _found(self, query: Query, items: Sequence[SegmentedObject]) -> Iterator[str]:
        yield f"found = s.find({self._query(query)})"
        free = (color for color in itertools.count() if color not in self._colors)
        for label, some in itertools.groupby(items, lambda item: None if item.label == _word(item) else item.label):
            same = list(some)
            ids = ", ".join(repr(item.origin.instance) for item in same if item.origin is not None)
            yield f"found.accept({ids}{'' if label is None else f', label={label!r}'})"
            given = list(itertools.islice(free, len(same)))
            for item, color in zip(same, given, strict=True):
                if item.color != color:
                    yield f"s.recolor(s.objects[{len(self._colors)}].id, {item.color})"
                self._colors.append(item.color)
        yield "found.close()"

    def _query(self, query: Query) -> str:
        parts = [repr(word) for word in query.words]
        for name, examples in (("like", query.like), ("not_like", query.not_like)):
            if examples:
                parts.append(f"{name}=[{', '.join(map(self._example, examples))}]")
        if query.finder != "tiny":
            parts.append(f"model={query.finder!r}")
        return ", ".join(parts)

    def _example(self, example: Example) -> str:
        for index, item in enumerate(self._state.objects[: len(self._colors)]):
            if item.stored is example.stored or (
                example.stored is not None and np.array_equal(item.stored.runs, example.stored.runs)
            ):
                return f"s.objects[{index}]"
        if example.stored is not None:
            return self._mask(example.stored)
        features = example.features if example.features is not None else np.zeros(0)
        return f"sw.Example(features={self._packed(features, '<f4', -1)}, name={example.name!r})"

    def _object(self, item: SegmentedObject) -> Iterator[str]:
        lineage = lineage_of(item, self._timeline)
        mine = item.candidate is not None and item.stored is item.candidate.stored and self._made_here(item)
        if lineage is not None and mine:
            yield from self._answered(lineage)
            yield f"s.accept({item.label!r})"
        else:
            yield self._raw(item)
        natural = min(set(range(len(self._colors) + 1)) - set(self._colors))
        if item.color != natural:
            yield f"s.recolor(s.objects[-1].id, {item.color})"
        self._colors.append(item.color)

    def _work(self) -> Iterator[str]:
        """Write the search, and the prompt and candidates that have not been accepted."""
        state = self._state
        if state.search is not None:
            limit = "" if state.search.limit is None else f", limit={state.search.limit}"
            yield f"s.find({self._query(state.search.query)}, threshold={_n(state.search.threshold)}{limit})"
        editing = next((k for k, item in enumerate(state.objects) if item.id == state.editing), None)
        if editing is not None:
            item = state.objects[editing]
            yield f"s.edit(s.objects[{editing}].id)"
            self._settings = item.settings
            self._crop = item.candidate.crop or self._crop if item.candidate else self._crop
            painted = state.strokes[: len(item.strokes)] == item.strokes
            if len(state.candidates) == 1 and state.prompt == item.prompt and painted:
                yield from self._adjusted(state.settings)
                yield from self._brushed(state.strokes[len(item.strokes) :])
                yield from self._sharpened(state.crop, later=True)
                return
            yield "s.set_prompt(sw.Prompt())"
        lineage = lineage_of_chosen(state, self._timeline)
        if lineage is not None:
            yield from self._answered(lineage)
        yield from self._adjusted(state.settings)
        yield from self._rendered(state.rendering)
        yield from self._sharpened(state.crop, later=True)

    def _answered(self, lineage: Lineage) -> Iterator[str]:
        yield from self._adjusted(lineage.settings)
        yield from self._rendered(lineage.rendering)
        yield from self._sharpened(lineage.crop)
        yield from self._prompted(lineage.prompt)
        if not lineage.best:
            yield f"s.choose({lineage.index})"
        yield from self._brushed(lineage.strokes)

    def _prompted(self, prompt: Prompt) -> Iterator[str]:
        if prompt.mask is not None or prompt.words:
            yield f"s.set_prompt({self._prompt(prompt)})"
            return
        for point in prompt.points:
            yield f"s.click({_n(point.x)}, {_n(point.y)}{'' if point.label else ', label=0'})"
        for k, box in enumerate(prompt.boxes):
            yield f"s.drag({', '.join(map(_n, box.corners))}{', add=True' if k else ''})"
        for stroke in prompt.strokes:
            label = "" if stroke.label else ", label=0"
            yield f"s.{'lasso' if stroke.closed else 'scribble'}({_vertices(stroke.vertices)}{label})"

    def _prompt(self, prompt: Prompt) -> str:
        """Return a whole prompt as an expression."""
        parts = []
        if prompt.points:
            parts.append(
                "points=[" + ", ".join(f"sw.Point({_n(p.x)}, {_n(p.y)}, {p.label})" for p in prompt.points) + "]"
            )
        if prompt.boxes:
            parts.append("boxes=[" + ", ".join(f"sw.Box({', '.join(map(_n, b.corners))})" for b in prompt.boxes) + "]")
        if prompt.strokes:
            strokes = (f"sw.Stroke({_vertices(s.vertices)}, {s.label}, {s.closed})" for s in prompt.strokes)
            parts.append(f"strokes=[{', '.join(strokes)}]")
        if prompt.mask is not None:
            parts.append(f"mask={self._packed(prompt.mask, '<f4', *prompt.mask.shape)}")
        if prompt.words:
            parts.append(f"words={prompt.words!r}")
        if prompt.mask_crop is not None:
            parts.append(f"mask_crop=sw.Box({', '.join(map(_n, prompt.mask_crop.corners))})")
        return f"sw.Prompt({', '.join(parts)})"

    def _raw(self, item: SegmentedObject) -> str:
        """Write a mask verbatim, because no prompt to this model yields it."""
        drawn = self._prompt(item.prompt.with_mask(None))
        return f"s.add_objects(sw.Annotation({item.label!r}, {self._mask(item.stored)}, {item.score!r}, {drawn}))"

    def _mask(self, stored: StoredMask) -> str:
        runs = self._packed(stored.runs, "<u4", -1, 2)
        height, width = stored.shape
        return f"sw.StoredMask.from_runs({runs}, {height}, {width})"

    def _packed(self, array: np.ndarray, dtype: str, *shape: int) -> str:
        self.packs = True
        text = base64.b64encode(zlib.compress(array.astype(dtype).tobytes(), 9)).decode()
        return f"unpack({text!r}, {dtype!r}, {', '.join(map(str, shape))})"

    def _adjusted(self, settings: MaskSettings) -> Iterator[str]:
        before, now = dataclasses.asdict(self._settings), dataclasses.asdict(settings)
        changes = [f"{name}={_n(value)}" for name, value in now.items() if value != before[name]]
        self._settings = settings
        if changes:
            yield f"s.adjust({', '.join(changes)})"

    def _rendered(self, rendering: Rendering) -> Iterator[str]:
        if rendering != self._rendering:
            self._rendering = rendering
            yield f"s.set_rendering(sw.{rendering!r})"

    def _sharpened(self, crop: Box | None, *, later: bool = False) -> Iterator[str]:
        if crop != self._crop:
            self._crop = crop
            what = "None" if crop is None else f"({', '.join(map(_n, crop.corners))}), margin=0"
            yield f"s.sharpen({what}{', later=True' if later else ''})"

    def _brushed(self, strokes: Sequence[Any]) -> Iterator[str]:
        for stroke in strokes:
            label = "" if stroke.label else ", label=0"
            yield f"s.brush({_vertices(stroke.vertices)}, {_n(stroke.radius)}{label})"

    def _made_here(self, item: SegmentedObject) -> bool:
        """Whether the session's own model predicted the mask; a loaded session may continue with another model."""
        made_by = self._session.maker_of(item)
        now = self._session.predictor.model.weights_id
        return made_by is None or without_precision(made_by) == without_precision(now)


def _word(item: SegmentedObject) -> str:
    return "object" if item.origin is None else item.origin.query.label_of(item.origin.word)


def _image(session: Session, given: str | None) -> str:
    reference = session.source.reference
    if given or reference.path or reference.url:
        return repr(given or reference.path or reference.url)
    for name in samples():
        if image_hash(sample(name)) == session.image_hash:
            return f"sw.sample({name!r})"
    rendered = any(state.rendering != USUAL for state in session.timeline)
    text = base64.b64encode(image_blobs(session.source)["png"].data).decode()
    if len(text) > LONGEST_IMAGE or rendered:
        raise SessionError(
            f"the image, {reference.name}, has neither a file nor an address to name, and is too much to write into "
            "the code; save it, and call to_code(image='photo.png')"
        )
    return repr(f"data:image/png;base64,{text}")


def _model(session: Session, given: str | None) -> str:
    return given or session.model_name


def _n(value: float) -> str:
    """Return the shortest exact text of a number or truth value."""
    if isinstance(value, bool):
        return str(value)
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _vertices(vertices: Sequence[tuple[float, float]]) -> str:
    return "[" + ", ".join(f"({_n(x)}, {_n(y)})" for x, y in vertices) + "]"
