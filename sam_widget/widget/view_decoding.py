"""What a view that runs the model asks for, and what it tells; see `predictor.in_view`.

The view gets the worker's code, onnxruntime and the weights from here, in binary messages, once per page: nothing is
fetched from anywhere else.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from sam_widget.errors import ProtocolError, SessionError
from sam_widget.image.rendering import Rendering
from sam_widget.predictor.in_view import WEIGHTS, ViewPredictor, input_pixels, tensors
from sam_widget.prompts.prompt import Prompt
from sam_widget.session.remote import remote
from sam_widget.session.session import Session
from sam_widget.widget.protocol import Request
from sam_widget.widget.replies import Replies
from sam_widget.widget.requests import Format
from sam_widget.widget.stage import Stage
from sam_widget.widget.verbs import Attached

Part = Literal["worker", "runtime", "runtime.wasm", "encoder", "encoder weights", "decoder weights"]

_PAGE = Path(__file__).resolve().parents[1] / "page" / "static"
_FILES: dict[str, Callable[[], bytes]] = {
    "worker": (_PAGE / "answering.js").read_bytes,
    "runtime": (_PAGE / "runtime.js").read_bytes,
    "runtime.wasm": (_PAGE / "runtime.wasm.gz").read_bytes,
    "encoder": WEIGHTS.with_name("tiny_encoder.onnx.gz").read_bytes,
    "encoder weights": partial(tensors, of_encoder=True),
    "decoder weights": partial(tensors, of_encoder=False),
}
# What needs the model in Python.
_NEEDS_MODEL = {
    "everything",
    "find",
    "sift",
    "refuse",
    "accept_found",
    "refine_found",
    "end_find",
    "refine",
    "render",
    "sharpen",
    "adjust",
}


class ViewDecoding:
    """Requests of a view that encodes images and decodes prompts."""

    def __init__(self, stage: Stage, replies: Replies) -> None:
        self._stage, self._replies = stage, replies

    @remote(lane="tiles")
    def part(self, request: Request, name: Part) -> None:
        """Request a file of which the view makes the model."""
        try:
            data = _FILES[name]()
        except OSError as error:
            raise SessionError(
                f"the frontend is missing ({error.filename}); run `make build` or `pip install .`"
            ) from None
        self._replies.file(request, name, "", data)

    @remote()
    def pixels(self, request: Request, image: str, rendering: Rendering) -> None:
        """Request the image as the model sees it: its features if they are known, or else pixels (h, w, 3)."""
        session, predictor = self._of(image, rendering)
        if predictor.has(session.embedding.image_hash):
            self._replies.file(request, "features", "", gzip.compress(predictor.features(session.embedding), 1))
            return
        pixels = input_pixels(predictor.config, session.source.render(session.state.rendering))
        self._replies.file(request, "pixels", "", pixels.tobytes())

    @remote()
    def encoded(self, image: str, rendering: Rendering, milliseconds: float, features: Attached) -> None:
        """Tell that the image is encoded, how long a decode takes, and the features, if they were not known."""
        session, predictor = self._of(image, rendering)
        if features:
            predictor.learn_features(session.embedding, [_numbers(level) for level in features])
        self._stage.encoded(milliseconds)

    @remote()
    def undecodable(self, reason: str) -> None:
        """Tell that the view cannot run the model."""
        self._stage.say("error", reason)

    @remote(latest=True)
    def decoded(self, image: str, rendering: Rendering, prompt: Prompt, best: int, answer: Attached) -> None:
        """Set the whole prompt, whose answer is attached: the scores of the masks, and their logits."""
        session, predictor = self._of(image, rendering)
        if len(answer) != 2:
            raise ProtocolError(f"decoded needs scores and logits, but {len(answer)} buffers came with it")
        scores, side = _numbers(answer[0]), predictor.config.mask_size
        logits = _numbers(answer[1])
        if logits.size != len(scores) * side * side:
            raise ProtocolError(f"decoded has {len(scores)} scores, and {logits.size} logits")
        predictor.learn(
            session.embedding,
            prompt.check_inside(*session.size),
            scores=scores,
            logits=logits.reshape(-1, side, side),
            best=best,
        )
        session.set_prompt(prompt)

    def _of(self, image: str, rendering: Rendering) -> tuple[Session, ViewPredictor]:
        """Return the session, if it shows what the view has answered for.

        Raises:
            SessionError: It shows another image, or another rendering of it.
        """
        session = self._stage.session
        if image != session.image_hash or session.source.check(rendering) != session.state.rendering:
            raise SessionError("the image has changed meanwhile; click again")
        predictor = session.predictor
        if not isinstance(predictor, ViewPredictor):
            raise SessionError("the model of this widget runs in the kernel")
        return session, predictor


def abilities(requests: list[str]) -> dict[str, Any]:
    """Return what a widget does whose model runs in the view (`js/src/kernel/abilities.ts`), of all these requests."""
    return {
        "requests": sorted(set(requests) - _NEEDS_MODEL),
        "formats": list(get_args(Format)),
        "strokes": False,
        "decodes": "view",
    }


def _numbers(data: bytes) -> NDArray[np.float32]:
    """Return float32 numbers, which may not begin at a multiple of four.

    Raises:
        ProtocolError: Their length is not a multiple of four.
    """
    if len(data) % 4:
        raise ProtocolError(f"{len(data)} bytes are not float32 numbers")
    return np.frombuffer(bytes(data), "<f4").astype(np.float32)
