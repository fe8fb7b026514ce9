"""How good a model is that is being trained: clicks on scenes that it is never trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sam_widget.masks.distance import next_click
from sam_widget.masks.measures import iou
from sam_widget.predictor.embeddings import EmbeddingCache
from sam_widget.predictor.prediction import Prediction
from sam_widget.predictor.predictor import Predictor
from sam_widget.teach.landscape import agreement_of
from sam_widget.teach.subject import Scene, scene

if TYPE_CHECKING:  # It imports OpenCV, which is an extra.
    from sam_widget.learn.train import Trainer
    from sam_widget.model.sam import Sam

# Scenes of the package, which training never renders, and objects in each.
SCENES, OBJECTS = (1, 6, 14, 18), 4


@dataclass(frozen=True)
class Held:
    """What a model reaches on held-out scenes; means over their objects.

    Attributes:
        one: IoU of the mask with the highest score, after a click in the middle of an object.
        three: The same after two corrections.
        oracle: IoU of the best of the three masks after one click.
        off: How far the score of the chosen mask is from its IoU.
        agreement: IoU of the three masks with each other.
    """

    one: float
    three: float
    oracle: float
    off: float
    agreement: float


class Judge:
    """Measures the averaged weights of a trainer, at the image size of its training."""

    def __init__(self, *, scenes: Sequence[int] = SCENES, objects: int = OBJECTS) -> None:
        """Choose scenes by their number, and the largest objects of each."""
        self.scenes: list[Scene] = [scene(number) for number in scenes]
        self.objects = objects
        self._models: dict[int, Sam] = {}

    def predictor(self, trainer: Trainer) -> Predictor:
        """Return a predictor with the present weights; a later one of the same trainer replaces it."""
        from sam_widget.learn.ablate import averaged

        model = self._models.get(id(trainer))
        if model is None:
            model = self._models[id(trainer)] = averaged(trainer, image_size=trainer.config.image_size)
        else:
            model.load_state_dict(trainer.average)
        return Predictor(model, cache=EmbeddingCache())

    def measure(self, trainer: Trainer) -> Held:
        """Measure a trainer on all scenes."""
        predictor = self.predictor(trainer)
        rows = []
        for one in self.scenes:
            embedding = predictor.embed(one.image)
            for wanted in one.masks[: self.objects]:
                clicks: list[tuple[float, float]] = []
                labels: list[int] = []
                answers: list[Prediction] = []
                given = np.zeros_like(wanted)
                for _ in range(3):
                    place, label = next_click(given, wanted)
                    clicks.append((float(place[0]), float(place[1])))
                    labels.append(label)
                    answer = predictor.predict(embedding, points=clicks, labels=labels)
                    given = answer.masks[answer.best]
                    answers.append(answer)
                reached = iou(answers[0].masks, wanted)
                best = answers[0].best
                rows.append(
                    (
                        reached[best],
                        iou(given, wanted),
                        reached.max(),
                        abs(answers[0].scores[best] - reached[best]),
                        agreement_of(answers[0].masks[None])[0],
                    )
                )
        return Held(*(float(value) for value in np.mean(rows, axis=0)))
