"""Train only the score head, on answers that are computed once.

Everything else is frozen, so masks do not change; only their scores do, and with them the choice among the three.
Answers are computed as at inference: at the model's own image size, and twice (see `Tiny.decode`). The head learns from
its input token and from each mask's own confidence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from sam_widget.errors import ModelError
from sam_widget.learn.checkpoints import parameter_groups
from sam_widget.learn.data import Batch, SceneCache, TrainingSet, batches
from sam_widget.learn.frozen_trunk import FrozenTrunkEncoder
from sam_widget.learn.losses import mask_iou
from sam_widget.learn.photo_masks import PhotoMasks
from sam_widget.learn.simulate_clicks import corrections, first_prompts, sample_targets
from sam_widget.model.sam import ImageFeatures
from sam_widget.model.tiny.decoder import expected_iou
from sam_widget.model.tiny.tiny import Tiny, tiny

TEMPERATURE = 0.05
"""Difference of scores at which one mask is almost always chosen, when the choice is learned."""


@dataclass(frozen=True)
class ScoreConfig:
    """How the head is trained.

    Attributes:
        images: Number of pictures for which answers are computed.
        photo_share: Share of them that are photos; the rest is rendered scenes.
        prompts: Targets per picture.
        clicks: Maximum number of clicks on a target. The first prompt is a box for every fourth picture.
        scenes: Number of distinct scenes.
        scene_size: Their side, in pixels.
        without: One of `Effects` to leave out of them.
        scene_seed: Their seed.
        steps: Optimiser steps of 256 answers.
        learning_rate: Initial learning rate of AdamW, with cosine decay to zero.
        choice: Weight of the loss on the choice among the three masks, next to that on the scores.
        seed: Determines pictures, prompts and order.
    """

    images: int = 1_200
    photo_share: float = 0.75
    prompts: int = 4
    clicks: int = 3
    scenes: int = 4_000
    scene_size: int = 320
    without: str = "camera"
    scene_seed: int = 0
    steps: int = 300
    learning_rate: float = 1e-4
    choice: float = 0.5
    seed: int = 0


@dataclass(frozen=True)
class Answers:
    """N answers of the model.

    Attributes:
        tokens: (N, dim), input of the head.
        sure: (N, 4), logits of the IoU expected from each mask's own confidence.
        reached: (N, 4), its true IoU.
    """

    tokens: Tensor
    sure: Tensor
    reached: Tensor

    def __len__(self) -> int:
        return len(self.tokens)

    def of(self, rows: Tensor) -> Answers:
        """Return a subset of the answers."""
        return Answers(self.tokens[rows], self.sure[rows], self.reached[rows])


def load(path: Path) -> Tiny:
    """Load exported weights of `tiny`, in single precision.

    Raises:
        ModelError: The weights are not those of `tiny`.
    """
    model = tiny()
    try:
        model.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    except (OSError, RuntimeError) as error:
        raise ModelError(f"{path} does not hold weights of tiny: {error}") from error
    return model.requires_grad_(requires_grad=False).eval()


@torch.no_grad()
def answers(model: Tiny, pictures: Iterator[Batch], config: ScoreConfig) -> Answers:
    """Compute the model's answers for all pictures."""
    generator = torch.Generator().manual_seed(config.seed)
    encoder, read = FrozenTrunkEncoder(model.image_encoder).eval(), []
    hook = model.mask_decoder.iou_prediction_head.register_forward_pre_hook(lambda _, given: read.append(given[0]))
    found: list[Answers] = []
    for number, batch in enumerate(pictures):
        features = model.encode(batch.pixels, image_encoder=encoder)
        box = number % 4 == 3
        found += _of_batch(model, batch, features, config, read=read, generator=generator, box=box)
    hook.remove()
    return Answers(*(torch.cat(column) for column in zip(*((a.tokens, a.sure, a.reached) for a in found), strict=True)))


def _of_batch(
    model: Tiny,
    batch: Batch,
    features: ImageFeatures,
    config: ScoreConfig,
    *,
    read: list[Tensor],
    generator: torch.Generator,
    box: bool,
) -> list[Answers]:
    size, side = model.config.image_size, model.config.mask_size
    targets, valid = sample_targets(batch, per_image=config.prompts, mask_size=side, generator=generator, box=box)
    prompts = first_prompts(targets, image_size=size, box=box, generator=generator)
    rows, found = torch.arange(len(targets)), []
    for turn in range(1 if box else config.clicks):
        own = None
        for _ in range(2):
            given = prompts.to(features.embedding.device)
            read.clear()
            prompted = {"high_resolution": features.high_resolution, **given}
            _, kept, scores = model.decode_once(features.embedding, prompted, own=own)  # both of its answers
            reached = mask_iou(kept, targets[:, None].expand_as(kept), valid[:, None].expand_as(kept))
            found.append(Answers(read[0].clone(), expected_iou(kept).logit(eps=1e-3), reached))
            own = kept[rows, 1 + scores[:, 1:].argmax(1)][:, None]
        if turn + 1 < config.clicks and not box:
            chosen = own[:, 0] if own is not None else targets
            prompts.add(*corrections(chosen, targets, valid, image_size=size, generator=generator))
    return found


def fit(model: Tiny, known: Answers, config: ScoreConfig) -> tuple[float, float]:
    """Train the head on answers; return the mean error of its scores before and after."""
    decoder = model.mask_decoder
    learning = [*decoder.iou_prediction_head.parameters(), decoder.score_of_certainty]
    for parameter in learning:
        parameter.requires_grad = True
    optimizer = torch.optim.AdamW(parameter_groups(learning, 0.01), lr=config.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.steps)
    generator = torch.Generator().manual_seed(config.seed)

    def scores(some: Answers) -> Tensor:
        logits: Any = decoder.iou_prediction_head(some.tokens)
        return (logits + decoder.score_of_certainty * some.sure).sigmoid()

    def off() -> float:
        with torch.no_grad():
            return float((scores(known) - known.reached).abs().mean())

    before = off()
    for _ in range(config.steps):
        some = known.of(torch.randint(len(known), (256,), generator=generator))
        predicted = scores(some)
        chosen = (predicted[:, 1:] / TEMPERATURE).softmax(1)
        missed = (some.reached[:, 1:].amax(1) - (chosen * some.reached[:, 1:]).sum(1)).mean()
        loss = smooth_l1_loss(predicted, some.reached, beta=0.05) + config.choice * missed
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return before, off()


def train_scores(
    weights: Path, out: Path, config: ScoreConfig, *, photos: Path, cache: Path
) -> tuple[int, float, float]:
    """Write weights with a trained head; return the number of answers, and the mean error of scores before and after.

    Raises:
        ModelError: The weights are not those of `tiny`.
    """
    model = load(weights)
    scenes = SceneCache(
        cache, count=config.scenes, size=config.scene_size, seed=config.scene_seed, without=config.without
    )
    pictures = TrainingSet(
        scenes,
        image_size=model.config.image_size,
        seed=config.seed,
        length=config.images,
        photos=PhotoMasks(photos, cache=cache / "labels"),
        photo_share=config.photo_share,
    )
    known = answers(model, batches(pictures, batch_size=4, workers=0), config)
    before, after = fit(model, known, config)
    head = {f"mask_decoder.{name}": value.detach() for name, value in model.mask_decoder.named_parameters()}
    state = load_file(weights)
    learned = [name for name in head if "iou_prediction_head" in name or "score_of_certainty" in name]
    state |= {name: head[name].to(state[name].dtype).contiguous() for name in learned}
    save_file(state, out, metadata={"format": "pt"})
    return len(known), before, after
