"""Teach a mask decoder what clicks mean here, from embedded views; the image encoder does not run.

A click can mean a subpart, a part or a whole (paper, section 3); a folder says which. First clicks and corrections are
learned alike, with focal and dice loss on the masks and squared error on the predicted IoU (appendix A). A decoder that
learned first clicks only, and left corrections to its base, lost at the second click what the first had gained: on
chest X-rays, the mean IoU fell from 0.71 to 0.47. The base answers boxes, see `model.tuned`. Where the clicks of a
person are known, they are used. The result is the running mean of the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sam_widget.engine.learner import Course, Learner, run
from sam_widget.engine.views import View
from sam_widget.learn.losses import promptable_loss
from sam_widget.learn.simulate_clicks import Prompts, corrections, first_prompts
from sam_widget.model.fast.parts import FastParts
from sam_widget.model.lora import is_adapted, scaled
from sam_widget.model.sam import ImageFeatures, Sam
from sam_widget.model.tiny.tiny import Tiny
from sam_widget.model.tuned import twin_of

# Learned tokens of the smallest kind of tuning: 2,048 parameters for a prompt encoder of 256 channels
# (PTSAM, arXiv 2504.16739).
TOKENS = 8
LEARNING_RATE = {"decoder": 4e-4, "tokens": 1e-2}
# For the decoder of `tiny`: with 4e-4, chest X-rays needed 9.3 clicks to IoU 0.85 after 150 steps, with 1e-3 7.1.
TINY_RATE = 1e-3
# A step learns the answer to one of so many clicks; those before it are simulated.
CLICKS = 3
# Share of steps whose first clicks are those that a person gave.
REPLAYED = 0.4
# Share of steps on generic photos, so that corrections there stay as good. After 50 steps on chest X-rays, they needed
# 20% more clicks with a share of 0.2, and 0.4% more with 0.45; the X-rays needed 0.69 and 0.73 times the clicks.
GENERIC = 0.45


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
    return run(
        Learner(lesson.learning, TINY_RATE if lesson.tiny is not None and kind == "decoder" else LEARNING_RATE[kind]),
        lambda: lesson.loss(generic if generic and lesson.chance(GENERIC) else views),
        budget_s=budget_s,
        most_steps=most_steps,
        cancelled=cancelled,
        progress=progress,
    )


class _Lesson:
    """A model being taught."""

    def __init__(self, base: Sam, kind: str, seed: int) -> None:
        self.model = twin_of(base).train()
        self.tiny = self.model if isinstance(self.model, Tiny) else None
        self.learning = self._parameters(kind)
        self.decoder = FastParts(self.model).mask_decoder
        self.generator = torch.Generator().manual_seed(seed)
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

    def loss(self, views: Sequence[View]) -> Tensor:
        """Answer clicks on a view, each but the first a correction, and learn from the last answer."""
        drawn = [views[k] for k in self._draw(len(views), self.images)]
        which = [self._draw(len(view.targets), self.prompts) for view in drawn]
        targets = torch.cat([view.targets[chosen] for view, chosen in zip(drawn, which, strict=True)])
        valid = torch.cat([view.valid.expand(self.prompts, -1, -1) for view in drawn])
        real = [view.points[k] for view, chosen in zip(drawn, which, strict=True) for k in chosen]
        features = _together([view.features for view in drawn])
        prompts = self._clicks(targets, real)
        for _ in range(self._draw(CLICKS, 1)[0]):
            with torch.no_grad():
                best = self._answered(features, prompts, targets, valid)[0].cpu()
            side = self.model.config.image_size
            prompts.add(*corrections(best, targets, valid, image_size=side, generator=self.generator))
        return self._answered(features, prompts, targets, valid)[1]

    def _answered(
        self, features: ImageFeatures, prompts: Prompts, targets: Tensor, valid: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the logits (B, m, m) of the mask that is given for each prompt, and the loss."""
        there = features.embedding.device
        given = prompts.to(there)
        everyone = torch.arange(len(targets), device=there)
        single = prompts.labels.shape[1] == 1

        def decoded(mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
            logits, scores = self.model.decode(
                features.embedding,
                high_resolution=features.high_resolution,
                **given,
                masks=mask,
                mask_decoder=self.decoder,
            )
            logits, scores = logits.float(), scores.float()
            kept = logits.detach()
            if self.tiny is not None:
                kept = self.tiny.kept(kept, **given, masks=mask)
            if not torch.is_grad_enabled():  # a click that only leads to the next one
                return kept, scores, scores.new_zeros(())
            loss, _ = promptable_loss(logits, scores, targets.to(there), valid.to(there), kept=kept)
            return kept, scores.detach(), loss

        kept, scores, loss = decoded(None)
        if self.tiny is None:
            return kept[everyone, 1 + scores[:, 1:].argmax(1)], loss
        # It decodes clicks a second time, with its best first answer as the mask, as in `Tiny.decode`.
        chosen = 1 + scores[:, 1:].argmax(1) if single else scores.argmax(1)
        again, better, second = decoded(kept[everyone, chosen][:, None])
        best = 1 + better[:, 1:].argmax(1) if single else torch.zeros_like(chosen)
        return again[everyone, best], (loss + second) / 2

    def _clicks(self, targets: Tensor, real: Sequence[np.ndarray]) -> Prompts:
        """Return a click on each target: simulated, or the first one that a person gave."""
        side = self.model.config.image_size
        prompts = first_prompts(targets, image_size=side, box=False, generator=self.generator)
        if self.chance(REPLAYED):
            for row, points in enumerate(real):
                if len(points):
                    prompts.points[row, 0] = torch.from_numpy(points[0, :2])
        return prompts

    def chance(self, share: float) -> bool:
        """Draw whether something happens that has this share."""
        return float(torch.rand(1, generator=self.generator)) < share

    def _draw(self, below: int, count: int) -> list[int]:
        return torch.randint(0, below, (count,), generator=self.generator).tolist()


def _together(features: Sequence[ImageFeatures]) -> ImageFeatures:
    finer = zip(*(each.high_resolution for each in features), strict=True)
    return ImageFeatures(torch.cat([each.embedding for each in features]), tuple(torch.cat(level) for level in finer))


def blended(base: Sam, tensors: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """Return tensors between those of the base (0) and tuned ones (1), as WiSE-FT does (arXiv 2109.01903)."""
    state: dict[str, Any] = base.state_dict()
    if is_adapted(tensors):
        return scaled(tensors, share)
    return {
        name: torch.lerp(state[name].float().cpu(), value.float().cpu(), share) if name in state else value * share
        for name, value in tensors.items()
    }
