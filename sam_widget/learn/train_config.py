"""The settings of a training run."""

from __future__ import annotations

from dataclasses import dataclass

from sam_widget.learn.losses import PAPER, LossWeights


@dataclass(frozen=True)
class TrainConfig:
    """All settings that determine the result of a run; saved in the checkpoint and printed in the model card.

    Attributes:
        network: "tiny", or another of `networks.NETWORKS`.
        image_size: Side of the training images, in pixels.
        scene_size: Side of the rendered scenes that images are cropped from.
        scenes: Number of distinct scenes.
        without: One of `Effects` to leave out of the scenes, to measure its contribution.
        steps: Total number of optimiser steps.
        affinity_steps: First steps, in which only the image encoder learns.
        balanced_steps: Following steps, over which the mask loss changes from balanced cross-entropy to the paper's
            focal and dice. With the latter from the start, all masks become empty.
        batch_size: Images per batch.
        accumulate: Batches per step.
        prompts: Prompts per image.
        rounds: Maximum number of rounds of prompts; the paper has 11. Two of them add only the mask and no new click:
            one somewhere between the others, and the last. They grow in number over the first half of the run.
        learned_rounds: Consecutive rounds per step that are learned from; earlier ones are decoded without
            gradients, so that late rounds can be learned without the cost of all. Equal to `rounds`: as in the paper.
        box_share: Share of steps that start from a box rather than a click.
        level_share: Share of first clicks after which each of the three masks learns its own level, subpart, part or
            whole, instead of only the best one learning the target.
        mask_share: Share of steps whose corrections also get the previous mask.
        learning_rate: Peak learning rate of AdamW.
        trunk_rate: Learning rate of the trunk, relative to that; at 0 the trunk is frozen. By default the
            network's own.
        warmup_steps: Steps of linear warm-up, before cosine decay to 2% of the peak.
        weight_decay: Weight decay of matrices; vectors are not decayed.
        ema: Decay of the averaged weights, which are the ones exported.
        augmentation: Where scenes are cut and recoloured: by the processes that read them ("workers", see
            `data.augment`), or on the device, where things from other scenes are also pasted into them ("device", see
            `augment`). "auto" is the device unless that is the CPU; a resumed run keeps its setting.
        paste_share: Share of the attempts at pasting that are made: on the device between scenes, by the processes
            that read them from photos with human masks.
        photo_share: Share of the images that are photos with human masks, if a run has any; the rest are scenes.
        twice_share: Share of steps in which each prompt is decoded twice, the second time with the first answer as its
            mask, as at inference; see `round_plans.twice`.
        rounds_mean: Mean number of rounds per step, drawn from a geometric law up to `rounds`; at 0 they grow in number
            over the first half of the run, see `rounds`.
        affinity_weight: Weight of the affinity loss next to the promptable one.
        precision: "float32", "bfloat16" or "auto": the latter where the processor or device computes in it, and
            does not emulate it at four times the cost.
        focal: Weight of the focal loss; see `LossWeights`, also for the next three.
        dice: Weight of the dice loss.
        score: Weight of the error of the predicted IoUs.
        winner: Weight of the best of the three masks; the mean of all three gets the rest.
        scene_seed: Seed of the scenes; at -1 it is `seed`. Another run's scenes need not be rendered again.
        seed: Determines scenes, order, augmentation, prompts and initial weights.
    """

    network: str = "tiny"
    image_size: int = 256
    scene_size: int = 384
    scenes: int = 6_000
    without: str = ""
    steps: int = 4_000
    affinity_steps: int = 150
    balanced_steps: int = 200
    batch_size: int = 8
    accumulate: int = 1
    prompts: int = 6
    rounds: int = 11
    learned_rounds: int = 2
    box_share: float = 0.4
    level_share: float = 1.0
    mask_share: float = 0.5
    learning_rate: float = 8e-4
    trunk_rate: float | None = None
    warmup_steps: int = 100
    weight_decay: float = 0.05
    ema: float = 0.998
    augmentation: str = "auto"
    paste_share: float = 0.5
    photo_share: float = 0.75
    twice_share: float = 0.0
    rounds_mean: float = 0.0
    affinity_weight: float = 0.1
    precision: str = "auto"
    focal: float = PAPER.focal
    dice: float = PAPER.dice
    score: float = PAPER.score
    winner: float = PAPER.winner
    scene_seed: int = -1
    seed: int = 0

    @property
    def weights(self) -> LossWeights:
        """The weights of the loss."""
        return LossWeights(self.focal, self.dice, self.score, self.winner)
