"""A folder on many machines: Ray Data shares photos out to workers, each with its copy of the model.

Ray starts the workers, hands each the next photos, and replaces workers that die. What a worker does with a photo is
what a single process does, and so is the report: a bad file is a row of the result, not an error of Ray's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sam_widget.errors import SamWidgetError
from sam_widget.folders.batch import BatchReport, Failure
from sam_widget.folders.image_folder import Album
from sam_widget.image.files import Paths, Shard
from sam_widget.serve.cluster import connected
from sam_widget.serve.jobs import Job, Part
from sam_widget.serve.object_store import RemoteFolder, copied, is_remote
from sam_widget.text import clean

# Photos that are handed to a worker at a time, and done again if it dies; the most of these portions.
PORTION, MOST_PORTIONS = 8, 20_000
# How often a portion is given to another worker after the first has died. What is left then is handed out one by one.
RETRIES = 1


@dataclass(frozen=True)
class Photos:
    """The photos of a folder, here or in an object store.

    Attributes:
        album: The photos. Those of an object store are at their path in its folder, below "/".
        source: The object store; None for files.
        target: The object store of the session files; None for a folder, which is the album's.
        shown: How reports name the photos.
    """

    album: Album
    source: RemoteFolder | None
    target: RemoteFolder | None
    shown: tuple[Path, ...]

    @classmethod
    def found(cls, images: Paths, *, sessions: str | Path | None, recursive: bool, shard: Shard | None) -> Photos:
        """Find photos in a folder, or in one at an address such as s3://bucket/photos.

        Args:
            images: As `find_images` takes them, or an address.
            sessions: The folder of the session files, which may be an address, too; by default, that of the photos.
            recursive: Include subfolders.
            shard: Keep only this part.

        Raises:
            ImageError: There are no photos.
            SamWidgetError: There are several addresses.
        """
        given = [images] if isinstance(images, str | os.PathLike) else list(images)
        remote = [str(one) for one in given if is_remote(one)]
        target = RemoteFolder(str(sessions)) if is_remote(sessions) else None
        if not remote:
            if target is not None:
                raise SamWidgetError("session files can be in an object store only if the photos are, too")
            album = Album(given, sessions=sessions, recursive=recursive, shard=shard)
            return cls(album, None, None, album.images)
        if len(given) > 1:
            raise SamWidgetError("give one folder in an object store, and nothing else")
        source = RemoteFolder(remote[0])
        names = source.list_images(recursive=recursive)
        kept = [name for name in names if shard is None or shard.has(Path(name))]
        target = source if sessions is None else target
        place = Path("/") if target is not None else Path(str(sessions)).expanduser().absolute()
        album = Album.within(Path("/"), [Path("/", name) for name in kept], sessions=place)
        return cls(album, source, target, tuple(map(Path, kept)))

    def only(self, wanted: Callable[[str], bool]) -> Photos:
        """Return some of them, by their names."""
        kept = [index for index, name in enumerate(self.album.names) if wanted(name)]
        album = Album.within(
            self.album.root, [self.album.images[index] for index in kept], sessions=self.album.sessions
        )
        return replace(self, album=album, shown=tuple(self.shown[index] for index in kept))

    def without_names(self) -> Photos:
        """Return where they are, which is small."""
        return replace(self.only(lambda _: False), shown=())

    def made(self) -> set[int]:
        """Return which of them have a session file."""
        files = [self.album.session_path(index) for index in range(len(self.album.images))]
        if self.target is None:
            return {index for index, file in enumerate(files) if file.exists()}
        existing = self.target.list_files()
        names = [file.relative_to(self.album.sessions).as_posix() for file in files]
        return {index for index, name in enumerate(names) if name in existing}


@dataclass(frozen=True)
class Spread:
    """The outcome of a job on many machines.

    Attributes:
        report: The same that a single process gives, in the order of the photos.
        parts: What was done with each photo, in the same order; those whose worker died are missing.
    """

    report: BatchReport
    parts: tuple[Part, ...]


def spread(
    job: Job, photos: Photos, *, doing: str, before: Collection[int] = (), progress: bool | None = None
) -> Spread:
    """Do a job with photos on a Ray cluster.

    Args:
        job: What to do.
        photos: With what.
        doing: The progress bar's label.
        before: Photos that an earlier run has done.
        progress: Show a progress bar; None shows one in a terminal only.

    Raises:
        MissingExtraError: Ray is not installed.
        ModelError: The cluster cannot be used.
    """
    from tqdm.auto import tqdm

    left = [index for index in range(len(photos.shown)) if index not in before]
    found: dict[int, Part] = {}
    hidden = None if progress is None else not progress
    with tqdm(total=len(photos.shown), initial=len(before), desc=doing, unit="image", disable=hidden) as bar:
        for portion in (PORTION, 1):
            for row in _rows(job, photos, [index for index in left if index not in found], portion=portion):
                found[int(row["index"])] = row["part"]
                bar.update()
    done: list[Path] = []
    failed: list[Failure] = []
    skipped = [photos.shown[index] for index in sorted(before)]
    for index in left:
        path = photos.shown[index]
        if index not in found:
            failed.append(
                Failure(path, "the workers that had it died or failed, perhaps for lack of memory; see Ray's logs")
            )
            continue
        report = found[index].report
        done += [path] * len(report.done)
        # If a session file was not there before, an attempt has made it whose worker died afterwards.
        (done if job.makes_sessions else skipped).extend([path] * len(report.skipped))
        failed += [Failure(path, one.reason) for one in report.failed]
    return Spread(BatchReport(tuple(done), tuple(skipped), tuple(failed)), tuple(found[key] for key in sorted(found)))


def _rows(job: Job, photos: Photos, left: Sequence[int], *, portion: int) -> Iterator[dict[str, Any]]:
    """Yield the index of a photo and its part, in the order in which they are done."""
    if not left:
        return
    ray = connected()
    from ray import data as ray_data

    context = ray_data.DataContext.get_current()
    context.enable_progress_bars = False
    # A portion whose workers all die is missing from the result, and reported; the others are done.
    context.max_errored_blocks = -1
    gpus, cpus = int(ray.cluster_resources().get("GPU", 0)), int(ray.cluster_resources().get("CPU", 1))
    portions = min(MOST_PORTIONS, -(-len(left) // portion))
    # Bytes, because names of files need not be text.
    rows = [{"index": index, "path": os.fsencode(photos.album.images[index])} for index in left]
    data = ray_data.from_items(rows, override_num_blocks=portions).map_batches(
        Worker,
        fn_constructor_args=(job, photos.without_names()),
        batch_size=1,
        batch_format="numpy",
        compute=ray_data.ActorPoolStrategy(
            min_size=1,
            max_size=max(1, min(gpus or cpus, portions)),
            # What waits at a worker that dies counts as tried; a single photo must not die of another one.
            max_tasks_in_flight_per_actor=1 if portion == 1 else None,
        ),
        num_gpus=1 if gpus else 0,
        max_task_retries=RETRIES,
    )
    yield from data.iter_rows()


class Worker:
    """A process that does a job with one photo after the other."""

    def __init__(self, job: Job, photos: Photos) -> None:
        """Take the job; the model is loaded with the first photo, by the function that needs it."""
        self._job, self._photos = job, photos

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Do it with a batch: rows with the index and the path of a photo become rows with its index and part."""
        import numpy as np

        parts = np.empty(len(batch["index"]), dtype=object)
        parts[:] = [self.part(Path(os.fsdecode(bytes(path)))) for path in batch["path"]]
        return {"index": batch["index"], "part": parts}

    def part(self, path: Path) -> Part:
        """Do the job with one photo."""
        whole = self._photos.album
        if self._photos.source is None:
            return self._job.run(Album.within(whole.root, [path], sessions=whole.sessions))
        name, target = path.relative_to(whole.root).as_posix(), self._photos.target or whole.sessions
        try:
            with copied(self._photos.source, name, target, again=self._job.continues) as album:
                return self._job.run(album)
        except SamWidgetError as error:
            return Part(BatchReport(failed=(Failure(path, clean(str(error))),)))
