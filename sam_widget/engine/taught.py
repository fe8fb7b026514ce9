"""What a model is taught: photos with the masks that a person accepted, from sessions, files or arrays."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from sam_widget.errors import MaskError, SamWidgetError, SessionError
from sam_widget.image.reading import to_rgb
from sam_widget.masks.annotations import AnnotatedImage, annotations_of
from sam_widget.masks.runs import StoredMask
from sam_widget.prompts.prompt import Prompt
from sam_widget.session.file.reader import Record
from sam_widget.session.session import Session
from sam_widget.session.state import SegmentedObject

# Sessions, session files or folders of them, or masks by the names of their photos; see `taught_photos`.
TeachingData: TypeAlias = "Session | str | Path | Sequence[Session | str | Path] | Mapping[Any, Any]"


@dataclass(frozen=True, eq=False)
class TaughtMask:
    """One accepted mask.

    Attributes:
        stored: The mask.
        prompt: The clicks and boxes that led to it, in order; None if they are not known.
    """

    stored: StoredMask
    prompt: Prompt | None = None


@dataclass(frozen=True, eq=False)
class TaughtPhoto:
    """A photo and its accepted masks.

    Attributes:
        name: What reports call it.
        read: Returns the photo, (H, W, 3) uint8.
        masks: The masks, all of the photo's size.
    """

    name: str
    read: Callable[[], np.ndarray] = field(repr=False)
    masks: tuple[TaughtMask, ...] = ()


def taught_photos(data: TeachingData, *, images: str | os.PathLike[str] | None = None) -> list[TaughtPhoto]:
    """Read the photos and masks that a model learns from.

    Args:
        data: A session, the path of a session file or of a folder of them, or several of these; or a dict from photos
            to masks: file names to (H, W) or (N, H, W) bool, label maps, objects, or anything else that
            `annotations_of` reads.
        images: The folder of the file names in a dict; by default, they are paths.

    Returns:
        Photos with at least one mask.

    Raises:
        SessionError: A file or folder does not exist, or is not a session's.
        ImageError: A photo cannot be read.
        MaskError: The data has no masks, or one does not fit its photo.
    """
    if isinstance(data, Mapping):
        photos = [_from_masks(name, masks, images) for name, masks in data.items()]
    else:
        several = [data] if isinstance(data, Session | str | os.PathLike) else list(data)
        photos = [photo for item in several for photo in _from_sessions(item)]
    photos = [photo for photo in photos if photo.masks]
    if not photos:
        raise MaskError("there are no accepted masks to learn from; accept some objects first")
    return photos


def photo_of(session: Session, name: str = "") -> TaughtPhoto:
    """Return what a session teaches: the objects that a person accepted, with their prompts."""
    objects = tuple(TaughtMask(item.stored, _clicked(item.prompt)) for item in session.objects if item.area)
    return TaughtPhoto(name or session.image_name or "photo", lambda: session.image, objects)


def _from_sessions(item: Any) -> list[TaughtPhoto]:
    from sam_widget.folders.sessions import find_sessions

    if isinstance(item, Session):
        return [photo_of(item)]
    if not isinstance(item, str | os.PathLike):
        raise SessionError(f"got {type(item).__name__}; expected sessions, session files, a folder, or a dict of masks")
    return [photo_in_file(path, name)[0] for name, path in find_sessions(Path(item)).items()]


def photo_in_file(path: Path, name: str) -> tuple[TaughtPhoto, tuple[SegmentedObject, ...]]:
    """Return what a session file teaches, and its objects; the photo is read later.

    Raises:
        SessionError: The file is damaged.
    """
    record = Record.read(path)
    objects = tuple(TaughtMask(item.stored, _clicked(item.prompt)) for item in record.objects if item.area)
    return TaughtPhoto(name, lambda: record.image().rgb, objects), record.objects


def _clicked(prompt: Prompt) -> Prompt | None:
    """Return a prompt of points, boxes or both; None if there is more to it, or nothing."""
    plain = (prompt.points or prompt.boxes) and not prompt.strokes and prompt.mask is None and len(prompt.boxes) < 2
    return prompt if plain else None


def _from_masks(name: Any, masks: Any, folder: str | os.PathLike[str] | None) -> TaughtPhoto:
    source = Path(folder) / str(name) if folder is not None else name
    rgb = to_rgb(source)
    found = masks.annotations if isinstance(masks, AnnotatedImage) else annotations_of(masks)
    for item in found:
        if item.stored.shape != rgb.shape[:2]:
            rows, columns = item.stored.shape
            raise MaskError(
                f"a mask of {name} is {columns} x {rows} pixels, but the photo is {rgb.shape[1]} x {rgb.shape[0]}; "
                "give masks of the photo's size"
            )
    return TaughtPhoto(str(name), lambda: to_rgb(source), tuple(TaughtMask(item.stored) for item in found if item.area))


def readable(photos: Sequence[TaughtPhoto]) -> tuple[list[tuple[TaughtPhoto, np.ndarray]], list[str]]:
    """Read the photos; returns those that can be read, with their pixels, and why the others cannot."""
    read, failed = [], []
    for photo in photos:
        try:
            read.append((photo, photo.read()))
        except SamWidgetError as error:
            failed.append(f"{photo.name}: {error}")
    return read, failed
