"""A predictor whose images are embedded by a server: `sam-widget serve`, often on the one machine with a GPU.

The model's decoder is fetched once and the embedding once per image, so clicks and hovering need neither the server nor
the network. The image is scaled to the model's input before it is sent. `serve.app` is the other side.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from sam_widget.errors import ModelError, door
from sam_widget.model.config import SamConfig
from sam_widget.model.headless import unpack
from sam_widget.model.names import SERVER
from sam_widget.predictor.connection import MOST_PIXELS, ServedModel, Server
from sam_widget.predictor.embeddings import CACHE, Embedding
from sam_widget.predictor.fitting import fitted
from sam_widget.predictor.model_input import input_pixels
from sam_widget.predictor.predictor import Predictor
from sam_widget.predictor.trace import Trace

if TYPE_CHECKING:
    from sam_widget.predictor.thin import ThinPredictor

# Told the place in the queue, from 1, and the seconds it will probably take.
Waiting = Callable[[str, int, float], object]


class Listeners:
    """Those who are told the places of images in a server's queue."""

    def __init__(self) -> None:
        """Start without any."""
        self._all: list[Waiting] = []
        self._guard = threading.Lock()

    def add(self, listener: Waiting) -> Callable[[], None]:
        """Call a function from now on; returns its undo."""
        with self._guard:
            self._all.append(listener)

        def forget() -> None:
            with self._guard:
                if listener in self._all:
                    self._all.remove(listener)

        return forget

    def of_image(self, digest: str) -> Callable[[int, float], object]:
        """Return what tells them about an image, by its hash."""
        return partial(self.tell, digest)

    def tell(self, digest: str, place: int, seconds: float) -> None:
        """Tell them the place of an image, by its hash, and the seconds it will probably take."""
        with self._guard:
            listeners = tuple(self._all)
        for listener in listeners:
            listener(digest, place, seconds)


class ServedPredictor(Predictor):
    """A predictor that lets a server embed images, and answers prompts itself; see `connect`."""

    def __init__(self, server: Server, model: ServedModel) -> None:
        """Fetch the decoder."""
        super().__init__(unpack(server.decoder(model)), cache=CACHE)
        self.server, self.served = server, model
        self._listeners = Listeners()

    def __repr__(self) -> str:
        return f"Predictor({self.model.name} of {self.server.address}, decoding on {self.device})"

    def on_wait(self, listener: Waiting) -> Callable[[], None]:
        """Call a function with an image's hash, place and seconds while it waits at the server; returns its undo."""
        return self._listeners.add(listener)

    def everything(self, image: np.ndarray, options: Mapping[str, Any]) -> Iterator[str] | None:
        """Segment everything at the server if it has a GPU; see `interface.SegmentsElsewhere`.

        A CPU that is shared by everyone is left to embeddings: this machine has one of its own.
        """
        if self.served.device == "cpu":
            return None
        return self.server.everything(self.served.name, scaled(self.config, image), options)

    def trace(self, *_args: Any, **_options: Any) -> Trace:
        """Refuse: a trace needs the image encoder.

        Raises:
            ModelError: Always.
        """
        raise ModelError(
            f"{self.model.name} is at {self.server.address}, and a trace needs the whole model; use a model on this "
            "machine: Predictor('tiny')"
        )

    def _encode(self, rgbs: Sequence[np.ndarray], hashes: Sequence[str]) -> list[Embedding]:
        return [self._sent(rgb, digest) for rgb, digest in zip(rgbs, hashes, strict=True)]

    def _sent(self, rgb: np.ndarray, digest: str) -> Embedding:
        content = self.server.embed(self.served.name, scaled(self.config, rgb), self._listeners.of_image(digest))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "embedding.safetensors"
            path.write_bytes(content)
            embedding = Embedding.load(path)
        if embedding.weights_id != self.model.encoder_id:
            raise ModelError(f"{self.server.address} was restarted with other weights; connect again")
        pixels = input_pixels(self.config, rgb, torch.device("cpu")).round().to(torch.uint8)
        return replace(embedding, image_size=rgb.shape[:2], image_hash=digest, pixels=pixels).to(self.device)


@door
def connect(url: str | None = None, *, model: str | None = None, thin: bool = False) -> ServedPredictor | ThinPredictor:
    """Connect to `sam-widget serve`: returns a predictor, for `SamWidget`, `Session`, `Gallery` and the command line.

    The address itself can be given as a model, too: `SamWidget("photo.jpg", model="https://lab:9000/?token=...")`.

    Args:
        url: The address that the server printed. The token may be in $SAM_WIDGET_TOKEN instead. Defaults to
            $SAM_WIDGET_SERVER.
        model: One of the server's models; by default the one in the address, or the server's first.
        thin: Let the server decode, too, for machines that are too slow for it: each click is a request of up to three
            kilobytes. `&thin=1` in the address does the same.

    Raises:
        ModelError: The server does not answer, refuses the token, has no such model, or runs another version.
    """
    given = url or os.environ.get(SERVER, "")
    if not given:
        raise ModelError(f"there is no server to connect to; give its address, or set ${SERVER}")
    return served_by(Server(given), model=model, thin=thin)


def connect_at_once(url: str) -> ServedPredictor | ThinPredictor:
    """Connect like `connect`, without asking again if the server does not answer."""
    server = Server(url, patient=False)
    found = served_by(server)
    server.patient = True
    return found


def served_by(server: Server, *, model: str | None = None, thin: bool = False) -> ServedPredictor | ThinPredictor:
    """Return the predictor of a server; see `connect`."""
    about = server.about()
    wanted = model or server.wanted
    names = [one.name for one in about.models]
    if wanted and wanted not in names:
        raise ModelError(f"{server.address} has no model {wanted!r}; it has {', '.join(names)}")
    if not names:
        raise ModelError(f"{server.address} serves no models")
    chosen = about.models[names.index(wanted) if wanted else 0]
    if thin or server.thin:
        from sam_widget.predictor.thin import ThinPredictor

        return ThinPredictor(server, chosen)
    return ServedPredictor(server, chosen)


def within_limit(rgb: np.ndarray) -> np.ndarray:
    """Return an image (H, W, 3) uint8, scaled down if it has more pixels than a server takes."""
    scale = (MOST_PIXELS / (rgb.shape[0] * rgb.shape[1])) ** 0.5
    if scale >= 1:
        return rgb
    size = max(1, int(rgb.shape[1] * scale)), max(1, int(rgb.shape[0] * scale))
    return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BOX))


def scaled(config: SamConfig, rgb: np.ndarray) -> np.ndarray:
    """Return the pixels to send: scaled to the model's input, whose embedding is the same, unless that rounds them."""
    if config.resize == "square":
        return within_limit(rgb)
    height, width = fitted(config, *rgb.shape[:2])
    if (height, width) == rgb.shape[:2] or height * width > rgb.shape[0] * rgb.shape[1]:
        return rgb
    return input_pixels(config, rgb, torch.device("cpu"))[0].permute(1, 2, 0).contiguous().numpy()
