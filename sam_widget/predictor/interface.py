"""The protocol that a session requires of a predictor, in NumPy types, without torch.

`Predictor` in `predictor.py` computes in this process. A remote predictor, a page's predictor and a fake in a test only
have to provide the same members. An embedding is opaque here: it is passed from `embed` to `answer` unread.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast, runtime_checkable

import numpy as np

from sam_widget.errors import ModelError, OutOfReachError, PromptError
from sam_widget.masks.runs import StoredMask
from sam_widget.model.names import is_served, is_worded
from sam_widget.prompts.prompt import Prompt

if TYPE_CHECKING:
    from sam_widget.model.config import SamConfig
    from sam_widget.model.sam import Sam

Embedding = Any
# In a mask prompt made from a mask: the logit of cells inside the mask; its negative outside.
CERTAIN = 10.0
# Called with the bytes done and the total while weights are downloaded.
Progress = Callable[[int, int], None]
# Anything that denotes a model; see `predictor_of`.
ModelLike: TypeAlias = "str | Path | Sam | Predictor"


class ModelIdentity(Protocol):
    """The identity of a model.

    Attributes:
        name: Name for `load_model`, such as "tiny".
        weights_id: Identifies the weights; models with different predictions have different ids.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def weights_id(self) -> str: ...  # noqa: D102


class Prediction(Protocol):
    """The answer to one prompt: masks in the model's own order, subpart, part, whole."""

    @property
    def scores(self) -> np.ndarray:
        """(N,) float32, the predicted IoU of each mask."""

    @property
    def logits(self) -> np.ndarray:
        """(N, h, w) float32 at low resolution."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the masks, in pixels."""

    @property
    def best(self) -> int:
        """Index of the mask to choose: usually the one with the highest score."""

    def stored_mask(self, index: int) -> StoredMask:
        """Return one mask at image resolution, without computing the others."""


