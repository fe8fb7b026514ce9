"""Replay recorded prompts with another model, on another image, or on many images."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from PIL import Image

from sam_widget.automatic.finding.finder import Example
from sam_widget.automatic.finding.loading import finder_named_in_file
from sam_widget.errors import MissingExtraError, ModelError, PromptError, SessionError
from sam_widget.image.rendering import SourceImage
from sam_widget.masks.measures import iou
from sam_widget.masks.palette import object_color, rgb
from sam_widget.model.names import without_precision
from sam_widget.predictor.interface import ModelLike, check_model_is_here
from sam_widget.prompts.geometry import Box
from sam_widget.session.file.reader import Record
from sam_widget.session.lineage import Lineage, lineage_of, lineage_of_chosen
from sam_widget.session.repeating import repeat
from sam_widget.session.state import Origin, SegmentedObject, SessionState

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sam_widget.predictor.predictor import Predictor
    from sam_widget.session.session import Session


@dataclass(frozen=True, eq=False)
class ReplayRow:
    """The comparison of one object's recorded and new mask.

    Attributes:
        image: Name of the image.
        label: Label of the object.
        iou: IoU of the recorded and the new mask; None if there is no new mask.
        old_score: The recorded predicted IoU.
        score: The new predicted IoU; None if there is no new mask.
        old_mask: The recorded mask, scaled to the size of this image.
        new_mask: The new mask, (H, W) bool; None if there is none, for the reason in `note`.
        color: Index into the palette.
        note: Deviations from the recording.
    """

    image: str
    label: str
    iou: float | None
    old_score: float | None
    score: float | None
    old_mask: np.ndarray
    new_mask: np.ndarray | None
    color: int
    note: str = ""

    def __repr__(self) -> str:
        """One line, without arrays."""
        agreement = "no mask" if self.iou is None else f"IoU {self.iou:.3f}"
        note = f", {self.note}" if self.note else ""
        return f"ReplayRow({self.image!r}, {self.label!r}, {agreement}{note})"

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as text: image, label, IoU, scores, areas, note."""
        dash = "-"
        return (
            self.image,
            self.label,
            dash if self.iou is None else f"{self.iou:.3f}",
            dash if self.old_score is None else f"{self.old_score:.2f}",
            dash if self.score is None else f"{self.score:.2f}",
            f"{np.count_nonzero(self.old_mask)}",
            dash if self.new_mask is None else f"{np.count_nonzero(self.new_mask)}",
            self.note,
        )


HEADER = ("image", "object", "IoU", "score", "score now", "pixels", "pixels now", "note")


