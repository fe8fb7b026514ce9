"""Several models on the same object, click by click, each corrected where it is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import ipywidgets
import numpy as np
from PIL import Image, ImageDraw

from sam_widget.errors import ModelError
from sam_widget.masks.distance import next_click
from sam_widget.masks.measures import iou
from sam_widget.predictor.interface import ModelLike
from sam_widget.teach.drawing import GREY, LEVELS, YOURS, blend, dim, heat, star, tint
from sam_widget.teach.panel import Line, Panel, column, row
from sam_widget.teach.picture import Picture
from sam_widget.teach.subject import Subject
from sam_widget.teach.texts import Lang

# Any other method: takes the photo, points (N, 2) and labels (N,), and returns a mask (H, W).
Method: TypeAlias = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
COLOURS = (*LEVELS, YOURS)
WIDTH = 240
# Of the chart: its frame, in pixels.
LEFT, TOP, HIGH, WIDE = 34, 8, 170, 200


@dataclass(frozen=True, eq=False)
class Course:
    """How one model did on one object; an entry per click. After an exact mask there are no more clicks, and it stays.

    Attributes:
        masks: (clicks, H, W) bool, the mask with the highest score.
        ious: True IoUs.
        scores: What the model predicts for them; None for methods that predict nothing.
        points: (n, 2), the clicks.
        labels: (n,), 1 or 0.
        ms: (n,), milliseconds per answer.
    """

    masks: np.ndarray
    ious: np.ndarray
    scores: tuple[float | None, ...]
    points: np.ndarray
    labels: np.ndarray
    ms: tuple[float, ...]


class ModelRace(Panel):
    """Models next to each other on one object: masks, clicks, scores, IoU after each click, and where masks differ.

    The first click is in the middle of the object, each further one in the middle of that model's largest error, as in
    the evaluation of interactive segmentation (Sofiiuk et al., arXiv 2102.06583). So models get different clicks: what
    is compared is the work that they cost.

    >>> def dark(photo, points, labels):
    ...     return photo.mean(axis=2) < 80
    >>> car = sw.teach.scene(6)
    >>> panel = ModelRace(car.image, masks=car.masks, models={"tiny": "tiny", "dark": dark})
    >>> panel.clicks.value = 3
    >>> panel.courses["tiny"].ious
    """

    def __init__(
        self,
        image: Any,
        *,
        masks: Sequence[np.ndarray] | np.ndarray,
        models: Mapping[str, ModelLike | Method],
        target: int = 0,
        most: int = 5,
        lang: Lang = "en",
    ) -> None:
        """Run all models on the first object.

        Args:
            image: Any image that `SamWidget` accepts.
            masks: The true masks of its objects, (H, W) bool each.
            models: Names, and for each a model, or a function of photo, points and labels that returns a mask.
            target: Number of the object that is meant at first, from 0.
            most: Number of clicks.
            lang: "en" or "zh-TW".

        Raises:
            MaskError: No mask is given, or one is empty or has another size than the image.
            ModelError: There is no model, or there are more than four.
        """
        super().__init__(lang=lang)
        if not 1 <= len(models) <= len(COLOURS):
            raise ModelError(f"{len(models)} models; give 1 to {len(COLOURS)} to compare")
        self._entries = {
            name: entry if _is_method(entry) else Subject(image, entry)  # type: ignore[arg-type]
            for name, entry in models.items()
        }
        self.subject = next((one for one in self._entries.values() if isinstance(one, Subject)), None) or Subject(
            image, "tiny"
        )
        self.masks = self.subject.true_masks(masks)
        self.most = most
        # How each model did on the object that is selected.
        self.courses: dict[str, Course] = {}
        self.choice = self.object_choice(len(self.masks), target)
        self.clicks = ipywidgets.IntSlider(value=1, min=1, max=most, description=self.say("race.clicks"))
        self.wanted = Picture(self.say("check.wanted"), width=WIDTH)
        self.answers = {name: Picture(self.say("race.mask", name=name), width=WIDTH) for name in models}
        self.difference = Picture(self.say("race.difference"), width=WIDTH)
        self.chart = Picture(self.say("race.chart"), width=LEFT + WIDE + 6, height=TOP + HIGH + 24)
        self._lines = {name: Line(width=f"{WIDTH}px") for name in models}
        self.choice.observe(lambda _change: self.run(), "value")
        self.clicks.observe(lambda _change: self._draw(), "value")
        self.arrange(
            row([self.choice, self.clicks]),
            row(
                [
                    column([self.wanted, Line(self.say("check.wanted"), width=f"{WIDTH}px")], width=f"{WIDTH}px"),
                    *(column([self.answers[name], self._lines[name]], width=f"{WIDTH}px") for name in models),
                    column([self.difference, Line(self.say("race.says"), width=f"{WIDTH}px")], width=f"{WIDTH}px"),
                    column([self.chart, Line(self.say("race.chart"), width=f"{WIDTH}px")], width=f"{WIDTH}px"),
                ]
            ),
        )
        self.run()

    def run(self) -> dict[str, Course]:
        """Run all models on the object that is selected, draw them, and return how they did."""
        wanted = self.masks[self.choice.value]
        self.courses = {name: self.course(name, wanted) for name in self._entries}
        self.wanted.show(tint(dim(self.subject.photo, wanted), wanted, YOURS, alpha=0.35))
        self._draw()
        return self.courses

    def course(self, name: str, wanted: np.ndarray) -> Course:
        """Return how a model does on a mask (H, W)."""
        answer = self._answering(name)
        points, labels, mask = np.empty((0, 2)), np.empty(0, int), np.zeros_like(wanted)
        masks: list[np.ndarray] = []
        scores: list[float | None] = []
        ms: list[float] = []
        score: float | None = None
        for _ in range(self.most):
            # What has no error needs no other click.
            if not masks or (mask != wanted).any():
                xy, label = next_click(mask, wanted)
                points, labels = np.vstack([points, xy]), np.append(labels, label)
                began = time.perf_counter()
                mask, score = answer(points, labels)
                ms.append(1000 * (time.perf_counter() - began))
            masks.append(mask)
            scores.append(score)
        found = np.array(masks)
        ious = np.array([float(iou(one, wanted)) for one in found])
        return Course(found, ious, tuple(scores), points, labels, tuple(ms))

    def _answering(self, name: str) -> Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, float | None]]:
        entry = self._entries[name]
        if not isinstance(entry, Subject):
            method = cast("Method", entry)
            return lambda points, labels: (np.asarray(method(self.subject.photo, points, labels), bool), None)
        predictor, embedding = entry.predictor, entry.embedding

        def answer(points: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, float | None]:
            found = predictor.predict(embedding, points=points, labels=labels)
            return found.masks[found.best], float(found.scores[found.best])

        return answer

    # ------------------------------------------------------------------------------------------------ drawing

    def _draw(self) -> None:
        photo, last = self.subject.photo, self.clicks.value - 1
        count = np.zeros(photo.shape[:2])
        for (name, course), colour in zip(self.courses.items(), COLOURS, strict=False):
            mask, score = course.masks[last], course.scores[last]
            count += mask

            def clicked(pen: ImageDraw.ImageDraw, scale: float, course: Course = course) -> None:
                for (x, y), label in zip(course.points[: last + 1], course.labels, strict=False):
                    star(pen, x * scale, y * scale, label=int(label), radius=6)

            self.answers[name].show(tint(dim(photo, mask), mask, colour, alpha=0.4), draw=clicked)
            values = {"name": name, "iou": f"{course.ious[last]:.2f}", "ms": f"{course.ms[: last + 1][-1]:.0f}"}
            self._lines[name].text = (
                self.say("race.row", score=f"{score:.2f}", **values)
                if score is not None
                else self.say("race.no_score", **values)
            )
        differ = np.where(np.isin(count, (0, len(self.courses))), np.nan, count)
        coloured = blend(photo, heat(differ, low=0, high=len(self.courses)), seen=0.2)
        shown = np.where(np.isnan(differ)[..., None], dim(photo, count > 0), coloured)
        self.difference.show(shown)
        self.chart.show(self._lines_of_ious())

    def _lines_of_ious(self) -> np.ndarray:
        """Return a chart of the IoU of each model after each click: (h, w, 4) uint8, transparent."""
        picture = Image.new("RGBA", (self.chart.width, self.chart.height), (0, 0, 0, 0))
        pen = ImageDraw.Draw(picture)
        step = WIDE / max(1, self.most - 1)
        for tenth in range(0, 11, 2):
            y = TOP + HIGH * (1 - tenth / 10)
            pen.line([LEFT - 4, y, LEFT, y], fill=GREY)
            pen.text((LEFT - 6, y), f"{tenth / 10:.1f}", fill=GREY, anchor="rm", font_size=11)
        for number in range(self.most):
            pen.text((LEFT + step * number, TOP + HIGH + 5), str(number + 1), fill=GREY, anchor="mt", font_size=11)
        at = LEFT + step * (self.clicks.value - 1)
        pen.rectangle([LEFT, TOP, LEFT + WIDE, TOP + HIGH], outline=GREY)
        pen.line([at, TOP, at, TOP + HIGH], fill=(213, 94, 0, 255), width=2)
        for course, colour in zip(self.courses.values(), COLOURS, strict=False):
            places = [(LEFT + step * n, TOP + HIGH * (1 - value)) for n, value in enumerate(course.ious.tolist())]
            pen.line(places, fill=(*colour, 255), width=3)
            for x, y in places:
                pen.ellipse([x - 4, y - 4, x + 4, y + 4], fill=(*colour, 255))
        return np.asarray(picture)


def _is_method(entry: Any) -> bool:
    """Return whether an entry is a function, and not a model, which can be called too."""
    return callable(entry) and not hasattr(entry, "config")
