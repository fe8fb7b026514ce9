"""Convert a session to messages: the state as JSON, masks as row runs."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from sam_widget.image.pyramid import TILE, Pyramid
from sam_widget.image.rendering import USUAL
from sam_widget.masks.cleanup import TIDY
from sam_widget.masks.runs import StoredMask
from sam_widget.model.names import without_precision
from sam_widget.session.session import Session
from sam_widget.session.state import Answer, Candidate, Search, SegmentedObject, SessionState
from sam_widget.widget import protocol
from sam_widget.widget.conversions import MaskPrompts, box_data, prompt_data, rendering_data, settings_data
from sam_widget.widget.protocol import (
    CandidateData,
    FoundChange,
    FoundData,
    ImageData,
    InstanceData,
    MaskData,
    ObjectData,
    ProgressData,
    PromptData,
    Saved,
    SavedMask,
    SearchData,
    Splice,
    State,
    ValuesData,
)

Status = Literal["loading", "embedding", "ready", "predicting", "error"]


@dataclass(frozen=True)
class Rows:
    """The accepted objects as message rows, and the tuple from which they were made."""

    objects: tuple[SegmentedObject, ...] = ()
    data: tuple[dict[str, Any], ...] = ()

    def follow(self, objects: tuple[SegmentedObject, ...], names: MaskNames) -> tuple[Rows, Splice | None]:
        """Return the rows of these objects, and the change between the two; None if nothing has changed.

        Objects are immutable, so unchanged ones are recognised by identity.
        """
        if objects is self.objects:
            return self, None
        before, shorter = self.objects, min(len(self.objects), len(objects))
        start = next((k for k in range(shorter) if before[k] is not objects[k]), shorter)
        rest = shorter - start
        kept = next((k for k in range(rest) if before[-1 - k] is not objects[-1 - k]), rest)
        added = [_row(item, names) for item in objects[start : len(objects) - kept]]
        data = (*self.data[:start], *map(protocol.to_json, added), *self.data[len(before) - kept :])
        return Rows(objects, data), Splice(start, len(before) - kept - start, added)


@dataclass(frozen=True)
class FoundRows:
    """What `everything` has found as message rows, oldest first, with the objects from which they were made."""

    objects: tuple[SegmentedObject, ...] = ()
    rows: tuple[tuple[SegmentedObject, FoundData], ...] = ()

    def follow(self, objects: tuple[SegmentedObject, ...], names: MaskNames) -> tuple[FoundRows, FoundChange | None]:
        """Return the rows of these objects, and the change between the two; None if nothing has changed.

        A step of `everything` adds a few objects anywhere among the others, because it sorts them; views do not depend
        on their order.
        """
        if objects is self.objects:
            return self, None
        now, before = {id(item) for item in objects}, {id(item) for item, _ in self.rows}
        added = [(item, FoundData(names.name(item.stored), item.color)) for item in objects if id(item) not in before]
        kept = [pair for pair in self.rows if id(pair[0]) in now]
        removed = [row.mask for item, row in self.rows if id(item) not in now]
        change = FoundChange(removed, [row for _, row in added]) if removed or added else None
        return FoundRows(objects, (*kept, *added)), change


class MaskNames:
    """Names masks for the wire, and tracks which of them the views already have.

    Masks are recognised by identity, because session states share their masks and never change them.
    """

    def __init__(self) -> None:
        # By identity. Those of accepted objects are separate, because they are many and rarely change.
        self._kept: dict[int, tuple[str, StoredMask]] = {}
        self._passing: dict[int, tuple[str, StoredMask]] = {}
        self._unsent: dict[str, StoredMask] = {}
        self._count = 0
        self.prompts = MaskPrompts()

    def name(self, mask: StoredMask) -> str:
        """Return the mask's name; the same mask has the same name."""
        key = id(mask)
        known = self._kept.get(key) or self._passing.get(key)
        if known is None:
            self._count += 1
            known = (f"m{self._count}", mask)
            self._unsent[known[0]] = mask
        self._passing[key] = known
        return known[0]

    def keep(self, objects: Iterable[SegmentedObject]) -> None:
        """Remember the masks of these objects, and forget those of others."""
        named = [(self.name(item.stored), item.stored) for item in objects]
        self._kept = {id(mask): (name, mask) for name, mask in named}

    def prune(self, live: set[str]) -> None:
        """Forget candidates' masks that the state no longer uses; if undo restores one, it gets a new name."""
        self._passing = {key: item for key, item in self._passing.items() if item[0] in live}

    def unsent(self) -> list[tuple[str, StoredMask]]:
        """Return the masks not sent yet, and count them as sent."""
        items, self._unsent = list(self._unsent.items()), {}
        return items

    def all(self) -> list[tuple[str, StoredMask]]:
        """Return every mask that the state uses."""
        return list((self._kept | self._passing).values())


