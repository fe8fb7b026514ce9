"""Masked pre-training (arXiv 2111.06377): what can be learned from unlabelled pictures?

The pictures are rendered scenes and a dozen photos, with new crops, flips and colours at each visit. A run is
determined by its seed and resumes from its last checkpoint as if it had never stopped.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from safetensors.torch import save_file
from timm.layers import Attention
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from sam_widget.errors import ModelError
from sam_widget.learn.checkpoints import average_weights, log_from, parameter_groups, read_checkpoint, write_checkpoint
from sam_widget.learn.data import SceneCache, one_thread
from sam_widget.learn.photos import TRAINING
from sam_widget.learn.train import align_attention, computes_in_half
from sam_widget.model.config import SamConfig
from sam_widget.model.mae import MAE_TINY, MaeConfig, MaskedAutoencoder
from sam_widget.model.mae_transfer import image_encoder_state
from sam_widget.model.mae_zoo import load_mae, save_mae
from sam_widget.model.sam import Sam


@dataclass(frozen=True)
class PretrainConfig:
    """Everything that determines the outcome of a run; it is saved in the checkpoint.

    Attributes:
        mae: Sizes of the model, share of masked patches, and the loss.
        steps: Total number of optimiser steps.
        batch_size: Images per step.
        photo_share: Share of images that are cropped from photos; the others are cropped from rendered scenes.
        scenes: Number of distinct scenes.
        scene_size: Side of the rendered scenes.
        learning_rate: Peak learning rate of AdamW.
        warmup_steps: Steps of linear warm-up.
        cooldown: Final share of the steps, in which the learning rate falls to zero. Before that it is constant, so
            that a run can be extended without changing its earlier steps.
        weight_decay: Weight decay of matrices; vectors are not decayed.
        ema: Decay of the averaged weights, which are the ones exported.
        precision: "float32", "bfloat16" or "auto", as in `TrainConfig`.
        seed: Determines scenes, order, crops, masks and initial weights.
    """

    mae: MaeConfig = field(default_factory=lambda: MAE_TINY)
    steps: int = 8_000
    batch_size: int = 8
    photo_share: float = 0.4
    scenes: int = 6_000
    scene_size: int = 256
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    cooldown: float = 0.25
    weight_decay: float = 0.05
    ema: float = 0.998
    precision: str = "auto"
    seed: int = 0


class PretrainingSet(Dataset[np.ndarray]):
    """Crops of scenes and photos, (3, S, S) uint8: item k of a run is the same after resuming."""

    def __init__(self, config: PretrainConfig, cache: Path, *, start: int = 0) -> None:
        self.config, self.start = config, start
        self.scenes = SceneCache(cache, count=config.scenes, size=config.scene_size, seed=config.seed)
        self.photos = [photo.load() for photo in TRAINING] if config.photo_share else []

    def __len__(self) -> int:
        return self.config.steps * self.config.batch_size - self.start

    def __getitem__(self, position: int) -> np.ndarray:
        rng = np.random.default_rng((self.config.seed, position + self.start, 11))
        if rng.random() < self.config.photo_share:
            picture = self.photos[int(rng.integers(len(self.photos)))]
        else:
            picture, _ = self.scenes[int(rng.integers(self.config.scenes))]
        return augment(picture, rng, size=self.config.mae.image_size)


def augment(picture: np.ndarray, rng: np.random.Generator, *, size: int) -> np.ndarray:
    """Crop a random square from a picture (H, W, 3), flip and recolour it: (3, size, size) uint8.

    Crops range from the whole picture down to its full resolution, as photos show things near and far.
    """
    height, width = picture.shape[:2]
    largest = min(height, width)
    side = round(float(np.exp(rng.uniform(np.log(min(size, largest)), np.log(largest)))))
    top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
    crop = np.ascontiguousarray(picture[top : top + side, left : left + side])
    crop = cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA if side > size else cv2.INTER_LINEAR)
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    colours = (crop.astype(np.float32) / 255) ** np.float32(rng.uniform(0.75, 1.3))
    gray = colours.mean(2, keepdims=True)
    colours = gray + (colours - gray) * np.float32(rng.uniform(0.5, 1.3))
    colours = (colours - 0.5) * np.float32(rng.uniform(0.75, 1.2)) + np.float32(0.5 + rng.uniform(-0.08, 0.08))
    colours = colours * rng.uniform(0.9, 1.1, 3).astype(np.float32)
    return np.ascontiguousarray((colours.clip(0, 1) * 255).astype(np.uint8).transpose(2, 0, 1))


class Pretrainer:
    """One pre-training run: model, averaged model, optimiser, and the present step."""

    def __init__(self, config: PretrainConfig, *, start: Path | None = None, device: str = "cpu") -> None:
        """Build a run.

        Args:
            config: Settings of the run.
            start: Weights (safetensors) that `export` wrote, to start from instead of random ones.
            device: Where to compute.

        Raises:
            ModelError: The weights to start from belong to a model of other sizes, or there is no such precision.
        """
        torch.manual_seed(config.seed)
        self.config, self.device = config, torch.device(device)
        self.half = computes_in_half(config.precision, device)
        self.model = MaskedAutoencoder(config.mae)
        if start is not None:
            begun = load_mae(start, device="cpu")
            if begun.config != config.mae:
                raise ModelError(f"{start} is of another model: {begun.config}; expected {config.mae}")
            self.model.load_state_dict(begun.state_dict())
        self.model.to(self.device)
        for module in self.model.modules():
            if isinstance(module, Attention):
                # On a CPU, plain products of such small matrices are twice as fast as the fused kernel.
                module.fused_attn = module.fused_attn and self.device.type != "cpu"
        self.average = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
        learned = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(
            parameter_groups(learned, config.weight_decay),
            lr=config.learning_rate,
            betas=(0.9, 0.95),  # the paper's
        )
        # On the CPU, so that a run draws the same masks on every device.
        self.generator = torch.Generator().manual_seed(config.seed)
        self.step = 0
        self.seconds = 0.0

    # ------------------------------------------------------------------------------------------ checkpoints

    def save(self, path: Path) -> None:
        """Write everything needed to resume, replacing an older checkpoint only once the new one is complete."""
        state = {
            "pretraining": dataclasses.asdict(self.config),
            "step": self.step,
            "seconds": self.seconds,
            "model": self.model.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
        }
        write_checkpoint(state, path)

    @staticmethod
    def wrote(path: Path) -> bool:
        """Whether a checkpoint is from a pre-training run and not from another kind.

        Raises:
            ModelError: There is no readable checkpoint.
        """
        return "pretraining" in read_checkpoint(path)

    @classmethod
    def resume(cls, path: Path, *, device: str = "cpu", **changes: Any) -> Pretrainer:
        """Resume from a checkpoint; `changes` replace fields of its config (a longer run, say), but never the model.

        Raises:
            ModelError: The file is not a checkpoint of a pre-training run.
        """
        state = read_checkpoint(path)
        if "pretraining" not in state:
            raise ModelError(
                f"{path} is not a checkpoint of pre-training; pass the checkpoint.pt that `pretrain` wrote"
            )
        fields = dict(state["pretraining"])
        mae = MaeConfig(**fields.pop("mae"))
        run = cls(dataclasses.replace(PretrainConfig(mae=mae, **fields), **changes), device=device)
        run.model.load_state_dict(state["model"])
        run.average = {name: value.to(run.device) for name, value in state["average"].items()}
        run.optimizer.load_state_dict(state["optimizer"])
        run.generator.set_state(state["generator"])
        run.step, run.seconds = state["step"], state["seconds"]
        return run

    def export(self, path: Path) -> None:
        """Write the averaged weights, encoder and decoder, as half-precision safetensors that `load_mae` reads."""
        save_mae(self.config.mae, self.average, path)

    def export_encoder(self, path: Path, config: SamConfig) -> None:
        """Write a Segment Anything model whose image encoder is the pre-trained one: what `train --start` takes.

        Everything else has the weights with which training from scratch starts.

        Raises:
            ModelError: The model's image encoder has blocks of other sizes.
        """
        torch.manual_seed(self.config.seed)
        sam = Sam(config)
        align_attention(sam)
        mae = MaskedAutoencoder(self.config.mae, name=path.stem)
        mae.load_state_dict(self.average)
        sam.load_state_dict({**sam.state_dict(), **image_encoder_state(mae, config)})
        save_file({key: value.cpu().contiguous() for key, value in sam.state_dict().items()}, path)

    # ------------------------------------------------------------------------------------------ the run

    def run(self, folder: Path, cache: Path, *, workers: int = 0, save_every: int = 100) -> None:
        """Train to the last step, writing `log.csv` and `checkpoint.pt` into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        with log_from(folder / "log.csv", ["step", "minutes", "lr", "loss"], step=self.step) as (writer, file):
            started = time.monotonic()
            for batch in self.batches(cache, workers=workers):
                rate, loss = self.learning_rate(), self.train_step(batch)
                now = time.monotonic()
                self.seconds, started = self.seconds + now - started, now
                writer.writerow([self.step, f"{self.seconds / 60:.3f}", f"{rate:.5g}", f"{loss:.5g}"])
                if self.step % 10 == 0:
                    file.flush()
                if self.step % save_every == 0 or self.step == self.config.steps:
                    self.save(folder / "checkpoint.pt")

    def batches(self, cache: Path, *, workers: int = 0) -> Iterator[Tensor]:
        """Yield the images of each step, (B, 3, S, S) uint8, from the current step to the last."""
        loader: DataLoader[Any] = DataLoader(
            PretrainingSet(self.config, cache, start=self.step * self.config.batch_size),
            batch_size=self.config.batch_size,
            num_workers=workers,
            drop_last=True,
            worker_init_fn=one_thread,
        )
        yield from loader

    def learning_rate(self) -> float:
        """Return the learning rate of the present step: linear warm-up, a plateau, linear cool-down."""
        config = self.config
        cooling = max(config.steps * config.cooldown, 1)
        share = min((self.step + 1) / max(config.warmup_steps, 1), (config.steps - self.step) / cooling, 1.0)
        return config.learning_rate * share

    def train_step(self, images: Tensor) -> float:
        """Take one optimiser step on images (B, 3, S, S) uint8; return the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        noise = torch.rand(len(images), self.config.mae.grid_size**2, generator=self.generator)
        self.model.train()
        pixels = self.model.normalise(images.to(self.device))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            loss = self.model(pixels, noise=noise.to(self.device)).loss
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        average_weights(self.average, self.model, step=self.step, decay=self.config.ema)
        return float(loss.detach())
