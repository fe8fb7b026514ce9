"""Promptable training of the embedded model (paper, section 3 and appendix A) on rendered scenes.

Two phases in one run: for `affinity_steps` the image encoder alone learns which tokens belong together; then the whole
model learns to answer prompts, over one to `max_rounds` rounds of simulated corrections an image. A run is fixed by its
seed and goes on from its last checkpoint as if it had never stopped.
"""

from __future__ import annotations

import csv
import dataclasses
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sam_widget.errors import ModelError
from sam_widget.learn.data import Batch, SceneCache, TrainingSet, batches
from sam_widget.learn.losses import Affinity, promptable_loss
from sam_widget.learn.prompting import corrections, first_prompts, sample_targets
from sam_widget.model.config import TINY
from sam_widget.model.image_encoder import resample_positions
from sam_widget.model.mask_decoder import Attention
from sam_widget.model.sam import Sam


@dataclass(frozen=True)
class TrainConfig:
    """All that decides the outcome of a run; it is saved in the checkpoint and printed in the model card.

    Attributes:
        image_size: Side of the training images, in pixels.
        scene_size: Side of the rendered scenes that images are cropped from.
        scenes: Number of distinct scenes.
        steps: Optimiser steps in all.
        affinity_steps: First steps, in which only the image encoder learns.
        balanced_steps: Steps after those in which the mask loss is balanced cross-entropy, not focal and dice.
        batch_size: Images a step.
        prompts: Prompts an image.
        max_rounds: Most rounds of prompts; each step draws 1 to `max_rounds`.
        box_share: Share of steps that start from a box rather than a click.
        mask_share: Share of correction rounds that are also given the mask so far.
        learning_rate: Peak learning rate of AdamW.
        warmup_steps: Steps of linear warm-up, before cosine decay to 2% of the peak.
        weight_decay: Of matrices; vectors are not decayed.
        ema: Decay of the averaged weights, which are the ones exported.
        seed: Fixes scenes, order, augmentation, prompts and initial weights.
    """

    image_size: int = 256
    scene_size: int = 256
    scenes: int = 6_000
    steps: int = 2_550
    affinity_steps: int = 400
    balanced_steps: int = 150
    batch_size: int = 8
    prompts: int = 8
    max_rounds: int = 3
    box_share: float = 0.5
    mask_share: float = 0.7
    learning_rate: float = 6e-4
    warmup_steps: int = 100
    weight_decay: float = 0.05
    ema: float = 0.998
    seed: int = 0


def align_attention(model: Sam) -> None:
    """Start the decoder's cross-attention with equal query and key projections.

    Prompt tokens and image tokens share their positional code, so equal projections attend to the place of the prompt
    from the first step on, and to image tokens like the one found there from the second block on. Random projections
    must discover both, which takes a small run most of its time.
    """
    for module in model.mask_decoder.modules():
        if isinstance(module, Attention) and module.q_proj.out_features < module.q_proj.in_features:
            with torch.no_grad():
                module.q_proj.weight.mul_(2)
                module.k_proj.weight.copy_(module.q_proj.weight)
                module.k_proj.bias.copy_(module.q_proj.bias)


