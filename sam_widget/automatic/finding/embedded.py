"""The finder that needs no download: it names the masks of everything mode.

Each mask is classified by the network that the trunk of `tiny` comes from (`model.tiny.namer`). Words cost a sum over
its classes, and examples a product of features pooled under the masks. Colours are measured on pixels.

A wrong name is worse than none, so three opinions have to agree, of which the lowest probability counts: two crops of
the mask, and both together. ImageNet has 118 classes of dogs and 5 of cats, so its classifier expects dogs; for the
crops, each everyday kind of thing is expected as often as another. The card of the words, `weights/words.md`, says what
this brings.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from sam_widget.automatic.finding.regions import BATCH, Described, RegionFinder, Regions
from sam_widget.image.colours import colours_under
from sam_widget.image.reading import RGB
from sam_widget.masks.runs import StoredMask
from sam_widget.model.tiny.namer import Namer
from sam_widget.model.zoo import WEIGHTS, load_model
from sam_widget.prompts.words import Order, vocabulary

# Side of the crops, in pixels; the classifier was trained at 260.
CROP_SIDE = 256
# The two crops around a mask: context on each side relative to the mask's longer side, and whether the crop is square.
# The first, stretched to a square, shows the most detail; the second keeps proportions and surroundings.
CROPS = ((0.1, False), (0.25, True))
# The crops, and both together.
OPINIONS = len(CROPS) + 1
# Default scores from which an instance counts as found; below it, it is only shown. Of the words that it is sure of, at
# most 5% may be wrong (`weights/words.md`); what resembles an example is asked for by the person.
THRESHOLD, EXAMPLE_THRESHOLD = 0.7, 0.5
# Length of a mask's features.
FEATURES = 2560
# Everyday kinds of things with several classes, each of which is expected as often as a thing with one class. They are
# basic-level categories (Rosch et al., 1976). Of kinds that share classes, the largest counts.
KINDS = (
    *("dog", "bird", "cat", "big cat", "fox", "wolf", "bear", "monkey", "rabbit", "whale", "elephant"),
    *("fish", "shark", "snake", "lizard", "turtle", "frog", "salamander", "crab", "spider", "butterfly", "beetle"),
    *("car", "truck", "bus", "boat", "ship", "aircraft", "airplane", "bicycle", "ball", "gun", "guitar"),
    *("bottle", "cup", "glass", "bowl", "pan", "pot", "knife", "box", "basket", "bag", "clock", "telephone", "camera"),
    *("chair", "table", "bed", "curtain", "lamp", "oven", "computer", "keyboard", "fence", "bridge"),
    *("hat", "shoe", "dress", "coat", "fruit", "vegetable", "bread"),
)
# At least this share of the pixels of an instance must have a colour that a phrase asks for.
COLOUR_SHARE = 0.3


class EmbeddedFinder(RegionFinder):
    """Finds ImageNet's classes, their hypernyms, colours, and what resembles examples."""

    name = "tiny"
    threshold = THRESHOLD
    example_threshold = EXAMPLE_THRESHOLD
    width = FEATURES
    # Pooled features are never negative, so unrelated masks are about this much alike.
    unrelated = 0.5
    like_without_example = 0.8

    def __init__(self) -> None:
        """Use the weights in the package; they are loaded when the first image is encoded."""
        self.weights_id = f"tiny names {_checksum()}"

    def check_word(self, word: str) -> None:
        """See `RegionFinder.check_word`."""
        vocabulary().parse(word)

    def order(self, word: str) -> Order | None:
        """See `Finder.order`."""
        return vocabulary().parse(word).order

    def described(self, image: RGB, masks: Sequence[StoredMask], seen: Any) -> Described:  # noqa: ARG002  sees nothing else
        """See `RegionFinder.described`."""
        names, features = describe(image, masks)
        return Described(features, names)

    def word_scores(self, regions: Regions, word: str) -> np.ndarray:
        """Return the probability that each mask is what a phrase says: (N,)."""
        phrase = vocabulary().parse(word)
        count = len(regions.records)
        scores = np.ones(count, np.float32)
        if phrase.classes and regions.names is not None:
            scores = regions.names[:, :, list(phrase.classes)].sum(2).min(1)
        for colour in phrase.colours:
            share = np.array([colours_under(regions.image, record.mask)[colour] for record in regions.records])
            scores = np.where(share >= COLOUR_SHARE, scores, 0)
        return scores

    def quality(self, regions: Regions) -> np.ndarray:
        """Return the IoU that the model predicts of each mask: (N,)."""
        return np.array([record.predicted_iou for record in regions.records], np.float32).clip(0, 1)


