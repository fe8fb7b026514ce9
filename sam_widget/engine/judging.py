"""Count the clicks that a model needs, on embedded views: the protocol of the evaluation on the grid of the masks.

Several masks of a view are clicked at once, so that a round of tuning can be judged in seconds. Counts are close to
those of `evaluate_clicks`, which works on pixels.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from sam_widget.engine.views import View
from sam_widget.masks.distance import next_click
from sam_widget.model.fast.parts import FastParts
from sam_widget.model.sam import Sam
from sam_widget.model.tuned import decode

GOAL = 0.85
# Clicks after which a mask counts as not reached; the evaluation's 20 would take twice as long.
CAP = 10
# Masks of a view that are judged; the rest would make the round longer and the figure hardly more certain.
MASKS = 12
# Masks that are clicked at once. Where time is short, a few masks of each view say more than all masks of a few views.
PART = 4


@dataclass(frozen=True, eq=False)
class Clicks:
    """What was measured.

    Attributes:
        counts: (N,) clicks to an IoU of `GOAL`; `CAP + 1` where it was not reached.
        first: (N,) IoU after the first click.
        scored: (M, 2) predicted and true IoU of the answers to up to five clicks.
        sizes: Number of masks of each part that was judged, at most `PART`.
    """

    counts: np.ndarray
    first: np.ndarray
    scored: np.ndarray
    sizes: tuple[int, ...] = ()

    @property
    def mean(self) -> float:
        """The mean number of clicks (NoC@85)."""
        return float(self.counts.mean()) if len(self.counts) else float("nan")

    def of(self, parts: int) -> Clicks:
        """Return the counts of the first parts, to compare them with another model's."""
        masks = sum(self.sizes[:parts])
        return replace(self, counts=self.counts[:masks], first=self.first[:masks], sizes=self.sizes[:parts])


def judge(
    model: Sam,
    views: Sequence[View],
    *,
    seconds: float = float("inf"),
    most: int | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Clicks:
    """Click on all masks of some views until they are right.

    Args:
        model: The model.
        views: The views.
        seconds: Time after which no further part begins; at least one is judged.
        most: Number of parts to judge, to compare the model with another one.
        cancelled: Called before every part; once it returns true, the rest is left out.
    """
    ends = time.monotonic() + seconds
    parts = FastParts(model)
    results: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for view, targets in _parts(views)[:most]:
        if cancelled() or (results and time.monotonic() >= ends):
            break
        results.append(_clicked(model, parts, view, targets))
    if not results:
        return Clicks(np.zeros(0, int), np.zeros(0), np.zeros((0, 2)))
    counts, first, scored = (np.concatenate(each) for each in zip(*results, strict=True))
    return Clicks(counts, first, scored, tuple(len(one) for one, _, _ in results))


def _parts(views: Sequence[View]) -> list[tuple[View, np.ndarray]]:
    """Return views and a few masks (N, m, m) of each; the first masks of all views come before the others."""
    masks = [(view, (view.targets[:MASKS] > 0.5).numpy()) for view in views]
    shown = [(view, targets[targets.any((1, 2))]) for view, targets in masks]
    return [
        (view, targets[start : start + PART])
        for start in range(0, MASKS, PART)
        for view, targets in shown
        if start < len(targets)
    ]


def _clicked(
    model: Sam, parts: FastParts, view: View, targets: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    inside = view.valid.numpy() > 0
    features = view.features
    device = features.embedding.device
    cell = model.config.image_size / model.config.mask_size
    counts = np.full(len(targets), CAP + 1)
    first = np.zeros(len(targets))
    given = np.zeros_like(targets)
    points, labels = np.zeros((len(targets), 0, 2)), np.zeros((len(targets), 0), int)
    scored: list[tuple[float, float]] = []
    left = np.arange(len(targets))
    for turn in range(CAP):
        clicks = [next_click(given[k], targets[k]) for k in left]
        grown = np.full((len(targets), 1, 2), 0.0), np.full((len(targets), 1), -1)
        grown[0][left, 0] = np.array([point for point, _ in clicks]).reshape(-1, 2) * cell
        grown[1][left, 0] = [label for _, label in clicks]
        points, labels = np.concatenate([points, grown[0]], 1), np.concatenate([labels, grown[1]], 1)
        with torch.inference_mode():
            logits, scores = decode(
                model,
                parts,
                features.embedding,
                high_resolution=features.high_resolution,
                points=torch.from_numpy(points[left]).float().to(device),
                labels=torch.from_numpy(labels[left]).to(device),
            )
        best = _best(scores)
        masks = (logits[torch.arange(len(left)), best] > model.config.mask_threshold).cpu().numpy() & inside
        given[left] = masks
        reached = _ious(masks, targets[left])
        if turn == 0:
            first[left] = reached
        if turn < 5:
            chosen = scores[torch.arange(len(left)), best].float().cpu().numpy()
            scored += list(zip(chosen.tolist(), reached.tolist(), strict=True))
        counts[left[reached >= GOAL]] = turn + 1
        left = left[reached < GOAL]
        if not len(left):
            break
    return counts, first, np.array(scored).reshape(-1, 2)


def _best(scores: Tensor) -> Tensor:
    return 1 + scores[:, 1:].argmax(1)


def _ious(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the IoUs of masks (N, m, m) with others."""
    both, either = (one & other).sum((1, 2)), (one | other).sum((1, 2))
    return np.asarray(both / np.maximum(either, 1))
