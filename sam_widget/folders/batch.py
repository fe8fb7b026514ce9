"""Many images, one after the other: what is done stays done, and one bad file does not stop the rest."""

from __future__ import annotations

import logging
import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam_widget.errors import SamWidgetError
from sam_widget.image.files import find_images
from sam_widget.image.reading import RGB, image_hash, to_rgb
from sam_widget.text import clean

if TYPE_CHECKING:  # They import torch, which the command's help must not wait for.
    from sam_widget.model.sam import Sam
    from sam_widget.predictor.embeddings import EmbeddingStore
    from sam_widget.predictor.predictor import Predictor

log = logging.getLogger(__name__)

# Images read ahead of the model: enough to keep it busy, few enough to fit into memory whatever their size.
_AHEAD = 2


@dataclass(frozen=True)
class Failure:
    """A file that could not be worked on, and why."""

    path: Path
    reason: str

    def __str__(self) -> str:
        """Say it in a line, which can be written anywhere whatever bytes the file's name is made of."""
        return clean(f"{self.path}: {self.reason}")


@dataclass(frozen=True)
class BatchReport:
    """What became of many files; each is in one of the three.

    Attributes:
        done: Worked on, now.
        skipped: Done by an earlier run.
        failed: Not done, and why.
    """

    done: tuple[Path, ...] = ()
    skipped: tuple[Path, ...] = ()
    failed: tuple[Failure, ...] = ()

    def __str__(self) -> str:
        """Say it in a line, and a line for each failure."""
        counts = [f"{len(self.done)} done"]
        counts += [f"{len(self.skipped)} done before"] if self.skipped else []
        counts += [f"{len(self.failed)} failed"] if self.failed else []
        return "\n  ".join((", ".join(counts), *map(str, self.failed)))


def embed_folder(
    folder: str | Path | Iterable[str | Path],
    *,
    model: str | Path | Sam | Predictor = "tiny",
    store: EmbeddingStore | str | Path | None = None,
    recursive: bool = False,
    progress: bool | None = True,
) -> BatchReport:
    """Embed every image of a folder and keep the embeddings on disk, so that each opens at once from then on.

    Run it again after an interruption: it does what is left. What was embedded under another name or in another folder
    is found, too, for the content of an image counts.

    Args:
        folder: A folder, an image file, or several of either.
        model: A name or checkpoint path, a loaded model, or a predictor.
        store: Where the embeddings are kept: a store or its folder. By default the one that every widget looks in.
        recursive: Look into the folders of a folder, too.
        progress: Show a progress bar; None shows one in a terminal only.

    Returns:
        What was embedded, what had been before, and what could not be read.

    Raises:
        ImageError: There is no such folder, or no image in it.
        ModelError: The model cannot be loaded.
    """
    paths = find_images(folder, recursive=recursive)

    from sam_widget.predictor.embeddings import EmbeddingCache, EmbeddingStore
    from sam_widget.predictor.predictor import Predictor

    store = store if isinstance(store, EmbeddingStore) else EmbeddingStore(store)
    # The store is asked and told here, where a failure to write is one to report.
    given = model.model if isinstance(model, Predictor) else model
    predictor = Predictor(given, cache=EmbeddingCache(size=0))
    weights_id, full = predictor.model.weights_id, False

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
    """Work on images one after the other, the next ones being read meanwhile.

    Args:
        paths: Image files.
        work: Does one, given its path and what `read` returned, and returns whether there was anything left to do.
            Whatever it raises concerns this file alone.
        doing: What the progress bar calls it.
        read: Reads one.
        skip: Whether one is done already, and need not even be read.
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