def describe(image: RGB, masks: Sequence[StoredMask]) -> tuple[np.ndarray, np.ndarray]:
    """Classify masks of an image (H, W, 3).

    Features are averaged under the mask, within two crops around it.

    Returns:
        Probabilities of the classes (N, 3, 1000): within each crop, where everyday kinds are expected alike, and their
        geometric mean for both crops as ImageNet expects them, which sums to less than 1 where the crops disagree.
        Features (N, 2560); see `Regions`.
    """
    if not masks:
        return np.zeros((0, OPINIONS, 1000), np.float32), np.zeros((0, FEATURES), np.float32)
    namer = load_namer()
    with torch.inference_mode():
        pooled = [
            torch.cat([_pooled(namer, image, masks[k : k + BATCH], *crop) for k in range(0, len(masks), BATCH)])
            for crop in CROPS
        ]
        within = [namer.probabilities(each, expected_classes()) for each in pooled]
        together = torch.stack([namer.probabilities(each).log() for each in pooled]).mean(0).exp()
        names = torch.stack([*within, together], dim=1)
        unit = torch.cat([torch.nn.functional.normalize(each, dim=1) for each in pooled], dim=1)
    return names.numpy(), (unit / len(CROPS) ** 0.5).numpy()


def _pooled(
    namer: Namer,
    image: RGB,
    masks: Sequence[StoredMask],
    context: float,
    square: bool,  # noqa: FBT001  as in CROPS
) -> Tensor:
    """Return the mean features under each mask, within crops around them: (N, hidden)."""
    parts = [crop_around(mask, context, square) for mask in masks]
    pixels = torch.cat([resized(image[part]) for part in parts])
    inside = torch.cat([resized(np.uint8(255) * mask.array[part]) for mask, part in zip(masks, parts, strict=True)])
    return namer.pool(namer.features(pixels), inside[:, 0] > 127)


@functools.cache
def expected_classes() -> Tensor:
    """Return how often each class is expected, relative to a thing that has one class of its own: (1000,)."""
    expected = torch.ones(1000)
    for kind in KINDS:
        classes = list(vocabulary().parse(kind).classes)
        expected[classes] = expected[classes].clamp(max=1 / len(classes))
    return expected


@functools.cache
def _checksum() -> str:
    return hashlib.sha256((WEIGHTS / "words.safetensors").read_bytes()).hexdigest()[:12]


@functools.cache
def load_namer() -> Namer:
    """Return the embedded classifier, on the CPU."""
    namer = Namer(load_model("tiny", device="cpu", dtype=torch.float32).image_encoder.trunk)
    namer.load_state_dict({name: tensor.float() for name, tensor in load_file(WEIGHTS / "words.safetensors").items()})
    return namer.eval().requires_grad_(requires_grad=False)


def crop_around(mask: StoredMask, context: float, square: bool) -> tuple[slice, slice]:  # noqa: FBT001  as in CROPS
    """Return rows and columns of a crop around a mask; see `CROPS`. They may extend over the image's edge."""
    x, y, width, height = mask.bounds
    margin = round(context * max(width, height))
    across, down = (max(width, height),) * 2 if square else (width, height)
    left, top = x - (across - width) // 2 - margin, y - (down - height) // 2 - margin
    return slice(max(0, top), top + down + 2 * margin), slice(max(0, left), left + across + 2 * margin)


def resized(crop: np.ndarray) -> Tensor:
    """Resize (H, W) or (H, W, 3) uint8 to (1, 1 or 3, CROP_SIDE, CROP_SIDE) float."""
    resized = Image.fromarray(np.ascontiguousarray(crop)).resize((CROP_SIDE, CROP_SIDE), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.atleast_3d(np.array(resized))).permute(2, 0, 1)[None].float()
