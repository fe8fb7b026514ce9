"""Batch processing of images: finished work is kept, and a bad file does not stop the rest."""

from __future__ import annotations

import logging
import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sam_widget.errors import SamWidgetError
from sam_widget.image.files import Paths, Shard, find_images
from sam_widget.image.reading import RGB, image_hash, to_rgb
from sam_widget.text import clean

if TYPE_CHECKING:  # They import torch, which would slow down `sam-widget --help`.
    from sam_widget.model.sam import Sam
    from sam_widget.predictor.embeddings import EmbeddingStore
    from sam_widget.predictor.predictor import Predictor

log = logging.getLogger(__name__)

# Number of images read ahead: enough to keep the model busy, few enough to fit into memory at any image size.
_AHEAD = 2


@dataclass(frozen=True)
class Failure:
    """A file that could not be processed, and the reason."""

    path: Path
    reason: str

    def __str__(self) -> str:
        """Return one line that is safe to print, whatever bytes the file's name contains."""
        return clean(f"{self.path}: {self.reason}")


@dataclass(frozen=True)
class BatchReport:
    """The outcome of a batch; each file is in exactly one of the three lists.

    Attributes:
        done: Files processed in this run.
        skipped: Files that an earlier run had processed.
        failed: Files that could not be processed, with the reason.
    """

    done: tuple[Path, ...] = ()
    skipped: tuple[Path, ...] = ()
    failed: tuple[Failure, ...] = ()

    def __str__(self) -> str:
        """Return a summary line, followed by one line per failure."""
        counts = [f"{len(self.done)} done"]
        counts += [f"{len(self.skipped)} done before"] if self.skipped else []
        counts += [f"{len(self.failed)} failed"] if self.failed else []
        return "\n  ".join((", ".join(counts), *map(str, self.failed)))


def embed_folder(
    folder: Paths,
    *,
    model: str | Path | Sam | Predictor = "tiny",
    store: EmbeddingStore | str | Path | None = None,
    recursive: bool = False,
    shard: Shard | None = None,
    progress: bool | None = True,
) -> BatchReport:
    """Embed every image in a folder and cache the embeddings on disk, so that the images open instantly afterwards.

    After an interruption, run it again: it continues with the remaining images. Embeddings are keyed by image content,
    so images that were embedded under another name or in another folder are skipped too.

    Args:
        folder: A folder, an image file, or several of either.
        model: A name or checkpoint path, a loaded model, or a predictor.
        store: An embedding store or its folder. Defaults to the store that every widget uses.
        recursive: Include subfolders.
        shard: Process only this part of the images.
        progress: Show a progress bar; None shows one in a terminal only.

    Returns:
        The images that were embedded, skipped, or could not be read.

    Raises:
        ImageError: The folder does not exist or contains no images.
        ModelError: The model cannot be loaded.
    """
    paths = [path for path in find_images(folder, recursive=recursive) if shard is None or shard.has(path)]

    from sam_widget.predictor.embeddings import EmbeddingCache, EmbeddingStore
    from sam_widget.predictor.interface import predictor_of

    store = store if isinstance(store, EmbeddingStore) else EmbeddingStore(store)
    # The store is read and written here rather than in the predictor, so that a failed write is reported.
    predictor = cast("Predictor", predictor_of(model)).like(cache=EmbeddingCache(size=0))
    weights_id, full = predictor.model.encoder_id, False

    def embed(_path: Path, rgb: RGB) -> bool:
        nonlocal full
        if store.get(image_hash(rgb), weights_id) is not None:
            return False
        embedding = predictor.embed(rgb)
        if not full and len(paths) * embedding.nbytes // 2 > store.max_bytes:
            full = True
            warnings.warn(
                f"{len(paths)} embeddings of {embedding.nbytes / 2e6:.1f} MB do not fit into the store's "
                f"{store.max_bytes / 1e9:.3g} GB, so the first will make room for the last; raise max_bytes",
                stacklevel=4,
            )
        store.put(embedding)
        return True

    return run(paths, embed, doing="Embedding", progress=progress)


def run(
    paths: Iterable[Path],
    work: Callable[[Path, Any], bool],
    *,
    doing: str,
    read: Callable[[Path], Any] = to_rgb,
    skip: Callable[[Path], bool] = lambda _: False,
    progress: bool | None = None,
) -> BatchReport:
    """Process images in order, reading the next ones in the background.

    Args:
        paths: Image files.
        work: Processes one image, given its path and the result of `read`. Returns False if the image was already
            done. Any exception it raises is recorded as a failure of that file.
        doing: The progress bar's label.
        read: Reads one image.
        skip: Returns whether an image is already done and need not be read.
        progress: Show a progress bar; None shows one in a terminal only.
    """
    from tqdm.auto import tqdm

    paths = list(paths)
    skipped = [path for path in paths if skip(path)]
    known = set(skipped)
    left = [path for path in paths if path not in known]
    done: list[Path] = []
    failed: list[Failure] = []
    hidden = None if progress is None else not progress
    with tqdm(total=len(paths), initial=len(skipped), desc=doing, unit="image", disable=hidden) as bar:
        for path, content in _read_ahead(left, read):
            try:
                (done if work(path, content.result()) else skipped).append(path)
            except Exception as error:  # of any type: a damaged file, a full disk, a GPU out of memory
                log.debug("%s failed", path, exc_info=True)
                reason = str(error) if isinstance(error, SamWidgetError) else f"{type(error).__name__}: {error}"
                failed.append(Failure(path, reason))
                bar.set_postfix_str(f"{len(failed)} failed", refresh=False)
            bar.update()
    return BatchReport(tuple(done), tuple(skipped), tuple(failed))


def _read_ahead(paths: list[Path], read: Callable[[Path], Any]) -> Iterator[tuple[Path, Future[Any]]]:
    with ThreadPoolExecutor(max_workers=min(_AHEAD, os.cpu_count() or 1), thread_name_prefix="sam_widget") as pool:
        waiting: deque[tuple[Path, Future[Any]]] = deque()
        try:
            for path in paths:
                waiting.append((path, pool.submit(read, path)))
                if len(waiting) > _AHEAD:
                    yield waiting.popleft()
            yield from waiting
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