@dataclass(frozen=True, eq=False)
class Replay:
    """The result of a replay. Notebooks display it as a table; `figure()` draws it.

    Attributes:
        rows: One row per object and image.
        old_model: The recorded model.
        model: The model of the replay.
        images: The images, as RGB, by name.
    """

    rows: tuple[ReplayRow, ...]
    old_model: str
    model: str
    images: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[ReplayRow]:
        return iter(self.rows)

    @property
    def mean_iou(self) -> float:
        """The mean IoU of the objects that could be replayed; NaN if there are none."""
        found = [row.iou for row in self.rows if row.iou is not None]
        return float(np.mean(found)) if found else float("nan")

    @property
    def summary(self) -> str:
        """A summary in one line."""
        count = f"{len(self.rows)} object{'s' if len(self.rows) != 1 else ''}"
        return f"{count} of {self.old_model}, replayed with {self.model}: mean IoU {self.mean_iou:.3f}"

    def __str__(self) -> str:
        # Labels may contain line breaks, which would break the table.
        cells = [HEADER, *([" ".join(cell.split()) for cell in row.cells] for row in self.rows)]
        kept = [k for k in range(len(HEADER)) if k != len(HEADER) - 1 or any(row.note for row in self.rows)]
        widths = [max(len(line[k]) for line in cells) for k in kept]
        lines = ["  ".join(line[k].ljust(w) for k, w in zip(kept, widths, strict=True)).rstrip() for line in cells]
        return "\n".join([self.summary, *lines])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in HEADER)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row.cells) + "</tr>" for row in self.rows
        )
        caption = html.escape(self.summary)
        return f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def figure(self, *, width: float = 9.0) -> Figure:
        """Draw every image twice, with the recorded masks and with the new ones, and each object's IoU.

        Args:
            width: Width of the figure, in inches.
        """
        from matplotlib import pyplot as plt

        names = list(self.images)
        ratios = [self.images[name].shape[0] / self.images[name].shape[1] for name in names]
        height = sum(width / 2 * ratio + 0.4 for ratio in ratios)
        figure, axes = plt.subplots(len(names), 2, figsize=(width, height), squeeze=False, layout="constrained")
        plt.close(figure)  # otherwise a notebook shows it twice
        for name, (left, right) in zip(names, axes, strict=True):
            rows = [row for row in self.rows if row.image == name]
            picture = self.images[name]
            left.imshow(_overlaid(picture, [(row.old_mask, row.color) for row in rows]))
            right.imshow(_overlaid(picture, [(row.new_mask, row.color) for row in rows if row.new_mask is not None]))
            # Names may contain dollar signs, which Matplotlib would parse as formulas.
            left.set_title(f"{name}: {self.old_model}", fontsize=9, parse_math=False)
            right.set_title(self.model, fontsize=9, parse_math=False)
            for axis in (left, right):
                axis.set_axis_off()
            for row in rows:
                if row.iou is not None and row.old_mask.any():
                    # In the middle of the mask, but close enough to the centre for the text to fit into the image.
                    y, x = (
                        np.clip(np.mean(where), 0.1 * side, 0.9 * side)
                        for where, side in zip(np.nonzero(row.old_mask), row.old_mask.shape, strict=True)
                    )
                    words = f"{' '.join(row.label.split())} {row.iou:.2f}"
                    box = {"facecolor": object_color(row.color), "edgecolor": "none", "boxstyle": "round,pad=0.2"}
                    right.text(x, y, words, fontsize=8, ha="center", va="center", bbox=box, parse_math=False)
        return figure


def replay(
    source: str | Path | Session | Any,
    *,
    model: ModelLike | None = None,
    image: Any = None,
) -> Replay:
    """Replay the recorded prompts with a model, and compare the masks object by object.

    Each object's prompt, brush strokes and settings are repeated, with the same crop of the image. If the user chose a
    candidate other than the one with the highest score, the one at the same index is used, otherwise the one with the
    highest score. Objects found by words or examples are searched for again. A mask in a prompt is only used with the
    model that predicted it; another model refines its own mask instead. On an image of another size, everything is
    scaled.

    Args:
        source: A session file, a session or a widget.
        model: Another model; by default the one that was used last.
        image: Another image, or a list of images, as `Session` accepts them. By default the recorded one.

    Raises:
        SessionError: The file cannot be read, its image cannot be found, or there is nothing to replay.
        ImageError: An image cannot be read.
        ModelError: The model cannot be loaded.
    """
    from sam_widget.session.session import Session

    past = _Past.of(source)
    if not past.items:
        raise SessionError("there is no object to replay; accept one first")
    given = list(image) if isinstance(image, list | tuple) else [image]
    if model is None and isinstance(past.model, str):
        check_model_is_here(past.model, "the session file")
    engine: Any = past.model if model is None else model
    rows: list[ReplayRow] = []
    pictures: dict[str, np.ndarray] = {}
    for one in given:
        picture = past.image if one is None else one if isinstance(one, SourceImage) else SourceImage(one)
        session = Session(picture, model=engine)
        engine = session.predictor
        name = picture.reference.name
        name = name if name not in pictures else f"{name} ({len(pictures) + 1})"
        pictures[name] = session.image
        rows += [_again(session, name, past, item, lineage) for item, lineage in past.items]
    return Replay(tuple(rows), past.model_name, engine.model.name, pictures)


@dataclass(frozen=True)
class _Past:
    """A recorded session."""

    items: list[tuple[SegmentedObject, Lineage | None]]
    image: SourceImage
    model: Any
    model_name: str
    weights: str

    @classmethod
    def of(cls, source: Any) -> _Past:
        if hasattr(source, "session"):
            source = source.session
        if isinstance(source, str | Path):
            record = Record.read(source)
            picture, timeline = record.image(), record.states()
            position = record.contents.position if record.contents is not None else 0
            return cls(_items(timeline[position], timeline), picture, record.model, record.model, record.weights)
        if not hasattr(source, "timeline"):
            raise SessionError(
                f"cannot replay {type(source).__name__}; expected the path of a session file, or a session"
            )
        used = source.predictor
        items = _items(source.state, source.timeline)
        return cls(items, source.source, used, used.model.name, used.model.weights_id)


