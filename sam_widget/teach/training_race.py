"""Runs of promptable training that differ in one thing, step by step on the same scenes: what does it change?"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets
import numpy as np
from PIL import ImageDraw

from sam_widget.errors import ModelError
from sam_widget.learn.train_config import TrainConfig
from sam_widget.masks.distance import next_click
from sam_widget.masks.measures import iou
from sam_widget.teach.drawing import SERIES, YOURS, dim, star, tint
from sam_widget.teach.held_out import Judge
from sam_widget.teach.mae_training import MaeTraining
from sam_widget.teach.panel import Line, column, row
from sam_widget.teach.picture import Picture
from sam_widget.teach.subject import scene
from sam_widget.teach.texts import Lang
from sam_widget.teach.texts_training import TRAINING_TEXTS
from sam_widget.teach.training import SCENE_SIZE, SCENES, TrainingPanel, scene_folder

if TYPE_CHECKING:  # It imports OpenCV, which is an extra.
    from sam_widget.learn.data import Batch
    from sam_widget.learn.train import Trainer

WIDTH = 180
# `tiny`, whose trunk knows ImageNet and is frozen: it answers clicks after a minute of training. The number of steps is
# never reached, so that the learning rate and the rounds do not depend on it.
LESSON = TrainConfig(
    network="tiny",
    image_size=128,
    scene_size=SCENE_SIZE,
    scenes=SCENES,
    steps=1_000_000,
    affinity_steps=0,
    balanced_steps=100,
    batch_size=2,
    prompts=4,
    rounds=4,
    learned_rounds=1,
    rounds_mean=2.0,
    level_share=0.0,  # As in the paper: the three masks learn by the minimum of their losses.
    warmup_steps=10,
    learning_rate=1e-3,
    ema=0.95,
    augmentation="workers",
)
# A plain ViT from random weights. In so short a run, all its masks would become empty under focal and dice loss.
FROM_SCRATCH = {
    "network": "lesson",
    "image_size": 64,
    "batch_size": 4,
    "balanced_steps": 1_000_000_000,
    "learning_rate": 2e-3,
}
PAPER_LOSS: dict[str, Any] = {"balanced_steps": 0}
RUNS: dict[str, dict[str, Any]] = {
    # All continue from a trained model, under the paper's loss.
    "everything": PAPER_LOSS,
    "no_focal": PAPER_LOSS | {"focal": 0.0},
    "no_dice": PAPER_LOSS | {"dice": 0.0},
    "no_score": PAPER_LOSS | {"score": 0.0},
    "no_minimum": PAPER_LOSS | {"winner": 0.0},
    "no_corrections": PAPER_LOSS | {"rounds": 1, "learned_rounds": 1, "rounds_mean": 1.0},
    # Differ only in the weights that they start from.
    "mae": FROM_SCRATCH,
    "scratch": FROM_SCRATCH,
}


@dataclasses.dataclass(frozen=True)
class RaceResult:
    """Where a run ended, on scenes that are never trained on; see `TrainingRace.results`.

    Attributes:
        name: Name of the run.
        steps: Steps that it took, as many as the others.
        one: Mean IoU of the mask with the highest score, after one click.
        three: The same after three clicks.
        oracle: Mean IoU of the best of the three masks, after one click.
        off: Mean distance of the score from the IoU, after one click.
        agreement: Mean IoU of the three masks with each other, after one click.
    """

    name: str
    steps: int
    one: float
    three: float
    oracle: float
    off: float
    agreement: float


class TrainingRace(TrainingPanel):
    """Trains several models by turns, with equal steps on equal scenes, and compares them on scenes they never see.

    >>> race = TrainingRace(["everything", "no_dice"], seconds=60)
    >>> race.run()  # or the button
    >>> race.results
    """

    def __init__(
        self,
        runs: Sequence[str] | Mapping[str, Mapping[str, Any]],
        *,
        seconds: float = 60,
        config: TrainConfig = LESSON,
        starts: Mapping[str, Path | MaeTraining] | Path | None = None,
        chosen: Sequence[str] | None = None,
        number: int = 6,
        target: int = 0,
        lang: Lang = "en",
    ) -> None:
        """Prepare the runs; models are built when training begins.

        Args:
            runs: Names from "everything", "no_focal", "no_dice", "no_score", "no_minimum", "no_corrections", "mae" and
                "scratch"; or what each run changes in the config, by name.
            seconds: Duration of all runs together.
            config: What all runs have in common.
            starts: What runs start from, by name: the encoder of a `MaeTraining`, or a file of `Trainer.export`; others
                start from random weights. One file is for all.
            chosen: Names of the runs that are switched on at first; None for all.
            number: Number of the scene that is shown, as in `scene`.
            target: Number of the object in it that is clicked.
            lang: "en" or "zh-TW".

        Raises:
            ModelError: A name is unknown.
            MissingExtraError: The extra `learn` is not installed.
        """
        super().__init__(seconds=seconds, lang=lang)
        self.config = config
        self.runs = dict(runs) if isinstance(runs, Mapping) else {name: _known(name) for name in runs}
        self.starts = dict.fromkeys(self.runs, starts) if isinstance(starts, Path) else dict(starts or {})
        self.results: list[RaceResult] = []
        self.trainers: dict[str, Trainer] = {}
        self._reached: dict[str, list[float]] = {name: [] for name in self.runs}
        self._batches: Iterator[Batch] = iter(())
        self._judge = Judge()
        self._shown = scene(number)
        self._wanted = self._shown.masks[target]
        place, _ = next_click(np.zeros_like(self._wanted), self._wanted)
        self._click = (float(place[0]), float(place[1]))
        self.checks = {
            name: ipywidgets.Checkbox(
                value=chosen is None or name in chosen,
                description=self._name(name),
                indent=False,
                layout=ipywidgets.Layout(width="auto"),
            )
            for name in self.runs
        }
        self.wanted = Picture(self.say("runs.wanted"), width=WIDTH)
        self.answers = {name: Picture(self.say("runs.scene", name=self._name(name)), width=WIDTH) for name in self.runs}
        self._says = {name: Line(self._name(name), width=f"{WIDTH}px") for name in self.runs}
        for check in self.checks.values():
            check.observe(lambda _change: self.reset(), "value")
        wanted = column([self.wanted, Line(self.say("runs.wanted"), width=f"{WIDTH}px")], width=f"{WIDTH}px")
        self._columns = {name: column([self.answers[name], self._says[name]], width=f"{WIDTH}px") for name in self.runs}
        self.arrange(
            row([*self.checks.values()]),
            row([self.seconds, self.start_button, self.stop_button]),
            self.note,
            row([column([self.chart, self.legend], width=f"{self.chart.width}px"), wanted, *self._columns.values()]),
        )
        self.wanted.show(tint(dim(self._shown.image, self._wanted), self._wanted, YOURS, alpha=0.35), draw=self._star)
        self.reset()

    def reset(self) -> None:
        """End the run, and forget all models."""
        self.stop()
        self.wait()
        self.steps, self.trained = 0, 0.0
        self.trainers, self.results, self._judge = {}, [], Judge()
        self._reached = {name: [] for name in self.runs}
        for name, picture in self.answers.items():
            picture.show(dim(self._shown.image, np.zeros(self._wanted.shape, bool)))
            self._says[name].text = self._name(name)
            self._columns[name].layout.display = None if self.checks[name].value else "none"
        self.note.text = self.say("train.ready")
        self.chart.show(np.zeros((self.chart.height, self.chart.width, 4), np.uint8))
        self.legend.show([])

    def table(self) -> str:
        """Return the results as lines of text: IoU after one and three clicks, best of three, error of the score."""
        head = f"{'':<14} steps 1 click 3 clicks best of 3 score off by agreement"
        return "\n".join(
            [
                head,
                *(
                    f"{one.name:<14} {one.steps:>5} {one.one:>7.2f} {one.three:>8.2f} {one.oracle:>9.2f}"
                    f" {one.off:>12.2f} {one.agreement:>9.2f}"
                    for one in self.results
                ),
            ]
        )

    # ------------------------------------------------------------------------------------------ training

    def _prepare(self) -> None:
        from sam_widget.learn.train import Trainer

        chosen = [name for name, check in self.checks.items() if check.value]
        if not chosen:
            raise ModelError(self.say("runs.choose"))
        for name in chosen:
            if name not in self.trainers:
                changed = dataclasses.replace(self.config, **self.runs[name])
                begin = self.starts.get(name)
                if isinstance(begin, MaeTraining):
                    begin = begin.export_sam(scene_folder() / "mae.safetensors")
                self.trainers[name] = Trainer(changed, start=begin)
        if len({(trainer.config.image_size, trainer.config.batch_size) for trainer in self.trainers.values()}) > 1:
            raise ModelError("the runs have images of different sizes or numbers; give runs that learn from the same")
        if not self.steps:
            self._batches = self.trainers[chosen[0]].batches(scene_folder())

    def _step(self) -> None:
        batch = next(self._batches)
        for name, trainer in self.trainers.items():
            _, _, _, last, _ = trainer.train_step([batch])
            self._reached[name].append(last)

    def _look(self) -> None:
        for name, trainer in self.trainers.items():
            predictor = self._judge.predictor(trainer)
            answer = predictor.predict(predictor.embed(self._shown.image), points=[self._click])
            mask = answer.masks[answer.best]
            colour = SERIES[[*self.runs].index(name) % len(SERIES)]
            self.answers[name].show(tint(dim(self._shown.image, mask), mask, colour, alpha=0.4), draw=self._star)
            self._says[name].text = f"{self._name(name)}: IoU {float(iou(mask, self._wanted)):.2f}"

    def _finish(self) -> None:
        self.results = [
            RaceResult(name, self.steps, **dataclasses.asdict(self._judge.measure(trainer)))
            for name, trainer in self.trainers.items()
        ]
        for one in self.results:
            self._says[one.name].text = self.say(
                "runs.row", name=self._name(one.name), one=f"{one.one:.2f}", three=f"{one.three:.2f}",
                oracle=f"{one.oracle:.2f}",
            )  # fmt: skip

    def _curves(self) -> list[tuple[str, str, list[float]]]:
        return [(self._name(name), name, values) for name, values in self._reached.items()]

    def _name(self, name: str) -> str:
        return self.say(f"runs.{name}") if f"runs.{name}" in TRAINING_TEXTS else name

    def _star(self, pen: ImageDraw.ImageDraw, scale: float) -> None:
        star(pen, self._click[0] * scale, self._click[1] * scale)


def _known(name: str) -> dict[str, Any]:
    if name not in RUNS:
        raise ModelError(f"unknown run {name!r}; expected one of {', '.join(RUNS)}, or a mapping of changes")
    return RUNS[name]
