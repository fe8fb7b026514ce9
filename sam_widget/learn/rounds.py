"""The rounds of prompts in one step (paper, appendix A, "Training algorithm"): a click or box, then corrections."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sam_widget.learn.data import Batch
from sam_widget.learn.losses import promptable_loss
from sam_widget.learn.round_plans import Plan, geometric, growing, twice
from sam_widget.learn.simulate_clicks import corrections, first_prompts, levels_at, sample_targets
from sam_widget.learn.train_config import TrainConfig
from sam_widget.model.sam import ImageFeatures, Sam
from sam_widget.model.tiny.tiny import Tiny


def learn_rounds(
    model: Sam,
    batch: Batch,
    features: ImageFeatures,
    *,
    config: TrainConfig,
    step: int,
    generator: torch.Generator,
    mask_decoder: nn.Module | None = None,
) -> tuple[Tensor, float, float, float]:
    """Run the rounds of prompts on an embedded batch.

    Args:
        model: The model to train.
        batch: Images and their regions.
        features: The embedded images, in float32.
        config: Settings of the run.
        step: Number of completed steps, which determines the number of rounds and the mask loss.
        generator: Determines prompts and rounds.
        mask_decoder: Another version of the model's mask decoder, such as that of `FastParts`.

    Returns:
        The mean loss of the rounds that are learned from, and the mean IoU of the best mask by score in the first round
        (NaN if it is not learned from) and the last, and of the best mask of all in the last.
    """
    there = features.embedding.device
    mask_size = model.config.mask_size
    draw = torch.rand(4, generator=generator).tolist()
    box = draw[0] < config.box_share
    targets, valid = sample_targets(batch, per_image=config.prompts, mask_size=mask_size, generator=generator, box=box)
    prompts = first_prompts(targets, image_size=config.image_size, box=box, generator=generator)
    planned = plan(config, step, draw[2], draw[3], masked=draw[1] < config.mask_share, generator=generator)
    targets_there, valid_there = targets.to(there), valid.to(there)
    losses, ious, oracles = [], [], []
    chosen = targets_there
    for turn, this in enumerate(planned.rounds):
        if turn and this.clicks:
            prompts.add(*corrections(chosen.cpu(), targets, valid, image_size=config.image_size, generator=generator))
        mask = chosen[:, None] if this.masked else None
        learns = turn >= planned.first
        with torch.autocast(there.type, torch.bfloat16, enabled=False), torch.set_grad_enabled(learns):
            given = prompts.to(there)
            logits, scores = model.decode(
                features.embedding,
                high_resolution=features.high_resolution,
                **given,
                masks=mask,
                mask_decoder=mask_decoder,
            )
        logits, scores = logits.float(), scores.float()
        kept = logits.detach()
        if isinstance(model, Tiny):
            kept = model.kept(kept, **given, masks=mask)
        best = 1 + scores[:, 1:].argmax(1)
        rows = torch.arange(len(best), device=best.device)
        chosen = kept[rows, best]
        if not learns:
            continue
        done = (step - config.affinity_steps) / max(config.balanced_steps, 1)
        balanced = max(0.0, 1 - done)
        levels = known = None
        if turn < planned.ambiguous and not box and draw[3] < config.level_share:  # it may mean any of the three levels
            at_click = levels_at(batch, prompts.points[:, 0], mask_size=mask_size)
            levels, known = (x.to(there) for x in at_click)
        loss, reached = promptable_loss(
            logits,
            scores,
            targets_there,
            valid_there,
            levels=levels,
            known=known,
            kept=kept,
            balanced=balanced,
            weights=config.weights,
        )
        losses.append(loss)
        ious.append(float(reached[rows, best].mean()))
        oracles.append(float(reached[:, 1:].amax(1).mean()))
    # The IoU after a first click has a separate curve, with gaps at steps that learn from later rounds.
    return torch.stack(losses).mean(), ious[0] if planned.first == 0 else math.nan, ious[-1], oracles[-1]


def plan(
    config: TrainConfig, step: int, start: float, rest: float, *, masked: bool, generator: torch.Generator
) -> Plan:
    """Draw the rounds of a step; see `round_plans` for `start` and `rest`, two random numbers from 0 to 1."""
    most, learned, mean = config.rounds, config.learned_rounds, config.rounds_mean
    # Draws no unnecessary random numbers, so that older runs can be reproduced.
    if config.twice_share and float(torch.rand(1, generator=generator)) < config.twice_share:
        return twice(start, mean=mean, rounds=most)
    if mean:
        return geometric(start, rest, mean=mean, rounds=most, learned_rounds=learned, masked=masked)
    progress = step / max(config.steps, 1)
    return growing(start, rest, progress=progress, rounds=most, learned_rounds=learned, masked=masked)
