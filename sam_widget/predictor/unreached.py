"""The predictor of a server that has not answered yet, so that a photo opens before its server has started.

Until the server has answered once, it is not known which model it has. Meanwhile the model is named like the address of
the server, without its token, its weights are called `UNREACHED`, and its sizes are those of `tiny`, which usually
stands in. Whatever needs the server asks it again, and from its first answer on, all is as if it had been there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sam_widget.image.addresses import without_secrets
from sam_widget.masks.runs import StoredMask
from sam_widget.model.config import TINY
from sam_widget.predictor.interface import Embedding, Prediction, Predictor, Queued
from sam_widget.predictor.plain import PlainPredictor
from sam_widget.predictor.served import Listeners, Waiting
from sam_widget.prompts.prompt import Prompt

UNREACHED = "unreached"


@dataclass
class _Identity:
    """A model's name and weights, which change once they are known."""

    name: str
    weights_id: str


class UnreachedPredictor(PlainPredictor):
    """Asks a server that may not run yet; see the module.

    Attributes:
        seen: The server's predictor, once it has answered.
    """

    def __init__(self, address: str, connect: Callable[[], Predictor]) -> None:
        """Prepare; nothing is sent.

        Args:
            address: The server's.
            connect: Returns its predictor.
        """
        self.model = self._identity = _Identity(without_secrets(address), UNREACHED)
        self.config = TINY
        self.seen: Predictor | None = None
        self._address, self._connect = address, connect
        self._listeners, self._guard = Listeners(), threading.Lock()

    def __repr__(self) -> str:
        return repr(self.seen) if self.seen else f"UnreachedPredictor({self.model.name})"

    def reached(self) -> Predictor:
        """Return the server's predictor.

        Raises:
            OutOfReachError: The server does not answer.
            ModelError: It refuses the token, or is of another version.
        """
        if self.seen is not None:
            return self.seen
        seen = self._connect()
        with self._guard:
            if self.seen is None:
                self.config = seen.config
                self._identity.name, self._identity.weights_id = seen.model.name, seen.model.weights_id
                if isinstance(seen, Queued):
                    seen.on_wait(self._listeners.tell)
                self.seen = seen
        return self.seen

    def changed(self, change: Callable[[Predictor], Predictor]) -> UnreachedPredictor:
        """Return one whose predictor is changed by a function once it is there."""
        return UnreachedPredictor(self._address, lambda: change(self.reached()))

    def on_wait(self, listener: Waiting) -> Callable[[], None]:
        """Call a function with an image's hash, place and seconds while it waits at the server; returns its undo."""
        return self._listeners.add(listener)

    def embed(self, image: np.ndarray, *, keep: bool = True) -> Embedding:
        """Have an image embedded; see `reached`."""
        return self.reached().embed(image, keep=keep)

    def has(self, image_hash: str) -> bool:
        """Whether the embedding of an image is cached."""
        return self.seen is not None and self.seen.has(image_hash)

    def answer(self, embedding: Embedding, prompt: Prompt) -> Prediction:
        """Answer a prompt on an image that was embedded."""
        return self.reached().answer(embedding, prompt)

    def binarize_one(self, logits: np.ndarray, image_size: tuple[int, int], *, threshold: float = 0.0) -> StoredMask:
        """See `Predictor.binarize_one`."""
        if self.seen is None:
            return super().binarize_one(logits, image_size, threshold=threshold)
        return self.seen.binarize_one(logits, image_size, threshold=threshold)

    def mask_to_logits(self, mask: np.ndarray) -> np.ndarray:
        """See `Predictor.mask_to_logits`."""
        return super().mask_to_logits(mask) if self.seen is None else self.seen.mask_to_logits(mask)

    def unpad(self, logits: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
        """See `Predictor.unpad`."""
        return super().unpad(logits, image_size) if self.seen is None else self.seen.unpad(logits, image_size)
