"""SAM 3 (Carion et al., arXiv 2511.16719): a concept, named or shown by boxes, to the masks of all its instances.

An image is encoded once and a phrase once; together they cost the decoder, a small part of the model. SAM 3 LiteText
(arXiv 2602.12173) is the same with a smaller text encoder.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from sam_widget.automatic.finding.finder import Encoding, Example, Finding, Step
from sam_widget.automatic.finding.published.checkpoints import Checkpoint, enough_memory
from sam_widget.automatic.finding.published.clicks import model_for_clicks
from sam_widget.automatic.finding.published.nested import flattened, rebuilt
from sam_widget.automatic.finding.published.outcome import (
    FLOOR,
    MOST,
    Scored,
    distinct,
    picture,
    refuse_long,
    tight_box,
)
from sam_widget.automatic.finding.published.worded import WordedPredictor
from sam_widget.errors import PromptError
from sam_widget.image.reading import RGB
from sam_widget.masks.runs import StoredMask
from sam_widget.predictor.embeddings import to_half
from sam_widget.predictor.predictor import Predictor
from sam_widget.prompts.words import Order

# x0, y0, x1, y1 in pixels of the image.
Corners = tuple[float, float, float, float]
# The words that stand for "what the boxes show", as in the processor of SAM 3.
SHOWN = "visual"
# Tokens to which the processor of SAM 3 pads words.
LONGEST = 32
# Encoded phrases that are kept.
PHRASES = 256
# Answers that are kept for an image.
ANSWERS = 64
# The name of the features in files.
LEVELS = "levels"
# Pixels of masks that are upsampled at a time.
PIXELS = 2**25


class Phrase(NamedTuple):
    """Encoded words: the text encoder's output, and the mask of its tokens (1, T)."""

    encoded: Any
    mask: Tensor


class Answer(NamedTuple):
    """The masks found for one phrase, best first, and how sure the model is that the image shows it."""

    found: tuple[Scored, ...]
    presence: float


class Decoded(NamedTuple):
    """The output of the decoder: the queries that count, best first, their scores (Q,), and the presence."""

    outputs: Any
    order: Tensor
    scores: Tensor
    presence: float


@dataclass(frozen=True, eq=False)
class Seen:
    """An encoded image: the features of `ConceptFinder`.

    Attributes:
        size: Height and width of the image, in pixels.
        vision: The output of the vision encoder, as far as it is read.
        answers: Answers given so far, by words and boxes.
    """

    size: tuple[int, int]
    vision: Any
    answers: dict[Any, Answer] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """The size of its tensors, in bytes."""
        parts = (*self.vision.fpn_hidden_states, *self.vision.fpn_position_encoding)
        return sum(part.numel() * part.element_size() for part in parts)


