"""Training batches from rendered scenes, which are rendered once, cached in memory-mapped files and augmented."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from sam_widget.learn.photo_masks import PhotoMasks
from sam_widget.learn.photo_views import paste, view, whole_thing
from sam_widget.learn.scenes.canvas import ALL, Effects
from sam_widget.learn.scenes.scenes import render_scene
from sam_widget.learn.scenes.textures import atlas, photos

# Smallest aspect ratio of a crop. Crops that are not square teach the model the padding of wide and tall photos.
SMALLEST_ASPECT = 0.6


@dataclass(frozen=True)
class Batch:
    """Images and regions of one training step.

    Attributes:
        pixels: (B, 3, S, S) uint8 RGB; pixels outside `valid` are padding.
        labels: (B, 3, S, S) uint8 region ids at the levels subpart, part, whole; 0 is padding.
        valid: (B, S, S) bool, true inside the image.
    """

    pixels: Tensor
    labels: Tensor
    valid: Tensor


class SceneCache:
    """A cache of `count` scenes of one seed and size in `folder`, each rendered on first use.

    The files are sparse, so that training can start immediately; a rendered scene takes 6 bytes per pixel.
    """

    def __init__(self, folder: Path, *, count: int, size: int, seed: int, without: str = "") -> None:
        """Open or create a cache; `without` names one of `Effects` to leave out of its scenes."""
        folder.mkdir(parents=True, exist_ok=True)
        self.count, self.size, self.seed = count, size, seed
        self.effects = Effects(**{without: False}) if without else ALL
        lacking = f"-no-{without}" if without else ""
        self.path = folder / f"scenes-{size}px-seed{seed}-{count}{lacking}.u8"
        if not self.path.exists():
            with self.path.open("wb") as file:
                file.truncate(count * self._record_size)

    @property
    def _record_size(self) -> int:
        return 1 + 6 * self.size * self.size  # a flag, 3 colours and 3 levels

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return image (S, S, 3) and labels (3, S, S), both uint8."""
        pixels = self.size * self.size
        offset = index * self._record_size
        record = np.memmap(self.path, np.uint8, "r+", offset=offset, shape=(self._record_size,))
        if not record[0]:
            scene = render_scene(self.seed * 1_000_003 + index, size=self.size, effects=self.effects)
            record[1 : 1 + 3 * pixels] = scene.image.reshape(-1)
            record[1 + 3 * pixels :] = scene.labels.reshape(-1)
            record[0] = 1  # Written last, so that an interrupted scene is rendered again.
        image = np.array(record[1 : 1 + 3 * pixels]).reshape(self.size, self.size, 3)
        labels = np.array(record[1 + 3 * pixels :]).reshape(3, self.size, self.size)
        return image, labels


