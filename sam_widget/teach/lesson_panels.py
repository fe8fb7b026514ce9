"""What a page's panels need besides the photo: what depends on the image encoder alone, or on a true mask."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import torch
from safetensors.torch import save

from sam_widget.errors import SamWidgetError
from sam_widget.image.samples import sample
from sam_widget.masks.distance import next_click
from sam_widget.masks.measures import box_from_mask
from sam_widget.model.mae import middle_square
from sam_widget.model.mae_zoo import load_mae
from sam_widget.predictor.pca import pca_picture
from sam_widget.predictor.predictor import Predictor
from sam_widget.teach.lesson_cells import PanelCall, Source
from sam_widget.teach.patch_patterns import Pattern, hide
from sam_widget.teach.subject import Subject, scene

# States of the controls of `HiddenPatches`: 0 to 95% in steps, and seeds.
STEP, RATIOS, SEEDS = 5, 20, 21


class PagePhoto:
    """A photo of a lesson's page.

    Attributes:
        subject: The photo with its embedding.
        masks: The true masks of a scene, (N, H, W) bool; none of a photo.
        viewed: Whether a panel shows it in the widget's view.
        click: The prompt of that view at first, x and y.
    """

    def __init__(self, source: Source, predictor: Predictor) -> None:
        """Read the photo."""
        kind, name = source
        found = scene(name) if kind == "scene" else None
        self.subject = Subject(sample(name) if found is None else found.image, predictor)
        height, width = self.subject.photo.shape[:2]
        self.masks: np.ndarray = np.zeros((0, height, width), bool) if found is None else found.masks
        self.viewed = False
        self.click: tuple[float, float] | None = None


def _embedding(photo: PagePhoto, _call: PanelCall) -> dict[str, Any]:
    rows, columns = photo.subject.grid
    features = photo.subject.embedding.features[0, :, :rows, :columns]
    return {"colours": text_of(np.asarray(pca_picture(features, cell=1)))}


def _viewed(photo: PagePhoto, call: PanelCall) -> dict[str, Any]:
    photo.viewed = True
    return dict(call.options)


def _same(_photo: PagePhoto, call: PanelCall) -> dict[str, Any]:
    return dict(call.options)


def _landscape(_photo: PagePhoto, call: PanelCall) -> dict[str, Any]:
    return {"side": 24} | call.options


def _ladder(photo: PagePhoto, call: PanelCall) -> dict[str, Any]:
    """Return the prompts for each object: where people click depends on the answer before."""
    subject = photo.subject
    return {"target": 0} | call.options | {"rungs": [_rungs(subject, wanted) for wanted in photo.masks]}


def _rungs(subject: Subject, wanted: np.ndarray) -> dict[str, Any]:
    points, labels, mask = np.empty((0, 2)), np.empty(0, int), np.zeros_like(wanted)
    for _ in range(3):
        xy, label = next_click(mask, wanted)
        points, labels = np.vstack([points, xy]), np.append(labels, label)
        answer = subject.predictor.predict(subject.embedding, points=points, labels=labels)
        mask = answer.masks[answer.best]
    box = box_from_mask(wanted)
    clicks = [{"x": x, "y": y, "label": int(label)} for (x, y), label in zip(points.tolist(), labels, strict=True)]
    return {"clicks": clicks, "box": None if box is None else box.corners}


def hidden_patches(call: PanelCall) -> dict[str, Any]:
    """Return what the panel of a masked autoencoder is given: the picture, and every pattern that its controls choose.

    Random patterns are those of PyTorch's generator, which a page does not have.
    """
    if call.image is None or call.image[0] != "sample":
        raise SamWidgetError(f"a page has no image for {call.kind}; expected sw.sample(...)")
    model = load_mae("mae")
    config = model.config
    masks = [
        hide(pattern, side=config.grid_size, ratio=STEP * step / 100, seed=seed)
        for pattern in get_args(Pattern)
        for step in range(RATIOS)
        for seed in range(SEEDS)
    ]
    given: dict[str, Any] = {"pattern": "random", "ratio": 0.75, "seed": 0} | call.options
    return given | {
        "kind": call.kind,
        "ratio": round(100 * given["ratio"]),
        "heads": {"heads": config.num_heads, "decoderHeads": config.decoder_num_heads},
        "side": config.grid_size,
        "size": config.patch_size,
        "mean": config.pixel_mean,
        "deviation": config.pixel_std,
        "ratios": RATIOS,
        "seeds": SEEDS,
        "square": text_of(middle_square(sample(call.image[1]), config.image_size)),
        "masks": text_of(np.packbits(np.stack(masks))),
    }


def mae_weights() -> bytes:
    """Return the masked autoencoder's weights as a safetensors file: half precision, except for fixed positions."""
    state = load_mae("mae").state_dict()
    halves = {key: value.half() for key, value in state.items()}
    exact = {key for key, half in halves.items() if torch.equal(half.float(), state[key])}
    return save({key: halves[key] if key in exact else value for key, value in state.items()})


# What each kind of panel is given that shows a photo and what `tiny` makes of it.
_ON_PHOTOS: dict[str, Callable[[PagePhoto, PanelCall], dict[str, Any]]] = {
    "TracedImage": _viewed,
    "EmbeddingExplorer": _embedding,
    "PromptTokens": _same,
    "AttentionExplorer": _same,
    "MaskMaker": _same,
    "ExpectedMask": _same,
    "ClickLandscape": _landscape,
    "ScoreCheck": _viewed,
    "PromptLadder": _ladder,
}
# The kinds of panels that work in a page.
PANELS = (*_ON_PHOTOS, "HiddenPatches")


def panel_data(call: PanelCall, photos: dict[Source, PagePhoto], predictor: Predictor) -> dict[str, Any]:
    """Return what a panel of a page is given; its photo is added to `photos`.

    Raises:
        SamWidgetError: The panel's image is not one of those that come with the package.
    """
    if call.kind == "HiddenPatches":
        return hidden_patches(call)
    if call.image is None:
        raise SamWidgetError(f"a page has no image for {call.kind}; expected sw.sample(...) or sw.teach.scene(...)")
    photo = photos.get(call.image) or photos.setdefault(call.image, PagePhoto(call.image, predictor))
    return {"kind": call.kind, "photo": [*photos].index(call.image), **_ON_PHOTOS[call.kind](photo, call)}


def text_of(values: np.ndarray) -> str:
    """Return the bytes of an array in base64."""
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()
