"""What a session asks of a predictor, in NumPy types; torch stays below this line.

`Predictor` in `predictor.py` is the one that computes in this process. A remote predictor, a page's, and a fake in a
test only have to offer the same members. An embedding is opaque here: it goes from `embed` to `answer` unread.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

import numpy as np

from sam_widget.errors import ModelError
from sam_widget.masks.runs import StoredMask
from sam_widget.prompts.prompt import Prompt

if TYPE_CHECKING:
    from sam_widget.model.config import SamConfig
    from sam_widget.model.sam import Sam

Embedding = Any
# In a mask prompt made from a mask: the logit where the mask covers everything; minus this where it covers nothing.
CERTAIN = 10.0
# Called with bytes done and bytes in all while weights are downloaded.
Progress = Callable[[int, int], None]
# Anything that stands for a model; see `predictor_of`.
ModelLike: TypeAlias = "str | Path | Sam | Predictor"


class ModelIdentity(Protocol):
    """Which model answers.

    Attributes:
        name: What `load_model` takes, such as "tiny".
        weights_id: Identifies the weights; differs between two models that may answer differently.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def weights_id(self) -> str: ...  # noqa: D102


def without_precision(weights_id: str) -> str:
    """Return what names weights, whatever precision they are computed in: that is the machine's affair."""
    return re.sub("-(float32|float16|bfloat16|float64)$", "", weights_id)


class Prediction(Protocol):
    """The answer to one prompt: masks in the model's own order, subpart, part, whole."""

    @property
    def scores(self) -> np.ndarray:
        """(N,) float32, the IoU that the model expects of each mask."""

    @property
    def logits(self) -> np.ndarray:
        """(N, h, w) float32 at low resolution."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the masks, in pixels."""

    @property
    def best(self) -> int:
        """Index of the highest score."""

    def stored_mask(self, index: int) -> StoredMask:
        """Return one mask at image resolution, without making the others."""


class Predictor(Protocol):
    """Embeds images and answers prompts on them; methods may be called from any thread."""

    @property
    def model(self) -> ModelIdentity:
        """Which model answers."""

    @property
    def config(self) -> SamConfig:
        """Sizes of the model: its input, its logits, their threshold, and whether it takes mask prompts."""

    def embed(self, image: np.ndarray, *, keep: bool = True) -> Embedding:
        """Embed (H, W, 3) uint8 RGB; `keep` allows a cache to hold the result.

        Raises:
            ModelError: The device has too little memory for the model.
        """

    def has(self, image_hash: str) -> bool:
        """Whether `embed` is quick because the embedding of this image is at hand."""

    def answer(self, embedding: Embedding, prompt: Prompt) -> Prediction:
        """Answer a prompt that is not empty, in pixels of the embedded image.

        Raises:
            PromptError: The prompt lies outside the image, or this model does not take such a prompt.
        """

    def binarize_one(self, logits: np.ndarray, image_size: tuple[int, int], *, threshold: float = 0.0) -> StoredMask:
        """Upsample logits (h, w) to a height and width and cut them `threshold` above the model's own."""

    def mask_to_logits(self, mask: np.ndarray) -> np.ndarray:
        """Turn a mask (H, W) bool into a mask prompt, (h, w) float32."""

    def unpad(self, logits: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
        """Return the part of logits (N, h, w) that shows an image of this height and width."""


def check_model_is_here(name: str, file: str) -> None:
    """Refuse to load the model that a session file names from another machine: a file may come from anyone.

    Raises:
        ModelError: It is a path on another machine, or its weights must be downloaded first.
    """
    if name.startswith(("\\\\", "//")) or "://" in name:
        raise ModelError(
            f"{file} was made with the model {name!r}, which is on another machine and was not looked for; give the "
            "model: load(path, model=...)"
        )
    if name in _named or name == "tiny":
        return
    from sam_widget.model.zoo import models

    if any(info.name == name and not info.local for info in models()):
        raise ModelError(
            f"{file} was made with the model {name!r}, whose weights are not on this machine; to download them, call "
            f"load(path, model={name!r})"
        )


_named: dict[str, Predictor] = {}
_loading = threading.Lock()


def predictor_of(model: ModelLike, *, progress: Progress | None = None) -> Predictor:
    """Return the predictor of a model: a name, a checkpoint path, a loaded model, or a predictor itself.

    A named model is loaded once a process, so that ten widgets share one copy of the weights.

    Raises:
        ModelError: The model cannot be loaded.
    """
    if hasattr(model, "embed"):
        return cast("Predictor", model)
    from sam_widget.predictor.predictor import Predictor as TorchPredictor

    if not isinstance(model, str | Path):
        return TorchPredictor(cast("Sam", model))
    with _loading:
        name = str(model)
        if name not in _named:
            _named[name] = TorchPredictor(name, progress=progress)
        return _named[name]
