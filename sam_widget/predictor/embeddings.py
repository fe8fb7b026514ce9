"""Embeddings, and their caches: a few in memory, many in a folder.

Embeddings are computed in `predictor.py`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import threading
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import torch
from PIL import Image
from platformdirs import user_cache_path
from torch import Tensor

from sam_widget.atomic import UNFINISHED
from sam_widget.errors import ModelError, StoreError
from sam_widget.predictor.pca import pca_picture
from sam_widget.predictor.tensor_file import load_tensors, packed, save_tensors

FORMAT, FEATURES_FORMAT = "sam_widget.embedding.2", "sam_widget.features.1"
T = TypeVar("T")
GIGABYTE = 10**9
# An unfinished file older than this was abandoned.
_ABANDONED_SECONDS = 3600
# What to do about an entry that cannot be read.
_AGAIN = "embed the image again"


@dataclass(frozen=True, eq=False)
class Embedding:
    """An embedded image, which can be decoded with any number of prompts.

    Attributes:
        features: (1, prompt_dim, g, g) output of the image encoder.
        image_size: Height and width of the original image, in pixels.
        image_hash: Content hash of the original image.
        model_name: Name of the model that embedded it.
        weights_id: The model's weights; other models cannot decode these features.
        high_resolution: Finer features, for models whose decoder uses them.
        shown: Rows and columns of the grid that cover the image; the rest is padding. None in files of older versions.
        pixels: (1, 3, h, w) uint8 on the CPU, the model's input, for `Predictor.trace`; not saved.
    """

    features: Tensor
    image_size: tuple[int, int]
    image_hash: str
    model_name: str
    weights_id: str
    high_resolution: tuple[Tensor, ...] = ()
    shown: tuple[int, int] | None = None
    pixels: Tensor | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        shape, (height, width) = tuple(self.features.shape), self.image_size
        return f"Embedding({self.model_name}, image {height} x {width}, features {shape} on {self.features.device})"

    def picture(self) -> Image.Image:
        """Return the features as colours: their first three principal components, without the padding."""
        rows, columns = self.shown or self.features.shape[2:]
        return pca_picture(self.features[0, :, :rows, :columns])

    def save(self, path: str | Path, *, half: bool = False) -> None:
        """Write the embedding as a safetensors file with a checksum.

        Args:
            path: Path of the file; an existing one is replaced atomically.
            half: Use half precision, at half the size. `load` then returns the same as `halved`.

        Raises:
            StoreError: The file cannot be written.
        """
        save_tensors(Path(path), *self._contents(half=half), what="the embedding")

    def to_bytes(self, *, half: bool = False) -> bytes:
        """Return the file that `save` writes."""
        return packed(*self._contents(half=half))

    def _contents(self, *, half: bool) -> tuple[dict[str, Tensor], dict[str, str]]:
        tensors = {"features": self.features}
        tensors |= {f"high_resolution.{level}": tensor for level, tensor in enumerate(self.high_resolution)}
        facts = {
            "format": FORMAT,
            "height": str(self.image_size[0]),
            "width": str(self.image_size[1]),
            "image_hash": self.image_hash,
            "model_name": self.model_name,
            "weights_id": self.weights_id,
            "dtype": str(self.features.dtype).removeprefix("torch."),
        }
        if self.shown is not None:
            facts |= {"rows": str(self.shown[0]), "columns": str(self.shown[1])}
        return {name: to_half(tensor) if half else tensor for name, tensor in tensors.items()}, facts

    @classmethod
    def load(cls, path: str | Path) -> Embedding:
        """Read an embedding that `save` wrote.

        Raises:
            ModelError: The file is missing, damaged, or not an embedding.
        """
        tensors, facts = load_tensors(Path(path), form=FORMAT, what="a saved embedding", again=_AGAIN)
        try:
            dtype = _DTYPES[facts["dtype"]]
            finer = [tensor.to(dtype) for name, tensor in tensors.items() if name != "features"]
            return cls(
                features=tokens_first(tensors["features"].to(dtype)),
                image_size=(int(facts["height"]), int(facts["width"])),
                image_hash=facts["image_hash"],
                model_name=facts["model_name"],
                weights_id=facts["weights_id"],
                high_resolution=tuple(finer),
                shown=(int(facts["rows"]), int(facts["columns"])) if "rows" in facts else None,
            )
        except (KeyError, ValueError, RuntimeError) as error:
            raise ModelError(f"{path} cannot be read as a saved embedding ({error}); {_AGAIN}") from error

    def halved(self) -> Embedding:
        """Return this embedding rounded to half precision, as after storing it; the type does not change."""
        return self._with(lambda tensor: to_half(tensor).to(tensor.dtype))

    def to(self, device: torch.device) -> Embedding:
        """Return this embedding on a device."""
        return self if self.features.device == device else self._with(lambda tensor: tensor.to(device))

    @property
    def nbytes(self) -> int:
        """The size of its tensors, in bytes."""
        return sum(tensor.numel() * tensor.element_size() for tensor in (self.features, *self.high_resolution))

    def _with(self, change: Callable[[Tensor], Tensor]) -> Embedding:
        finer = tuple(change(tensor) for tensor in self.high_resolution)
        return replace(self, features=change(self.features), high_resolution=finer)


class EmbeddingStore:
    """Embeddings in a folder, in half precision, and what finders computed, keyed by image content and model weights.

    The store outlives kernels, can be shared between processes, and never exceeds `max_bytes`: the least recently used
    entries are deleted. Entries are written atomically; a damaged entry is reported in a warning and deleted, so
    that the image is embedded again. The folder may be deleted at any time.

    There is one file per entry, `<weights>/<image hash>.safetensors`; its modification time records its last use.
    """

    def __init__(self, folder: str | Path | None = None, *, max_bytes: int = 10 * GIGABYTE) -> None:
        """Use a folder, which is created when the first entry is stored.

        Args:
            folder: Defaults to `embeddings` in $SAM_WIDGET_CACHE or, if that is not set, in the user's cache folder.
            max_bytes: Maximum size of the folder.
        """
        self.folder = default_folder() if folder is None else Path(folder).expanduser()
        self.max_bytes = max_bytes
        self._lock = threading.Lock()
        self._bytes: int | None = None  # size at the last scan of the folder, plus what was written since
        self._written = 0  # since the last scan of the folder, to which other processes also write

    def path(self, image_hash: str, weights_id: str) -> Path:
        """Return the path of an embedding's file, which need not exist."""
        weights = re.sub(r"[^A-Za-z0-9_.-]", "_", weights_id)
        if weights != weights_id or weights[:1] in ("", ".") or len(weights) > 100:
            # The end contains the hash of the weights; names are arbitrary, like those of checkpoint files.
            weights = f"{weights[-60:].lstrip('._')}-{hashlib.blake2b(weights_id.encode(), digest_size=6).hexdigest()}"
        return self.folder / weights / f"{image_hash}.safetensors"

    def has(self, image_hash: str, weights_id: str) -> bool:
        """Whether an entry exists, without reading it."""
        return self.path(image_hash, weights_id).is_file()

    def get(self, image_hash: str, weights_id: str) -> Embedding | None:
        """Return an embedding and mark it as used, or None if there is no readable one."""

        def load(path: Path) -> Embedding:
            embedding = Embedding.load(path)
            if (embedding.image_hash, embedding.weights_id) != (image_hash, weights_id):
                raise ModelError(f"{path} holds another embedding than its name says; {_AGAIN}")
            return embedding

        return self._read(self.path(image_hash, weights_id), load, "a stored embedding is")

    def put(self, embedding: Embedding) -> Embedding:
        """Store an embedding, deleting others if necessary, and return it as `get` will.

        Raises:
            StoreError: The embedding cannot be written.
        """
        path = self.path(embedding.image_hash, embedding.weights_id)
        embedding.save(path, half=True)
        self._wrote(path)
        return embedding.halved()

    def get_features(self, image_hash: str, identity: str, read: Callable[[Mapping[str, Tensor]], T]) -> T | None:
        """Return what a finder computed for an image and mark it as used, or None if it is not here, or not readable.

        Args:
            image_hash: Content hash of the image.
            identity: Identifies everything that the features depend on.
            read: Makes features of tensors; if it raises a ModelError, the entry is damaged.
        """

        def load(path: Path) -> T:
            tensors, facts = load_tensors(path, form=FEATURES_FORMAT, what="stored features", again=_AGAIN)
            if (facts.get("image_hash"), facts.get("identity")) != (image_hash, identity):
                raise ModelError(f"{path} holds other features than its name says; {_AGAIN}")
            return read(tensors)

        return self._read(self.path(image_hash, identity), load, "stored features are")

    def put_features(self, image_hash: str, identity: str, tensors: Mapping[str, Tensor]) -> None:
        """Store what a finder computed for an image, deleting other entries if necessary.

        Raises:
            StoreError: The features cannot be written.
        """
        path = self.path(image_hash, identity)
        facts = {"format": FEATURES_FORMAT, "image_hash": image_hash, "identity": identity}
        save_tensors(path, tensors, facts, what="the features")
        self._wrote(path)

    def _read(self, path: Path, load: Callable[[Path], T], what: str) -> T | None:
        """Read an entry and mark it as used, or delete it if it is damaged."""
        if not path.is_file():
            return None
        try:
            entry = load(path)
        except ModelError as error:
            if path.is_file():  # otherwise another process has just deleted it
                warnings.warn(f"{what} dropped: {error}", stacklevel=3)
                with contextlib.suppress(OSError):
                    path.unlink()
            return None
        with contextlib.suppress(OSError):  # a read-only store can still be used
            os.utime(path)
        return entry

    def _wrote(self, path: Path) -> None:
        """Count an entry that was written, and delete others if necessary."""
        size = path.stat().st_size
        with self._lock:
            self._written += size
            if self._bytes is not None:
                self._bytes += size
            if self._bytes is None or self._bytes > self.max_bytes or self._written > self.max_bytes // 20:
                self._make_room()

    @property
    def nbytes(self) -> int:
        """The current size of the folder, in bytes."""
        return sum(size for _, size, _ in self._entries())

    def __len__(self) -> int:
        return len(self._entries())

    def _make_room(self) -> None:
        entries = sorted(self._entries())
        total = sum(size for _, size, _ in entries)
        if total > self.max_bytes:
            # Frees slightly more than needed, so that the folder is not scanned for every further image.
            for _, size, path in entries:
                if total <= self.max_bytes * 0.95:
                    break
                with contextlib.suppress(OSError):  # another process may delete it first
                    path.unlink(missing_ok=True)
                total -= size
        self._bytes, self._written = total, 0

    def _entries(self) -> list[tuple[int, int, Path]]:
        """Return each entry's last use, size in bytes and path; delete abandoned unfinished files."""
        found = []
        for path in self.folder.glob("*/*"):
            with contextlib.suppress(OSError):
                facts = path.stat()
                if path.suffix == ".safetensors":
                    found.append((facts.st_mtime_ns, facts.st_size, path))
                elif path.name.endswith(UNFINISHED) and time.time() - facts.st_mtime > _ABANDONED_SECONDS:
                    path.unlink()
        return found


