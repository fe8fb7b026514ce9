"""Keeps what finders compute for images: new words, and another session on the same image, encode nothing.

The last images are in memory. If the predictor keeps its embeddings on disk, the features of finders are there too, so
that another process encodes nothing either.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from torch import Tensor

from sam_widget import __version__
from sam_widget.automatic.finding.finder import AtServer, Encoding, Finder, Storable
from sam_widget.image.reading import RGB, image_hash
from sam_widget.predictor.predictor import Predictor

# Images whose features are kept; those of the embedded finder take one or two megabytes, those of SAM 3 two hundred.
SIZE = 32
BYTES = 2**30


class FeatureStore:
    """The features of the images that were searched last, by finder, predictor and image."""

    def __init__(self, size: int = SIZE, max_bytes: int = BYTES) -> None:
        """Create a store of up to `size` images that take up to `max_bytes`; the last one may take more."""
        self._size, self._max_bytes = size, max_bytes
        self._kept: OrderedDict[tuple[str, str, str], Any] = OrderedDict()
        self._lock = threading.Lock()

    def encode(self, finder: Finder, image: RGB, predictor: Predictor) -> Encoding:
        """Return the features of an image, computed unless they are here; yields progress.

        Raises:
            ModelError: The device has too little memory.
        """
        if isinstance(finder, AtServer):  # Its server keeps them.
            return (yield from finder.encode(image, predictor))
        digest = image_hash(image)
        kept = self.kept(finder, predictor, digest)
        if kept is not None:
            return kept
        features = _read(finder, image, digest, predictor)
        if features is None:
            features = yield from finder.encode(image, predictor)
            features = _written(finder, features, image, digest, predictor)
        with self._lock:
            self._kept[finder.weights_id, predictor.model.weights_id, digest] = features
            while len(self._kept) > self._size or (len(self._kept) > 1 and self._bytes() > self._max_bytes):
                self._kept.popitem(last=False)
        return features

    def kept(self, finder: Finder, predictor: Predictor, digest: str) -> Any:
        """Return the features of an image in memory, by its hash; None if they are not there."""
        key = finder.weights_id, predictor.model.weights_id, digest
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def features(
        self, finder: Finder, image: RGB, predictor: Predictor, *, cancelled: Callable[[], bool] = lambda: False
    ) -> Any:
        """Return the features of an image; see `encode`. None if `cancelled`, called at every step, returns true."""
        steps = self.encode(finder, image, predictor)
        while not cancelled():
            try:
                next(steps)
            except StopIteration as stop:
                return stop.value
        return None

    def _bytes(self) -> int:
        """What the features take, for finders that say so."""
        return sum(getattr(features, "nbytes", 0) for features in self._kept.values())

    def __len__(self) -> int:
        return len(self._kept)


def _identity(finder: Finder, predictor: Predictor) -> str:
    """Return all that features depend on besides the image; another version may compute others."""
    return f"{finder.weights_id} on {predictor.model.weights_id}, sam_widget {__version__}"


def _read(finder: Finder, image: RGB, digest: str, predictor: Predictor) -> Any:
    """Return features that are on disk, or None."""
    cache = getattr(predictor, "cache", None)
    store = None if cache is None else cache.store
    if store is None or not isinstance(finder, Storable):
        return None
    return store.get_features(
        digest, _identity(finder, predictor), lambda tensors: finder.from_tensors(tensors, image, predictor)
    )


def _written(finder: Finder, features: Any, image: RGB, digest: str, predictor: Predictor) -> Any:
    """Write features to disk, if they are kept there, and return them as they will be read."""
    cache = getattr(predictor, "cache", None)
    if cache is None or not isinstance(finder, Storable):
        return features
    tensors: dict[str, Tensor] = {}

    def made() -> dict[str, Tensor]:
        tensors.update(finder.to_tensors(features))
        return tensors

    written = cache.put_features(digest, _identity(finder, predictor), made)
    return finder.from_tensors(tensors, image, predictor) if written else features


STORE = FeatureStore()
"""The store of this process."""
