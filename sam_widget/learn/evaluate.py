"""Evaluation on photos with human masks: mIoU after 1, 3 and 5 clicks and from a box, beside two priors.

Protocol: Sofiiuk et al., "Reviving Iterative Training with Mask Guidance for Interactive Segmentation"
(arXiv 2102.06583). The first click falls on the centre of the mask, each further one on the centre of the largest
error region; the box is tight around the mask. The mask that the model itself scores highest counts; the best of its
three ("oracle") is reported beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from sam_widget.errors import SamWidgetError
from sam_widget.image import to_rgb
from sam_widget.learn.prompting import inner_distance
from sam_widget.masks import box_from_mask, iou
from sam_widget.predictor import Embedding, Predictor

CLICKS = 5
REPORTED = (1, 3, 5)


@dataclass(frozen=True)
class Sample:
    """One photo and one human mask on it: (H, W, 3) uint8 and (H, W) bool."""

    name: str
    image: np.ndarray
    mask: np.ndarray


@dataclass
class Figures:
    """IoUs of one method, one entry a mask.

    Attributes:
        clicks: (masks, CLICKS) IoU after each click.
        box: (masks,) IoU from the box.
        oracle: (masks,) IoU of the best of three masks after one click.
        score_error: |predicted - true IoU| of every answer.
    """

    name: str
    clicks: list[list[float]] = field(default_factory=list)
    box: list[float] = field(default_factory=list)
    oracle: list[float] = field(default_factory=list)
    score_error: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Answer:
    """A method's answer to a prompt: its masks (N, H, W) and, where it has them, their scores (N,)."""

    masks: np.ndarray
    scores: np.ndarray | None = None

    @property
    def best(self) -> int:
        """Index of the mask that counts."""
        return 0 if self.scores is None else int(self.scores.argmax())


class Method(Protocol):
    """Anything that answers prompts on a photo."""

    name: str

    def start(self, image: np.ndarray) -> None:
        """Take up a photo (H, W, 3)."""

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
        """Predict three masks from the whole prompt, as the widget does."""
        if self._embedding is None:
            raise SamWidgetError("start with a photo")
        prediction = self.predictor.predict(self._embedding, points=points, labels=labels, box=box)
        return Answer(prediction.masks, prediction.scores)


class Disc:
    """The prior without a model: a disc of 0.2 x the short side around foreground clicks minus 0.1 x around others."""

    name = "disc"

    def start(self, image: np.ndarray) -> None:
        """Remember the photo's size."""
        self._height, self._width = image.shape[:2]

    def answer(self, points: np.ndarray, labels: np.ndarray, box: np.ndarray | None) -> Answer:
        """Return discs around the clicks, or the box itself."""
        mask = np.zeros((self._height, self._width), bool)
        if box is not None:
            x0, y0, x1, y1 = (round(float(value)) for value in box)
            mask[y0:y1, x0:x1] = True
            return Answer(mask[None])
        y, x = np.mgrid[: self._height, : self._width] + 0.5
        short = min(self._height, self._width)
        for foreground, radius in ((1, 0.2 * short), (0, 0.1 * short)):
            for px, py in points[labels == foreground]:
                mask[(x - px) ** 2 + (y - py) ** 2 <= radius**2] = bool(foreground)
        return Answer(mask[None])


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


def next_click(given: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the next click, x and y at a pixel centre, and its label: the deepest point of the largest error."""
    depths = [inner_distance(wanted & ~given), inner_distance(given & ~wanted)]
    foreground = depths[0].max() >= depths[1].max()
    depth = depths[0] if foreground else depths[1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return np.array([x + 0.5, y + 0.5]), int(foreground)


def evaluate(method: Method, data: Sequence[Sample], *, progress: Callable[[int, int], None] | None = None) -> Figures:
    """Run the protocol with one method over all samples."""
    figures = Figures(method.name)
    image: np.ndarray | None = None
    for done, sample in enumerate(data):
        if sample.image is not image:
            image = sample.image
            method.start(image)
        box = box_from_mask(sample.mask)
        if box is None:
            raise SamWidgetError(f"the mask of {sample.name} is empty")
        corners = np.array([box.x0, box.y0, box.x1, box.y1])
        _note(figures, figures.box, method.answer(np.zeros((0, 2)), np.zeros(0, int), corners), sample)

        given = np.zeros_like(sample.mask)
        points, labels = np.zeros((0, 2)), np.zeros(0, int)
        course: list[float] = []
        for turn in range(CLICKS):
            point, label = next_click(given, sample.mask)
            points, labels = np.vstack([points, point]), np.append(labels, label)
            answer = method.answer(points, labels, None)
            if turn == 0:
                figures.oracle.append(max(float(iou(mask, sample.mask)) for mask in answer.masks))
            _note(figures, course, answer, sample)
            given = answer.masks[answer.best]
        figures.clicks.append(course)
        if progress:
            progress(done + 1, len(data))
    return figures


def _note(figures: Figures, column: list[float], answer: Answer, sample: Sample) -> None:
    reached = float(iou(answer.masks[answer.best], sample.mask))
    column.append(reached)
    if answer.scores is not None:
        figures.score_error.append(abs(float(answer.scores[answer.best]) - reached))


def table(results: Sequence[Figures]) -> str:
    """Return the figures of several methods as a Markdown table of mean IoUs."""
    head = ["", *(f"{n} click{'s' * (n > 1)}" for n in REPORTED), "oracle, 1 click", "box", "\\|score - IoU\\|"]
    rows = []
    for figures in results:
        clicks = np.array(figures.clicks).mean(0)
        score = f"{np.mean(figures.score_error):.3f}" if figures.score_error else "-"
        cells = [*(clicks[n - 1] for n in REPORTED), np.mean(figures.oracle), np.mean(figures.box)]
        rows.append([figures.name, *(f"{cell:.3f}" for cell in cells), score])
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
