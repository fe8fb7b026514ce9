"""Promptable training of the embedded model (paper, section 3 and appendix A) on rendered scenes.

Two phases in one run: for `affinity_steps` the image encoder alone learns which tokens belong together; then the whole
model learns to answer prompts, over up to `rounds` rounds of simulated corrections. A run is determined by its seed
and resumes from its last checkpoint as if it had never stopped.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sam_widget.errors import ModelError
from sam_widget.learn.augment import mixed_batches
from sam_widget.learn.checkpoints import average_weights, log_from, parameter_groups, read_checkpoint, write_checkpoint
from sam_widget.learn.curves import draw_curves
from sam_widget.learn.data import Batch, SceneCache, TrainingSet, batches
from sam_widget.learn.frozen_trunk import FrozenTrunkEncoder
from sam_widget.learn.losses import Affinity
from sam_widget.learn.networks import begin_trunk, network, trunk_of
from sam_widget.learn.photo_masks import PhotoMasks
from sam_widget.learn.rounds import learn_rounds
from sam_widget.learn.train_config import TrainConfig
from sam_widget.model.config import TinyConfig
from sam_widget.model.fast.parts import FastParts
from sam_widget.model.image_encoder import resample_positions
from sam_widget.model.mask_decoder import Attention
from sam_widget.model.sam import ImageFeatures, Sam
from sam_widget.model.tiny.tiny import Tiny


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


def computes_in_half(precision: str, device: str) -> bool:
    """Return whether to compute in bfloat16.

    Raises:
        ModelError: There is no such precision.
    """
    if precision not in ("auto", "float32", "bfloat16"):
        raise ModelError(f"the precision is {precision!r}; expected auto, float32 or bfloat16")
    if precision != "auto":
        return precision == "bfloat16"
    return device != "cpu" or bool(torch.cpu.get_capabilities().get("avx512_bf16"))


def build(config: TrainConfig) -> Sam:
    """Build the network of a run, with random weights.

    Raises:
        ModelError: There is no such network.
    """
    sizes = dataclasses.replace(network(config.network).config, image_size=config.image_size)
    if isinstance(sizes, TinyConfig):
        return Tiny(sizes, name=config.network)
    return Sam(sizes, name=config.network)


class Trainer:
    """One training run: model, averaged model, optimiser, and the current step."""

    def __init__(self, config: TrainConfig, *, start: Path | None = None, device: str = "cpu") -> None:
        """Build a run.

        Args:
            config: Settings of the run.
            start: Weights (safetensors) to start from, of any image size, instead of random ones.
            device: Where to compute.

        Raises:
            ModelError: There is no such network or augmentation, or its weights are missing.
        """
        torch.manual_seed(config.seed)
        if config.augmentation == "auto":
            config = dataclasses.replace(config, augmentation="workers" if device == "cpu" else "device")
        if config.augmentation not in ("workers", "device"):
            raise ModelError(f"the augmentation is {config.augmentation!r}; expected auto, workers or device")
        self.half = computes_in_half(config.precision, device)
        self.config, self.device, self.network = config, torch.device(device), network(config.network)
        self.model = build(config)
        if start is not None:
            weights = {name: value.float() for name, value in load_file(start).items()}
            # Excludes BatchNorm running statistics.
            self.model.load_state_dict(self.model.state_dict() | resample_positions(weights, self.model.config))
        else:
            align_attention(self.model)
            begin_trunk(self.model, self.network.begins)
        self.affinity = Affinity(self.model.config.prompt_dim)
        self.average = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
        self.model.to(self.device)
        self.affinity.to(self.device)
        self.average = {name: value.to(self.device) for name, value in self.average.items()}
        self.parts = FastParts(self.model)
        self.trunk = trunk_of(self.model)
        rate = self.network.trunk_rate if config.trunk_rate is None else config.trunk_rate
        trunk = list(self.trunk.parameters()) if self.trunk is not None else []
        self.trunk_learns = rate > 0
        self._frozen: FrozenTrunkEncoder | None = None
        for parameter in trunk:
            parameter.requires_grad_(self.trunk_learns)
        theirs = {id(parameter) for parameter in trunk}
        ours = [p for p in (*self.model.parameters(), *self.affinity.parameters()) if id(p) not in theirs]
        groups = [(ours, 1.0), (trunk, rate)] if trunk and rate > 0 else [(ours, 1.0)]
        self.optimizer = torch.optim.AdamW(
            [
                group
                for parameters, relative in groups
                for group in parameter_groups(parameters, config.weight_decay, relative=relative)
            ],
            lr=config.learning_rate,
            betas=(0.9, 0.98),
        )
        self.generator = torch.Generator().manual_seed(config.seed)
        self.step = 0
        self.seconds = 0.0

    # ------------------------------------------------------------------------------------------ checkpoints

    def save(self, path: Path) -> None:
        """Write everything needed to resume, replacing an older checkpoint only once the new one is complete."""
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
        write_checkpoint(state, path)

    @classmethod
    def resume(cls, path: Path, *, device: str = "cpu", **changes: Any) -> Trainer:
        """Resume from a checkpoint; `changes` replace fields of its config (for example, to train longer).

        Raises:
            ModelError: The file is not a training checkpoint.
        """
        state = read_checkpoint(path)
        if "config" not in state:
            raise ModelError(f"{path} is not a checkpoint of training; pass the checkpoint.pt that `train` wrote")
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
        weights = {name: value.cpu() for name, value in self.average.items()}
        weights = resample_positions(weights, self.network.config)
        weights = {name: value.half() if value.is_floating_point() else value for name, value in weights.items()}
        weights = {name: value.contiguous() for name, value in weights.items()}
        save_file(weights, path, metadata={"format": "pt"})

    # ------------------------------------------------------------------------------------------ the run

    def run(
        self,
        folder: Path,
        cache: Path,
        *,
        photos: PhotoMasks | None = None,
        workers: int = 1,
        save_every: int = 100,
    ) -> None:
        """Train to the last step, writing `log.csv`, `checkpoint.pt` and `curves.png` into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        config = self.config
        log = folder / "log.csv"
        columns = ["step", "minutes", "lr", "loss", "affinity", "iou_first", "iou_last", "iou_oracle"]
        with log_from(log, columns, step=self.step) as (writer, file):
            started = time.monotonic()
            stream = iter(self.batches(cache, photos=photos, workers=workers))
            while step := list(itertools.islice(stream, config.accumulate)):
                figures = self.train_step(step)
                now = time.monotonic()
                self.seconds, started = self.seconds + now - started, now
                row = [self.step, self.seconds / 60, self.learning_rate(), *figures]
                writer.writerow([f"{value:.5g}" for value in row])
                if self.step % 10 == 0:
                    file.flush()
                if self.step % save_every == 0 or self.step == config.steps:
                    file.flush()
                    self.save(folder / "checkpoint.pt")
                    draw_curves(log, folder / "curves.png")

    def batches(self, cache: Path, *, photos: PhotoMasks | None = None, workers: int = 0) -> Iterator[Batch]:
        """Yield the batches from the current step to the last, `accumulate` per step."""
        config = self.config
        a_step = config.batch_size * config.accumulate
        seed = config.seed if config.scene_seed < 0 else config.scene_seed
        dataset = TrainingSet(
            SceneCache(cache, count=config.scenes, size=config.scene_size, seed=seed, without=config.without),
            image_size=config.image_size,
            seed=config.seed,
            length=(config.steps - self.step) * a_step,
            start=self.step * a_step,
            photos=photos,
            photo_share=config.photo_share,
            paste_share=config.paste_share,
        )
        if config.augmentation == "workers" or photos is not None:  # Only workers know how to cut photos.
            return batches(dataset, batch_size=config.batch_size, workers=workers)
        return mixed_batches(
            dataset,
            batch_size=config.batch_size,
            workers=workers,
            device=self.device,
            paste_share=config.paste_share,
        )

    def learning_rate(self) -> float:
        """Return the learning rate of the current step: linear warm-up, cosine decay."""
        config = self.config
        if self.step < config.warmup_steps:
            return config.learning_rate * (self.step + 1) / config.warmup_steps
        progress = (self.step - config.warmup_steps) / max(config.steps - config.warmup_steps, 1)
        return config.learning_rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(progress, 1))))

    def train_step(self, batches: Sequence[Batch]) -> tuple[float, float, float, float, float]:
        """Take one optimiser step; return loss, affinity loss, and mean IoU at first and last round, and oracle."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate() * group["relative"]
        self.model.train()
        if self.trunk is not None and self.network.begins != "random":
            self.trunk.eval()  # Its batch norm statistics come from photos, and are better than those of scenes.
        self.optimizer.zero_grad(set_to_none=True)
        figures = torch.tensor([self._learn(batch, 1 / len(batches)) for batch in batches]).mean(0)
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        average_weights(self.average, self.model, step=self.step, decay=self.config.ema)
        loss, affinity, first, last, oracle = figures.tolist()
        return loss, affinity, first, last, oracle

    def _encode(self, pixels: Tensor) -> ImageFeatures:
        """Embed (B, 3, S, S) uint8 pixels as the model does, but faster if the trunk is frozen."""
        model = self.model
        if self.trunk is None or self.trunk_learns or not isinstance(model, Tiny) or model.config.trunk == "vit":
            return model.encode(pixels)
        if self._frozen is None:  # Not before: a checkpoint may have loaded other weights.
            self._frozen = FrozenTrunkEncoder(model.image_encoder)
        return model.encode(pixels, image_encoder=self._frozen)

    def _learn(self, batch: Batch, weight: float) -> tuple[float, float, float, float, float]:
        """Add the gradients of one batch; return the figures of `train_step`."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            features = self._encode(batch.pixels.to(self.device))
        features = ImageFeatures(features.embedding.float(), tuple(x.float() for x in features.high_resolution))
        warming, affinity = self.step < self.config.affinity_steps, features.embedding.new_zeros(())
        if warming or self.config.affinity_weight > 0:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
                affinity = self.affinity(features.embedding, batch.labels.to(self.device), self.generator)
        if warming:
            loss, first, last, oracle = affinity, math.nan, math.nan, math.nan
        else:
            prompted, first, last, oracle = learn_rounds(
                self.model,
                batch,
                features,
                config=self.config,
                step=self.step,
                generator=self.generator,
                mask_decoder=self.parts.mask_decoder,
            )
            loss = prompted + self.config.affinity_weight * affinity
        (weight * loss).backward()  # type: ignore[no-untyped-call]
        return float(loss.detach()), float(affinity.detach()), first, last, oracle
