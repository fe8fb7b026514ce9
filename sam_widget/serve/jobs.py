"""Work on photos that other processes can do: a job is pickled, and loads its model where it runs.

Each job calls the function that a single process runs, on one photo at a time, so that both do the same.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from sam_widget.folders.batch import BatchReport, embed_folder
from sam_widget.folders.finding import Hit, Near, find_in_album
from sam_widget.folders.image_folder import Album
from sam_widget.folders.prompt_files import ObjectPrompt
from sam_widget.folders.sessions import everything_album, segment_album

if TYPE_CHECKING:  # It imports torch, which would slow down `sam-widget --help`.
    from sam_widget.predictor.embeddings import EmbeddingStore


@dataclass(frozen=True)
class Part:
    """What a job did with a photo.

    Attributes:
        report: Lists the photo, unless there was nothing to do.
        hit: What was found in it.
        near: The best of what did not count as found.
    """

    report: BatchReport
    hit: Hit | None = None
    near: Near | None = None


class Job(Protocol):
    """Work on photos.

    Attributes:
        makes_sessions: Whether it makes a session file for each photo.
        continues: Whether it continues session files that exist.
    """

    makes_sessions: ClassVar[bool]
    continues: ClassVar[bool]

    def run(self, album: Album) -> Part:
        """Do it with an album of one photo."""


@dataclass(frozen=True, kw_only=True)
class EmbedJob:
    """Embed photos; see `embed_folder`."""

    makes_sessions: ClassVar[bool] = False
    continues: ClassVar[bool] = False
    model: str
    store: Path
    max_bytes: int

    def run(self, album: Album) -> Part:
        """Embed one photo."""
        store = _store(self.store, self.max_bytes)
        return Part(embed_folder(album.images, model=self.model, store=store, progress=False))


@dataclass(frozen=True, kw_only=True)
class SegmentJob:
    """Segment photos from prompts; see `segment_folder`."""

    makes_sessions: ClassVar[bool] = True
    continues: ClassVar[bool] = False
    model: str
    prompts: Sequence[ObjectPrompt]
    overwrite: bool

    def run(self, album: Album) -> Part:
        """Segment one photo."""
        return Part(segment_album(album, self.prompts, model=self.model, overwrite=self.overwrite, progress=False))


@dataclass(frozen=True, kw_only=True)
class EverythingJob:
    """Segment everything in photos; see `everything_folder`."""

    makes_sessions: ClassVar[bool] = True
    continues: ClassVar[bool] = False
    model: str
    overwrite: bool
    options: Mapping[str, Any] = field(default_factory=dict)

    def run(self, album: Album) -> Part:
        """Segment everything in one photo."""
        found = everything_album(album, model=self.model, overwrite=self.overwrite, progress=False, **self.options)
        return Part(found)


@dataclass(frozen=True, kw_only=True)
class FindJob:
    """Find words or examples in photos; see `find_folder`.

    Attributes:
        model: The model that makes the masks.
        words: Phrases.
        finder: Name of another finder.
        store: Folder of the features.
        wanted: Other arguments of `Session.find`; examples have features.
    """

    makes_sessions: ClassVar[bool] = True
    continues: ClassVar[bool] = True
    model: str
    words: Sequence[str]
    finder: str | None
    store: Path
    wanted: Mapping[str, Any]

    def run(self, album: Album) -> Part:
        """Search one photo."""
        predictor, finder = _finding(self.model, self.store, self.finder)
        found = find_in_album(
            album,
            self.words,
            {**self.wanted, "model": finder},
            predictor=predictor,
            accept=True,
            progress=False,
            cancelled=lambda: False,
        )
        return Part(found.report, next(iter(found), None), found.nearest)


@functools.cache
def _store(folder: Path, max_bytes: int) -> EmbeddingStore:
    """Return one store per process, since a new one first measures its folder."""
    from sam_widget.predictor.embeddings import EmbeddingStore

    return EmbeddingStore(folder, max_bytes=max_bytes)


@functools.cache
def _finding(model: str, store: Path, finder: str | None) -> tuple[Any, Any]:
    """Return the predictor and the finder, loaded once per process."""
    from sam_widget.automatic.finding.loading import finder_for
    from sam_widget.predictor.with_store import predictor_with_store

    predictor = predictor_with_store(model, store)
    return predictor, finder_for(predictor, finder)
