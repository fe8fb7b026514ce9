"""Decode a session's prompts with the embedding of the image, or with that of a sharpened crop.

Inside the crop, the crop's mask is used. A mask that is truncated at the crop's edge is continued outside by a mask of
the whole image, if the two agree: the mask of the whole image with the highest IoU inside the crop, if that is at least
`AGREES`. Otherwise the mask ends at the edge. The two are not blended: at the edge, one pixel is from the crop and the
next from the whole image.

Measured with `tiny` on 26 things in rendered scenes, each a fifth of a 1600-pixel image and about half inside the crop:
the best of three masks has a mean IoU of 0.476 without continuation, 0.426 with an agreement threshold of 0.3, 0.494
with 0.5, 0.503 with 0.7, 0.484 with 0.85. If the crop contains the whole thing, it is 0.509; with only the whole image,
0.376.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from functools import cache, cached_property

import numpy as np

from sam_widget.image.rendering import Rendering, SourceImage
from sam_widget.masks import windows
from sam_widget.masks.measures import iou
from sam_widget.masks.runs import Mask, StoredMask
from sam_widget.model.names import without_precision
from sam_widget.predictor.interface import Embedding, Prediction, Predictor, refuse_words
from sam_widget.prompts.geometry import Box
from sam_widget.prompts.prompt import Prompt
from sam_widget.session import candidates as shaping
from sam_widget.session import crops
from sam_widget.session.state import Answer, Candidate, SessionState

# Minimum IoU inside the crop for a mask of the whole image to count as the same thing.
AGREES = 0.7
# Number of crops whose embeddings are cached, for switching between them and for undo.
MOST_CROPS = 8
# Maximum size of cached logits in bytes: 18 answers of `tiny`, 2 of `vit_b`. Older answers are decoded again.
MOST_LOGITS = 2**21


class PromptDecoder:
    """Embeds an image and its crops, as rendered, and decodes prompts. Thread-safe."""

    def __init__(self, source: SourceImage, predictor: Predictor) -> None:
        self._source, self._predictor = source, predictor
        self._whole: tuple[Rendering, Embedding] | None = None
        self._crops: OrderedDict[tuple[Rendering, Box], Embedding] = OrderedDict()
        # Cache of the last mask prompt converted between crops, because hovering converts the same one every time.
        self._brought: tuple[np.ndarray, Box | None, Box | None, np.ndarray] | None = None
        self._recent: OrderedDict[Answer, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()
        # Predictors whose mask prompts may have to be converted, because they answered before.
        self.others: tuple[Predictor, ...] = ()

    def answering(self, rendering: Rendering) -> tuple[Predictor, Embedding]:
        """Return the predictor that answers at present, and its embedding of the whole image."""
        return self._predictor, self.whole(rendering)

    def maker_of(self, candidate: Candidate) -> Predictor:  # noqa: ARG002  there is one
        """Return the predictor whose logits a candidate has."""
        return self._predictor

    def close(self) -> None:
        """Stop what runs in the background."""

    def whole(self, rendering: Rendering) -> Embedding:
        """Return the embedding of the whole image."""
        known = self._whole
        if known is None or known[0] != rendering:
            known = self._whole = rendering, self._predictor.embed(self._source.render(rendering))
        return known[1]

    def has(self, rendering: Rendering, crop: Box | None) -> bool:
        """Whether the image, or a crop of it, is embedded."""
        if crop is None:
            return self._whole is not None and self._whole[0] == rendering
        return (rendering, crop) in self._crops

    def forget(self, rendering: Rendering, crop: Box | None) -> None:
        """Embed the image, or a crop of it, again when it is next needed."""
        with self._lock:
            if crop is None:
                self._whole = None
            else:
                self._crops.pop((rendering, crop), None)

    def prepare(self, rendering: Rendering, crop: Box) -> None:
        """Embed a crop before prompts need it."""
        self.crop(rendering, crop)

    def crop(self, rendering: Rendering, crop: Box) -> Embedding:
        """Return the embedding of a crop. It bypasses the predictor's cache, whose folder would fill up."""
        key = rendering, crop
        with self._lock:
            known = self._crops.get(key)
        if known is None:
            pixels = self._source.crop(rendering, windows.pixels(crop))
            known = self._predictor.embed(pixels, keep=False)
        with self._lock:
            self._crops[key] = known
            self._crops.move_to_end(key)
            while len(self._crops) > MOST_CROPS:
                self._crops.popitem(last=False)
        return known

    def decode(self, prompt: Prompt, state: SessionState) -> Decoded:
        """Decode a prompt in the context of a state: with its crop if that contains the prompt, else with the image."""
        crop = crop_for(prompt, state)
        prediction = self._predict(prompt, state.rendering, crop)
        weights = self._predictor.model.weights_id
        answer = Answer(prompt, state.rendering, crop, prediction.best, weights, self.logits)
        if crop is None:
            return Decoded(state, answer, prediction, self._predictor, lambda _mask: None)
        size = (self._source.size[1], self._source.size[0])

        @cache
        def around() -> tuple[list[StoredMask], Mask]:
            whole = self._of_whole(prompt, state.rendering)
            level = state.settings.threshold
            masks = [shaping.mask_of(whole, index, self._predictor, level) for index in range(len(whole.scores))]
            # Decodes only the part of the masks inside the crop, because the image may be very large.
            return masks, np.stack([windows.within(mask, crop) for mask in masks])

        def place(mask: StoredMask) -> shaping.Place:
            outside = _continued(mask.array, around) if windows.is_cut(mask.array, crop, size) else None
            return shaping.Place(crop, size, outside)

        return Decoded(state, answer, prediction, self._predictor, place)

    def logits(self, answer: Answer) -> np.ndarray | None:
        """Return the logits of an answer, (N, h, w) float32, read-only; None where other weights gave it.

        Raises:
            ModelError: They must be decoded again, and the device has too little memory for the model.
        """
        with self._lock:
            known = self._recent.get(answer)
        if known is None:
            if without_precision(answer.weights) != without_precision(self._predictor.model.weights_id):
                return None
            known = self._predict(answer.prompt, answer.rendering, answer.crop).logits
        return self.keep(answer, known)

    def keep(self, answer: Answer, logits: np.ndarray) -> np.ndarray:
        """Keep the logits of an answer as the newest, and let go of the oldest beyond `MOST_LOGITS`."""
        if logits.flags.writeable:
            logits = logits.copy()
            logits.flags.writeable = False
        with self._lock:
            self._recent[answer] = logits
            self._recent.move_to_end(answer)
            held = sum(array.nbytes for array in self._recent.values())
            while held > MOST_LOGITS and len(self._recent) > 1:
                held -= self._recent.popitem(last=False)[1].nbytes
        return logits

    def _predict(self, prompt: Prompt, rendering: Rendering, crop: Box | None) -> Prediction:
        refuse_words(prompt, self._predictor.config, self._predictor.model.name)
        if crop is None:
            return self._of_whole(prompt, rendering)
        return self._predictor.answer(self.crop(rendering, crop), crops.inside(crop, self._bring(prompt, crop)))

    def _of_whole(self, prompt: Prompt, rendering: Rendering) -> Prediction:
        return self._predictor.answer(self.whole(rendering), self._bring(prompt, None))

    def _bring(self, prompt: Prompt, crop: Box | None) -> Prompt:
        """Return a prompt whose mask covers this crop, resampling it if it covers another part of the image."""
        mask, now = prompt.mask, prompt.mask_crop
        maker = self._predictor
        if mask is not None and len(mask) != maker.config.mask_size:
            maker = next((one for one in self.others if len(mask) == one.config.mask_size), maker)
        if mask is None or (now == crop and maker is self._predictor):
            return replace(prompt, mask_crop=None)
        brought = self._brought
        if brought is None or brought[0] is not mask or brought[1:3] != (now, crop):
            width, height = self._source.size
            if now is None:
                drawn = maker.binarize_one(mask, (height, width))
            else:
                drawn = windows.placed(maker.binarize_one(mask, windows.shape(now)), now, (height, width))
            seen = drawn.array if crop is None else windows.within(drawn, crop)
            brought = self._brought = mask, now, crop, self._predictor.mask_to_logits(seen)
        return replace(prompt, mask=brought[3], mask_crop=None)


