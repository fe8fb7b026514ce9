"""Rounds of corrections: each click goes where the mask is most wrong, as in training and in evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets
import numpy as np
from PIL import ImageDraw

from sam_widget.masks.distance import next_click
from sam_widget.masks.measures import iou
from sam_widget.predictor.interface import ModelLike
from sam_widget.teach.drawing import LEVELS, SERIES, YOURS, curves, dim, star, tint
from sam_widget.teach.panel import Legend, Line, Panel, column, row
from sam_widget.teach.picture import Picture
from sam_widget.teach.subject import Subject
from sam_widget.teach.texts import Lang, texts
from sam_widget.teach.threads import one_thread

WIDTH = 280
# As many clicks as a training step of the paper has: one, and eight corrections.
ROUNDS = 9
MISSED, SPILLED = YOURS, (86, 180, 233)


@dataclass(frozen=True, eq=False)
class CorrectionRound:
    """One round.

    Attributes:
        clicks: x and y of all clicks so far.
        labels: 1 for each that says "this", 0 for "not this".
        mask: (H, W) bool, the answer with the highest score.
        score: Its predicted IoU.
        iou: Its true IoU.
    """

    clicks: list[tuple[float, float]]
    labels: list[int]
    mask: np.ndarray
    score: float
    iou: float


class CorrectionRounds(Panel):
    """The simulated user of training: nine rounds of clicks on an object, with and without the mask as a prompt.

    Each click is in the middle of the largest error. `rounds` has them for both ways.

    >>> car = sw.teach.scene(6)
    >>> panel = CorrectionRounds(car.image, masks=car.masks, target=7)
    >>> [one.iou for one in panel.rounds[True]]
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
        """Simulate the rounds for an object.

        Args:
            image: Any image that `SamWidget` accepts.
            masks: The true masks of its objects, (H, W) bool each.
            target: Number of the object, from 0.
            model: A name, a loaded model or a predictor.
            lang: "en" or "zh-TW".

        Raises:
            MaskError: No mask is given, or one is empty or has another size than the image.
        """
        super().__init__(lang=lang)
        self.subject = Subject(image, model)
        self.masks = self.subject.true_masks(masks)
        # With each round's mask as a prompt of the next, and without.
        self.rounds: dict[bool, list[CorrectionRound]] = {True: [], False: []}
        self.choice = self.object_choice(len(self.masks), target)
        self.number = ipywidgets.IntSlider(value=1, min=1, max=ROUNDS, description=self.say("rounds.number"))
        self.masked = ipywidgets.Checkbox(
            value=True, description=self.say("rounds.masked"), indent=False, layout=ipywidgets.Layout(width="auto")
        )
        self.answer, self.wrong = (Picture(self.say(f"rounds.{name}"), width=WIDTH) for name in ("answer", "wrong"))
        self.chart = Picture(self.say("rounds.chart"), width=WIDTH, height=200)
        self.legend = Legend()
        self.legend.show(
            [
                (self.say("rounds.with"), texts("en")("rounds.with"), SERIES[0]),
                (self.say("rounds.without"), texts("en")("rounds.without"), SERIES[1]),
            ]
        )
        self._says = [Line(width=f"{WIDTH}px") for _ in range(2)]
        self.choice.observe(lambda _change: self._simulate(), "value")
        self.number.observe(lambda _change: self._draw(), "value")
        self.masked.observe(lambda _change: self._draw(), "value")
        pictures = [*zip((self.answer, self.wrong), self._says, strict=True)]
        charted = (self.chart, self.legend, Line(self.say("rounds.chart"), width=f"{WIDTH}px"))
        columns = [column(parts, width=f"{WIDTH}px") for parts in (*pictures, charted)]
        self.arrange(row([self.choice, self.number, self.masked]), row(columns))
        self._simulate()

    def _simulate(self) -> None:
        with one_thread():
            self.rounds = {masked: self._run(masked=masked) for masked in (True, False)}
        self._draw()

    def _run(self, *, masked: bool) -> list[CorrectionRound]:
        predictor, wanted = self.subject.predictor, self.masks[self.choice.value]
        clicks: list[tuple[float, float]] = []
        labels: list[int] = []
        given, logits, found = np.zeros_like(wanted), None, []
        for _ in range(ROUNDS):
            place, label = next_click(given, wanted)
            clicks, labels = [*clicks, (float(place[0]), float(place[1]))], [*labels, label]
            answer = predictor.predict(self.subject.embedding, points=clicks, labels=labels, mask=logits)
            best = answer.best
            given, logits = answer.masks[best], answer.logits[best] if masked else None
            found.append(CorrectionRound(clicks, labels, given, float(answer.scores[best]), float(iou(given, wanted))))
        return found

    def _draw(self) -> None:
        now = self.rounds[self.masked.value][self.number.value - 1]
        photo, wanted = self.subject.photo, self.masks[self.choice.value]

        def clicked(pen: ImageDraw.ImageDraw, scale: float) -> None:
            for (x, y), label in zip(now.clicks, now.labels, strict=True):
                star(pen, x * scale, y * scale, label=label)

        self.answer.show(tint(dim(photo, now.mask), now.mask, LEVELS[1], alpha=0.4), draw=clicked)
        missed, spilled = wanted & ~now.mask, now.mask & ~wanted
        self.wrong.show(tint(tint(dim(photo, wanted), missed, MISSED, alpha=0.8), spilled, SPILLED, alpha=0.8))
        ious = [[one.iou for one in rounds] for rounds in self.rounds.values()]
        self.chart.show(curves(ious, width=WIDTH, height=200))
        self._says[0].text = self.say(
            "rounds.answer_row", number=self.number.value, score=f"{now.score:.2f}", iou=f"{now.iou:.2f}"
        )
        self._says[1].text = self.say(
            "rounds.wrong_row", missed=f"{missed.mean():.1%}", spilled=f"{spilled.mean():.1%}"
        )
