"""The functions of `sam_widget.folders` on a Ray cluster: the same arguments, the same report.

Photos and session files may also be in an object store: s3://bucket/photos. A model that is a file, and folders that
are not in an object store, must be at the same path on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sam_widget.errors import ImageError
from sam_widget.folders.batch import BatchReport
from sam_widget.folders.finding import Hits, example_of
from sam_widget.folders.prompt_files import ObjectPrompt
from sam_widget.folders.sessions import failures_of
from sam_widget.image.files import Paths, Shard
from sam_widget.serve.jobs import EmbedJob, EverythingJob, FindJob, SegmentJob
from sam_widget.serve.object_store import is_remote
from sam_widget.serve.spread import Photos, spread


def embed_folder(
    folder: Paths,
    *,
    model: str = "tiny",
    store: Path,
    max_bytes: int,
    recursive: bool = False,
    shard: Shard | None = None,
    progress: bool | None = True,
) -> BatchReport:
    """Embed photos on a cluster; see `sam_widget.folders.batch.embed_folder`.

    Args:
        folder: Photos and folders, or the address of a folder in an object store.
        model: A name or the path of a checkpoint.
        store: The folder of the embeddings, which every machine can write to.
        max_bytes: Its maximum size.
        recursive: Include subfolders.
        shard: Process only this part of the images.
        progress: Show a progress bar; None shows one in a terminal only.

    Raises:
        ImageError: There are no photos, or the store is in an object store.
        ModelError: The model cannot be loaded, or the cluster cannot be used.
    """
    if is_remote(str(store)) or ":/" in str(store):
        raise ImageError("embeddings are kept in a folder that all machines share, not in an object store")
    photos = Photos.found(folder, sessions="/", recursive=recursive, shard=shard)
    job = EmbedJob(model=_checked(model), store=Path(store).absolute(), max_bytes=max_bytes)
    return spread(job, photos, doing="Embedding", progress=progress).report


def segment_folder(
    images: Paths,
    prompts: Sequence[ObjectPrompt],
    *,
    sessions: str | Path,
    model: str = "tiny",
    recursive: bool = False,
    shard: Shard | None = None,
    overwrite: bool = False,
    progress: bool | None = True,
) -> BatchReport:
    """Segment photos from prompts on a cluster; see `sam_widget.folders.sessions.segment_folder`.

    Raises:
        ImageError: There are no photos.
        PromptError: No prompt applies to any of the photos.
        ModelError: The model cannot be loaded, or the cluster cannot be used.
    """
    photos = Photos.found(images, sessions=sessions, recursive=recursive, shard=shard)
    # A prompt for a photo of another shard is right, too.
    whole = photos if shard is None else Photos.found(images, sessions=sessions, recursive=recursive, shard=None)
    absent = failures_of(prompts, whole.album)
    wanted = photos.only(lambda name: any(item.meant_for(name) for item in prompts))
    job = SegmentJob(model=_checked(model), prompts=tuple(prompts), overwrite=overwrite)
    before = set() if overwrite else wanted.made()
    report = spread(job, wanted, doing="Segmenting", before=before, progress=progress).report
    return replace(report, failed=(*report.failed, *absent))


def everything_folder(
    images: Paths,
    *,
    sessions: str | Path,
    model: str = "tiny",
    recursive: bool = False,
    shard: Shard | None = None,
    overwrite: bool = False,
    progress: bool | None = True,
    **options: Any,
) -> BatchReport:
    """Segment everything in photos on a cluster; see `sam_widget.folders.sessions.everything_folder`.

    Raises:
        ImageError: There are no photos.
        ModelError: The model cannot be loaded, or the cluster cannot be used.
        PromptError: An option is out of range.
    """
    from sam_widget.automatic.options import EverythingOptions

    EverythingOptions(**options)
    photos = Photos.found(images, sessions=sessions, recursive=recursive, shard=shard)
    job = EverythingJob(model=_checked(model), overwrite=overwrite, options=options)
    before = set() if overwrite else photos.made()
    return spread(job, photos, doing="Segmenting", before=before, progress=progress).report


def find_folder(
    images: Paths,
    words: Sequence[str] = (),
    *,
    like: Sequence[str] = (),
    not_like: Sequence[str] = (),
    sessions: str | Path | None = None,
    model: str = "tiny",
    finder: str | None = None,
    threshold: float | None = None,
    limit: int | None = None,
    store: str | Path | None = None,
    recursive: bool = False,
    shard: Shard | None = None,
    progress: bool | None = True,
) -> Hits:
    """Find words or examples in photos on a cluster; see `sam_widget.folders.finding.find_folder`.

    Raises:
        ImageError: There are no photos.
        PromptError: There is nothing to find, words are not in the vocabulary, or an example is malformed.
        SessionError: The session file of an example does not exist, is damaged, or has no such object.
        ModelError: A model cannot be loaded, or the cluster cannot be used.
    """
    from sam_widget.automatic.finding.loading import finder_for
    from sam_widget.folders.finding import check_wish
    from sam_widget.predictor.embeddings import default_folder
    from sam_widget.predictor.with_store import predictor_with_store

    photos = Photos.found(images, sessions=sessions, recursive=recursive, shard=shard)
    folder = (default_folder() if store is None else Path(store).expanduser()).absolute()
    name = _absolute(model)
    predictor = predictor_with_store(name, folder)
    one = finder_for(predictor, finder)
    wanted = {
        "like": [example_of(given, photos.album, one, predictor) for given in like],
        "not_like": [example_of(given, photos.album, one, predictor) for given in not_like],
        "threshold": threshold,
        "limit": limit,
    }
    words = check_wish(words, {**wanted, "model": one})
    job = FindJob(model=name, words=tuple(words), finder=finder, store=folder, wanted=wanted)
    outcome = spread(job, photos, doing="Finding", progress=progress)
    hits = sorted((part.hit for part in outcome.parts if part.hit), key=lambda hit: -hit.instances[0].score)
    near = [part.near for part in outcome.parts if part.near]
    return Hits(tuple(hits), outcome.report, max(near, key=lambda seen: seen.score, default=None))


def _checked(model: str) -> str:
    """Return a model that every process finds, once it has been loaded here, which fails as it would in one process."""
    from sam_widget.predictor.interface import predictor_of

    name = _absolute(model)
    predictor_of(name)
    return name


def _absolute(model: str) -> str:
    return str(Path(model).absolute()) if Path(model).is_file() else model