class TrainingSet(Dataset[tuple[np.ndarray, np.ndarray, np.ndarray]]):
    """Augmented scenes in an order fixed by the seed: item k of a run is the same after resuming."""

    def __init__(
        self,
        cache: SceneCache,
        *,
        image_size: int,
        seed: int,
        length: int,
        start: int = 0,
        photos: PhotoMasks | None = None,
        photo_share: float = 0.0,
        paste_share: float = 0.0,
    ) -> None:
        """Configure the set.

        Args:
            cache: The scenes.
            image_size: Side of the images, in pixels.
            seed: Fixes order and augmentation.
            length: Number of items.
            start: Position of the first item in the run.
            photos: Photos with human masks.
            photo_share: Share of the items that are photos.
            paste_share: Share of photos and scenes into which a thing from another photo is pasted.
        """
        self.cache, self.image_size, self.seed = cache, image_size, seed
        self.length, self.start = length, start
        self.photos, self.photo_share, self.paste_share = photos, photo_share, paste_share

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, position: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rng = np.random.default_rng((self.seed, position + self.start))
        photos = self.photos
        if photos is None:
            return augment(*self.scene(position), rng, size=self.image_size)
        if rng.random() < self.photo_share:
            return view(photos, rng, size=self.image_size, paste_share=self.paste_share)
        image, labels = self.scene(position)
        if rng.random() < self.paste_share and (thing := whole_thing(photos, rng)) is not None:
            image, labels = paste(image, labels + 1, thing, rng)
            labels = labels - 1  # Unknown levels wrap to 255, which `augment` turns to 0.
        return augment(image, labels, rng, size=self.image_size)

    def scene(self, position: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the scene at a position without augmentation: (S, S, 3) and (3, S, S)."""
        epoch, within = divmod(position + self.start, self.cache.count)
        order = np.random.default_rng((self.seed, epoch, 7)).permutation(self.cache.count)
        return self.cache[int(order[within])]


def augment(
    image: np.ndarray, labels: np.ndarray, rng: np.random.Generator, *, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Crop, flip, recolour and pad one scene to (3, size, size) pixels, (3, size, size) labels, (size, size) valid.

    Labels are shifted by one so that 0 means padding; if that would overflow, the last two regions are merged.
    """
    side = image.shape[0]
    # A crop between half and all of the scene, of a shape between SMALLEST_ASPECT and square.
    longest = int(side * rng.uniform(0.5, 1.0)) if rng.random() < 0.7 else side
    aspect = rng.uniform(SMALLEST_ASPECT, 1.0) if rng.random() < 0.7 else 1.0
    height, width = (longest, int(longest * aspect)) if rng.random() < 0.4 else (int(longest * aspect), longest)
    top, left = int(rng.integers(0, side - height + 1)), int(rng.integers(0, side - width + 1))
    image = image[top : top + height, left : left + width]
    labels = labels[:, top : top + height, left : left + width]
    if rng.random() < 0.5:
        image, labels = image[:, ::-1], labels[:, :, ::-1]
    if rng.random() < 0.1:
        image, labels = image[::-1], labels[:, ::-1]

    scale = size / longest
    fitted = (max(1, int(width * scale + 0.5)), max(1, int(height * scale + 0.5)))
    resized = cv2.resize(np.ascontiguousarray(image), fitted, interpolation=cv2.INTER_LINEAR)
    planes = [cv2.resize(np.ascontiguousarray(level), fitted, interpolation=cv2.INTER_NEAREST) for level in labels]

    if rng.random() < 0.5:  # Scenes are softer than downscaled photos.
        soft = cv2.GaussianBlur(resized, (0, 0), rng.uniform(0.8, 1.6))
        resized = cv2.addWeighted(resized, 1 + (sharpen := rng.uniform(0.3, 1.5)), soft, -sharpen, 0)
    colours = resized.astype(np.float32) / 255
    colours = colours ** rng.uniform(0.7, 1.4)
    gray = colours.mean(2, keepdims=True)
    colours = gray + (colours - gray) * rng.uniform(0.3, 1.5)
    colours = (colours - 0.5) * rng.uniform(0.7, 1.3) + 0.5 + rng.uniform(-0.1, 0.1)
    colours = colours * rng.uniform(0.9, 1.1, 3)

    pixels = np.zeros((3, size, size), np.uint8)
    regions = np.zeros((3, size, size), np.uint8)
    valid = np.zeros((size, size), bool)
    pixels[:, : fitted[1], : fitted[0]] = (colours.clip(0, 1) * 255).astype(np.uint8).transpose(2, 0, 1)
    regions[:, : fitted[1], : fitted[0]] = np.where(
        (stacked := np.stack(planes)) == 255,  # unknown, where a thing from a photo was pasted
        0,
        np.minimum(stacked, 253) + 1,
    )
    valid[: fitted[1], : fitted[0]] = True
    return pixels, regions, valid


def batches(dataset: TrainingSet, *, batch_size: int, workers: int) -> Iterator[Batch]:
    """Yield batches in order, rendered and augmented by `workers` processes."""
    atlas()  # Drawn once here, so that every worker inherits it.
    photos()
    loader: DataLoader[Any] = DataLoader(
        dataset,
        batch_size=batch_size,
        num_workers=workers,
        drop_last=True,
        prefetch_factor=4 if workers else None,
        worker_init_fn=one_thread,
    )
    for pixels, labels, valid in loader:
        yield Batch(pixels, labels, valid)


def one_thread(_: int) -> None:
    """Lower the priority of a data loader's worker process."""
    os.nice(10)  # The training step is the bottleneck; rendering uses the idle time.
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