def state_of(
    session: Session | None,
    now: SessionState | None,
    names: MaskNames,
    *,
    revision: int,
    status: Status,
    message: str,
    model: str,
    decode_ms: float | None,
    image: ImageData | None,
    direct: str | None,
    meanwhile: str = "",
) -> State:
    """Return the state of a view, except the objects and what has been found, which are `Rows` and `FoundRows`.

    The image may be loaded before the session.
    """
    if session is None or now is None:
        return State(
            revision=revision,
            status=status,
            message=message,
            model=model,
            image=image,
            prompt=PromptData([], [], [], None),
            candidates=[],
            chosen=None,
            objects=[],
            settings=settings_data(TIDY),
            painted=False,
            editing=None,
            refines=False,
            takes_words=False,
            can_undo=False,
            can_redo=False,
            decode_ms=None,
            everything=None,
            search=None,
            label="",
            rendering=rendering_data(USUAL),
            crop=None,
            autosave=None,
            direct=direct,
            meanwhile="",
        )
    under_way = session.under_way
    return State(
        revision=revision,
        status=status,
        message=message,
        model=model,
        image=image,
        prompt=prompt_data(now.prompt, names.prompts),
        candidates=[
            CandidateData(
                names.name(c.stored),
                None if c.score is None else round(c.score, 4),
                None if c.stability is None else round(c.stability, 4),
                c.stored.area,
                None if c.crop is None else box_data(c.crop),
                _answered_by(c, session),
            )
            for c in now.candidates
        ],
        chosen=now.chosen_index,
        objects=[],
        settings=settings_data(now.settings),
        painted=bool(now.strokes),
        editing=now.editing,
        refines=session.predictor.config.takes_masks,
        takes_words=session.predictor.config.takes_words,
        can_undo=session.can_undo,
        can_redo=session.can_redo,
        decode_ms=decode_ms,
        everything=None if under_way is None else ProgressData(under_way.kind, under_way.done, under_way.total, []),
        search=None if now.search is None else _search(now.search, names),
        label=now.label,
        rendering=rendering_data(now.rendering),
        crop=None if now.crop is None else box_data(now.crop),
        autosave=None if session.autosave is None else session.autosave.name,
        direct=direct,
        meanwhile=meanwhile,
    )


def _answered_by(candidate: Candidate, session: Session) -> str:
    """Return the name of the model that gave an answer, if it is not the session's own."""
    answer, own = candidate.answer, session.predictor.model.weights_id
    if not isinstance(answer, Answer) or without_precision(answer.weights) == without_precision(own):
        return ""
    # Names are followed by the hash of the weights.
    return without_precision(answer.weights).rpartition("-")[0]


def _search(search: Search, names: MaskNames) -> SearchData:
    query, found = search.query, {one.id for one in search.found}
    place = {word: index for index, word in enumerate(query.words)}
    instances = [
        InstanceData(one.id, names.name(one.stored), place.get(one.word, -1), round(one.score, 4), one.id in found)
        for one in search.instances
    ]
    counts = len(query.like), len(query.not_like)
    return SearchData(list(query.words), *counts, search.threshold, search.message, instances)


def _row(item: SegmentedObject, names: MaskNames) -> ObjectData:
    # Lone surrogates cannot be sent, and must not prevent sending the rest.
    label = item.label.encode("utf-8", "replace").decode()
    score, box = None if item.score is None else round(item.score, 4), box_data(item.box)
    return ObjectData(item.id, label, names.name(item.stored), score, box, item.area, item.color)


def mask_message(name: str, mask: StoredMask) -> tuple[MaskData, bytes]:
    """Convert a mask to its message: packed row runs."""
    height, width = mask.shape
    return MaskData(name, width, height), mask.packed


def saved_view(pyramid: Pyramid, masks: list[tuple[str, StoredMask]], session: Session | None) -> Saved:
    """Return the data of a page without a kernel besides the state."""
    rendering = USUAL if session is None else session.state.rendering
    mime, picture = pyramid.encoded(pyramid.levels - 1, 0, 0, rendering)
    parts = [mask_message(name, mask) for name, mask in masks]
    saved = [SavedMask(data.id, data.width, data.height, b64encode(runs).decode()) for data, runs in parts]
    return Saved(mime, b64encode(picture).decode(), saved)


def image_data(pyramid: Pyramid) -> ImageData:
    """Return the state's description of the image."""
    source = pyramid.source
    (low, high), (black, white), (dark, bright) = source.extent, source.window, source.bulk
    values = ValuesData(str(source.values.dtype), source.channels, low, high, black, white, dark, bright)
    return ImageData(source.hash, *source.size, levels=pyramid.levels, tile=TILE, values=values)
