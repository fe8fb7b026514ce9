"""From a session to what crosses the wire: the state in JSON, masks as row runs."""

from __future__ import annotations

from base64 import b64encode
from typing import Literal

from sam_widget.image.pyramid import TILE, Pyramid
from sam_widget.image.rendering import USUAL
from sam_widget.masks.cleanup import MaskSettings
from sam_widget.masks.runs import StoredMask
from sam_widget.masks.wire_codec import pack_runs
from sam_widget.session.session import Session
from sam_widget.session.state import SegmentedObject
from sam_widget.widget.conversions import MaskPrompts, box_data, prompt_data, rendering_data, settings_data
from sam_widget.widget.protocol import (
    CandidateData,
    FoundData,
    ImageData,
    MaskData,
    ObjectData,
    ProgressData,
    PromptData,
    Saved,
    SavedMask,
    State,
    ValuesData,
)

Status = Literal["loading", "embedding", "ready", "predicting", "error"]


class MaskNames:
    """Names masks for the wire, and knows which of them the views already have.

    A mask is known by identity: session states share their masks and never change them.
    """

    def __init__(self) -> None:
        self._names: dict[int, tuple[str, StoredMask]] = {}
        self._objects: dict[int, tuple[SegmentedObject, ObjectData]] = {}
        self._count = 0
        self._sent: set[str] = set()
        self.prompts = MaskPrompts()

    def name(self, mask: StoredMask) -> str:
        """Return the mask's name, the same one for the same mask."""
        known = self._names.get(id(mask))
        if known is None or known[1] is not mask:
            self._count += 1
            known = self._names[id(mask)] = (f"m{self._count}", mask)
        return known[0]

    def shown(self, item: SegmentedObject) -> ObjectData:
        """Return an object as it travels; what has not changed is not made again."""
        known = self._objects.get(id(item))
        if known is None or known[0] is not item:
            name, score, box = self.name(item.stored), round(item.score, 4), box_data(item.box)
            # Half a letter cannot travel, and must not keep the rest from doing so.
            label = item.label.encode("utf-8", "replace").decode()
            data = ObjectData(item.id, label, name, score, box, item.area, item.color)
            known = self._objects[id(item)] = (item, data)
        return known[1]

    def prune(self, live: set[str]) -> None:
        """Forget masks that the state no longer names; should undo bring one back, it gets a new name."""
        self._names = {key: item for key, item in self._names.items() if item[0] in live}
        self._objects = {key: item for key, item in self._objects.items() if item[1].mask in live}
        self._sent &= live

    def unsent(self) -> list[tuple[str, StoredMask]]:
        """Return the masks not sent yet, and count them as sent."""
        items = [item for item in self._names.values() if item[0] not in self._sent]
        self._sent.update(name for name, _ in items)
        return items

    def all(self) -> list[tuple[str, StoredMask]]:
        """Return every mask that the state names."""
        return list(self._names.values())


def state_of(
    session: Session | None,
    names: MaskNames,
    *,
    revision: int,
    status: Status,
    message: str,
    model: str,
    decode_ms: float | None,
    image: ImageData | None,
    direct: str | None,
) -> State:
    """Return all that a view draws; the image may be there before the session is open."""
    if session is None:
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
            settings=settings_data(MaskSettings()),
            painted=False,
            editing=None,
            refines=False,
            can_undo=False,
            can_redo=False,
            decode_ms=None,
            everything=None,
            rendering=rendering_data(USUAL),
            crop=None,
            autosave=None,
            direct=direct,
        )
    now = session.state
    under_way = session.under_way
    state = State(
        revision=revision,
        status=status,
        message=message,
        model=model,
        image=image,
        prompt=prompt_data(now.prompt, names.prompts),
        candidates=[
            CandidateData(
                names.name(c.stored),
                round(c.score, 4),
                None if c.stability is None else round(c.stability, 4),
                c.stored.area,
                None if c.crop is None else box_data(c.crop),
            )
            for c in now.candidates
        ],
        chosen=now.chosen_index,
        objects=[names.shown(o) for o in now.objects],
        settings=settings_data(now.settings),
        painted=bool(now.strokes),
        editing=now.editing,
        refines=session.predictor.config.takes_masks,
        can_undo=session.can_undo,
        can_redo=session.can_redo,
        decode_ms=decode_ms,
        everything=None
        if under_way is None
        else ProgressData(
            under_way.done,
            under_way.total,
            [FoundData(names.name(found.stored), found.color) for found in under_way.objects],
        ),
        rendering=rendering_data(now.rendering),
        crop=None if now.crop is None else box_data(now.crop),
        autosave=None if session.autosave is None else session.autosave.name,
        direct=direct,
    )
    found = [] if state.everything is None else state.everything.found
    named: list[CandidateData | ObjectData | FoundData] = [*state.candidates, *state.objects, *found]
    names.prune({item.mask for item in named})
    return state


def mask_message(name: str, mask: StoredMask) -> tuple[MaskData, bytes]:
    """Return a mask as it travels: packed row runs."""
    height, width = mask.shape
    return MaskData(name, width, height), pack_runs(mask.runs, width)


def saved_view(pyramid: Pyramid, masks: list[tuple[str, StoredMask]], session: Session | None) -> Saved:
    """Return what a page without a kernel needs besides the state."""
    rendering = USUAL if session is None else session.state.rendering
    mime, picture = pyramid.encoded(pyramid.levels - 1, 0, 0, rendering)
    parts = [mask_message(name, mask) for name, mask in masks]
    saved = [SavedMask(data.id, data.width, data.height, b64encode(runs).decode()) for data, runs in parts]
    return Saved(mime, b64encode(picture).decode(), saved)


def image_data(pyramid: Pyramid) -> ImageData:
    """Return what the state says of the image."""
    source = pyramid.source
    (low, high), (black, white), (dark, bright) = source.extent, source.window, source.bulk
    values = ValuesData(str(source.values.dtype), source.channels, low, high, black, white, dark, bright)
    return ImageData(source.hash, *source.size, levels=pyramid.levels, tile=TILE, values=values)
