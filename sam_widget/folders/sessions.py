"""Folders of session files: create them for a folder of images, export and replay them.

A single session is implemented in `sam_widget.session`, its file format in `sam_widget.session.file`.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from sam_widget.errors import PromptError, SamWidgetError, SessionError
from sam_widget.folders.batch import BatchReport, Failure, run
from sam_widget.folders.image_folder import SESSION_SUFFIX, Album, session_name
from sam_widget.folders.prompt_files import ObjectPrompt, unused
from sam_widget.image.files import Paths, Shard
from sam_widget.masks.annotations import AnnotatedImage, annotations_of
from sam_widget.predictor.interface import ModelLike
from sam_widget.text import clean

if TYPE_CHECKING:  # They import torch, which would slow down `sam-widget --help`.
    from sam_widget.session.replay import Replay
    from sam_widget.session.session import Session

# Formats that hold many images; with the others, each image gets its own file or folder.
TOGETHER = frozenset({"coco", "label_studio", "pandas", "voc", "yolo"})


def segment_folder(
    images: Paths,
    prompts: Sequence[ObjectPrompt],
    *,
    sessions: str | Path,
    model: ModelLike = "tiny",
    recursive: bool = False,
    shard: Shard | None = None,
    overwrite: bool = False,
    progress: bool | None = True,
) -> BatchReport:
    """Segment every image in a folder from prompts, and save each image's objects in a session file.

    Args:
        images: A folder, an image file, or several of either.
        prompts: What to segment. Images without a prompt are skipped; prompts for images that do not exist are
            reported as failures.
        sessions: The folder of the session files. An image that already has one is skipped.
        model: A name or checkpoint path, a loaded model, or a predictor.
        recursive: Include subfolders.
        shard: Process only this part of the images.
        overwrite: Process images that already have a session file, and replace the file.
        progress: Show a progress bar; None shows one in a terminal only.

    Raises:
        ImageError: The folder does not exist or contains no images.
        PromptError: No prompt applies to any of the images.
        ModelError: The model cannot be loaded.
    """
    album = Album(images, sessions=sessions, recursive=recursive, shard=shard)
    # A prompt for a photo of another shard is right, too.
    whole = album if shard is None else Album(images, sessions=sessions, recursive=recursive)
    absent = failures_of(prompts, whole)
    report = segment_album(album, prompts, model=model, overwrite=overwrite, progress=progress)
    return replace(report, failed=(*report.failed, *absent))


def failures_of(prompts: Sequence[ObjectPrompt], album: Album) -> tuple[Failure, ...]:
    """Return a failure for each image that prompts name and an album does not have.

    Raises:
        PromptError: No prompt applies to any of the images.
    """
    missing = unused(prompts, album.names)
    if missing and not any(item.meant_for(name) for item in prompts for name in album.names):
        shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise PromptError(
            f"there are prompts for {clean(shown)}, but no such image in {str(album.root)!r}; expected names such as "
            f"{album.names[0]!r}"
        )
    reason = f"there are prompts for it, but no such image; expected names such as {album.names[0]!r}"
    return tuple(Failure(album.root / clean(name), reason) for name in missing)


def segment_album(
    album: Album, prompts: Sequence[ObjectPrompt], *, model: ModelLike, overwrite: bool, progress: bool | None
) -> BatchReport:
    """Segment the images of an album from prompts; see `segment_folder`."""
    wanted = [index for index, name in enumerate(album.names) if any(item.meant_for(name) for item in prompts)]

    def answer(session: Session, name: str) -> None:
        for item in prompts:
            if item.meant_for(name):
                session.set_prompt(item.prompt)
                session.accept(item.label)

    return _make(album, wanted, answer, model, doing="Segmenting", overwrite=overwrite, progress=progress)


def everything_folder(
    images: Paths,
    *,
    sessions: str | Path,
    model: ModelLike = "tiny",
    recursive: bool = False,
    shard: Shard | None = None,
    overwrite: bool = False,
    progress: bool | None = True,
    **options: Any,
) -> BatchReport:
    """Run `segment_everything` on every image in a folder, and save each image's objects in a session file.

    Args:
        images: A folder, an image file, or several of either.
        sessions: The folder of the session files. An image that already has one is skipped.
        model: A name or checkpoint path, a loaded model, or a predictor.
        recursive: Include subfolders.
        shard: Process only this part of the images.
        overwrite: Process images that already have a session file, and replace the file.
        progress: Show a progress bar; None shows one in a terminal only.
        **options: Options of `segment_everything`.

    Raises:
        ImageError: The folder does not exist or contains no images.
        ModelError: The model cannot be loaded.
        PromptError: An option is out of range.
    """
    from sam_widget.automatic.options import EverythingOptions

    EverythingOptions(**options)  # Fails here for invalid options, rather than at the first image.
    album = Album(images, sessions=sessions, recursive=recursive, shard=shard)
    return everything_album(album, model=model, overwrite=overwrite, progress=progress, **options)


def everything_album(
    album: Album, *, model: ModelLike, overwrite: bool, progress: bool | None, **options: Any
) -> BatchReport:
    """Segment everything in the images of an album; see `everything_folder`."""

    def find(session: Session, _name: str) -> None:
        session.everything(**options)

    every = range(len(album.images))
    return _make(album, every, find, model, doing="Segmenting", overwrite=overwrite, progress=progress)


def _make(
    album: Album,
    wanted: Sequence[int],
    work: Callable[[Session, str], None],
    model: ModelLike,
    *,
    doing: str,
    overwrite: bool,
    progress: bool | None,
) -> BatchReport:
    from sam_widget.image.rendering import SourceImage
    from sam_widget.session.session import Session, predictor_of

    predictor = predictor_of(model)
    place = {album.images[index]: index for index in wanted}

    def make(path: Path, source: SourceImage) -> bool:
        session = Session(source, model=predictor)
        work(session, album.names[place[path]])
        target = album.session_path(place[path])
        target.parent.mkdir(parents=True, exist_ok=True)
        session.save(target, keep_image=False, overwrite=overwrite)
        return True

    def made(path: Path) -> bool:
        return not overwrite and album.session_path(place[path]).exists()

    return run(place, make, doing=doing, read=SourceImage, skip=made, progress=progress)


# ------------------------------------------------------------------------------------------------ reading


def find_sessions(sources: Paths) -> dict[str, Path]:
    """Return session files, keyed by the names of their images. Folders are searched recursively.

    Raises:
        SessionError: A file or folder does not exist, or none of them contains a session file.
    """
    given = [sources] if isinstance(sources, str | os.PathLike) else list(sources)
    found: dict[str, Path] = {}
    for source in given:
        path = Path(source).expanduser()
        if path.is_dir():
            inside = sorted(path.rglob(f"*{SESSION_SUFFIX}"))
            found |= {_image_of(item, item.relative_to(path).as_posix()): item for item in inside}
        elif path.exists():
            found[_image_of(path, path.name)] = path
        else:
            raise SessionError(f"there is no file or folder {str(path)!r}; check the path and the working folder")
    if not found:
        places = ", ".join(repr(str(source)) for source in given) or "nothing"
        raise SessionError(
            f"there is no session file (*{SESSION_SUFFIX}) in {places}; make some in a gallery or by command"
        )
    return found


def _image_of(path: Path, name: str) -> str:
    """Return the name of a session file's image; if the file's name was shortened, the full name is read from it."""
    image = clean(name.removesuffix(SESSION_SUFFIX))
    if re.search(r"~[0-9a-f]{8}(\.[^.]*)?$", image):
        from sam_widget.session.file.reader import Record

        with contextlib.suppress(SamWidgetError):  # a damaged file is reported when its objects are read
            whole = PurePath(image).with_name(clean(PurePath(Record.read(path).reference.path or "?").name)).as_posix()
            return whole if session_name(whole) == f"{image}{SESSION_SUFFIX}" else image
    return image


def annotated(path: Path, name: str, *, pixels: bool = False) -> AnnotatedImage:
    """Return the objects of a session file for export. No model is loaded.

    Args:
        path: Path of the session file.
        name: The image's name in exported files.
        pixels: Also read the image, for formats that include it.

    Raises:
        SessionError: The file is damaged, or `pixels` is set and the image cannot be found.
    """
    from sam_widget.session.file.reader import Record

    record = Record.read(path)
    return AnnotatedImage(annotations_of(record.objects), record.size, name, record.image().rgb if pixels else None)


def export_sessions(
    sources: Paths | Mapping[str, Path],
    target: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002 - what pandas, xarray and Pillow call it
    **options: Any,
) -> BatchReport:
    """Write the objects of many sessions in one format.

    Args:
        sources: Session files and folders of them, or a dict from image names to session files.
        target: A file, whose suffix determines the format, or a folder. Formats that hold a single image write one
            file or folder per image into `target`, named after the images.
        format: The name of the format, if the suffix of `target` does not determine it.
        **options: Options of the format's export function.

    Returns:
        The session files that were exported; damaged files are among the failed.

    Raises:
        SessionError: No session file was found.
        FormatError: The format does not exist, or cannot represent the objects.
    """
    from sam_widget.export.registry import FORMATS, export

    suffix = Path(target).suffix.lower()
    name = format or next((key for key, item in FORMATS.items() if suffix and item.suffix == suffix), "")
    files = sources if isinstance(sources, Mapping) and sources else find_sessions(sources)
    images: dict[str, AnnotatedImage] = {}
    failed: list[Failure] = []
    for image, path in files.items():
        try:
            images[image] = annotated(path, image, pixels=name == "cutouts")
        except SamWidgetError as error:
            failed.append(Failure(path, str(error)))
    if not images:
        return BatchReport(failed=tuple(failed))
    if name in FORMATS and name not in TOGETHER and not suffix:
        for place, item in _places(images, Path(target), FORMATS[name].suffix):
            if len(item.annotations):
                place.parent.mkdir(parents=True, exist_ok=True)
                export(item, place, format=name, **options)
    else:
        export(images, target, format=format, **options)
    return BatchReport(tuple(files[image] for image in images), (), tuple(failed))


def _places(images: dict[str, AnnotatedImage], folder: Path, suffix: str) -> Iterator[tuple[Path, AnnotatedImage]]:
    """Yield each image with its target path: its stem plus `suffix`, or its full name if two stems are equal."""
    stems = [str(PurePath(name).with_suffix("")) for name in images]
    for (name, item), stem in zip(images.items(), stems, strict=True):
        yield folder / f"{stem if stems.count(stem) == 1 else name}{suffix.rstrip('/')}", item


def replay_sessions(
    sources: Paths,
    *,
    model: ModelLike,
    progress: bool | None = True,
) -> tuple[Replay, BatchReport]:
    """Replay the prompts of many session files with another model, and compare the masks object by object.

    Args:
        sources: Session files and folders of them; files without objects are skipped.
        model: A name or checkpoint path, a loaded model, or a predictor.
        progress: Show a progress bar; None shows one in a terminal only.

    Returns:
        A table of all objects, and the outcome for each file.

    Raises:
        SessionError: No session file was found.
        ModelError: The model cannot be loaded.
    """
    from sam_widget.session.file.format import count_objects
    from sam_widget.session.file.reader import Record
    from sam_widget.session.replay import Replay, ReplayRow, replay
    from sam_widget.session.session import predictor_of

    files = {path: name for name, path in find_sessions(sources).items()}
    predictor = predictor_of(model)
    rows: list[ReplayRow] = []
    before: dict[str, None] = {}
    pictures: dict[str, Any] = {}

    def again(path: Path, _: Path) -> bool:
        if not count_objects(path):
            Record.read(path).objects  # noqa: B018  one that is damaged must not pass for one without objects
            return False
        found = replay(path, model=predictor)
        before[found.old_model] = None
        rows.extend(replace(row, image=files[path]) for row in found.rows)
        pictures[files[path]] = next(iter(found.images.values()))
        return True

    report = run(list(files), again, doing="Replaying", read=lambda path: path, progress=progress)
    return Replay(tuple(rows), " and ".join(before), predictor.model.name, pictures), report
