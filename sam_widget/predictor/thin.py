"""A predictor that neither embeds nor decodes: a server does both. A click takes at most three kilobytes."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np

from sam_widget.errors import ModelError, PromptError
from sam_widget.image.reading import image_hash, to_rgb
from sam_widget.masks.runs import StoredMask
from sam_widget.masks.scaling import enlarged
from sam_widget.masks.wire_codec import pack_runs, unpack_runs
from sam_widget.model.config import SamConfig
from sam_widget.model.zoo import BUILDERS
from sam_widget.predictor.connection import ServedModel, Server
from sam_widget.predictor.fitting import unpadded
from sam_widget.predictor.interface import refuse_words
from sam_widget.predictor.model_input import logits_from_mask, upscaling_of
from sam_widget.predictor.plain import PlainPredictor
from sam_widget.predictor.served import Listeners, Waiting, scaled
from sam_widget.prompts.prompt import Prompt


@dataclass(frozen=True, eq=False)
class RemoteEmbedding:
    """An image that a server has embedded.

    Attributes:
        digest: Hash of what was sent.
        image_size: Height and width of the image, in pixels.
        sent: (h, w, 3) uint8, the image as it was sent, in case the server forgets it.
    """

    digest: str
    image_size: tuple[int, int]
    sent: np.ndarray


class _Mask(msgspec.Struct, frozen=True):
    size: tuple[int, int]
    runs: str


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    scores: list[float] = []
    masks: list[_Mask] = []
    best: int = 0
    weights: str = ""
    status: int = 200
    error: str = ""


# A click is to take 3 kB, with the question and the scores. Masks of most photos take less; of large ones, they come at
# half or a quarter of the size, which is still finer than what the decoder computes.
MOST_BYTES_OF_MASKS = 2800
# The status of an answer about an image that the server does not keep.
_UNKNOWN = 404


@dataclass(frozen=True, eq=False)
class RemotePrediction:
    """The answer of a server: masks, of which the logits are made, so that they can be prompts.

    Attributes:
        scores: (N,) float32, the predicted IoU of each mask.
        stored: The masks.
        size: Height and width of the masks, in pixels.
        best: Index of the mask to choose.
    """

    scores: np.ndarray
    stored: tuple[StoredMask, ...]
    size: tuple[int, int]
    best: int
    _config: SamConfig

    @cached_property
    def masks(self) -> np.ndarray:
        """(N, H, W) bool at image resolution."""
        return np.stack([mask.array for mask in self.stored])

    @cached_property
    def logits(self) -> np.ndarray:
        """(N, h, w) float32, made of the masks: they say where a mask is, and not how sure the model was."""
        return np.stack([logits_from_mask(self._config, mask.array) for mask in self.stored])

    def stored_mask(self, index: int) -> StoredMask:
        """Return one mask at image resolution."""
        return self.stored[index]


class ThinPredictor(PlainPredictor):
    """A predictor whose server embeds and decodes; see `connect`."""

    def __init__(self, server: Server, model: ServedModel) -> None:
        """Look the model's sizes up; nothing is fetched.

        Raises:
            ModelError: This version does not know the model's architecture.
        """
        configs = {build.__name__: config for config, build in BUILDERS}
        if model.architecture not in configs:
            raise ModelError(
                f"{model.name} is a {model.architecture or 'model'} that this version does not know; update sam_widget"
            )
        self.server, self.served = server, model
        self.model = SimpleNamespace(name=model.name, weights_id=model.weights_id)
        self.config = configs[model.architecture]
        self._listeners, self._line = Listeners(), server.line()

    def __repr__(self) -> str:
        return f"ThinPredictor({self.served.name} of {self.server.address})"

    def on_wait(self, listener: Waiting) -> Callable[[], None]:
        """Call a function with an image's hash, place and seconds while it waits at the server; returns its undo."""
        return self._listeners.add(listener)

    def embed(self, image: Any, *, keep: bool = True) -> RemoteEmbedding:  # noqa: ARG002  the server decides
        """Have an image embedded.

        Raises:
            ImageError: The image cannot be read.
            ModelError: The server does not answer, or refuses.
        """
        rgb = to_rgb(image)
        sent = scaled(self.config, rgb)
        digest = self.server.reserve(self.served.name, sent, self._listeners.of_image(image_hash(rgb)))
        return RemoteEmbedding(digest, (rgb.shape[0], rgb.shape[1]), sent)

    def predict(
        self,
        embedding: RemoteEmbedding,
        *,
        points: Any = None,
        labels: Any = None,
        box: Any = None,
        mask: np.ndarray | None = None,
        multimask: bool = True,
    ) -> RemotePrediction:
        """Answer a prompt; see `Predictor.predict`."""
        return self.answer(embedding, Prompt.from_arrays(points, labels, box, mask), multimask=multimask)

    def answer(self, embedding: RemoteEmbedding, prompt: Prompt, *, multimask: bool = True) -> RemotePrediction:
        """Ask the server.

        Raises:
            PromptError: The prompt is empty, lies outside the image, or has words.
            ModelError: The server does not answer, or refuses.
        """
        refuse_words(prompt, self.config, self.served.name)
        if prompt.is_empty:
            raise PromptError("the prompt is empty; give points, a box or a mask")
        height, width = embedding.image_size
        question = self._question(embedding, prompt.check_inside(width, height), multimask=multimask)
        found = self._asked(question)
        if found.status == _UNKNOWN:  # It was restarted, or had no room to keep the image.
            self.server.reserve(self.served.name, embedding.sent, lambda _place, _seconds: None)
            found = self._asked(question)
        if found.error:
            raise ModelError(f"the server {self.server.address} refused: {found.error}")
        try:
            sent = [StoredMask.of_runs(unpack_runs(b64decode(one.runs), *one.size), one.size) for one in found.masks]
        except ValueError as error:
            raise self._unreadable(error) from error
        if found.weights != self.served.weights_id:
            raise ModelError(f"{self.server.address} has other weights now ({found.weights}); connect again")
        masks = tuple(enlarged(mask, embedding.image_size) for mask in sent)
        scores = np.array(found.scores, np.float32)
        return RemotePrediction(scores, masks, embedding.image_size, found.best, self.config)

    def _asked(self, question: Mapping[str, Any]) -> _Answer:
        answer = self._line.ask(msgspec.json.encode(question))
        try:
            return msgspec.json.decode(answer, type=_Answer)
        except msgspec.DecodeError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> ModelError:
        return ModelError(f"{self.server.address} gives no answer that this version can read ({error})")

    def _question(self, embedding: RemoteEmbedding, prompt: Prompt, *, multimask: bool) -> dict[str, Any]:
        asked: dict[str, Any] = {
            "id": 0,
            "model": self.served.name,
            "hash": embedding.digest,
            "size": embedding.image_size,
            "points": [(point.x, point.y) for point in prompt.points],
            "labels": [point.label for point in prompt.points],
            "boxes": [box.corners for box in prompt.boxes],
            "strokes": [{"vertices": one.vertices, "label": one.label, "closed": one.closed} for one in prompt.strokes],
            "mask": "" if prompt.mask is None else _packed(prompt.mask > self.config.mask_threshold),
            "packed": True,
            "most": MOST_BYTES_OF_MASKS,
        }
        return {name: value for name, value in asked.items() if value or name == "id"} | {"multimask": multimask}

    def everything(self, image: np.ndarray, options: Mapping[str, Any]) -> Iterator[str]:
        """Segment everything at the server; see `interface.SegmentsElsewhere`."""
        return self.server.everything(self.served.name, scaled(self.config, image), options)

    def found(self, image: np.ndarray, question: Mapping[str, Any]) -> Iterator[str]:
        """Search at the server; see `interface.FindsElsewhere`."""
        return self.server.find(self.served.name, image, question)

    def binarize_one(self, logits: np.ndarray, image_size: tuple[int, int], *, threshold: float = 0.0) -> StoredMask:
        """Upsample logits (h, w) to an image's size and binarize them `threshold` above the model's own threshold."""
        import torch

        level = self.config.mask_threshold + threshold
        return upscaling_of(self.config, image_size).stored(torch.tensor(logits), level)

    def mask_to_logits(self, mask: np.ndarray) -> np.ndarray:
        """Convert a mask (H, W) bool to a mask prompt, (h, w) float32 logits."""
        return logits_from_mask(self.config, mask)

    def unpad(self, logits: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
        """Return the part of (N, h, w) low-resolution logits that covers the image, without the padding."""
        return unpadded(self.config, logits, image_size)


def _packed(mask: np.ndarray) -> str:
    stored = StoredMask(np.ascontiguousarray(mask))
    return b64encode(pack_runs(stored.runs, stored.shape[1])).decode()
