"""Teach a mask decoder from embedded views, within a time budget; the image encoder does not run.

The steps are those of promptable training (paper, appendix A): a click or a box, then corrections where the answer is
wrong, focal and dice loss on the masks, and squared error on the predicted IoU. Where the clicks that led to a mask are
known, they are replayed, so the decoder learns from what really happened. The result is the running mean of the
weights.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sam_widget.engine.views import View
from sam_widget.learn.losses import promptable_loss
from sam_widget.learn.simulate_clicks import Prompts, corrections, first_prompts
from sam_widget.model.fast.parts import FastParts
from sam_widget.model.sam import ImageFeatures, Sam
from sam_widget.model.tiny.tiny import Tiny
from sam_widget.model.tuned import twin_of

# Learned tokens of the smallest kind of tuning: 2,048 parameters for a prompt encoder of 256 channels
# (PTSAM, arXiv 2504.16739).
TOKENS = 8
LEARNING_RATE = {"decoder": 5e-4, "tokens": 1e-2}
WARMUP = 10
# Decay of the running mean of the weights.
MEAN = 0.98
# Shares of steps that start from a box, that replay real clicks, and that come from generic photos.
BOXES, REPLAYED, GENERIC = 0.15, 0.4, 0.25
# Share of steps that decode a second time with the first answer as the mask, as `tiny` does.
TWICE = 0.5
# Episodes in parallel; the share of them with a single click, and the most clicks of the others.
EPISODES = 8
SINGLE = 0.3
MOST_CLICKS = 14


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


def teach(
    base: Sam,
    views: Sequence[View],
    *,
    generic: Sequence[View] = (),
    kind: str = "decoder",
    budget_s: float,
    most_steps: int = 10_000,
    seed: int = 0,
    cancelled: Callable[[], bool] = lambda: False,
    progress: Callable[[float], object] = lambda _share: None,
) -> tuple[dict[str, Tensor], Course]:
    """Tune a copy of a model, and return the tensors that changed.

    Args:
        base: The model to start from; it is not changed.
        views: Embedded views with at least one mask each.
        generic: Views of other photos, so that the model does not forget them (replay).
        kind: "decoder": prompt encoder and mask decoder; "tokens": tokens added to every prompt.
        budget_s: Time in seconds, after which the run ends.
        most_steps: Steps after which it ends earlier.
        seed: Determines views, prompts and corrections.
        cancelled: Called before every step; once it returns true, the run ends with what it has learned.
        progress: Called after every step with the share of the budget that is used.
    """
    lesson = _Lesson(base, kind, seed)
    started = time.monotonic()
    losses: list[float] = []
    while len(losses) < most_steps and not cancelled():
        share = max((time.monotonic() - started) / budget_s, len(losses) / most_steps)
        if share >= 1:
            break
        losses.append(lesson.step(views, generic, share))
        progress(min(share, 1.0))
    return lesson.mean, Course(len(losses), time.monotonic() - started, tuple(losses))


@dataclass
class _Episode:
    """Some masks that are clicked on, step by step.

    Attributes:
        views: Where the next episode in this place comes from.
        features: The embedded views.
        targets: (B, m, m) in [0, 1].
        valid: (B, m, m), 1 inside the image.
        prompts: The clicks so far.
        left: Number of answers until the episode ends.
    """

    views: Sequence[View]
    features: ImageFeatures
    targets: Tensor
    valid: Tensor
    prompts: Prompts
    left: int


class _Lesson:
    """A model being taught."""

    def __init__(self, base: Sam, kind: str, seed: int) -> None:
        self.model = twin_of(base).train()
        self.tiny = self.model if isinstance(self.model, Tiny) else None
        self.learning = self._parameters(kind)
        self.mean = {name: value.detach().clone() for name, value in self.learning.items()}
        self.rate = LEARNING_RATE[kind]
        self.optimizer = torch.optim.AdamW(self.learning.values(), lr=self.rate, weight_decay=0, betas=(0.9, 0.98))
        self.decoder = FastParts(self.model).mask_decoder
        self.generator = torch.Generator().manual_seed(seed)
        self.steps = 0
        self.pools: list[list[_Episode]] = []
        config = self.model.config
        # Few prompts a step and many steps: as good as twice the prompts at the same number of steps (car parts).
        self.images, self.prompts = 1, 6 if config.mask_size <= 128 else 4

    def _parameters(self, kind: str) -> dict[str, nn.Parameter]:
        """Return the parameters to learn, as copies that the base does not share."""
        model = self.model
        if kind == "tokens":
            model.requires_grad_(requires_grad=False)
            width = model.config.prompt_dim
            device = next(model.mask_decoder.parameters()).device
            given = torch.zeros(TOKENS, width, device=device) if model.tokens is None else model.tokens.detach().clone()
            model.tokens = nn.Parameter(given)
            return {"tokens": model.tokens}
        learned = {}
        for name, parameter in list(model.named_parameters()):
            if name.startswith("image_encoder.") or not parameter.is_floating_point():
                parameter.requires_grad = False
                continue
            owner, _, last = name.rpartition(".")
            copied = nn.Parameter(parameter.detach().clone())
            setattr(model.get_submodule(owner), last, copied)
            learned[name] = copied
        return learned

    def step(self, views: Sequence[View], generic: Sequence[View], share: float) -> float:
        """Learn from a few views; `share` is the part of the run that is over."""
        rate = self.rate * min(1, (self.steps + 1) / WARMUP) * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * share)))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        if not self.pools:
            self.pools = [[self._begin(some) for _ in range(EPISODES)] for some in (views, generic) if some]
        loss = self._loss(self.pools[-1] if self._chance(GENERIC) else self.pools[0])
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.learning.values(), 1.0)
        self.optimizer.step()
        self.steps += 1
        decay = min(MEAN, self.steps / (self.steps + 5))
        with torch.no_grad():
            for name, value in self.learning.items():
                self.mean[name].lerp_(value, 1 - decay)
        return float(loss.detach())

    def _loss(self, pool: list[_Episode]) -> Tensor:
        """Answer one of the episodes and learn from the answer; then give it the next click, or begin another one."""
        place = self._draw(len(pool), 1)[0]
        episode = pool[place]
        if not episode.left:
            episode = pool[place] = self._begin(episode.views)
        losses: list[Tensor] = []
        chosen = self._answer(episode, None, losses)
        if self.tiny is not None and self._chance(TWICE):
            chosen = self._answer(episode, chosen[:, None], losses)
        episode.left -= 1
        if episode.left:
            side = self.model.config.image_size
            episode.prompts.add(
                *corrections(chosen.cpu(), episode.targets, episode.valid, image_size=side, generator=self.generator)
            )
        return torch.stack(losses).mean()

    def _begin(self, views: Sequence[View]) -> _Episode:
        drawn = [views[k] for k in self._draw(len(views), self.images)]
        which = [self._draw(len(view.targets), self.prompts) for view in drawn]
        targets = torch.cat([view.targets[chosen] for view, chosen in zip(drawn, which, strict=True)])
        real = [view.points[k] for view, chosen in zip(drawn, which, strict=True) for k in chosen]
        return _Episode(
            views,
            _together([view.features for view in drawn]),
            targets,
            torch.cat([view.valid.expand(self.prompts, -1, -1) for view in drawn]),
            self._first(targets, real),
            1 if self._chance(SINGLE) else 2 + self._draw(MOST_CLICKS - 1, 1)[0],
        )

    def _answer(self, episode: _Episode, mask: Tensor | None, losses: list[Tensor]) -> Tensor:
        """Decode the prompts of an episode, add the loss, and return the logits of the best masks: (B, m, m)."""
        there = episode.features.embedding.device
        given = episode.prompts.to(there)
        logits, scores = self.model.decode(
            episode.features.embedding,
            high_resolution=episode.features.high_resolution,
            **given,
            masks=mask,
            mask_decoder=self.decoder,
        )
        logits, scores = logits.float(), scores.float()
        kept = logits.detach()
        if self.tiny is not None:
            kept = self.tiny.kept(kept, **given, masks=mask)
        losses.append(promptable_loss(logits, scores, episode.targets.to(there), episode.valid.to(there), kept=kept)[0])
        best = 1 + scores.detach()[:, 1:].argmax(1)
        return kept[torch.arange(len(best), device=there), best]

    def _first(self, targets: Tensor, real: Sequence[np.ndarray]) -> Prompts:
        """Return the first prompts: simulated, or a part of the clicks that a person gave."""
        box = self._chance(BOXES)
        prompts = first_prompts(targets, image_size=self.model.config.image_size, box=box, generator=self.generator)
        if box or not self._chance(REPLAYED) or not any(len(points) for points in real):
            return prompts
        lengths = [int(torch.randint(1, len(points) + 1, (1,), generator=self.generator)) if len(points) else 0
                   for points in real]  # fmt: skip
        most = max(lengths)
        points = torch.zeros(len(real), most, 2)
        labels = torch.full((len(real), most), -1)
        for row, (clicks, length) in enumerate(zip(real, lengths, strict=True)):
            if length:
                points[row, :length] = torch.from_numpy(clicks[:length, :2])
                labels[row, :length] = torch.from_numpy(clicks[:length, 2]).long()
            else:
                points[row, :1], labels[row, :1] = prompts.points[row], prompts.labels[row]
        return Prompts(points, labels)

    def _chance(self, share: float) -> bool:
        return float(torch.rand(1, generator=self.generator)) < share

    def _draw(self, below: int, count: int) -> list[int]:
        return torch.randint(0, below, (count,), generator=self.generator).tolist()


def _together(features: Sequence[ImageFeatures]) -> ImageFeatures:
    finer = zip(*(each.high_resolution for each in features), strict=True)
    return ImageFeatures(torch.cat([each.embedding for each in features]), tuple(torch.cat(level) for level in finer))


def blended(base: Sam, tensors: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """Return tensors between those of the base (0) and tuned ones (1), as WiSE-FT does (arXiv 2109.01903)."""
    state: dict[str, Any] = base.state_dict()
    return {
        name: torch.lerp(state[name].float().cpu(), value.float().cpu(), share) if name in state else value * share
        for name, value in tensors.items()
    }