class EmbeddingCache:
    """The most recently used embeddings, in memory and, with a store, on disk. Thread-safe."""

    def __init__(
        self,
        size: int = 16,
        *,
        store: EmbeddingStore | None = None,
        read_only: bool = False,
        pixels: bool = True,
    ) -> None:
        """Create a cache.

        Args:
            size: Number of embeddings kept in memory.
            store: Store of all embeddings; if it cannot be written to, a warning is issued once.
            read_only: Read from the store but do not write to it.
            pixels: Keep the model's input with embeddings, which `Predictor.trace` needs.
        """
        self.size = size
        self.pixels = pixels
        self.store = store
        self.read_only = read_only
        self._items: OrderedDict[tuple[str, str], Embedding] = OrderedDict()
        self._lock = threading.Lock()
        self._making: dict[tuple[str, str], tuple[threading.Lock, int]] = {}

    def get(self, image_hash: str, weights_id: str, *, device: torch.device | None = None) -> Embedding | None:
        """Return an embedding and mark it as used, or None. Embeddings from disk are moved to `device`."""
        with self._lock:
            item = self._items.get((image_hash, weights_id))
            if item is not None:
                self._items.move_to_end((image_hash, weights_id))
                return item
        stored = None if self.store is None else self.store.get(image_hash, weights_id)
        return None if stored is None else self._keep(stored if device is None else stored.to(device))

    def has(self, image_hash: str, weights_id: str) -> bool:
        """Whether an embedding exists, without reading it."""
        if (image_hash, weights_id) in self._items:
            return True
        return self.store is not None and self.store.has(image_hash, weights_id)

    def put(self, embedding: Embedding) -> Embedding:
        """Store an embedding and return it as `get` will: rounded to half precision if it is written to disk."""
        stored: list[Embedding] = []
        self._write(lambda store: stored.append(store.put(embedding)))
        return self._keep(stored[0] if stored else embedding)

    def put_features(self, image_hash: str, identity: str, tensors: Callable[[], Mapping[str, Tensor]]) -> bool:
        """Write what a finder computed to disk, and return whether it was; see `EmbeddingStore.put_features`."""
        return self._write(lambda store: store.put_features(image_hash, identity, tensors()))

    def _write(self, write: Callable[[EmbeddingStore], object]) -> bool:
        """Write to the store, if there is one, and return whether it worked."""
        if self.store is None or self.read_only:
            return False
        try:
            write(self.store)
        except StoreError as error:
            self.read_only = True
            warnings.warn(f"embeddings are kept in memory alone: {error}", stacklevel=3)
            return False
        return True

    @contextlib.contextmanager
    def making(self, image_hash: str, weights_id: str) -> Iterator[None]:
        """Let one thread at a time embed an image, so that the next finds the result in the cache."""
        key = image_hash, weights_id
        with self._lock:
            alone, waiting = self._making.get(key, (threading.Lock(), 0))
            self._making[key] = alone, waiting + 1
        try:
            with alone:
                yield
        finally:
            with self._lock:
                alone, waiting = self._making.pop(key)
                if waiting > 1:
                    self._making[key] = alone, waiting - 1

    def _keep(self, embedding: Embedding) -> Embedding:
        """Store an embedding in memory, and evict the least recently used one if there are too many."""
        if not self.pixels:
            embedding = replace(embedding, pixels=None)
        with self._lock:
            self._items[embedding.image_hash, embedding.weights_id] = embedding
            self._items.move_to_end((embedding.image_hash, embedding.weights_id))
            while len(self._items) > self.size:
                self._items.popitem(last=False)
        return embedding

    def __len__(self) -> int:
        return len(self._items)


def default_folder() -> Path:
    """Return the default folder of the embedding store."""
    chosen = os.environ.get("SAM_WIDGET_CACHE")
    return (Path(chosen).expanduser() if chosen else user_cache_path("sam_widget", appauthor=False)) / "embeddings"


def tokens_first(features: Tensor) -> Tensor:
    """Make channels contiguous once, because the decoder reads tokens and would otherwise do it in every click."""
    return features.contiguous(memory_format=torch.channels_last)


_DTYPES = {str(dtype).removeprefix("torch."): dtype for dtype in (torch.float32, torch.float16, torch.bfloat16)}


def to_half(tensor: Tensor) -> Tensor:
    """Round to float16; features outside its range are returned unchanged."""
    half = tensor.to(torch.float16)
    return half if bool(half.isfinite().all()) else tensor


# One per process, so that two widgets on the same photo embed it only once, and an embedded folder opens instantly.
CACHE = EmbeddingCache(store=EmbeddingStore(), read_only=True)
