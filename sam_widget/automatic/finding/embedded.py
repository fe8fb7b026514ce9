"""The finder that needs no download: it names the masks of everything mode.

The image is segmented once, and each mask classified by the network that the trunk of `tiny` comes from
(`model.tiny.namer`). After that, words cost a sum, and examples a product of features pooled under the masks. Colours
are measured on pixels.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from sam_widget.automatic.automatic import MaskRecord, iter_everything
from sam_widget.automatic.finding.finder import Encoding, Example, Finding, Instance, Step
from sam_widget.errors import PromptError
from sam_widget.image.colours import colours_under
from sam_widget.image.reading import RGB
from sam_widget.masks.cleanup import TIDY, clean
from sam_widget.masks.measures import iou
from sam_widget.masks.runs import StoredMask
from sam_widget.model.tiny.namer import Namer
from sam_widget.model.zoo import WEIGHTS, load_model
from sam_widget.predictor.predictor import Predictor
from sam_widget.prompts.geometry import Point
from sam_widget.prompts.prompt import Prompt
from sam_widget.prompts.words import Phrase, vocabulary

# Points along each side of the grid of everything mode: a quarter of its time, for masks large enough to be named.
POINTS = 16
# Side of the crops, in pixels; the classifier was trained at 260.
CROP_SIDE = 256
# The two crops around a mask: context on each side relative to the mask's longer side, and whether the crop is square.
# The first, stretched to a square, shows the most detail; the second keeps proportions and surroundings.
CROPS = ((0.1, False), (0.25, True))
# Crops that are classified at a time.
BATCH = 8
# Default score from which an instance counts as found; below it, it is only shown.
THRESHOLD = 0.5
# Length of a mask's features.
FEATURES = 2560
# A mask that lies this much inside another one is a part of it.
INSIDE = 0.8
# The larger of two nested masks is kept if it scores at least this much of the smaller one's score.
WHOLE_RATIO = 0.7
# At least this share of the pixels of an instance must have a colour that a phrase asks for.
COLOUR_SHARE = 0.3
# Likeness of masks that have nothing in common, and the one that a counter-example needs without an example.
UNRELATED = 0.5
LIKE_WITHOUT_EXAMPLE = 0.8
# A mask with at least this IoU with a counter-example is refused with it, whatever it resembles.
AGAIN = 0.5


@dataclass(frozen=True, eq=False)
class Regions:
    """An image segmented and classified: the features of the embedded finder.

    Attributes:
        image: (H, W, 3) uint8.
        records: Masks of everything.
        names: (N, 1000) float32, probabilities of ImageNet's classes.
        features: (N, 2560) float32 of unit length, pooled under each mask.
    """

    image: RGB
    records: tuple[MaskRecord, ...]
    names: np.ndarray
    features: np.ndarray


class EmbeddedFinder:
    """Finds ImageNet's classes, their hypernyms, colours, and what resembles examples."""

    name = "tiny"
    threshold = THRESHOLD

    def __init__(self) -> None:
        """Use the weights in the package; they are loaded when the first image is encoded."""
        self.weights_id = f"tiny words {_checksum()}"

    def check(self, words: Sequence[str], like: Sequence[Example], not_like: Sequence[Example]) -> None:
        """See `Finder.check`."""
        for word in words:
            vocabulary().parse(word)
        for example in (*like, *not_like):
            if example.features is not None and example.features.shape != (FEATURES,):
                raise PromptError(
                    f"the example {example.name!r} was described by another model; give it again as a mask or an object"
                )

    def encode(self, image: RGB, predictor: Predictor) -> Encoding:
        """See `Finder.encode`; returns `Regions`."""
        records: tuple[MaskRecord, ...] = ()
        for step in iter_everything(image, predictor, stream=False, points_per_side=POINTS):
            yield Step(step.done, step.total)
            records = step.records
        # As a session removes specks from the masks of prompts by default.
        records = tuple(replace(record, stored=clean(record.stored, TIDY)) for record in records)
        names, features = describe(image, [record.stored for record in records])
        return Regions(image, records, names, features)

    def find(
        self, features: Regions, words: Sequence[str], like: Sequence[Example] = (), not_like: Sequence[Example] = ()
    ) -> Finding:
        """See `Finder.find`.

        The score is the classifier's probability, or the likeness to the nearest example, or the product of both, times
        the IoU that the model predicts.
        """
        self.check(words, like, not_like)
        phrases = [vocabulary().parse(word) for word in words]
        regions = features
        quality = np.array([record.predicted_iou for record in regions.records], np.float32).clip(0, 1)
        by_word = np.array([_by_words(regions, phrase) for phrase in phrases], np.float32).reshape(
            len(phrases), len(quality)
        )
        by_word *= quality
        scores, which = np.zeros_like(quality), np.zeros(len(quality), np.intp)
        if phrases:
            scores, which = by_word.max(0), by_word.argmax(0)
        elif like or not_like:
            scores = quality
        examples = np.array([self._described(regions, one) for one in like], np.float32).reshape(-1, FEATURES)
        counter = np.array([self._described(regions, one) for one in not_like], np.float32).reshape(-1, FEATURES)
        nearest = np.full(len(quality), LIKE_WITHOUT_EXAMPLE, np.float32)
        if len(examples):
            nearest = (regions.features @ examples.T).max(1)
            # Pooled features are never negative, so unrelated masks are about this much alike.
            scores = scores * np.clip((nearest - UNRELATED) / (1 - UNRELATED), 0, 1)
        if len(counter):
            scores = np.where((regions.features @ counter.T).max(1) >= nearest, 0, scores)
            refused = [one.stored.array for one in not_like if one.stored is not None]
            # Another mask of about the same thing does not take the place of one that was refused.
            again = [any(iou(record.mask, mask) >= AGAIN for mask in refused) for record in regions.records]
            scores = np.where(again, 0, scores)
        instances = [
            Instance(
                stored=regions.records[k].stored,
                score=float(scores[k]),
                word=words[which[k]] if phrases else "",
                prompt=Prompt(points=tuple(Point(x, y) for x, y in regions.records[k].point_coords)),
                id=str(k),
            )
            for k in wholes(regions.records, scores)
        ]
        presence = tuple(float(row.max(initial=0)) for row in by_word)
        return Finding(tuple(sorted(instances, key=lambda one: -one.score)), presence)

    def describe(self, features: Regions, stored: StoredMask) -> np.ndarray:
        """See `Finder.describe`; returns (2560,) float32."""
        for record, known in zip(features.records, features.features, strict=True):
            if record.stored is stored:
                return np.asarray(known)
        return np.asarray(describe(features.image, [stored])[1][0])

    def _described(self, regions: Regions, example: Example) -> np.ndarray:
        if example.features is not None:
            return example.features
        if example.stored is None:
            raise PromptError(f"the example {example.name!r} has neither a mask nor features")
        return self.describe(regions, example.stored)