class ConceptFinder:
    """Finds by words, by examples in the same image, or by both together."""

    def __init__(self, name: str, checkpoint: Checkpoint, threshold: float) -> None:
        """Wrap a loaded `Sam3Model` or `Sam3LiteTextModel`."""
        self.name = name
        self.weights_id = checkpoint.weights_id
        self.threshold = threshold
        self.checkpoint = checkpoint
        self._phrase = functools.lru_cache(PHRASES)(self._encode_phrase)
        self._making = threading.Lock()
        self._clicks: Predictor | None = None

    def predictor(self) -> Predictor:
        """Return a predictor for clicks, boxes and words that shares the vision tower of this model.

        Raises:
            ModelError: The checkpoint has no complete weights for clicks.
        """
        with self._making:
            if self._clicks is None:
                self._clicks = WordedPredictor(model_for_clicks(self.name, self.checkpoint), self)
            return self._clicks

    def check(self, words: Sequence[str], like: Sequence[Example], not_like: Sequence[Example]) -> None:
        """See `Finder.check`."""
        for word in words:
            self._tokens(word)
        for example in (*like, *not_like):
            tight_box(example)
        if not_like and not words and not like:
            raise PromptError(f"{self.name} cannot find by counter-examples alone; give words or an example too")

    def order(self, word: str) -> Order | None:  # noqa: ARG002  see `Finder.order`
        """See `Finder.order`; the model reads such words itself."""
        return None

    def encode(self, image: RGB, predictor: Predictor) -> Encoding:  # noqa: ARG002  it makes its own masks
        """See `Finder.encode`; returns `Seen`."""
        yield Step(0, 1)
        vision = self.look(image)
        return _seen(image, vision.fpn_hidden_states, vision.fpn_position_encoding)

    def look(self, image: RGB) -> Any:
        """Return the output of the vision encoder for an image (H, W, 3) uint8."""
        model, processor, device = self.checkpoint.model, self.checkpoint.processor, self.checkpoint.device
        inputs = processor(images=picture(image), return_tensors="pt")
        with torch.inference_mode(), enough_memory(self.name, device):
            return model.get_vision_features(pixel_values=inputs["pixel_values"].to(device))

    def to_tensors(self, features: Seen) -> dict[str, Tensor]:
        """See `Storable.to_tensors`; in half precision, in which an image takes 60 MB."""
        return {name: to_half(level) for name, level in flattened(features.vision.fpn_hidden_states, LEVELS).items()}

    def from_tensors(self, tensors: Mapping[str, Tensor], image: RGB, predictor: Predictor) -> Seen:  # noqa: ARG002
        """See `Storable.from_tensors`; positions depend on the shape alone and are computed again."""
        model = self.checkpoint.model
        levels = tuple(level.to(model.dtype) for level in rebuilt(tensors, LEVELS, self.checkpoint.device))
        encoding = model.vision_encoder.neck.position_encoding
        return _seen(image, levels, tuple(encoding(level.shape, level.device, level.dtype) for level in levels))

    def find(
        self, features: Seen, words: Sequence[str], like: Sequence[Example] = (), not_like: Sequence[Example] = ()
    ) -> Finding:
        """See `Finder.find`.

        The score is the model's: how well a mask fits the concept, times how sure it is that the image shows it.
        """
        self.check(words, like, not_like)
        boxes = tuple((tight_box(one), 1) for one in like) + tuple((tight_box(one), 0) for one in not_like)
        asked = words or ([SHOWN] if boxes else [])
        answers = [self._answer(features, word, boxes) for word in asked]
        found = distinct(
            (scored, word)
            for word, answer in zip(words or [""] * len(answers), answers, strict=True)
            for scored in answer.found
        )
        return Finding(found, tuple(answer.presence for answer in answers[: len(words)]))

    def describe(self, features: Seen, stored: StoredMask) -> np.ndarray:  # noqa: ARG002  see `Finder.describe`
        """See `Finder.describe`; SAM 3 takes examples of the image itself only."""
        raise PromptError(
            f"{self.name} finds examples within one image only; to find them in other images, use 'tiny' or CLIP"
        )

    def _answer(self, seen: Seen, word: str, boxes: tuple[Any, ...]) -> Answer:
        key = (word, boxes)
        if key not in seen.answers:
            answer = self._decode(seen, word, boxes)
            while len(seen.answers) >= ANSWERS:
                seen.answers.pop(next(iter(seen.answers)), None)
            seen.answers[key] = answer
        return seen.answers[key]

    def _decode(self, seen: Seen, word: str, boxes: tuple[Any, ...]) -> Answer:
        with torch.inference_mode(), enough_memory(self.name, self.checkpoint.device):
            decoded = self._outputs(seen, word, boxes)
            batch = max(1, PIXELS // (seen.size[0] * seen.size[1]))
            parts = torch.split(decoded.order, batch) if len(decoded.order) else ()
            found = [one for part in parts for one in self._masks(decoded.outputs, part, seen.size)]
        return Answer(tuple(found), decoded.presence)

    def logits(self, seen: Seen, words: str, boxes: Sequence[Corners]) -> tuple[Tensor, Tensor]:
        """Return low-resolution logits (N, h, w) of the instances of words and of what boxes show, and scores (N,).

        They are sorted, best first.
        """
        with torch.inference_mode(), enough_memory(self.name, self.checkpoint.device):
            outputs, order, scores, _ = self._outputs(seen, words, tuple((box, 1) for box in boxes))
            return outputs.pred_masks[0, order].float(), scores[order].float()

    def _outputs(self, seen: Seen, word: str, boxes: tuple[Any, ...]) -> Decoded:
        phrase = self._phrase(word)
        outputs = self.checkpoint.model(
            vision_embeds=seen.vision,
            text_embeds=phrase.encoded,
            attention_mask=phrase.mask,
            **self._geometry(boxes, seen.size),
        )
        presence = outputs.presence_logits.sigmoid()  # (1, 1)
        scores = (outputs.pred_logits.sigmoid() * presence)[0]  # (Q,)
        order = scores.argsort(descending=True)[:MOST]
        return Decoded(outputs, order[scores[order] > FLOOR], scores, float(presence))

    def _masks(self, outputs: Any, queries: Tensor, size: tuple[int, int]) -> list[Scored]:
        """Return the masks of some queries, by the processor's own post-processing."""
        some = replace(
            outputs,
            pred_logits=outputs.pred_logits[:, queries],
            pred_boxes=outputs.pred_boxes[:, queries],
            pred_masks=outputs.pred_masks[:, queries],
        )
        result = self.checkpoint.processor.post_process_instance_segmentation(some, threshold=0.0, target_sizes=[size])
        masks, scores = result[0]["masks"].cpu().numpy().astype(bool), result[0]["scores"].tolist()
        return [Scored(StoredMask(mask.copy()), score) for mask, score in zip(masks, scores, strict=True)]

    def _geometry(self, boxes: tuple[Any, ...], size: tuple[int, int]) -> dict[str, Tensor]:
        """Return the boxes, relative to the image, and their labels, as the model takes them."""
        if not boxes:
            return {}
        inputs = self.checkpoint.processor(
            original_sizes=[[*size]],
            input_boxes=[[[float(side) for side in box] for box, _ in boxes]],
            input_boxes_labels=[[label for _, label in boxes]],
            return_tensors="pt",
        )
        return {name: inputs[name].to(self.checkpoint.device) for name in ("input_boxes", "input_boxes_labels")}

    def _tokens(self, word: str) -> Any:
        tokens = self.checkpoint.processor(text=word, return_tensors="pt")
        longest = min(LONGEST, self.checkpoint.model.config.text_config.max_position_embeddings)
        refuse_long(word, self.name, tokens, longest)
        return tokens.to(self.checkpoint.device)

    def _encode_phrase(self, word: str) -> Phrase:
        tokens = self._tokens(word)
        with torch.inference_mode(), enough_memory(self.name, self.checkpoint.device):
            encoded = self.checkpoint.model.get_text_features(
                input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
            )
        return Phrase(encoded, tokens["attention_mask"])


def _seen(image: RGB, levels: tuple[Tensor, ...], places: tuple[Tensor, ...]) -> Seen:
    """Return the features of an image (H, W, 3): its pyramid, and the positional encoding of each level."""
    vision = SimpleNamespace(
        fpn_hidden_states=levels, fpn_position_encoding=places, hidden_states=None, attentions=None
    )
    return Seen((image.shape[0], image.shape[1]), vision)
