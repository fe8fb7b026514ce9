"""What all kinds of tuning have in common: a rate that rises and falls, a time budget, and the mean of the weights."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

WARMUP = 10
# Decay of the running mean of the weights.
MEAN = 0.98


@dataclass(frozen=True)
class Course:
    """How a run went.

    Attributes:
        steps: Steps taken.
        seconds: Time they took.
        losses: The loss of each step.
    """

    steps: int
    seconds: float
    losses: tuple[float, ...]


class Learner:
    """Parameters that learn.

    Attributes:
        learning: The parameters, by name.
        mean: The running mean of their values, which is what a run results in.
    """

    def __init__(self, learning: Mapping[str, nn.Parameter], rate: float) -> None:
        self.learning = learning
        self.mean: dict[str, Tensor] = {name: value.detach().clone() for name, value in learning.items()}
        self._rate = rate
        self._optimizer = torch.optim.AdamW(learning.values(), lr=rate, weight_decay=0, betas=(0.9, 0.98))
        self._steps = 0

    def step(self, loss_of: Callable[[], Tensor], share: float) -> float:
        """Learn from a loss; `share` is the part of the run that is over."""
        rate = self._rate * min(1, (self._steps + 1) / WARMUP) * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * share)))
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.zero_grad(set_to_none=True)
        loss = loss_of()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.learning.values(), 1.0)
        self._optimizer.step()
        self._steps += 1
        decay = min(MEAN, self._steps / (self._steps + 5))
        with torch.no_grad():
            for name, value in self.learning.items():
                self.mean[name].lerp_(value, 1 - decay)
        return float(loss.detach())


def run(
    learner: Learner,
    loss_of: Callable[[], Tensor],
    *,
    budget_s: float,
    most_steps: int,
    cancelled: Callable[[], bool],
    progress: Callable[[float], object],
) -> tuple[dict[str, Tensor], Course]:
    """Learn until the time or the steps are used up; returns the mean of the weights, and how it went."""
    started = time.monotonic()
    losses: list[float] = []
    while len(losses) < most_steps and not cancelled():
        share = max((time.monotonic() - started) / budget_s, len(losses) / most_steps)
        if share >= 1:
            break
        losses.append(learner.step(loss_of, share))
        progress(min(share, 1.0))
    return learner.mean, Course(len(losses), time.monotonic() - started, tuple(losses))
