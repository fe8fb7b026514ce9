"""One click means several things: draw the mask you expect, then see the model's three."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from sam_widget.errors import MaskError
from sam_widget.masks.measures import iou
from sam_widget.predictor.interface import ModelLike
from sam_widget.teach.drawing import LEVELS, YOURS, dim, star, tint
from sam_widget.teach.panel import Line, Panel, button, column, row
from sam_widget.teach.picture import Picture
from sam_widget.teach.subject import Subject
from sam_widget.teach.texts import Lang


@dataclass(frozen=True, eq=False)
class Compared:
    """What was expected of a click, and what the model answered.

    Attributes:
        click: x, y.
        expected: (H, W) bool.
        scores: (3,), the predicted IoU of each mask.
        ious: (3,), its IoU with what was expected.
    """

    click: tuple[float, float]
    expected: np.ndarray
    scores: np.ndarray
    ious: np.ndarray

    @property
    def nearest(self) -> int:
        """Index of the mask that is most like what was expected."""
        return int(self.ious.argmax())

    @property
    def chosen(self) -> int:
        """Index of the mask with the highest score."""
        return int(self.scores.argmax())


class ExpectedMask(Panel):
    """A photo with a click, to draw on: an outline around what the click should mean, then the model's three masks.

    Drag around it, or click from corner to corner. `kept` has everything that was compared.

    >>> panel = ExpectedMask(sw.sample("cat"), clicks=[(200, 200)])
    >>> panel.draw([(120, 90), (230, 90), (230, 170), (120, 170)])  # or with the mouse
    >>> panel.reveal().ious
    """

    def __init__(
        self, image: Any, *, clicks: Sequence[tuple[float, float]], model: ModelLike = "tiny", lang: Lang = "en"
    ) -> None:
        """Show the photo with the first click.

        Args:
            image: Any image that `SamWidget` accepts.
            clicks: x, y of the clicks, one after the other.
            model: A name, a loaded model or a predictor.
            lang: "en" or "zh-TW".
        """
        super().__init__(lang=lang)
        self.subject = Subject(image, model)
        self.clicks = [(float(x), float(y)) for x, y in clicks]
        self.kept: list[Compared] = []
        self._number = 0
        self._drag: list[tuple[float, float]] = []
        self._corners: list[tuple[float, float]] = []
        self._areas: list[list[tuple[float, float]]] = []
        self.paper = Picture(
            self.say("expect.paper"),
            width=420,
            on_press=self._press,
            on_drag=self._dragged,
            on_release=self._release,
        )
        self.answers = [Picture(self.say("expect.mask", number=number), width=210) for number in (1, 2, 3)]
        self._lines = [Line(width="210px") for _ in self.answers]
        self.show_button = button(self.say("expect.show"), primary=True)
        self.clear_button = button(self.say("expect.clear"))
        self.next_button = button(self.say("expect.next"))
        self.next_button.disabled = len(self.clicks) < 2
        self.note = Line()
        self.show_button.on_click(lambda _button: self._show())
        self.clear_button.on_click(lambda _button: self.clear())
        self.next_button.on_click(lambda _button: self.next())
        columns = [column(pair, width="210px") for pair in zip(self.answers, self._lines, strict=True)]
        buttons = row([self.show_button, self.clear_button, self.next_button])
        self.arrange(row([column([self.paper, buttons, self.note], width="420px"), row(columns)]))
        self.clear()

    @property
    def click(self) -> tuple[float, float]:
        """The click that is asked about, x and y."""
        return self.clicks[self._number]

    @property
    def drawing(self) -> np.ndarray:
        """What the reader has drawn, (H, W) bool."""
        width, height = self.subject.size
        sheet = Image.new("1", (width, height))
        pen = ImageDraw.Draw(sheet)
        for area in (*self._areas, self._drag, self._corners):
            if len(area) > 2:
                pen.polygon([(x - 0.5, y - 0.5) for x, y in area], fill=1)
        return np.asarray(sheet)

    def draw(self, outline: Sequence[tuple[float, float]]) -> None:
        """Add the inside of an outline, in pixels of the image, to the drawing."""
        self._areas.append([(float(x), float(y)) for x, y in outline])
        self._redraw()

    def clear(self) -> None:
        """Forget the drawing, and hide the masks."""
        self._areas, self._corners, self._drag = [], [], []
        for picture, line in zip(self.answers, self._lines, strict=True):
            picture.show(dim(self.subject.photo, np.zeros(self.subject.photo.shape[:2], bool)))
            line.text = "?"
        self.note.text = self.say("expect.draw")
        self._redraw()

    def next(self) -> None:
        """Continue with the next click; after the last, with the first."""
        self._number = (self._number + 1) % len(self.clicks)
        self.clear()

    def reveal(self) -> Compared:
        """Show the model's masks, and compare them with the drawing.

        Raises:
            MaskError: Nothing has been drawn yet.
        """
        expected = self.drawing
        if not expected.any():
            raise MaskError("nothing is drawn yet; call draw() with an outline, or drag around what you expect")
        answer = self.subject.predictor.predict(self.subject.embedding, points=[self.click])
        found = Compared(self.click, expected, answer.scores, iou(answer.masks, expected))
        self.kept.append(found)
        for number, (picture, line) in enumerate(zip(self.answers, self._lines, strict=True)):
            mask = answer.masks[number]
            picture.show(tint(dim(self.subject.photo, mask | expected), mask, LEVELS[number]), draw=self._star)
            line.text = self.say(
                "expect.row", number=number + 1, score=f"{found.scores[number]:.2f}", iou=f"{found.ious[number]:.2f}"
            )
        self.note.text = self.say("expect.result", chosen=found.chosen + 1, nearest=found.nearest + 1)
        self._redraw()
        return found

    # ------------------------------------------------------------------------------------------------ the mouse

    def _press(self, x: float, y: float) -> None:
        self._corners.append((x, y))
        self._redraw()

    def _dragged(self, x: float, y: float) -> None:
        if not self._drag:
            # The press began an outline, rather than adding a corner.
            self._drag = [self._corners.pop()]
        self.paper.trail(*self._drag[-1], x, y, YOURS)
        self._drag.append((x, y))

    def _release(self) -> None:
        if self._drag:
            self._areas.append(self._drag)
            self._drag = []
            self._redraw()

    def _show(self) -> None:
        try:
            self.reveal()
        except MaskError:
            self.note.text = self.say("expect.first")

    def _redraw(self) -> None:
        self.paper.show(tint(self.subject.photo, self.drawing, YOURS, alpha=0.5), draw=self._marked)

    def _marked(self, pen: ImageDraw.ImageDraw, scale: float) -> None:
        if len(self._corners) > 1:
            pen.line([(x * scale, y * scale) for x, y in self._corners], fill=YOURS, width=3)
        for x, y in self._corners:
            pen.ellipse([x * scale - 3, y * scale - 3, x * scale + 3, y * scale + 3], fill=YOURS)
        self._star(pen, scale)

    def _star(self, pen: ImageDraw.ImageDraw, scale: float) -> None:
        star(pen, self.click[0] * scale, self.click[1] * scale)