def _items(state: SessionState, timeline: Sequence[SessionState]) -> list[tuple[SegmentedObject, Lineage | None]]:
    items = [(item, lineage_of(item, timeline)) for item in state.objects]
    chosen = state.chosen
    if chosen is not None and chosen.stored.area:
        # The current candidate is replayed too.
        box = Box(0, 0, chosen.stored.shape[1], chosen.stored.shape[0])
        work = SegmentedObject("(not accepted)", chosen.stored, chosen.score, box, state.prompt, color=len(items))
        items.append((work, lineage_of_chosen(state, timeline)))
    return items


def _again(session: Session, name: str, past: _Past, item: SegmentedObject, lineage: Lineage | None) -> ReplayRow:
    size, before = session.size, past.image.size
    old = item.mask
    if size != before:
        old = np.asarray(Image.fromarray(old).resize(size, Image.Resampling.NEAREST))
    row = ReplayRow(name, item.label, None, item.score, None, old, None, item.color)
    if item.origin is not None:
        return _found_again(session, past, item.origin, row)
    drawn = item.prompt.with_mask(None)
    if drawn.is_empty and (lineage is None or not _same_model(session, past)):
        return replace(row, note="it has no prompt: it was imported")
    scale = (size[0] / before[0], size[1] / before[1])
    try:
        notes = repeat(session, item, lineage, scale, same=_same_model(session, past))
    except PromptError as error:
        return replace(row, note=str(error))
    found = session.chosen
    if found is None:
        return replace(row, note="the model predicted no mask")
    agreement = float(iou(old, found.mask))
    return replace(row, iou=agreement, score=found.score, new_mask=found.mask, note="; ".join(notes))


def _found_again(session: Session, past: _Past, origin: Origin, row: ReplayRow) -> ReplayRow:
    """Search again for what found an object; of the instances, the one that agrees best with it is compared."""
    query = origin.query
    searched = repr(origin.word) if origin.word else query.text
    try:
        found = session.find(
            *query.words,
            like=[_here(session, past, query.finder, example) for example in query.like],
            not_like=[_here(session, past, query.finder, example) for example in query.not_like],
            model=finder_named_in_file(query.finder),
        )
    except (PromptError, ModelError, MissingExtraError) as error:
        return replace(row, note=str(error))
    ours = [one for one in found.search.instances if one.word == origin.word]
    agreements = [float(iou(row.old_mask, one.mask)) for one in ours]
    if not agreements or max(agreements) == 0:
        return replace(row, note=f"not found by {searched}: {found.message}")
    best = int(np.argmax(agreements))
    one = ours[best]
    below = "" if one in found.search.found else f", below the threshold of {found.threshold:.2f}"
    return replace(row, iou=agreements[best], score=one.score, new_mask=one.mask, note=f"found by {searched}{below}")


def _here(session: Session, past: _Past, finder: str, example: Example) -> Example:
    """Return an example as it can be searched for in a session, whose image may be another one."""
    if example.stored is None or session.image_hash == past.image.hash:
        return example
    from sam_widget.automatic.finding.store import STORE  # Imports torch.

    model = finder_named_in_file(finder)
    predictor = cast("Predictor", session.predictor)
    features = model.describe(STORE.features(model, past.image.rgb, predictor), example.stored)
    return Example(features=features, name=example.name)


def _same_model(session: Session, past: _Past) -> bool:
    return without_precision(session.predictor.model.weights_id) == without_precision(past.weights)


def _overlaid(picture: np.ndarray, masks: Sequence[tuple[np.ndarray, int]]) -> np.ndarray:
    """Draw masks over an image, half transparent, with an outline of two pixels."""
    from scipy.ndimage import binary_erosion

    shown = picture.astype(np.float32)
    for mask, color in masks:
        paint = np.array(rgb(object_color(color)), np.float32)
        shown[mask] = 0.5 * shown[mask] + 0.5 * paint
        inner = binary_erosion(mask, iterations=2)
        shown[mask & ~inner] = paint
    return shown.astype(np.uint8)
