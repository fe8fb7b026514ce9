"""Prompts that say what an object is: SAM 3 with words together with points and boxes.

SAM 3's model for concepts finds all instances of words, and takes boxes as examples of them; its model for clicks takes
no words. A prompt means one object, so of the instances, those are the answer that contain the foreground points and
none of the background points, and that fill the boxes best.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from sam_widget.automatic.finding.store import STORE
from sam_widget.errors import PromptError
from sam_widget.image.reading import RGB, to_rgb
from sam_widget.model.sam import Sam
from sam_widget.predictor.model_input import upscaling_of
from sam_widget.predictor.predictor import Embedding, Prediction, Predictor
from sam_widget.predictor.prompt_parts import parts
from sam_widget.prompts.geometry import Box, Point
from sam_widget.prompts.prompt import Prompt

if TYPE_CHECKING:
    from sam_widget.automatic.finding.published.concepts import ConceptFinder

# Images whose pixels are kept for words, because an embedding does not have them: those of a session and its crops.
IMAGES = 8
# Masks of one answer, as for clicks.
MASKS = 3


class WordedPredictor(Predictor):
    """Answers prompts with words by SAM 3's model for concepts, and all others by its model for clicks.

    Attributes:
        finder: The model for concepts, with which a session searches unless another finder is named.
    """

    def __init__(self, model: Sam, finder: ConceptFinder) -> None:
        """Join both models, which share the vision tower."""
        super().__init__(model)
        self.finder = finder
        self._images: OrderedDict[str, RGB] = OrderedDict()
        self._lock = threading.Lock()

    def embed(self, image: Any, *, keep: bool = True) -> Embedding:
        """See `Predictor.embed`."""
        rgb = to_rgb(image)
        embedding = super().embed(rgb, keep=keep)
        with self._lock:
            self._images[embedding.image_hash] = rgb
            self._images.move_to_end(embedding.image_hash)
            while len(self._images) > IMAGES:
                self._images.popitem(last=False)
        return embedding

    def answer(self, embedding: Embedding, prompt: Prompt, *, multimask: bool = True) -> Prediction:
        """See `Predictor.answer`. The score of a mask is the model's, times how well the mask fills the boxes.

        Raises:
            PromptError: Nothing that fits the words is where the prompt is, or it has a mask; see also `predict`.
        """
        if not prompt.words:
            return super().answer(embedding, prompt, multimask=multimask)
        self._check(embedding)
        if prompt.mask is not None:
            raise PromptError(
                f"{self.model.name} takes words with points and boxes, not with an earlier mask; remove one of the two"
            )
        height, width = embedding.image_size
        points, boxes = _plain(prompt.check_inside(width, height), embedding.image_size)
        with self._lock:
            image = self._images.get(embedding.image_hash)
        if image is None:
            raise PromptError("words need the image, and only its embedding is here; call embed(image) again")
        seen = STORE.features(self.finder, image, self)
        logits, scores = self.finder.logits(seen, prompt.words, [box.corners for box in boxes])
        side = self.config.mask_size
        low = interpolate(logits[None], (side, side), mode="bilinear", align_corners=False)[0]
        scores = scores * _fits(low > 0, points, boxes, embedding.image_size)
        order = scores.argsort(descending=True)[: MASKS if multimask else 1]
        order = order[scores[order] > 0]
        if not len(order):
            raise PromptError(
                f"{self.model.name} sees no {prompt.words!r} where the prompt is; change the words, or remove them to "
                "segment whatever is there"
            )
        limit = self.config.logit_limit
        return Prediction(
            scores=scores[order].cpu().numpy(),
            logits=low[order].clamp(-limit, limit).cpu().numpy(),
            _exact=low[order],
            _upscaling=upscaling_of(self.config, embedding.image_size),
            _level=self.config.mask_threshold,
        )


def _plain(prompt: Prompt, image_size: tuple[int, int]) -> tuple[list[Point], list[Box]]:
    """Return the points and boxes of a prompt, those of its strokes included."""
    drawn = parts(prompt.with_words(""), image_size, None)
    points = dict.fromkeys(point for part in drawn for point in part.points)
    return list(points), [box for part in drawn for box in part.boxes]


def _fits(masks: Tensor, points: list[Point], boxes: list[Box], image_size: tuple[int, int]) -> Tensor:
    """Return how well masks (N, h, w) bool fit points and boxes: (N,), 0 where a point contradicts.

    For boxes, it is the IoU of the mask's tight box with the box around them all.
    """
    (count, rows, columns), (height, width) = masks.shape, image_size
    fits = torch.ones(count, device=masks.device)
    for point in points:
        row = min(int(point.y / height * rows), rows - 1)
        column = min(int(point.x / width * columns), columns - 1)
        fits = fits * (masks[:, row, column] == bool(point.label))
    if boxes:
        wanted = torch.tensor(
            [
                min(box.x0 for box in boxes) / width * columns,
                min(box.y0 for box in boxes) / height * rows,
                max(box.x1 for box in boxes) / width * columns,
                max(box.y1 for box in boxes) / height * rows,
            ],
            device=masks.device,
        )
        fits = fits * torch.stack([_overlap(mask, wanted) for mask in masks]) if count else fits
    return fits


def _overlap(mask: Tensor, box: Tensor) -> Tensor:
    """Return the IoU of a mask's tight box with a box (4,) x0, y0, x1, y1, in cells of the mask."""
    inside = mask.nonzero()
    if not len(inside):
        return box.new_zeros(())
    (y0, x0), (y1, x1) = inside.amin(0), inside.amax(0) + 1
    tight = torch.stack([x0, y0, x1, y1]).to(box)
    shared = (torch.minimum(tight[2:], box[2:]) - torch.maximum(tight[:2], box[:2])).clamp(min=0).prod()
    union = (tight[2:] - tight[:2]).prod() + (box[2:] - box[:2]).prod() - shared
    return shared / union
