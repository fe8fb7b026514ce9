"""Does the score mean what it says? Predicted against true IoU, click by click, next to stability."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets
import numpy as np

from sam_widget.masks.measures import iou
from sam_widget.predictor.interface import ModelLike
from sam_widget.session.state import Candidate
from sam_widget.teach.drawing import YOURS, dim, scatter, tint
from sam_widget.teach.panel import Line, Panel, button, column, row
from sam_widget.teach.picture import Picture
from sam_widget.teach.subject import Subject
from sam_widget.teach.texts import Lang
from sam_widget.widget.sam_widget import SamWidget

SCORE, STABILITY = (0, 114, 178), (213, 94, 0)
SHOWN = 12


@dataclass(frozen=True)
class Checked:
    """One answer.

    Attributes:
        clicks: Number of clicks and boxes of the prompt.
        score: Predicted IoU of the chosen mask.
        stability: Its stability score.
        iou: Its true IoU with the object.
    """

    clicks: int
    score: float
    stability: float
    iou: float


class ScoreCheck(Panel):
    """A view to click in, the object that is meant, and a chart: what the model says about its mask, and the truth.

    `rows` has a row for each prompt so far.

    >>> car = sw.teach.scene(6)
    >>> panel = ScoreCheck(car.image, masks=car.masks)
    >>> panel.widget.click(250, 250)  # or with the mouse
    >>> panel.rows
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
        """Open a view of the image.

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
        self.rows: list[Checked] = []
        self.widget = SamWidget(self.subject.photo, model=self.subject.predictor)
        self.widget.layout.width = "100%"
        self.choice = self.object_choice(len(self.masks), target)
        self.target = Picture(self.say("check.wanted"), width=280)
        self.chart = Picture(self.say("check.chart"), width=280, height=280)
        self.says = [Line(self.say("check.ready"), width="280px"), Line(width="280px")]
        self.clear_button = button(self.say("check.clear"))
        self.clear_button.on_click(lambda _button: self.clear())
        self.choice.observe(lambda _change: self._choose(), "value")
        self._stop: Callable[[], None] | None = self.widget.session.on_change(self._edited)
        self._seen: Candidate | None = None
        wanted = column([self.choice, self.target, self.clear_button], width="290px")
        view = ipywidgets.Box([self.widget], layout=ipywidgets.Layout(flex="1 1 420px", min_width="320px"))
        charted = column([self.chart, *self.says], width="290px")
        self.arrange(row([wanted, view, charted]))
        self._choose()

    def clear(self) -> None:
        """Forget all rows, and remove the prompt."""
        self.rows.clear()
        self.widget.session.clear()
        self._draw()

    def close(self) -> None:
        """Stop following the view, and close it."""
        # ipywidgets closes deleted widgets, even if they are closed or __init__ has raised.
        stop, self._stop = vars(self).get("_stop"), None
        if stop is not None:
            stop()
            self.widget.close()
        super().close()

    def _choose(self) -> None:
        wanted = self.masks[self.choice.value]
        self.target.show(tint(dim(self.subject.photo, wanted), wanted, YOURS, alpha=0.35))
        self.clear()

    def _edited(self) -> None:
        """Add a row for a new answer. Called after every edit, in the editing thread."""
        session = self.widget.session
        chosen = session.chosen
        if chosen is None or chosen is self._seen or chosen.score is None:
            return
        self._seen = chosen
        prompt = session.prompt
        truth = float(iou(chosen.mask, self.masks[self.choice.value]))
        self.rows.append(
            Checked(len(prompt.points) + len(prompt.boxes), chosen.score, float(chosen.stability or 0), truth)
        )
        self._draw()

    def _draw(self) -> None:
        shown = self.rows[-SHOWN:]
        points = [(one.score, one.iou, SCORE) for one in shown] + [(one.stability, one.iou, STABILITY) for one in shown]
        self.chart.show(scatter(points, marks=[str(one.clicks) for one in shown]))
        if not shown:
            self.says[0].text, self.says[1].text = self.say("check.ready"), ""
            return
        last = shown[-1]
        self.says[0].text = self.say(
            "check.row", clicks=last.clicks, score=f"{last.score:.2f}", stability=f"{last.stability:.2f}",
            iou=f"{last.iou:.2f}",
        )  # fmt: skip
        off = float(np.mean([abs(one.score - one.iou) for one in self.rows]))
        self.says[1].text = self.say("check.mean", count=len(self.rows), off=f"{off:.2f}")
