"""Views of a photo that a decoder learns from: the photo, mirrored, and two crops, each embedded once.

Embeddings go through the predictor's cache, so with a store they are on disk, and a later round encodes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from sam_widget.engine.taught import TaughtMask, TaughtPhoto
from sam_widget.image.reading import image_hash
from sam_widget.model.config import SamConfig
from sam_widget.model.sam import ImageFeatures
from sam_widget.predictor.fitting import fitted
from sam_widget.predictor.predictor import Embedding, Predictor

CROPS = 2
# Sides of crops, as shares of the photo's.
CROP_SIDES = (0.5, 0.8)
# A crop shows a mask if it has this much of it.
SHOWN = 0.7
# Masks that cover less of a view than this, or more, teach nothing.
LEAST, MOST = 0.0004, 0.9


@dataclass(frozen=True, eq=False)
class View:
    """An embedded view and the masks in it.

    Attributes:
        embedding: The embedding.
        targets: (K, m, m) in [0, 1], the share of each mask cell that a mask covers.
        valid: (m, m), 1 inside the image, 0 in the padding.
        points: For each mask, the clicks that led to it: (P, 3) x, y in pixels of the model input, and label; empty if
            they are not known.
    """

    embedding: Embedding
    targets: Tensor
    valid: Tensor
    points: tuple[np.ndarray, ...]

    @property
    def features(self) -> ImageFeatures:
        """The embedding as the decoder takes it, in float32."""
        finer = tuple(level.float() for level in self.embedding.high_resolution)
        return ImageFeatures(self.embedding.features.float(), finer)


@dataclass(frozen=True)
class Window:
    """A part of a photo, mirrored or not: x0, y0, x1, y1 in pixels."""

    x0: int
    y0: int
    x1: int
    y1: int
    mirrored: bool = False

    def cut(self, pixels: np.ndarray) -> np.ndarray:
        """Return the window's pixels of (H, W, ...)."""
        part = pixels[self.y0 : self.y1, self.x0 : self.x1]
        return np.ascontiguousarray(part[:, ::-1] if self.mirrored else part)

    def moved(self, points: np.ndarray) -> np.ndarray:
        """Return (P, 3) x, y and label, in pixels of the window, without points outside of it."""
        x, y = points[:, 0] - self.x0, points[:, 1] - self.y0
        inside = (x >= 0) & (y >= 0) & (x < self.x1 - self.x0) & (y < self.y1 - self.y0)
        x = (self.x1 - self.x0) - x if self.mirrored else x
        return np.stack([x, y, points[:, 2]], axis=1)[inside]


def windows(rgb: np.ndarray, *, augment: bool = True) -> list[Window]:
    """Return the windows of a photo (H, W, 3): all of it, mirrored, and two crops that depend on its pixels alone."""
    height, width = rgb.shape[:2]
    views = [Window(0, 0, width, height)]
    if not augment:
        return views
    views.append(Window(0, 0, width, height, mirrored=True))
    draw = np.random.default_rng(int(image_hash(rgb)[:12], 16))
    for turn in range(CROPS):
        side = draw.uniform(*CROP_SIDES)
        h, w = max(1, round(height * side)), max(1, round(width * side))
        y, x = int(draw.integers(0, height - h + 1)), int(draw.integers(0, width - w + 1))
        views.append(Window(x, y, x + w, y + h, mirrored=turn % 2 == 1))
    return views


@dataclass(frozen=True, eq=False)
class Shown:
    """What a window shows of a photo.

    Attributes:
        pixels: (h, w, 3) uint8.
        targets: See `View`.
        valid: See `View`.
        points: See `View`.
    """

    pixels: np.ndarray
    targets: Tensor
    valid: Tensor
    points: tuple[np.ndarray, ...]


def shown(photo: TaughtPhoto, rgb: np.ndarray, window: Window, config: SamConfig) -> Shown | None:
    """Return what a window shows of a photo and its masks; None if it shows too little of each mask."""
    seen = [(mask, part) for mask in photo.masks if (part := _part(mask, window)) is not None]
    if not seen:
        return None
    pixels = window.cut(rgb)
    height, width = pixels.shape[:2]
    return Shown(
        pixels,
        torch.cat([cells_of(part, config) for _, part in seen]),
        valid_cells((height, width), config),
        tuple(_points(mask, window, (height, width), config) for mask, _ in seen),
    )


def views_of(
    photo: TaughtPhoto,
    rgb: np.ndarray,
    predictor: Predictor,
    *,
    augment: bool = True,
    cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[View]:
    """Embed the views of a photo that show at least one of its masks."""
    for window in windows(rgb, augment=augment):
        if cancelled():
            return
        if (seen := shown(photo, rgb, window, predictor.config)) is None:
            continue
        embedding = replace(predictor.embed(seen.pixels), pixels=None)  # 3 MB of 1024 px that nothing here reads
        yield View(embedding, seen.targets, seen.valid, seen.points)


def _part(mask: TaughtMask, window: Window) -> np.ndarray | None:
    """Return what a window shows of a mask, (h, w) bool; None if it is too little."""
    whole = mask.stored.array
    part = window.cut(whole)
    shown = np.count_nonzero(part)
    if shown < SHOWN * mask.stored.area or not LEAST * part.size <= shown <= MOST * part.size:
        return None
    return part


def cells_of(mask: np.ndarray, config: SamConfig) -> Tensor:
    """Return the share of each cell of the mask grid that a mask (H, W) covers: (1, m, m)."""
    height, width = fitted(config, *mask.shape)
    side, cells = config.image_size, config.mask_size
    resized = interpolate(torch.from_numpy(mask.astype(np.float32))[None, None], (height, width), mode="area")[0]
    padded = torch.nn.functional.pad(resized, (0, side - width, 0, side - height))
    return interpolate(padded[None], (cells, cells), mode="area")[0]


def valid_cells(size: tuple[int, int], config: SamConfig) -> Tensor:
    """Return which cells of the mask grid lie inside an image of this height and width: (m, m), 1 or 0."""
    return (cells_of(np.ones(size, bool), config)[0] > 0.5).float()


def _points(mask: TaughtMask, window: Window, size: tuple[int, int], config: SamConfig) -> np.ndarray:
    if mask.prompt is None or not mask.prompt.points or mask.prompt.boxes:
        return np.zeros((0, 3), np.float32)
    points = window.moved(np.array([(point.x, point.y, point.label) for point in mask.prompt.points], np.float32))
    if not len(points) or points[0, 2] != 1:  # a sequence that starts outside of the window means something else
        return np.zeros((0, 3), np.float32)
    height, width = fitted(config, *size)
    points[:, 0] *= width / size[1]
    points[:, 1] *= height / size[0]
    return points