def describe(image: RGB, masks: Sequence[StoredMask]) -> tuple[np.ndarray, np.ndarray]:
    """Classify masks of an image (H, W, 3); returns names (N, 1000) and features (N, 2560), see `Regions`.

    Features are averaged under the mask, within two crops around it; the names are the geometric mean of what the
    classifier says of either, which is low where the two disagree, and then sums to less than 1.
    """
    if not masks:
        return np.zeros((0, 1000), np.float32), np.zeros((0, FEATURES), np.float32)
    namer = load_namer()
    with torch.inference_mode():
        pooled = [
            torch.cat([_pooled(namer, image, masks[k : k + BATCH], *crop) for k in range(0, len(masks), BATCH)])
            for crop in CROPS
        ]
        logs = torch.stack([namer.log_probabilities(each) for each in pooled]).mean(0)
        unit = torch.cat([torch.nn.functional.normalize(each, dim=1) for each in pooled], dim=1)
    return torch.exp(logs).numpy(), (unit / len(CROPS) ** 0.5).numpy()


def _pooled(
    namer: Namer,
    image: RGB,
    masks: Sequence[StoredMask],
    context: float,
    square: bool,  # noqa: FBT001  as in CROPS
) -> Tensor:
    """Return the mean features under each mask, within crops around them: (N, hidden)."""
    parts = [_window(mask, context, square) for mask in masks]
    pixels = torch.cat([_resized(image[part]) for part in parts])
    inside = torch.cat([_resized(np.uint8(255) * mask.array[part]) for mask, part in zip(masks, parts, strict=True)])
    return namer.pool(namer.features(pixels), inside[:, 0] > 127)


def _by_words(regions: Regions, phrase: Phrase) -> np.ndarray:
    """Return the probability that each mask is what a phrase says: (N,)."""
    count = len(regions.records)
    scores = regions.names[:, list(phrase.classes)].sum(1) if phrase.classes else np.ones(count, np.float32)
    for colour in phrase.colours:
        share = np.array([colours_under(regions.image, record.mask)[colour] for record in regions.records])
        scores = np.where(share >= COLOUR_SHARE, scores, 0)
    return scores


def wholes(records: Sequence[MaskRecord], scores: np.ndarray) -> list[int]:
    """Return indices of masks of which none is a part of another: of a whole and its parts, the better one."""
    kept: list[int] = []
    for k in sorted(np.flatnonzero(scores > 0).tolist(), key=lambda k: -float(scores[k])):
        within = [other for other in kept if _nested(records[k], records[other])]
        if not within:
            kept.append(k)
        elif len(within) == 1:
            part = within[0]
            if records[k].area > records[part].area and scores[k] >= WHOLE_RATIO * scores[part]:
                kept[kept.index(part)] = k
    return kept


def _nested(one: MaskRecord, other: MaskRecord) -> bool:
    return bool(np.count_nonzero(one.mask & other.mask) > INSIDE * min(one.area, other.area))


@functools.cache
def _checksum() -> str:
    return hashlib.sha256((WEIGHTS / "words.safetensors").read_bytes()).hexdigest()[:12]


@functools.cache
def load_namer() -> Namer:
    """Return the embedded classifier, on the CPU."""
    namer = Namer(load_model("tiny", device="cpu", dtype=torch.float32).image_encoder.trunk)
    namer.load_state_dict({name: tensor.float() for name, tensor in load_file(WEIGHTS / "words.safetensors").items()})
    return namer.eval().requires_grad_(requires_grad=False)


def _window(mask: StoredMask, context: float, square: bool) -> tuple[slice, slice]:  # noqa: FBT001  as in CROPS
    """Return rows and columns of a crop around a mask."""
    x, y, width, height = mask.bounds
    margin = round(context * max(width, height))
    across, down = (max(width, height),) * 2 if square else (width, height)
    left, top = x - (across - width) // 2 - margin, y - (down - height) // 2 - margin
    return slice(max(0, top), top + down + 2 * margin), slice(max(0, left), left + across + 2 * margin)


def _resized(crop: np.ndarray) -> Tensor:
    """Resize (H, W) or (H, W, 3) uint8 to (1, 1 or 3, CROP_SIDE, CROP_SIDE) float."""
    resized = Image.fromarray(np.ascontiguousarray(crop)).resize((CROP_SIDE, CROP_SIDE), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.atleast_3d(np.array(resized))).permute(2, 0, 1)[None].float()