class Trainer:
    """One training run: model, averaged model, optimiser, and where in the run they are."""

    def __init__(self, config: TrainConfig, *, start: Path | None = None, device: str = "cpu") -> None:
        """Build a run.

        Args:
            config: What to do.
            start: Weights (safetensors) to start from, of any image size, in place of random ones.
            device: Where to compute.
        """
        torch.manual_seed(config.seed)
        self.config, self.device = config, torch.device(device)
        self.model = Sam(dataclasses.replace(TINY, image_size=config.image_size), name="tiny")
        if start is not None:
            weights = {name: value.float() for name, value in load_file(start).items()}
            self.model.load_state_dict(resample_positions(weights, self.model.config))
        else:
            align_attention(self.model)
        self.affinity = Affinity(TINY.prompt_dim)
        self.average = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
        self.model.to(self.device)
        self.affinity.to(self.device)
        self.average = {name: value.to(self.device) for name, value in self.average.items()}
        parameters = [*self.model.parameters(), *self.affinity.parameters()]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
                {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
            ],
            lr=config.learning_rate,
            betas=(0.9, 0.98),
        )
        self.generator = torch.Generator().manual_seed(config.seed)
        self.step = 0
        self.seconds = 0.0

    # ------------------------------------------------------------------------------------------ checkpoints

    def save(self, path: Path) -> None:
        """Write everything needed to go on, replacing an older checkpoint only once the new one is whole."""
        state = {
            "config": dataclasses.asdict(self.config),
            "step": self.step,
            "seconds": self.seconds,
            "model": self.model.state_dict(),
            "affinity": self.affinity.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
        }
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(path)

    @classmethod
    def resume(cls, path: Path, *, device: str = "cpu", **changes: Any) -> Trainer:
        """Go on from a checkpoint; `changes` replace fields of its config (a longer run, say).

        Raises:
            ModelError: The file is no training checkpoint.
        """
        state = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(state, dict) or "optimizer" not in state:
            raise ModelError(f"{path} is no training checkpoint; pass the checkpoint.pt that `train` wrote")
        trainer = cls(dataclasses.replace(TrainConfig(**state["config"]), **changes), device=device)
        trainer.model.load_state_dict(state["model"])
        trainer.affinity.load_state_dict(state["affinity"])
        trainer.average = {name: value.to(trainer.device) for name, value in state["average"].items()}
        trainer.optimizer.load_state_dict(state["optimizer"])
        trainer.generator.set_state(state["generator"])
        trainer.step, trainer.seconds = state["step"], state["seconds"]
        return trainer

    def export(self, path: Path) -> None:
        """Write the averaged weights as half-precision safetensors: what the package ships."""
        weights = {name: value.float().cpu() for name, value in self.average.items()}
        weights = {name: value.half().contiguous() for name, value in resample_positions(weights, TINY).items()}
        save_file(weights, path, metadata={"format": "pt"})

    # ------------------------------------------------------------------------------------------ the run

    def run(self, folder: Path, cache: Path, *, workers: int = 1, save_every: int = 100) -> None:
        """Train to the last step, writing `log.csv` and `checkpoint.pt` into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        config = self.config
        dataset = TrainingSet(
            SceneCache(cache, count=config.scenes, size=config.scene_size, seed=config.seed),
            image_size=config.image_size,
            seed=config.seed,
            length=(config.steps - self.step) * config.batch_size,
            start=self.step * config.batch_size,
        )
        log = folder / "log.csv"
        rows = list(csv.reader(log.read_text(encoding="utf-8").splitlines())) if log.exists() else []
        with log.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["step", "minutes", "lr", "loss", "affinity", "iou_first", "iou_last", "iou_oracle"])
            # What was logged after the checkpoint happens again.
            writer.writerows(row for row in rows[1:] if row and int(row[0]) <= self.step)
            started = time.monotonic()
            for batch in batches(dataset, batch_size=config.batch_size, workers=workers):
                figures = self.train_step(batch)
                now = time.monotonic()
                self.seconds, started = self.seconds + now - started, now
                row = [self.step, self.seconds / 60, self.learning_rate(), *figures]
                writer.writerow([f"{value:.5g}" for value in row])
                if self.step % 10 == 0:
                    file.flush()
                if self.step % save_every == 0 or self.step == config.steps:
                    self.save(folder / "checkpoint.pt")

    def learning_rate(self) -> float:
        """Return the learning rate of the present step: linear warm-up, cosine decay."""
        config = self.config
        if self.step < config.warmup_steps:
            return config.learning_rate * (self.step + 1) / config.warmup_steps
        progress = (self.step - config.warmup_steps) / max(config.steps - config.warmup_steps, 1)
        return config.learning_rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(progress, 1))))

    def train_step(self, batch: Batch) -> tuple[float, float, float, float, float]:
        """Take one optimiser step; return loss, affinity loss, and mean IoU at first and last round, and oracle."""
        config = self.config
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        self.model.train()
        precision = torch.bfloat16
        with torch.autocast(self.device.type, precision):
            embedding = self.model.encode_image(batch.pixels.to(self.device))
            affinity = self.affinity(embedding, batch.labels.to(self.device), self.generator)
        if self.step < config.affinity_steps:
            loss, first, last, oracle = affinity, math.nan, math.nan, math.nan
        else:
            prompted, first, last, oracle = self._prompt(batch, embedding)
            loss = prompted + 0.1 * affinity
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        self._average_weights()
        return float(loss.detach()), float(affinity.detach()), first, last, oracle

    def _prompt(self, batch: Batch, embedding: Tensor) -> tuple[Tensor, float, float, float]:
        """Run the rounds of prompts on an embedded batch; return their mean loss and the IoUs reached."""
        config, model = self.config, self.model
        mask_size = model.config.mask_size
        targets, valid = sample_targets(batch, per_image=config.prompts, mask_size=mask_size, generator=self.generator)
        draw = torch.rand(3, generator=self.generator).tolist()
        rounds = 1 + int(draw[0] * config.max_rounds)
        prompts = first_prompts(
            targets, image_size=config.image_size, box=draw[1] < config.box_share, generator=self.generator
        )
        targets_there, valid_there = targets.to(self.device), valid.to(self.device)
        losses, ious, oracles = [], [], []
        mask: Tensor | None = None
        for turn in range(rounds):
            with torch.autocast(self.device.type, torch.bfloat16):
                logits, scores = model.decode(
                    embedding,
                    points=prompts.points.to(self.device) if prompts.points.shape[1] else None,
                    labels=prompts.labels.to(self.device) if prompts.points.shape[1] else None,
                    boxes=None if prompts.boxes is None else prompts.boxes.to(self.device),
                    masks=mask,
                )
            logits, scores = logits.float(), scores.float()
            balanced = self.step < config.affinity_steps + config.balanced_steps
            loss, reached = promptable_loss(logits, scores, targets_there, valid_there, balanced=balanced)
            losses.append(loss)
            best = 1 + scores[:, 1:].argmax(1)
            rows = torch.arange(len(best), device=best.device)
            ious.append(float(reached[rows, best].mean()))
            oracles.append(float(reached[:, 1:].amax(1).mean()))
            if turn + 1 < rounds:
                chosen = logits[rows, best].detach()
                prompts.add(
                    *corrections(chosen.cpu(), targets, valid, image_size=config.image_size, generator=self.generator)
                )
                keep = torch.rand((), generator=self.generator) < config.mask_share
                mask = chosen[:, None] if keep else None
        return torch.stack(losses).mean(), ious[0], ious[-1], oracles[0]

    def _average_weights(self) -> None:
        # A short memory at first, so that the average does not carry the random start along.
        decay = min(self.config.ema, self.step / (self.step + 10))
        with torch.no_grad():
            for name, value in self.model.state_dict().items():
                if value.is_floating_point():
                    self.average[name].lerp_(value, 1 - decay)
