"""What makes a prompt unambiguous: more clicks, a box, or a mask, next to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import ImageDraw

from sam_widget.masks.distance import next_click
from sam_widget.masks.measures import box_from_mask, iou
from sam_widget.predictor.interface import ModelLike
from sam_widget.predictor.prediction import Prediction
from sam_widget.teach.drawing import LEVELS, YOURS, dim, star, tint
from sam_widget.teach.landscape import agreement_of
from sam_widget.teach.panel import Line, Panel, column, row
from sam_widget.teach.picture import Picture
from sam_widget.teach.subject import Subject
from sam_widget.teach.texts import Lang

KINDS = ("click", "clicks", "more", "box", "mask")
WIDTH = 220


@dataclass(frozen=True, eq=False)
class Rung:
    """The answer to one kind of prompt.

    Attributes:
        kind: "click", "clicks" (two), "more" (three), "box", or "mask": a click with the earlier mask as a prompt.
        scores: (3,), predicted IoUs.
        agreement: Mean IoU of the three masks with each other.
        ious: (3,), true IoUs with the object.
        best: Index of the mask that the model would choose.
    """

    kind: str
    scores: np.ndarray
    agreement: float
    ious: np.ndarray
    best: int


class PromptLadder(Panel):
    """Five prompts for the same object: how much their three masks agree, and how good the chosen one is.

    Clicks are placed as in the evaluation of interactive segmentation: the first in the middle of the object, each
    further one in the middle of the largest error. The colours are those of the three masks; where they overlap, the
    smaller one is on top.

    >>> house = sw.teach.scene(1)
    >>> panel = PromptLadder(house.image, masks=house.masks)
    >>> [(rung.kind, rung.agreement) for rung in panel.rungs]
    """

    def __init__(
        self,
        image: Any,
        *,
        masks: Sequence[np.ndarray] | np.ndarray,
        target: int = 0,
        model: ModelLike = "tiny",
        lang: Lang = "en",
    ) -> None:
        """Answer the prompts for the first object.

        Args:
            image: Any image that `SamWidget` accepts.
            masks: The true masks of its objects, (H, W) bool each.
            target: Number of the object that is meant at first, from 0.
            model: A name, a loaded model or a predictor.
            lang: "en" or "zh-TW".

        Raises:
            MaskError: No mask is given, or one is empty or has another size than the image.
        """
        super().__init__(lang=lang)
        self.subject = Subject(image, model)
        self.masks = self.subject.true_masks(masks)
        self.rungs: list[Rung] = []
        self.choice = self.object_choice(len(self.masks), target)
        self.choice.observe(lambda _change: self.climb(), "value")
        self.wanted = Picture(self.say("check.wanted"), width=WIDTH)
        self.answers = {kind: Picture(self.say(f"ladder.{kind}"), width=WIDTH) for kind in KINDS}
        self._lines = {kind: Line(width=f"{WIDTH}px") for kind in KINDS}
        parts = [column([self.wanted, Line(self.say("check.wanted"))], width=f"{WIDTH}px")]
        parts += [column([self.answers[kind], self._lines[kind]], width=f"{WIDTH}px") for kind in KINDS]
        self.arrange(self.choice, row(parts))
        self.climb()

    def climb(self) -> list[Rung]:
        """Answer all prompts for the object that is selected, draw them, and return them as `rungs`."""
        wanted = self.masks[self.choice.value]
        predict, embedding = self.subject.predictor.predict, self.subject.embedding
        self.wanted.show(tint(dim(self.subject.photo, wanted), wanted, YOURS, alpha=0.35))
        points, labels, mask = np.empty((0, 2)), np.empty(0, int), np.zeros_like(wanted)
        self.rungs = []
        first: Prediction | None = None
        for kind in KINDS[:3]:
            xy, label = next_click(mask, wanted)
            points, labels = np.vstack([points, xy]), np.append(labels, label)
            answer = predict(embedding, points=points, labels=labels)
            first = first or answer
            mask = answer.masks[answer.best]
            self._add(kind, answer, wanted, points, labels)
        box = box_from_mask(wanted)
        self._add("box", predict(embedding, box=box), wanted, box=None if box is None else box.corners)
        if first is not None and self.subject.predictor.config.takes_masks:
            again = predict(embedding, points=points[:1], labels=labels[:1], mask=first.logits[first.best])
            self._add("mask", again, wanted, points[:1], labels[:1])
        return self.rungs

    def _add(
        self,
        kind: str,
        answer: Prediction,
        wanted: np.ndarray,
        points: np.ndarray | None = None,
        labels: np.ndarray | None = None,
        *,
        box: Sequence[float] | None = None,
    ) -> None:
        rung = Rung(
            kind, answer.scores, float(agreement_of(answer.masks[None])[0]), iou(answer.masks, wanted), answer.best
        )
        self.rungs.append(rung)
        shown = dim(self.subject.photo, np.asarray(answer.masks.any(axis=0)))
        for number in np.argsort(-answer.masks.sum(axis=(1, 2))):
            shown = tint(shown, answer.masks[number], LEVELS[number])

        def draw(pen: ImageDraw.ImageDraw, scale: float) -> None:
            if box is not None:
                pen.rectangle([value * scale for value in box], outline="white", width=2)
            for (x, y), label in zip([] if points is None else points, [] if labels is None else labels, strict=True):
                star(pen, x * scale, y * scale, label=int(label), radius=6)

        self.answers[kind].show(shown, draw=draw)
        self._lines[kind].text = self.say(
            "ladder.row",
            kind=self.say(f"ladder.{kind}"),
            agreement=f"{rung.agreement:.2f}",
            score=f"{rung.scores[rung.best]:.2f}",
            iou=f"{rung.ious[rung.best]:.2f}",
        )
