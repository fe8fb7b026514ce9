"""What of a model is in a page: `tiny`'s own decoder, or another model's as a network for onnxruntime."""

from __future__ import annotations

import base64
import gzip
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sam_widget.errors import ModelError, SessionError
from sam_widget.predictor.in_view import ViewPredictor, tensors
from sam_widget.session.session import Session

if TYPE_CHECKING:
    from sam_widget.predictor.interface import ModelIdentity
    from sam_widget.predictor.predictor import Predictor

STATIC = Path(__file__).parent / "static"
_CARD = Path(__file__).resolve().parents[1] / "weights" / "tiny.md"
_RUNTIME_NOTICE = "onnxruntime-web (Microsoft Corporation): MIT.\n"


@dataclass(frozen=True)
class PageModel:
    """What a page has of a model.

    Attributes:
        data: Compressed and as text: `weights`, and `runtime` if they are a network.
        answering: How the model takes photos and prompts; None for `tiny`, whose decoder knows.
        code: What the worker needs besides its own code.
        notices: Licences of what was added.
        card: Of the model.
    """

    data: dict[str, str]
    answering: dict[str, Any] | None = None
    code: str = ""
    notices: str = ""
    card: str = field(default_factory=lambda: _CARD.read_text(encoding="utf-8"))


def page_model(predictor: Predictor | ViewPredictor, image: np.ndarray) -> PageModel:
    """Return what answers prompts in a page; `image` is any that it will be asked about.

    Raises:
        MissingExtraError: A model other than `tiny` needs `onnx`, which is not installed.
        ModelError: The model cannot be exported.
    """
    if isinstance(predictor, ViewPredictor):
        return PageModel({"weights": packed(tensors(of_encoder=False))})
    from sam_widget.model.tiny.tiny import Tiny
    from sam_widget.page.networks import decoder_network, frame, in_planes, prompting
    from sam_widget.page.tensors import decoder_weights

    model = predictor.model
    if isinstance(model, Tiny):
        return PageModel({"weights": packed(decoder_weights(model))})
    network = in_planes(decoder_network(model, predictor.embed(image)))
    return PageModel(
        {"weights": packed(network), "runtime": as_text(bundled("runtime.wasm.gz"))},
        answering={"frame": frame(model.config), "prompting": prompting(model.config)},
        code=bundled("runtime.js").decode(),
        notices=_RUNTIME_NOTICE,
        card=_described(model.name),
    )


def any_photo(model: ModelIdentity) -> PageModel:
    """Return what opens any photo in a page, besides what answers prompts: `tiny`'s image encoder and a blank session.

    Raises:
        MissingExtraError: `onnx` is not installed.
        ModelError: It is another model, whose encoder is too large for a page.
    """
    from sam_widget.model.tiny.tiny import Tiny
    from sam_widget.page.networks import encoder_network, in_planes
    from sam_widget.predictor.predictor import EmbeddingCache, Predictor

    if not isinstance(model, Tiny):
        raise ModelError(
            f"a page opens any photo only with 'tiny', but this session uses {model.name!r}, whose image encoder is "
            "too large; open the image with model='tiny', or leave any_photo out"
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "blank.sam"
        Session(np.zeros((1, 1, 3), np.uint8), model=Predictor(model, cache=EmbeddingCache())).save(
            path, keep_image=False
        )
        blank = path.read_bytes()
    data = {"encoder": packed(in_planes(encoder_network(model))), "blank": packed(blank)}
    data["runtime"] = as_text(bundled("runtime.wasm.gz"))
    return PageModel(data, code=bundled("runtime.js").decode(), notices=_RUNTIME_NOTICE)


def page_features(predictor: Predictor | ViewPredictor, image: np.ndarray) -> bytes:
    """Return an image's features as `page_model` takes them.

    Raises:
        ModelError: The view encodes images, and has not encoded this one yet.
    """
    if isinstance(predictor, ViewPredictor):
        return predictor.features(predictor.embed(image))
    from safetensors.torch import save

    from sam_widget.model.tiny.tiny import Tiny
    from sam_widget.page.networks import features, in_planes
    from sam_widget.page.tensors import photo_features

    embedding = predictor.embed(image)
    if isinstance(predictor.model, Tiny):
        return photo_features(embedding)
    return in_planes(save(features(embedding)))


def packed(data: bytes) -> str:
    """Return bytes compressed and as text; the same bytes always give the same text."""
    return as_text(gzip.compress(data, 6, mtime=0))


def as_text(data: bytes) -> str:
    """Return bytes in base64."""
    return base64.b64encode(data).decode()


def bundled(name: str) -> bytes:
    """Return a file of the page's frontend.

    Raises:
        SessionError: It was not built.
    """
    try:
        return (STATIC / name).read_bytes()
    except OSError:
        raise SessionError(f"the page's frontend is missing ({STATIC}); run `make build` or `pip install .`") from None


def _described(name: str) -> str:
    from sam_widget.model.zoo import models

    for model in models():
        if model.name == name:
            return f"{name}: {model.source}. Licence of the weights: {model.licence}."
    return f"{name}: the licence of its weights is that of their source."
