"""The evaluation protocol: simulated prompts on photos with human masks. `report` presents the results.

Protocol: Sofiiuk et al., "Reviving Iterative Training with Mask Guidance for Interactive Segmentation" (arXiv
2102.06583). The first click is at the centre of the mask, each further one at the centre of the largest error region of
the method's previous answer; the box is tight around the mask. The mask with the highest predicted score counts; the
best of the three ("oracle") is reported as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from sam_widget.errors import SamWidgetError
from sam_widget.image.reading import to_rgb
from sam_widget.learn.evaluate.certainty import boundary_f
from sam_widget.masks.cleanup import TIDY, clean
from sam_widget.masks.distance import next_click
from sam_widget.masks.measures import box_from_mask, iou
from sam_widget.predictor.predictor import Embedding, Predictor

REPORTED = (1, 3, 5)
"""Clicks after which the mean IoU is reported."""
GOALS = (0.85, 0.90)
"""IoUs for which the number of clicks (NoC) is counted."""
CAP = 20
"""Number of clicks counted for a mask that never reaches the goal."""


@dataclass(frozen=True)
class Sample:
    """One photo and one human mask on it: (H, W, 3) uint8 and (H, W) bool."""

    name: str
    image: np.ndarray
    mask: np.ndarray


@dataclass
class Figures:
    """Results of one method, one entry per sample.

    Attributes:
        name: Name of the method.
        limit: Maximum number of clicks per sample.
        samples: The samples that were measured.
        clicks: IoU after each click. After the last of `REPORTED`, a sequence ends once it reaches the highest of
            `GOALS`.
        box: IoU from the box.
        oracle: IoU of the best of the masks after one click.
        scores: Pairs of predicted and true IoU for the box and for the clicks up to the last of `REPORTED`; empty for
            methods that predict no scores.
        answers: (3, H, W) masks after the first and the last of `REPORTED`, and from the box, as packed bits.
        points: (N, 3) x, y and label of the clicks, up to the last of `REPORTED`.
        outlines: Boundary F-measures of those three masks; see `certainty.boundary_f`.
        seconds: Time taken by the method itself, including embedding.
    """

    name: str
    limit: int = REPORTED[-1]
    samples: list[Sample] = field(default_factory=list)
    clicks: list[list[float]] = field(default_factory=list)
    box: list[float] = field(default_factory=list)
    oracle: list[float] = field(default_factory=list)
    scores: list[tuple[float, float]] = field(default_factory=list)
    answers: list[np.ndarray] = field(default_factory=list)
    points: list[np.ndarray] = field(default_factory=list)
    outlines: list[tuple[float, ...]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def photos(self) -> list[str]:
        """The name of each sample's photo: NAME for the masks NAME_0, NAME_1, ..."""
        return [sample.name.rsplit("_", 1)[0] for sample in self.samples]

    @property
    def score_error(self) -> float | None:
        """Mean |predicted - true IoU|, or None for a method that predicts no scores."""
        return float(np.mean([abs(predicted - true) for predicted, true in self.scores])) if self.scores else None

    def after(self, clicks: int) -> np.ndarray:
        """Return the IoU of each sample after a number of clicks, at most the last of `REPORTED`: (samples,)."""
        return np.array([course[clicks - 1] for course in self.clicks])

    def clicks_to(self, goal: float) -> np.ndarray:
        """Return the number of clicks (NoC) needed to reach an IoU, (samples,); `CAP` if it was not reached."""
        reached = [np.flatnonzero(np.array(course[:CAP]) >= goal) for course in self.clicks]
        return np.array([hits[0] + 1 if len(hits) else CAP for hits in reached])

    def masks(self, index: int) -> np.ndarray:
        """Return the masks (3, H, W) of a sample: after the first and the last of `REPORTED`, and from the box."""
        shape = self.samples[index].mask.shape
        bits = np.unpackbits(self.answers[index], axis=1, count=shape[0] * shape[1])
        return bits.reshape(-1, *shape).astype(bool)


@dataclass(frozen=True)
class Answer:
    """A method's answer to a prompt: masks (N, H, W) and, if the method predicts them, their scores (N,).

    Attributes:
        chosen: Index of the mask that the method offers first; None for the one with the highest score.
    """

    masks: np.ndarray
    scores: np.ndarray | None = None
    chosen: int | None = None

    @property
    def best(self) -> int:
        """The index of the mask that is evaluated."""
        if self.chosen is not None:
            return self.chosen
        return 0 if self.scores is None else int(self.scores.argmax())


class Method(Protocol):
    """Anything that answers prompts on a photo."""

    name: str

    def start(self, image: np.ndarray) -> None:
        """Prepare for prompts on a photo (H, W, 3)."""

    def answer(self, points: np.ndarray, labels: np.ndarray, box: np.ndarray | None) -> Answer:
        """Answer points (N, 2) with labels (N,), or a box (4,)."""