def crop_for(prompt: Prompt, state: SessionState) -> Box | None:
    """Return the crop that answers a prompt: the state's if it contains the prompt; None for the whole image."""
    return None if state.crop is None or not crops.holds(state.crop, prompt) else state.crop


class Decoded:
    """The model's answer to a prompt. Masks are computed on first access, because often only one is needed.

    Attributes:
        answer: The prompt and its context.
        best: Index of the candidate that is chosen by default.
    """

    def __init__(
        self,
        state: SessionState,
        answer: Answer,
        prediction: Prediction,
        predictor: Predictor,
        place: Callable[[StoredMask], shaping.Place | None],
    ) -> None:
        """Wrap a prediction.

        Args:
            state: Source of the settings, strokes, rendering and crop of the candidates.
            answer: The prompt and its context.
            prediction: The prediction for the prompt.
            predictor: Its predictor.
            place: Returns the position of a mask in the image; None if the prediction covers the whole image.
        """
        self.answer, self.best = answer, answer.best
        self._state = state
        self._prediction, self._predictor, self._place = prediction, predictor, place
        self._made: dict[int, Candidate] = {}

    def answers(self, prompt: Prompt, state: SessionState) -> bool:
        """Whether this is the answer to a prompt in the context of a state."""
        of = self._state
        return (
            self.answer.prompt == prompt
            and of.strokes == state.strokes
            and of.settings == state.settings
            and of.rendering == state.rendering
            and of.crop == state.crop
        )

    def candidate(self, index: int) -> Candidate:
        """Return one of `candidates`, without computing the others."""
        if index not in self._made:
            settings, predictor = self._state.settings, self._predictor
            mask = shaping.mask_of(self._prediction, index, predictor, settings.threshold)
            self._made[index] = shaping.candidate_of(
                self._prediction,
                index,
                mask,
                predictor,
                answer=self.answer,
                settings=settings,
                strokes=self._state.strokes,
                place=self._place(mask),
            )
        return self._made[index]

    @property
    def logits(self) -> np.ndarray:
        """The logits of the candidates, (N, h, w) float32 at low resolution."""
        return self._prediction.logits

    @cached_property
    def candidates(self) -> tuple[Candidate, ...]:
        """The candidates, in the model's own order."""
        return tuple(self.candidate(index) for index in range(len(self._prediction.scores)))


def _continued(mask: Mask, around: Callable[[], tuple[list[StoredMask], Mask]]) -> StoredMask | None:
    """Return the mask of the image that continues a crop's mask, (h, w) bool, outside the crop, or None.

    Args:
        mask: The mask within the crop.
        around: Returns the masks of the image, and their parts inside the crop, (N, h, w).
    """
    masks, seen = around()
    agreement = iou(mask[None], seen)
    closest = int(agreement.argmax())
    return masks[closest] if agreement[closest] >= AGREES else None
