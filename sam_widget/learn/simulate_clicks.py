"""Simulated users: which region they want, where they click first, and where they click next.

Everything runs on the low-resolution grid of the mask logits, for all prompts of a batch at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from sam_widget.masks.distance import inner_distance

if TYPE_CHECKING:  # It imports OpenCV, which is an extra.
    from sam_widget.learn.data import Batch

# Shares of subparts, parts and wholes among the targets: users mostly mean the whole, and boxes almost always do.
CLICKED_SHARES = (0.15, 0.25, 0.6)
BOXED_SHARES = (0.05, 0.15, 0.8)


@dataclass
class Prompts:
    """B prompts, growing by one point per round. Coordinates are pixels of the model input.

    Attributes:
        points: (B, N, 2) x, y; padded with zeros.
        labels: (B, N) 1, 0, or -1 for padding.
        boxes: (B, 4), or None when no prompt of the batch has a box.
    """

    points: Tensor
    labels: Tensor
    boxes: Tensor | None = None

    def to(self, device: torch.device) -> dict[str, Any]:
        """Return the prompts as keyword arguments of `Sam.decode`."""
        clicked = self.points.shape[1] > 0
        return {
            "points": self.points.to(device) if clicked else None,
            "labels": self.labels.to(device) if clicked else None,
            "boxes": None if self.boxes is None else self.boxes.to(device),
        }

    def add(self, points: Tensor, labels: Tensor) -> None:
        """Append one point each: (B, 2) and (B,)."""
        self.points = torch.cat([self.points, points[:, None]], dim=1)
        self.labels = torch.cat([self.labels, labels[:, None]], dim=1)


def sample_targets(
    batch: Batch, *, per_image: int, mask_size: int, generator: torch.Generator, box: bool = False
) -> tuple[Tensor, Tensor]:
    """Choose `per_image` regions of every image.

    A level is drawn by the shares for clicks or for boxes, and a region of that level with probability proportional to
    the square root of its area, so that both small parts and large stuff occur. Regions under 0.3% or over 70% of the
    image are not used.

    Returns:
        targets: (B * per_image, m, m) float in [0, 1], the share of each mask cell that the region covers.
        valid: (B * per_image, m, m) float, 1 inside the image and 0 in the padding.
    """
    images = len(batch.labels)
    shares = BOXED_SHARES if box else CLICKED_SHARES
    targets = []
    for image in range(images):
        area = batch.valid[image].sum()
        weights = torch.zeros(3, 256)
        for level in range(3):
            counts = torch.bincount(batch.labels[image, level].flatten(), minlength=256).float()
            counts[0] = 0
            usable = (counts > 0.003 * area) & (counts < 0.7 * area)
            weights[level] = torch.where(usable, counts.sqrt(), torch.zeros(()))
            weights[level] *= shares[level] / weights[level].sum().clamp(min=1)
        if weights.sum() == 0:
            weights[2] = torch.bincount(batch.labels[image, 2].flatten(), minlength=256).float()
            weights[2, 0] = 0
        drawn = torch.multinomial(weights.flatten(), per_image, replacement=True, generator=generator)
        levels, ids = drawn // 256, drawn % 256
        targets.append(batch.labels[image, levels] == ids[:, None, None].to(torch.uint8))
    cells = _shares(torch.cat(targets), mask_size)
    valid = _shares(batch.valid, mask_size)
    return cells, (valid > 0.5).float().repeat_interleave(per_image, dim=0)


def levels_at(batch: Batch, points: Tensor, *, mask_size: int) -> tuple[Tensor, Tensor]:
    """Return the subpart, part and whole at each point (B, 2), x and y in pixels, as targets, and which are known.

    Prompts of the same image are consecutive.

    Returns:
        (B, 3, m, m) in [0, 1], and (B, 3) bool.
    """
    image = torch.arange(len(points)) // (len(points) // len(batch.labels))
    x, y = points.long().clamp(0, batch.labels.shape[-1] - 1).unbind(1)
    labels = batch.labels[image]  # (B, 3, S, S)
    there = labels[torch.arange(len(points)), :, y, x]  # (B, 3)
    return _shares(labels == there[:, :, None, None], mask_size), there > 0


def _shares(regions: Tensor, mask_size: int) -> Tensor:
    """Return the share of each mask cell that boolean regions (..., S, S) cover: (..., m, m)."""
    cell = regions.shape[-1] // mask_size
    return regions.view(*regions.shape[:-2], mask_size, cell, mask_size, cell).float().mean((-3, -1))


def _inner_distances(regions: Tensor) -> Tensor:
    return torch.from_numpy(np.stack([inner_distance(region) for region in regions.numpy()]))


def pick_cells(regions: Tensor, *, central: Tensor, generator: torch.Generator) -> Tensor:
    """Draw one cell of each (B, m, m) boolean region: near its centre if `central` (B,), else anywhere in it.

    An empty region yields an arbitrary cell. Returns flat indices (B,).
    """
    distance = _inner_distances(regions)
    deepest = distance.flatten(1).amax(1)[:, None, None]
    core = regions & (distance >= 0.8 * deepest)
    allowed = torch.where(central[:, None, None], core, regions).flatten(1).float()
    return torch.multinomial(allowed + 1e-9, 1, generator=generator)[:, 0]


def to_pixels(cells: Tensor, *, mask_size: int, cell: int, generator: torch.Generator) -> Tensor:
    """Turn flat cell indices (B,) into x, y (B, 2) somewhere within each cell."""
    corner = torch.stack([cells % mask_size, cells // mask_size], dim=1).float()
    return (corner + torch.rand(corner.shape, generator=generator)) * cell


def first_prompts(targets: Tensor, *, image_size: int, box: bool, generator: torch.Generator) -> Prompts:
    """Return the first prompt of each target (B, m, m): a foreground click, or a noisy box.

    Box corners are off by 10% of the box's sides (standard deviation), at most 20 pixels of a 1024 px input, as in
    appendix A of the paper.
    """
    batch, mask_size, _ = targets.shape
    cell = image_size // mask_size
    regions = targets > 0.5
    regions = torch.where(regions.flatten(1).any(1)[:, None, None], regions, targets > 0)
    if box:
        boxes = _boxes(regions) * cell
        sides = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
        limit = 20 * image_size / 1024
        noise = torch.randn(boxes.shape, generator=generator) * 0.1 * sides
        boxes = (boxes + noise.clamp(-limit, limit)).clamp(0, image_size)
        return Prompts(torch.zeros(batch, 0, 2), torch.zeros(batch, 0, dtype=torch.long), boxes)
    central = torch.rand(batch, generator=generator) < 0.5
    cells = pick_cells(regions, central=central, generator=generator)
    points = to_pixels(cells, mask_size=mask_size, cell=cell, generator=generator)
    return Prompts(points[:, None], torch.ones(batch, 1, dtype=torch.long))


def corrections(
    logits: Tensor, targets: Tensor, valid: Tensor, *, image_size: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return one corrective click for each of the predicted logits (B, m, m): points (B, 2) and labels (B,).

    Foreground where the mask misses the target, background where it spills over, whichever error is deeper; drawn from
    the middle of the error or anywhere in it. A perfect mask gets another foreground click.
    """
    mask_size = targets.shape[-1]
    wanted, given = targets > 0.5, (logits > 0) & (valid > 0)
    missed, spilled = wanted & ~given, given & ~wanted
    depth_missed = _inner_distances(missed).flatten(1).amax(1)
    depth_spilled = _inner_distances(spilled).flatten(1).amax(1)
    perfect = (depth_missed == 0) & (depth_spilled == 0)
    foreground = (depth_missed >= depth_spilled) | perfect
    error = torch.where(foreground[:, None, None], torch.where(perfect[:, None, None], wanted, missed), spilled)
    central = torch.rand(len(error), generator=generator) < 0.6
    cells = pick_cells(error, central=central, generator=generator)
    points = to_pixels(cells, mask_size=mask_size, cell=image_size // mask_size, generator=generator)
    return points, foreground.long()


def _boxes(regions: Tensor) -> Tensor:
    """Return the tight boxes x0, y0, x1, y1 (exclusive) of (B, m, m) boolean regions, in cells."""
    size = regions.shape[-1]
    columns, rows = regions.any(1).float(), regions.any(2).float()
    x0, y0 = columns.argmax(1), rows.argmax(1)
    x1, y1 = size - columns.flip(1).argmax(1), size - rows.flip(1).argmax(1)
    return torch.stack([x0, y0, x1, y1], dim=1).float()
