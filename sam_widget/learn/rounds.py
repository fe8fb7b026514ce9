"""One step's rounds of prompts (paper, appendix A, "Training algorithm"): a first click or box, then corrections."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sam_widget.learn.data import Batch
from sam_widget.learn.losses import promptable_loss
from sam_widget.learn.simulate_clicks import corrections, first_prompts, levels_at, sample_targets
from sam_widget.learn.train_config import TrainConfig
from sam_widget.model.sam import ImageFeatures, Sam
from sam_widget.model.tiny.tiny import Tiny


def learn_rounds(
    model: Sam, batch: Batch, features: ImageFeatures, *, config: TrainConfig, step: int, generator: torch.Generator
) -> tuple[Tensor, float, float, float]:
    """Run the rounds of prompts on an embedded batch.

    Args:
        model: What learns.
        batch: Images and their things.
        features: The embedded images, in float32.
        config: Settings of the run.
        step: Steps that have been taken; the number of rounds and the mask loss depend on it.
        generator: Determines prompts and rounds.

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
    with_masks = draw[1] < config.mask_share
    first, last, resting = plan(config, step, draw[2], draw[3])
    targets_there, valid_there = targets.to(there), valid.to(there)
    losses, ious, oracles = [], [], []
    mask: Tensor | None = None
    for turn in range(last):
        with torch.autocast(there.type, torch.bfloat16, enabled=False), torch.set_grad_enabled(turn >= first):
            given = prompts.to(there)
            logits, scores = model.decode(
                features.embedding, high_resolution=features.high_resolution, **given, masks=mask
            )
        logits, scores = logits.float(), scores.float()
        kept = logits.detach()
        if isinstance(model, Tiny):
            kept = model.kept(kept, **given, masks=mask)
        best = 1 + scores[:, 1:].argmax(1)
        rows = torch.arange(len(best), device=best.device)
        if turn >= first:
            done = (step - config.affinity_steps) / max(config.balanced_steps, 1)
            balanced = max(0.0, 1 - done)
            levels = known = None
            if turn == 0 and not box and draw[3] < config.level_share:  # It could mean any of the three.
                at_click = levels_at(batch, prompts.points[:, 0], mask_size=mask_size)
                levels, known = (x.to(there) for x in at_click)
            loss, reached = promptable_loss(
                logits, scores, targets_there, valid_there, levels=levels, known=known, kept=kept, balanced=balanced
            )
            losses.append(loss)
            ious.append(float(reached[rows, best].mean()))
            oracles.append(float(reached[:, 1:].amax(1).mean()))
        chosen = kept[rows, best]
        if with_masks:
            mask = chosen[:, None]
        if turn + 1 < last and not (with_masks and turn + 1 in resting):
            prompts.add(*corrections(chosen.cpu(), targets, valid, image_size=config.image_size, generator=generator))
    # The IoU after a first click has a curve of its own, with gaps at steps that learn later rounds.
    return torch.stack(losses).mean(), ious[0] if first == 0 else math.nan, ious[-1], oracles[-1]


def plan(config: TrainConfig, step: int, start: float, rest: float) -> tuple[int, int, tuple[int, int]]:
    """Return the first round to learn from, the number of rounds, and the two without a new click.

    Early rounds are learned from more often: later ones start from their masks. `start` and `rest` are two random
    numbers from 0 to 1.
    """
    if config.rounds_mean:
        return _geometric_plan(config, start, rest)
    grown = min(1.0, 2 * step / max(config.steps, 1))
    rounds = max(min(config.rounds, 2), round(config.rounds * grown))
    learned = min(config.learned_rounds, rounds)
    first = int((rounds - learned + 1) * start**2)
    return first, first + learned, (1 + int(rest * (rounds - 1)), rounds - 1)


def _geometric_plan(config: TrainConfig, start: float, rest: float) -> tuple[int, int, tuple[int, int]]:
    """Plan rounds whose number follows a geometric law: most steps are short, and any round is met."""
    chance = 1 / max(config.rounds_mean - config.learned_rounds + 1, 1)
    before = 0 if chance >= 1 else int(math.log(max(1 - start, 1e-9)) / math.log(1 - chance))
    first = min(before, max(config.rounds - config.learned_rounds, 0))
    last = first + config.learned_rounds
    # Short steps rarely have a round without a click: they are meant for corrections.
    return first, last, (1 + int(rest * 2 * (last - 1)), -1)
