"""OWLv2 (Minderer et al., arXiv 2306.09683): words, or an example, compared with the patches of an image.

The image is encoded once; after that, words cost the text encoder and a matrix product.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sam_widget.automatic.finding.finder import Example, Finding
from sam_widget.automatic.finding.published.checkpoints import Checkpoint, enough_memory
from sam_widget.automatic.finding.published.detectors import Boxes, Detected, Detector, masks_of
from sam_widget.automatic.finding.published.outcome import FLOOR, picture, refuse_long, tight_box
from sam_widget.errors import PromptError
from sam_widget.image.reading import RGB
from sam_widget.masks.runs import StoredMask

# Encoded phrases that are kept.
PHRASES = 256
# What it was trained to read, as in its documentation.
TEMPLATE = "a photo of a {}"
# The box of a patch must overlap an example this much, in IoU, to describe it.
LIKE = 0.3
# Cosine that a counter-example must exceed without an example. Not measured.
LIKE_WITHOUT_EXAMPLE = 0.85


class OwlFinder(Detector):
    """OWLv2, which also finds by examples: a patch whose box fits an example is what others are compared with."""

    def __init__(self, name: str, checkpoint: Checkpoint, threshold: float) -> None:
        """Wrap a loaded `Owlv2ForObjectDetection`."""
        super().__init__(name, checkpoint, threshold)
        self._query = functools.lru_cache(PHRASES)(self._encode_phrase)

    def look(self, image: RGB) -> tuple[Tensor, Tensor]:
        """Return the features of the patches (1, N, D) and their boxes (1, N, 4), relative to the padded image."""
        model, processor, device = self.checkpoint.model, self.checkpoint.processor, self.checkpoint.device
        inputs = processor(images=picture(image), return_tensors="pt")
        grid, _ = model.image_embedder(pixel_values=inputs["pixel_values"].to(device))
        patches = grid.flatten(1, 2)
        return patches, model.box_predictor(patches, grid)

    def boxes(self, seen: tuple[Tensor, Tensor], word: str, size: tuple[int, int]) -> Boxes:
        """See `Detector.boxes`."""
        return self._compared(seen, self._query(word), size)

    def check_word(self, word: str) -> None:
        """See `Detector.check_word`."""
        self._tokens(word)

    def check(self, words: Sequence[str], like: Sequence[Example], not_like: Sequence[Example]) -> None:
        """See `Finder.check`."""
        super().check(words, (), ())
        width = self.checkpoint.model.config.text_config.hidden_size
        for example in (*like, *not_like):
            if example.features is None:
                tight_box(example)
            elif example.features.shape != (width,):
                raise PromptError(
                    f"the example {example.name!r} was described by another model; give it again as a mask or an object"
                )
        if not_like and not words and not like:
            raise PromptError(f"{self.name} cannot find by counter-examples alone; give words or an example too")

    def find(
        self, features: Detected, words: Sequence[str], like: Sequence[Example] = (), not_like: Sequence[Example] = ()
    ) -> Finding:
        """See `Finder.find`.

        With words and examples, a patch scores the lower of both. It scores 0 if it is nearer to a counter-example than
        to all examples.
        """
        if not like and not not_like:
            return super().find(features, words)
        self.check(words, like, not_like)
        answers = self.boxes_like(features, like, not_like, words)
        presence = tuple(float(answer.scores.max(initial=0)) for answer in answers[: len(words)])
        return Finding(masks_of(features, answers, words or [""]), presence)

    def boxes_like(
        self, features: Detected, like: Sequence[Example], not_like: Sequence[Example], words: Sequence[str]
    ) -> list[Boxes]:
        """Return the boxes that fit examples, for each of the words; without words, once."""
        with torch.inference_mode(), enough_memory(self.name, self.checkpoint.device):
            good = [self._described(features, one) for one in like]
            shown = [torch.stack([self._logits(features.seen, query) for query in good]).amax(0)] if good else []
            by_word = [self._logits(features.seen, self._query(word)) for word in words]
            unlike = self._nearer_to(features, [self._described(features, one) for one in not_like], good)
            return [
                self._post_processed(
                    torch.stack([logits, *shown]).amin(0).masked_fill(unlike[..., None], -torch.inf),
                    features.seen[1],
                    features.size,
                )
                for logits in by_word or shown
            ]

    def _nearer_to(self, features: Detected, bad: Sequence[Tensor], good: Sequence[Tensor]) -> Tensor:
        """Return which patches (1, N) are as near to some queries (1, 1, D) as to others, or nearer.

        Cosines are compared, because the logits of an image's own queries are far above those of words.
        """
        patches = _unit(self.checkpoint.model.class_predictor(features.seen[0])[1])
        nearest = torch.full(patches.shape[:2], LIKE_WITHOUT_EXAMPLE, device=patches.device)
        if good:
            nearest = (patches @ _unit(torch.cat([*good], 1)).mT).amax(-1)
        if not bad:
            return torch.zeros_like(nearest, dtype=torch.bool)
        return (patches @ _unit(torch.cat([*bad], 1)).mT).amax(-1) >= nearest

    def describe(self, features: Detected, stored: StoredMask) -> np.ndarray:
        """See `Finder.describe`; returns (D,) float32, the query of the patch whose box fits the mask best."""
        with torch.inference_mode(), enough_memory(self.name, self.checkpoint.device):
            patches, relative = features.seen
            _, queries = self.checkpoint.model.class_predictor(patches)
            every = self._post_processed(torch.full_like(relative[..., 0], 10.0)[..., None], relative, features.size)
            overlap = _overlap(every.corners, np.array(tight_box(Example(stored=stored, name="mask"))))
            if overlap.max(initial=0) < LIKE:
                raise PromptError(f"{self.name} sees no object where this example is; give another example, or words")
            query: np.ndarray = queries[0, int(overlap.argmax())].float().cpu().numpy()
        return query

    def _described(self, features: Detected, example: Example) -> Tensor:
        if example.features is None and example.stored is None:
            raise PromptError(f"the example {example.name!r} has neither a mask nor features")
        known = example.features
        query = self.describe(features, example.stored) if known is None and example.stored is not None else known
        return torch.tensor(query, device=self.checkpoint.device)[None, None]

    def _compared(self, seen: tuple[Tensor, Tensor], query: Tensor, size: tuple[int, int]) -> Boxes:
        return self._post_processed(self._logits(seen, query), seen[1], size)

    def _logits(self, seen: tuple[Tensor, Tensor], query: Tensor) -> Tensor:
        """Return the logits of the patches (1, N, 1) for a query (1, 1, D)."""
        logits: Tensor = self.checkpoint.model.class_predictor(seen[0], query)[0]
        return logits

    def _post_processed(self, logits: Tensor, relative: Tensor, size: tuple[int, int]) -> Boxes:
        result = self.checkpoint.processor.post_process_grounded_object_detection(
            _Outputs(logits, relative), threshold=FLOOR, target_sizes=[size]
        )[0]
        return Boxes(result["boxes"].float().cpu().numpy(), result["scores"].float().cpu().numpy())

    def _encode_phrase(self, word: str) -> Tensor:
        tokens = self._tokens(word)
        with torch.inference_mode():
            text = self.checkpoint.model.owlv2.get_text_features(**tokens)
            return _unit(text.pooler_output)[None]

    def _tokens(self, word: str) -> dict[str, Tensor]:
        tokens = self.checkpoint.processor(text=[[TEMPLATE.format(word)]], return_tensors="pt")
        refuse_long(word, self.name, tokens, self.checkpoint.model.config.text_config.max_position_embeddings)
        return {name: tokens[name].to(self.checkpoint.device) for name in ("input_ids", "attention_mask")}


class _Outputs(NamedTuple):
    """What the processor of OWLv2 reads of its model's output."""

    logits: Tensor
    pred_boxes: Tensor


def _unit(embeddings: Tensor) -> Tensor:
    return torch.nn.functional.normalize(embeddings, dim=-1)


def _overlap(corners: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Return the IoU of boxes (N, 4) with a box (4,): (N,)."""
    sides = (np.minimum(corners[:, 2:], box[2:]) - np.maximum(corners[:, :2], box[:2])).clip(min=0)
    shared = sides.prod(1)
    union = (corners[:, 2:] - corners[:, :2]).prod(1) + (box[2:] - box[:2]).prod() - shared
    ratio: np.ndarray = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return ratio
