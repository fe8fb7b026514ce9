"""Promptable training for a minute or two: loss, IoU, and answers to your click that get better."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import ImageDraw

from sam_widget.learn.train_config import TrainConfig
from sam_widget.masks.distance import next_click
from sam_widget.masks.measures import iou
from sam_widget.teach.drawing import LEVELS, YOURS, curves, dim, star, tint
from sam_widget.teach.held_out import Held, Judge
from sam_widget.teach.panel import Line, button, column, row
from sam_widget.teach.picture import Picture
from sam_widget.teach.subject import scene
from sam_widget.teach.texts import Lang
from sam_widget.teach.training import TrainingPanel, scene_folder
from sam_widget.teach.training_race import LESSON

if TYPE_CHECKING:  # It imports OpenCV, which is an extra.
    from sam_widget.learn.data import Batch
    from sam_widget.learn.train import Trainer
    from sam_widget.predictor.embeddings import Embedding
    from sam_widget.predictor.predictor import Predictor

WIDTH, SMALL = 250, 170


class PromptTraining(TrainingPanel):
    """Trains a model to answer clicks. Click in a scene that it never trains on, at any time, to see what it knows.

    The image encoder's trunk is that of `tiny`: it knows ImageNet, and is frozen. The rest starts from random weights.

    >>> panel = PromptTraining(seconds=60)
    >>> panel.run()  # or the button, which leaves the kernel free
    >>> panel.click(200, 150)
    >>> panel.before, panel.after
    """

    def __init__(
        self, *, seconds: float = 60, config: TrainConfig = LESSON, number: int = 6, target: int = 0, lang: Lang = "en"
    ) -> None:
        """Choose what to watch; the model is built when training begins.

        Args:
            seconds: Duration of a run.
            config: Settings of the training.
            number: Number of the scene that is shown, as in `scene`.
            target: Number of the object in it that is clicked at first.
            lang: "en" or "zh-TW".

        Raises:
            MissingExtraError: The extra `learn` is not installed.
        """
        super().__init__(seconds=seconds, lang=lang)
        self.config = config
        # Of each step: the loss, and the IoU of the chosen mask and of the best of three, in its last round.
        self.losses: list[float] = []
        self.chosen: list[float] = []
        self.oracle: list[float] = []
        # On held-out scenes, before the first step and after the last.
        self.before: Held | None = None
        self.after: Held | None = None
        self.trainer: Trainer | None = None
        self._batches: Iterator[Batch] = iter(())
        self._judge = Judge()
        self._scene = scene(number)
        self._asked: tuple[Predictor, Embedding] | None = None
        place, _ = next_click(np.zeros_like(self._scene.masks[target]), self._scene.masks[target])
        self._click = (float(place[0]), float(place[1]))
        self.again_button = button(self.say("train.again"))
        self.again_button.on_click(lambda _button: self.reset())
        self.chart.layout.max_width = f"{self.chart.width}px"
        self.loss_chart = Picture(self.say("prompt.losses"), width=self.chart.width, height=self.chart.height)
        self.view = Picture(self.say("prompt.view"), width=WIDTH, on_press=self.click)
        self.answers = [Picture(self.say("expect.mask", number=number), width=SMALL) for number in (1, 2, 3)]
        self._view_says = Line(self.say("prompt.view"), width=f"{WIDTH}px")
        self._says = [Line(width=f"{SMALL}px") for _ in self.answers]
        self.arrange(
            row([self.seconds, self.start_button, self.stop_button, self.again_button]),
            self.note,
            row(
                [
                    column([self.chart, self.legend, Line(self.say("prompt.ious"))], width=f"{self.chart.width}px"),
                    column([self.loss_chart, Line(self.say("prompt.losses"))], width=f"{self.chart.width}px"),
                ]
            ),
            row(
                [
                    column([self.view, self._view_says], width=f"{WIDTH}px"),
                    *(column(pair, width=f"{SMALL}px") for pair in zip(self.answers, self._says, strict=True)),
                ]
            ),
        )
        self.reset()

    def click(self, x: float, y: float) -> None:
        """Ask the model, in its present state, about a position of the scene."""
        self._click = (float(x), float(y))
        with self.model_lock:
            self._answer()

    def reset(self) -> None:
        """End the run, and forget the model."""
        self.stop()
        self.wait()
        self.steps, self.trained, self.trainer, self.before, self.after = 0, 0.0, None, None, None
        self.losses, self.chosen, self.oracle = [], [], []
        self._judge, self._asked = Judge(), None
        self.note.text = self.say("train.ready")
        for chart in (self.chart, self.loss_chart):
            chart.show(np.zeros((chart.height, chart.width, 4), np.uint8))
        self._answer()

    def export(self, path: Path) -> Path:
        """Write the averaged weights, for `Trainer`'s `start`, and return the path."""
        with self.model_lock:
            if self.trainer is None:
                self._build()
            assert self.trainer is not None  # noqa: S101  for the type checker
            self.trainer.export(path)
        return path

    # ------------------------------------------------------------------------------------------ training

    def _build(self) -> None:
        from sam_widget.learn.train import Trainer

        self.trainer = Trainer(self.config)
        self._batches = self.trainer.batches(scene_folder())

    def _prepare(self) -> None:
        with self.model_lock:
            if self.trainer is None:
                self._build()
            if self.before is None and self.trainer is not None:
                self.before = self._judge.measure(self.trainer)

    def _step(self) -> None:
        if self.trainer is not None:
            loss, _, _, chosen, oracle = self.trainer.train_step([next(self._batches)])
            self.losses.append(loss)
            self.chosen.append(chosen)
            self.oracle.append(oracle)

    def _curves(self) -> list[tuple[str, str, list[float]]]:
        return [
            (self.say("prompt.chosen"), "chosen mask", self.chosen),
            (self.say("prompt.oracle"), "best of three", self.oracle),
        ]

    def _look(self) -> None:
        if self.trainer is not None:
            predictor = self._judge.predictor(self.trainer)
            self._asked = predictor, predictor.embed(self._scene.image)
        self.loss_chart.show(curves([self.losses], width=self.chart.width, height=self.chart.height))
        self._answer()

    def _finish(self) -> None:
        if self.trainer is not None:
            self.after = self._judge.measure(self.trainer)

    # ------------------------------------------------------------------------------------------ answers

    def _answer(self) -> None:
        image = self._scene.image
        x, y = (int(value) for value in self._click)
        here = [mask for mask in self._scene.masks if mask[y, x]]
        # Which objects a click may mean: the smallest is shown.
        wanted = min(here, key=lambda mask: int(mask.sum())) if here else np.zeros(image.shape[:2], bool)
        self.view.show(tint(dim(image, wanted) if here else image, wanted, YOURS, alpha=0.3), draw=self._star)
        if self._asked is None:
            for picture, line in zip(self.answers, self._says, strict=True):
                picture.show(dim(image, np.zeros(image.shape[:2], bool)))
                line.text = "?"
            return
        predictor, embedding = self._asked
        answer = predictor.predict(embedding, points=[self._click])
        for number, (picture, line) in enumerate(zip(self.answers, self._says, strict=True)):
            mask = answer.masks[number]
            best = max((float(iou(mask, one)) for one in here), default=0.0)
            picture.show(tint(dim(image, mask), mask, LEVELS[number], alpha=0.4), draw=self._star)
            which = "prompt.row_best" if number == answer.best else "prompt.row"
            line.text = self.say(which, number=number + 1, score=f"{answer.scores[number]:.2f}", iou=f"{best:.2f}")

    def _star(self, pen: ImageDraw.ImageDraw, scale: float) -> None:
        star(pen, self._click[0] * scale, self._click[1] * scale)
