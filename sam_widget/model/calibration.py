"""Calibration: a monotonic map from predicted to expected IoU, learned where a model is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from sam_widget.errors import ModelError

# The least slope between two knots: scores that were different stay different, so that the best mask stays the best.
SLOPE = 0.02


@dataclass(frozen=True)
class Calibration:
    """A piecewise linear, strictly increasing map of scores.

    Attributes:
        before: Predicted IoUs, increasing.
        after: What they are mapped to, increasing.

    Raises:
        ModelError: The knots do not increase, or are not between 0 and 1.
    """

    before: tuple[float, ...]
    after: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check."""
        knots = (*self.before, *self.after)
        rising = all(a < b for row in (self.before, self.after) for a, b in pairwise(row))
        if len(self.before) != len(self.after) or len(self.before) < 2 or not rising or not _shares(knots):
            raise ModelError(
                f"invalid calibration from {self.before} to {self.after}: expected as many numbers, each between 0 and "
                "1 and more than the one before"
            )

    def __call__(self, scores: Tensor) -> Tensor:
        """Map scores of any shape."""
        before = scores.new_tensor(self.before)
        after = scores.new_tensor(self.after)
        right = torch.searchsorted(before, scores.contiguous()).clamp(1, len(before) - 1)
        low, high = before[right - 1], before[right]
        share = (scores - low) / (high - low)
        return torch.lerp(after[right - 1], after[right], share)


def _shares(values: Sequence[float]) -> bool:
    return all(0 <= value <= 1 for value in values)