class ModelMethod:
    """A Segment Anything model through the public predictor."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor, self.name = predictor, predictor.model.name
        self._embedding: Embedding | None = None

    def start(self, image: np.ndarray) -> None:
        """Embed the photo."""
        self._embedding = self.predictor.embed(image)

    def answer(self, points: np.ndarray, labels: np.ndarray, box: np.ndarray | None) -> Answer:
        """Predict three masks from the whole prompt, without specks, as the widget does."""
        if self._embedding is None:
            raise SamWidgetError("no photo has been embedded; call start with a photo first")
        prediction = self.predictor.predict(self._embedding, points=points, labels=labels, box=box)
        masks = np.stack([clean(mask, TIDY).array for mask in prediction.stored])
        return Answer(masks, prediction.scores, prediction.best)


def samples(folder: Path) -> Iterator[Sample]:
    """Yield the samples of a folder with `images/NAME.*` and `masks/NAME_K.png`.

    Raises:
        SamWidgetError: The folder does not have that layout, or a mask does not fit its photo.
    """
    images = sorted(path for path in (folder / "images").glob("*") if path.is_file())
    if not images:
        raise SamWidgetError(f"{folder} has no images/; expected images/NAME.jpg and masks/NAME_0.png, NAME_1.png, ...")
    for path in images:
        image = to_rgb(path)
        for mask_path in sorted((folder / "masks").glob(f"{path.stem}_*.png")):
            mask = to_rgb(mask_path)[..., 0] > 127
            if mask.shape != image.shape[:2]:
                raise SamWidgetError(f"{mask_path} is {mask.shape} but its photo is {image.shape[:2]}")
            if mask.any():
                yield Sample(mask_path.stem, image, mask)


def evaluate(
    method: Method,
    data: Sequence[Sample],
    *,
    clicks: int = REPORTED[-1],
    progress: Callable[[int, int], object] | None = None,
) -> Figures:
    """Run the protocol with one method over all samples.

    Args:
        method: The method to evaluate.
        data: Photos and masks; samples of one photo are consecutive.
        clicks: Maximum number of clicks per sample, at least the last of `REPORTED`. The number of clicks to a goal
            (NoC) is reported only for `CAP` clicks.
        progress: Called with the number of samples done and the total.

    Raises:
        SamWidgetError: Too few clicks, or a mask is empty.
    """
    if clicks < REPORTED[-1]:
        raise SamWidgetError(f"{clicks} clicks were requested; the figures need {REPORTED[-1]} or more")
    figures = Figures(method.name, clicks)
    image: np.ndarray | None = None
    for done, sample in enumerate(data):
        box = box_from_mask(sample.mask)
        if box is None:
            raise SamWidgetError(f"the mask of {sample.name} is empty; remove it or draw it again")
        started = time.perf_counter()
        if sample.image is not image:
            image = sample.image
            method.start(image)
        corners = np.array([box.x0, box.y0, box.x1, box.y1], float)
        boxed = method.answer(np.zeros((0, 2)), np.zeros(0, int), corners)
        figures.seconds += time.perf_counter() - started
        figures.box.append(_reached(figures, boxed, sample, scored=True))

        given = np.zeros_like(sample.mask)
        points, labels = np.zeros((0, 2)), np.zeros(0, int)
        course: list[float] = []
        kept = {}
        while len(course) < REPORTED[-1] or (len(course) < clicks and course[-1] < GOALS[-1]):
            point, label = next_click(given, sample.mask)
            points, labels = np.vstack([points, point]), np.append(labels, label)
            started = time.perf_counter()
            answer = method.answer(points, labels, None)
            figures.seconds += time.perf_counter() - started
            if not course:
                figures.oracle.append(max(float(iou(mask, sample.mask)) for mask in answer.masks))
            course.append(_reached(figures, answer, sample, scored=len(course) < REPORTED[-1]))
            given = kept[len(course)] = answer.masks[answer.best]
        figures.samples.append(sample)
        figures.clicks.append(course)
        shown = np.stack([kept[REPORTED[0]], kept[REPORTED[-1]], boxed.masks[boxed.best]])
        figures.outlines.append(tuple(boundary_f(mask, sample.mask) for mask in shown))
        figures.answers.append(np.packbits(shown.reshape(3, -1), axis=1))
        figures.points.append(np.column_stack([points, labels])[: REPORTED[-1]])
        if progress:
            progress(done + 1, len(data))
    return figures


def _reached(figures: Figures, answer: Answer, sample: Sample, *, scored: bool) -> float:
    reached = float(iou(answer.masks[answer.best], sample.mask))
    if scored and answer.scores is not None:
        figures.scores.append((float(answer.scores[answer.best]), reached))
    return reached