class Predictor(Protocol):
    """Embeds images and answers prompts on them; methods may be called from any thread."""

    @property
    def model(self) -> ModelIdentity:
        """The model in use."""

    @property
    def config(self) -> SamConfig:
        """Sizes of the model: its input, its logits, their threshold, and whether it takes mask prompts and words."""

    def embed(self, image: np.ndarray, *, keep: bool = True) -> Embedding:
        """Embed (H, W, 3) uint8 RGB; `keep` allows a cache to hold the result.

        Raises:
            ModelError: The device has too little memory for the model.
        """

    def has(self, image_hash: str) -> bool:
        """Whether the embedding of this image is cached, so that `embed` is fast."""

    def answer(self, embedding: Embedding, prompt: Prompt) -> Prediction:
        """Answer a prompt that is not empty, in pixels of the embedded image.

        Raises:
            PromptError: The prompt lies outside the image, or the model does not support it.
        """

    def binarize_one(self, logits: np.ndarray, image_size: tuple[int, int], *, threshold: float = 0.0) -> StoredMask:
        """Upsample logits (h, w) to an image's size and binarize them `threshold` above the model's own threshold."""

    def mask_to_logits(self, mask: np.ndarray) -> np.ndarray:
        """Convert a mask (H, W) bool to a mask prompt, (h, w) float32."""

    def unpad(self, logits: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
        """Return the part of logits (N, h, w) that covers an image of this height and width, without the padding."""


@runtime_checkable
class Queued(Protocol):
    """A predictor whose images wait for their turn at a server."""

    def on_wait(self, listener: Callable[[str, int, float], object]) -> Callable[[], None]:
        """Call a function with an image's hash, place and seconds while the image waits; returns its undo."""


@runtime_checkable
class Unreached(Protocol):
    """A predictor of a server that has not answered yet; see `unreached`."""

    seen: Predictor | None

    def reached(self) -> Predictor:
        """Return the server's predictor."""


@runtime_checkable
class SegmentsElsewhere(Protocol):
    """A predictor whose server segments everything."""

    def everything(self, image: np.ndarray, options: Mapping[str, Any]) -> Iterator[str] | None:
        """Return the lines of a run on (H, W, 3) uint8 without crops (`automatic.lines`); None to do it here.

        Args:
            image: The image.
            options: `size`, its height and width, and options of `segment_everything`.
        """


@runtime_checkable
class FindsElsewhere(Protocol):
    """A predictor whose server searches."""

    def found(self, image: np.ndarray, question: Mapping[str, Any]) -> Iterator[str]:
        """Return the lines of a search in (H, W, 3) uint8 (`automatic.finding.lines`).

        Args:
            image: The image.
            question: What to find; model and image are added.
        """


def refuse_words(prompt: Prompt, config: SamConfig, model: str) -> None:
    """Check that a model takes the words of a prompt, if it has any.

    Raises:
        PromptError: It does not.
    """
    if prompt.words and not config.takes_words:
        raise PromptError(
            f"{model} takes no words with points and boxes, such as {prompt.words!r}; search for them with "
            f"Session.find({prompt.words!r}), or use a model that takes both: Session(image, model='facebook/sam3')"
        )


def check_model_is_here(name: str, file: str) -> None:
    """Reject a model named by a session file unless it is available locally, because a file may be from anyone.

    Raises:
        ModelError: The model is a path on another machine, or its weights would have to be downloaded.
    """
    if name.startswith(("\\\\", "//")) or "://" in name:
        raise ModelError(
            f"{file} was made with the model {name!r}, which is on another machine and was not looked for; give the "
            "model: load(path, model=...)"
        )
    if name in _named or name == "tiny":
        return
    from sam_widget.model.zoo import models

    worded = is_worded(name) and not any(provider.is_here(name) for provider in PROVIDERS)
    if worded or any(info.name == name and not info.local for info in models()):
        raise ModelError(
            f"{file} was made with the model {name!r}, whose weights are not on this machine; to download them, call "
            f"load(path, model={name!r})"
        )


@dataclass(frozen=True)
class Provider:
    """Loads the models of `names.is_worded`, which are defined above this room.

    Attributes:
        is_here: Whether a model can be loaded without a download.
        load: Returns its predictor.
    """

    is_here: Callable[[str], bool]
    load: Callable[[str], Predictor]


# Filled by `automatic.finding.loading`, which every session imports.
PROVIDERS: list[Provider] = []
_named: dict[str, Predictor] = {}
# Held while a server is asked, by its address: other models are loaded meanwhile.
_asking: dict[str, threading.Lock] = {}
# When the file of a named model was written, if the name is a path.
_written: dict[str, int | None] = {}
_loading = threading.Lock()


def has_torch() -> bool:
    """Whether models can run in this process; JupyterLite has no torch."""
    try:
        return importlib.util.find_spec("torch") is not None
    except (ImportError, ValueError):
        return False


def runs_in_view(model: object) -> bool:
    """Whether a model runs in the widget's view: without torch, a named one does."""
    return isinstance(model, str | Path) and not is_served(model) and not has_torch()


def predictor_of(model: ModelLike, *, progress: Progress | None = None, later: bool = False) -> Predictor:
    """Return the predictor of a model: a name, a path, a server's address, a loaded model, or a predictor itself.

    A named model is loaded once per process, so that ten widgets share one copy of the weights. A checkpoint is loaded
    again once its file has changed.

    Args:
        model: The model.
        progress: See `Session`.
        later: Whether a server may be asked later if it does not answer now; see `unreached`.

    Raises:
        ModelError: The model cannot be loaded.
    """
    if hasattr(model, "embed"):
        return cast("Predictor", model)
    if runs_in_view(model):
        return _in_view(str(model))
    from sam_widget.predictor.predictor import Predictor as TorchPredictor

    if not isinstance(model, str | Path):
        return TorchPredictor(cast("Sam", model))
    name = str(model)
    if is_served(name):
        return _served(name, later=later)
    with _loading:
        written = Path(name).stat().st_mtime_ns if Path(name).is_file() else None
        if name not in _named or _written.get(name) != written:  # a model may be tuned again, and saved in its place
            worded = PROVIDERS[-1] if PROVIDERS and is_worded(name) else None
            _named[name] = worded.load(name) if worded else TorchPredictor(name, progress=progress)
            _written[name] = written
        return _named[name]


def _in_view(name: str) -> Predictor:
    """Return the predictor of a model that the view runs.

    Raises:
        ModelError: It is not `tiny`.
    """
    if name != "tiny":
        raise ModelError(
            f"{name!r} needs torch, which is not installed here; without it there is model='tiny', which the view runs"
        )
    from sam_widget.predictor.in_view import ViewPredictor

    with _loading:
        if name not in _named:
            _named[name], _written[name] = ViewPredictor(), None
        return _named[name]


def _served(address: str, *, later: bool) -> Predictor:
    from sam_widget.predictor.served import connect, connect_at_once

    asking = _asking.setdefault(address, threading.Lock())
    if address not in _named and asking.acquire(blocking=not later):
        try:
            if address not in _named:
                _named[address] = connect_at_once(address) if later else connect(address)
        except OutOfReachError:
            if not later:
                raise
        finally:
            asking.release()
    if address in _named:
        return _named[address]
    from sam_widget.predictor.unreached import UnreachedPredictor

    return UnreachedPredictor(address, lambda: predictor_of(address))


def reached(predictor: Predictor) -> Predictor:
    """Return a predictor, that of its server if the server had not answered before.

    Raises:
        OutOfReachError: The server does not answer.
        ModelError: The server refuses.
    """
    return predictor.reached() if isinstance(predictor, Unreached) else predictor


def seen(predictor: Predictor) -> Predictor:
    """Return that of its server instead of a predictor that stood for it, if the server has answered meanwhile."""
    return (predictor.seen or predictor) if isinstance(predictor, Unreached) else predictor
