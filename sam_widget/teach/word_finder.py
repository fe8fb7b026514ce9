"""Words and examples as prompts, with a threshold on scores that are already there."""

from __future__ import annotations

import re
from typing import Any

import ipywidgets
import numpy as np
from PIL import Image, ImageDraw

from sam_widget.automatic.finding.embedded import THRESHOLD
from sam_widget.automatic.finding.finder import Instance
from sam_widget.errors import PromptError
from sam_widget.predictor.interface import ModelLike
from sam_widget.prompts.words import vocabulary
from sam_widget.session.found import Found
from sam_widget.session.session import Session
from sam_widget.teach.drawing import GREY, LEVELS, YOURS, outline, tint
from sam_widget.teach.panel import Line, Panel, button, column, row
from sam_widget.teach.picture import Picture
from sam_widget.teach.subject import Subject
from sam_widget.teach.texts import Lang

COLOURS = (*LEVELS, YOURS)
# Outlines of what is below the threshold, of what is selected, and the bar of a score of 1, in pixels.
FAINT, CHOSEN, LONGEST = (230, 230, 230), (255, 255, 255), 200
# Instances below the threshold that are outlined, and bars.
MOST = 10


class WordFinder(Panel):
    """A field for words, a slider for the threshold, the photo with what is found, and the score of each mask.

    The first search of a photo takes several seconds: it segments the photo and describes every mask. After that,
    words, examples and thresholds only compare numbers. Click on a mask, found or faint, to make it an example.

    >>> panel = WordFinder(sw.sample("cat"), words="cat, dog")
    >>> panel.threshold.value = 0.2
    >>> panel.found.message
    """

    def __init__(self, image: Any, *, words: str = "thing", model: ModelLike = "tiny", lang: Lang = "en") -> None:
        """Search the image.

        Args:
            image: Any image that `SamWidget` accepts.
            words: Phrases, separated by commas; "thing" is everything.
            model: A name, a loaded model or a predictor, which makes the masks.
            lang: "en" or "zh-TW".

        Raises:
            PromptError: A word is not in the vocabulary.
        """
        super().__init__(lang=lang)
        self.subject = Subject(image, model)
        self.session = Session(self.subject.photo, model=self.subject.predictor)
        self.words = ipywidgets.Text(value=words, description=self.say("find.words"), continuous_update=False)
        self.threshold = ipywidgets.FloatSlider(
            value=THRESHOLD, min=0, max=1, step=0.01, description=self.say("maker.threshold"), readout_format=".2f"
        )
        self.like_button, self.not_like_button, self.forget_button = (
            button(self.say(f"find.{name}")) for name in ("like", "not_like", "forget")
        )
        self.photo = Picture(self.say("find.photo"), width=420, on_press=self.choose_at)
        self.chart = Picture(self.say("find.chart"), width=300, height=MOST * 22 + 12)
        self.note, self.here = Line(width="420px"), Line(self.say("find.choose"), width="300px")
        self.chosen: Instance | None = None
        self._like: list[np.ndarray] = []
        self._not_like: list[np.ndarray] = []
        self.found: Found = self._searched()
        self.words.observe(lambda _change: self.search(), "value")
        self.threshold.observe(lambda _change: self._sift(), "value")
        self.like_button.on_click(lambda _button: self.like())
        self.not_like_button.on_click(lambda _button: self.not_like())
        self.forget_button.on_click(lambda _button: self.forget())
        self.arrange(
            row([self.words, self.threshold]),
            row([column([self.photo, self.note], width="420px"), column([self.chart, self.here], width="300px")]),
            row([self.like_button, self.not_like_button, self.forget_button]),
        )
        self._draw()

    def search(self) -> None:
        """Search for what the field says, and for the examples."""
        try:
            self.found = self._searched()
        except PromptError:
            wrong = next((word for word in self._phrases() if not _is_known(word)), self.words.value)
            near = ", ".join(vocabulary().near(wrong))
            self.note.text = self.say("find.unknown", word=wrong) + (self.say("find.near", near=near) if near else "")
            return
        self.chosen = None
        self._draw()

    def choose_at(self, x: float, y: float) -> None:
        """Select the smallest mask at a position of the photo, whether it is found or faint."""
        here = [one for one in self.found.search.instances if one.mask[int(y), int(x)]]
        self.chosen = min(here, key=lambda one: one.area, default=None)
        self._draw()

    def like(self) -> None:
        """Search for what resembles the selected mask, and any other example, instead of words."""
        if self.chosen is not None:
            self._like.append(self.chosen.mask)
            # A changed field searches by itself.
            self.words.value = ""
            self.search()

    def not_like(self) -> None:
        """Exclude what resembles the selected mask more than the examples."""
        if self.chosen is not None:
            self._not_like.append(self.chosen.mask)
            self.search()

    def forget(self) -> None:
        """Forget all examples."""
        self._like.clear()
        self._not_like.clear()
        self.words.value = self.words.value or "thing"
        self.search()

    def _phrases(self) -> list[str]:
        return [word.strip() for word in re.split(r"[,，、]", self.words.value) if word.strip()]

    def _searched(self) -> Found:
        words = self._phrases() if self._like or self._not_like or self.words.value.strip() else ["thing"]
        return self.session.find(
            *words, like=self._like or None, not_like=self._not_like or None, threshold=self.threshold.value
        )

    def _sift(self) -> None:
        self.found = self.found.sift(self.threshold.value)
        self._draw()

    # ------------------------------------------------------------------------------------------------ drawing

    def _colour(self, one: Instance) -> tuple[int, ...]:
        words = self.found.search.query.words
        return COLOURS[words.index(one.word) % len(COLOURS)] if one.word in words else YOURS

    def _draw(self) -> None:
        shown = (self.subject.photo * 0.6).astype(np.uint8)
        for one in sorted(self.found, key=lambda one: -one.area):
            shown = tint(shown, one.mask, self._colour(one))
        for one in self.found.faint[:MOST]:
            shown[outline(one.mask)] = FAINT
        if self.chosen is not None:
            shown[outline(self.chosen.mask, width=3)] = CHOSEN
        self.photo.show(shown)
        self.chart.show(self._bars())
        instances = self.found.search.instances
        if len(self.found):
            self.note.text = self.say("find.found", count=len(self.found), all=len(instances))
        elif instances:
            self.note.text = self.say(
                "find.nothing", threshold=f"{self.threshold.value:.2f}", best=f"{instances[0].score:.2f}"
            )
        else:
            self.note.text = self.say("find.none")
        examples = self.say("find.examples", like=len(self._like), not_like=len(self._not_like))
        if self.chosen is None:
            self.here.text = f"{self.say('find.choose')} {examples}"
        else:
            self.here.text = self.say("find.here", score=f"{self.chosen.score:.2f}") + f" {examples}"

    def _bars(self) -> np.ndarray:
        """Return a chart of the highest scores, with the threshold as a line: (h, w, 4), transparent."""
        picture = Image.new("RGBA", (self.chart.width, self.chart.height), (0, 0, 0, 0))
        pen, left = ImageDraw.Draw(picture), 44
        for number, one in enumerate(self.found.search.instances[:MOST]):
            top = 6 + 22 * number
            colour = (*self._colour(one), 255) if one.score >= self.threshold.value else GREY
            pen.rectangle([left, top, left + max(1, one.score * LONGEST), top + 16], fill=colour)
            pen.text((left - 6, top + 8), f"{one.score:.2f}", fill=GREY, anchor="rm", font_size=12)
            if self.chosen is not None and one.id == self.chosen.id:
                pen.rectangle([left, top, left + LONGEST, top + 16], outline=GREY, width=2)
        at = left + self.threshold.value * LONGEST
        pen.line([at, 0, at, self.chart.height], fill=(213, 94, 0, 255), width=2)
        return np.asarray(picture)


def _is_known(word: str) -> bool:
    try:
        vocabulary().parse(word)
    except PromptError:
        return False
    return True
