"""From a session to what crosses the wire: the state in JSON, masks as row runs, the photo as an encoded picture."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Literal

from PIL import Image as Pillow

from sam_widget.cleanup import MaskSettings
from sam_widget.masks import StoredMask
from sam_widget.runs import pack_runs
from sam_widget.widget.prompt_wire import MaskPrompts, box_data, prompt_data, settings_data
from sam_widget.widget.protocol import (
    CandidateData,
    Image,
    ImageData,
    MaskData,
    ObjectData,
    PromptData,
    State,
)

if TYPE_CHECKING:  # It imports torch, which a widget must not wait for.
    from sam_widget.session import Session

# Up to this many pixels the photo travels losslessly; beyond it a PNG takes too long to encode and to send.
LOSSLESS_PIXELS = 2_000_000
# No browser paints a larger canvas reliably, and no screen shows more of a photo at once.
LARGEST_SIDE = 4096

Status = Literal["loading", "embedding", "ready", "predicting", "error"]


class MaskNames:
    """Names masks for the wire, and knows which of them the views already have.

    A mask is known by identity: session states share their masks and never change them.
    """

    def __init__(self) -> None:
        self._names: dict[int, tuple[str, StoredMask]] = {}
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

    def prune(self, live: set[str]) -> None:
        """Forget masks that the state no longer names; should undo bring one back, it gets a new name."""
        self._names = {key: item for key, item in self._names.items() if item[0] in live}
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
) -> State:
    """Return all that a view draws; a session that is not open yet has no image."""
    if session is None:
        return State(
            revision=revision,
            status=status,
            message=message,
            model=model,
            image=None,
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
        )
    now = session.state
    width, height = session.size
    state = State(
        revision=revision,
        status=status,
        message=message,
        model=model,
        image=ImageData(session.image_hash, width, height),
        prompt=prompt_data(now.prompt, names.prompts),
        candidates=[
            CandidateData(
                names.name(c.stored),
                round(c.score, 4),
                None if c.stability is None else round(c.stability, 4),
                c.stored.area,
            )
            for c in now.candidates
        ],
        chosen=now.chosen_index,
        objects=[
            ObjectData(o.id, o.label, names.name(o.stored), round(o.score, 4), box_data(o.box), o.area, o.color)
            for o in now.objects
        ],
        settings=settings_data(now.settings),
        painted=bool(now.strokes),
        editing=now.editing,
        refines=session.predictor.config.takes_masks,
        can_undo=session.can_undo,
        can_redo=session.can_redo,
        decode_ms=decode_ms,
    )
    names.prune({c.mask for c in state.candidates} | {o.mask for o in state.objects})
    return state


def mask_message(name: str, mask: StoredMask) -> tuple[MaskData, bytes]:
    """Return a mask as it travels: packed row runs."""
    height, width = mask.shape
    return MaskData(name, width, height), pack_runs(mask.runs, width)


def image_message(session: Session) -> tuple[Image, bytes]:
    """Return the photo as it travels: PNG, or JPEG where it is large."""
    picture = Pillow.fromarray(session.image)
    picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Pillow.Resampling.LANCZOS)
    lossless = picture.width * picture.height <= LOSSLESS_PIXELS
    buffer = io.BytesIO()
    if lossless:
        picture.save(buffer, "PNG", compress_level=1)
    else:
        picture.save(buffer, "JPEG", quality=92)
    width, height = session.size
    mime = "image/png" if lossless else "image/jpeg"
    return Image(session.image_hash, width, height, mime), buffer.getvalue()
