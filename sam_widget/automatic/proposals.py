"""Mask proposals of a grid of points in one crop, upsampled to full size only if low resolution is inconclusive.

Models predict at low resolution, and most predictions are bad or duplicates, which low resolution usually suffices to
detect. Only masks that are kept, or nearly kept, are upsampled to the size of the image, and only within their box. The
result is the same as upsampling everything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from sam_widget.masks.runs import StoredMask, runs_from_mask
from sam_widget.predictor.many import CPU_BATCH
from sam_widget.predictor.predictor import Embedding, Predictor

# A mask closer than this, in pixels, to an inner edge of a crop is probably truncated.
EDGE = 20.0
# Possible error of the stability score at low resolution: small in general, large for masks of few pixels.
DOUBT = 0.1
DOUBT_OF_A_PIXEL = 1.5


@dataclass(frozen=True)
class Criteria:
    """The criteria for keeping a mask; the names are those of `segment_everything`."""

    pred_iou_thresh: float
    stability_score_thresh: float
    stability_score_offset: float
    box_nms_thresh: float
    mask_nms_thresh: float
    min_mask_share: float
    points_per_batch: int


@dataclass(frozen=True)
class CropBox:
    """A crop of the image that is embedded as a separate image.

    Attributes:
        x0: Left edge, in pixels of the image.
        y0: Top edge.
        width: Width in pixels.
        height: Height in pixels.
        image_size: Height and width of the image.
    """

    x0: int
    y0: int
    width: int
    height: int
    image_size: tuple[int, int]

    @property
    def corners(self) -> np.ndarray:
        """(4,) x0, y0, x1, y1."""
        return np.array([self.x0, self.y0, self.x0 + self.width, self.y0 + self.height], dtype=np.float64)

    def cuts(self, box: np.ndarray) -> bool:
        """Whether a box (4,), in pixels of the image, comes close to an edge of the crop inside the image."""
        height, width = self.image_size
        cut = np.abs(box - self.corners) <= EDGE
        outer = np.abs(box - (0, 0, width, height)) <= EDGE
        return bool((cut & ~outer).any())


class Axis:
    """The upsampling of low-resolution logits to pixels along one axis.

    Attributes:
        weights: (pixels, h) weight of each logit in each pixel; zero for logits of the padding.
    """

    def __init__(self, weights: Tensor) -> None:
        used = weights.abs().amax(dim=0) > 0
        self.weights = weights[:, : int(used.nonzero().max()) + 1]
        reach = (self.weights != 0).cpu().numpy()  # (pixels, h)
        pixels, logits = reach.shape
        self.first_pixel = reach.argmax(axis=0)
        self.last_pixel = pixels - 1 - reach[::-1].argmax(axis=0)
        self.first_logit = reach.argmax(axis=1)
        self.last_logit = logits - 1 - reach[:, ::-1].argmax(axis=1)
        self._centre = self.weights.argmax(dim=0).cpu().numpy()  # the pixel with the largest weight of each logit

    def least(self, first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the range of pixels that a mask with these outermost logits covers at least."""
        return self._centre[first], self._centre[last]

    def most(self, first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the range of pixels that such a mask covers at most: up to the next logits, which are outside it."""
        ends = np.concatenate(([-1], self._centre, [len(self.weights)]))
        return ends[first] + 1, ends[last + 2] - 1

    def pixels(self, first: int, last: int) -> tuple[int, int]:
        """Return the range of pixels, end exclusive, that depend on logits `first` to `last`."""
        return int(self.first_pixel[first]), int(self.last_pixel[last]) + 1

    def logits(self, start: int, end: int) -> tuple[int, int]:
        """Return the range of logits, end exclusive, on which pixels `start` to `end`, end exclusive, depend."""
        return int(self.first_logit[start]), int(self.last_logit[end - 1]) + 1


@dataclass
class Closeup:
    """A mask at full size, of which only the bounding box is stored.

    Attributes:
        box: (4,) x0, y0, x1, y1 of its outermost pixels, in pixels of the image; x1 and y1 are inclusive here.
        stability: Its stability score.
        pixels: (h, w) bool, the mask inside the box.
    """

    box: np.ndarray
    stability: float
    pixels: np.ndarray

    @cached_property
    def area(self) -> int:
        """Number of pixels of the mask."""
        return int(np.count_nonzero(self.pixels))

    @cached_property
    def corners(self) -> tuple[int, int, int, int]:
        """The box as whole numbers."""
        x0, y0, x1, y1 = (int(side) for side in self.box)
        return x0, y0, x1, y1

    def duplicates(self, other: Closeup, limit: float) -> bool:
        """Whether the IoU of two masks is above a limit."""
        (ax0, ay0, ax1, ay1), (bx0, by0, bx1, by1) = self.corners, other.corners
        x0, y0, x1, y1 = max(ax0, bx0), max(ay0, by0), min(ax1, bx1) + 1, min(ay1, by1) + 1
        smaller, larger = sorted((self.area, other.area))
        # The most that they can share; most pairs need not be compared pixel by pixel.
        if min(max(x1 - x0, 0) * max(y1 - y0, 0), smaller) <= limit * larger:
            return False
        mine = self.pixels[y0 - ay0 : y1 - ay0, x0 - ax0 : x1 - ax0]
        shared = np.count_nonzero(mine & other.pixels[y0 - by0 : y1 - by0, x0 - bx0 : x1 - bx0])
        return bool(shared > limit * (smaller + larger - shared))

    def stored(self, image_size: tuple[int, int]) -> StoredMask:
        """Return the mask in an image of this height and width."""
        x0, y0 = (int(side) for side in self.box[:2])
        runs = runs_from_mask(self.pixels).astype(np.int64)
        row, column = np.divmod(runs[:, 0], self.pixels.shape[1])
        runs[:, 0] = (row + y0) * image_size[1] + column + x0
        return StoredMask.from_runs(runs, *image_size)


class Proposal:
    """A mask predicted for a point: its low-resolution logits, and its closeup once computed.

    Attributes:
        point: x, y in pixels of the image.
        score: The IoU predicted by the model.
        crop_box: The crop in which it was found.
    """

    def __init__(
        self, crop: CropProposals, logits: Tensor, bounds: np.ndarray, point: np.ndarray, score: float
    ) -> None:
        """Store logits (h, w) and their bounds (4,): first and last column and row above the lower threshold."""
        self._crop = crop
        self.crop_box = crop.crop_box
        self.point = (float(point[0]), float(point[1]))
        self.score = score
        left, top, right, bottom = (int(side) for side in bounds)
        self._rows, self._columns = crop.rows.pixels(top, bottom), crop.columns.pixels(left, right)
        # The logits on which these pixels depend; copied, so that the others are freed.
        (top, bottom), (left, right) = crop.rows.logits(*self._rows), crop.columns.logits(*self._columns)
        self._corner = (top, left)
        self._logits = logits[top:bottom, left:right].clone()

    @cached_property
    def closeup(self) -> Closeup | None:
        """The mask at full size; None if it is empty, unstable, truncated or too small."""
        crop, criteria = self._crop, self._crop.criteria
        (top, left), (height, width) = self._corner, self._logits.shape
        (r0, r1), (c0, c1) = self._rows, self._columns
        across = crop.columns.weights[c0:c1, left : left + width]
        down = crop.rows.weights[r0:r1, top : top + height]
        logits = down @ self._logits @ across.T  # (r1 - r0, c1 - c0)
        threshold, offset = crop.threshold, criteria.stability_score_offset
        inner, outer = (int((logits > threshold + way).sum()) for way in (offset, -offset))
        stability = float(np.float32(inner) / np.float32(outer)) if outer else 0.0
        if stability < criteria.stability_score_thresh:
            return None
        mask = (logits > threshold).cpu().numpy()
        rows = np.flatnonzero(mask.any(axis=1))
        if not len(rows):
            return None
        columns = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
        x, y = crop.crop_box.x0 + c0, crop.crop_box.y0 + r0
        box = np.array([columns[0] + x, rows[0] + y, columns[-1] + x, rows[-1] + y], dtype=np.float64)
        if crop.crop_box.cuts(box):
            return None
        pixels = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        closeup = Closeup(box, stability, np.ascontiguousarray(pixels))
        height, width = crop.crop_box.image_size
        return None if closeup.area < criteria.min_mask_share * height * width else closeup

    @property
    def seen(self) -> Closeup:
        """The closeup of a kept mask."""
        if self.closeup is None:
            raise AssertionError("only masks that have a closeup are kept")
        return self.closeup


class CropProposals:
    """The masks of one crop, computed batch by batch."""

    def __init__(
        self, predictor: Predictor, embedding: Embedding, crop_box: CropBox, points: np.ndarray, criteria: Criteria
    ) -> None:
        """Prepare to decode points (N, 2), in pixels of the image, in an embedded crop."""
        self.crop_box = crop_box
        self.criteria = criteria
        self.threshold = predictor.config.mask_threshold
        self._predictor, self._embedding = predictor, embedding
        self._points = points
        rows, columns = predictor.upscaling(embedding)
        self.rows, self.columns = Axis(rows), Axis(columns)
        self._found: list[Proposal] = []
        # Whether two masks found, by their indices, are duplicates: steps compare the same ones again and again.
        self._same: dict[tuple[int, int], bool] = {}
        self._outer: list[np.ndarray] = []
        self._inner: list[np.ndarray] = []

    def __iter__(self) -> Iterator[int]:
        """Decode one batch of points at a time; yields the number of points decoded so far."""
        size = self.criteria.points_per_batch
        if self._predictor.device.type == "cpu":
            size = min(size, CPU_BATCH)
        for start in range(0, len(self._points), size):
            with torch.inference_mode():
                self._decode(self._points[start : start + size])
            yield min(start + size, len(self._points))

    def _decode(self, points: np.ndarray) -> None:
        origin = self.crop_box.corners[:2]
        minimum = self.criteria.pred_iou_thresh if self.criteria.pred_iou_thresh > 0 else -np.inf
        logits, scores, which = self._predictor.masks_at(self._embedding, points - origin, minimum_score=minimum)
        # Padding is not part of the image.
        logits = logits[:, : self.rows.weights.shape[1], : self.columns.weights.shape[1]]
        offset = self.criteria.stability_score_offset
        outer = logits > self.threshold - offset  # (S, h, w)
        inner_area = (logits > self.threshold + offset).sum(dim=(1, 2))
        outer_area = outer.sum(dim=(1, 2))
        doubt = DOUBT + DOUBT_OF_A_PIXEL / outer_area.clamp(min=1).sqrt()
        stable = inner_area >= (self.criteria.stability_score_thresh - doubt) * outer_area
        keep = ((outer_area > 0) & stable).nonzero()[:, 0]
        if not len(keep):
            return
        logits, outer = logits[keep], outer[keep]
        bounds = _bounds(outer)
        tight = _bounds(logits > self.threshold)
        sources = points[which[keep].cpu().numpy()]
        for item in zip(logits, bounds, sources, scores[keep].tolist(), strict=True):
            self._found.append(Proposal(self, *item))
        left, top, right, bottom = tight.T
        for boxes, (x0, x1), (y0, y1) in (
            (self._inner, self.columns.least(left, right), self.rows.least(top, bottom)),
            (self._outer, self.columns.most(left, right), self.rows.most(top, bottom)),
        ):
            boxes += list(np.stack([x0, y0, x1, y1], axis=1) + self.crop_box.corners[[0, 1, 0, 1]])

    def standing(self) -> list[Proposal]:
        """Return the masks found so far, without duplicates, best first."""
        order = sorted(range(len(self._found)), key=lambda i: -self._found[i].score)
        kept: list[int] = []
        boxes = np.empty((len(order), 4))
        limit = self.criteria.box_nms_thresh
        for i in order:
            rivals = boxes[: len(kept)]
            if kept and (_least_iou(self._inner[i], self._outer[i], rivals) > limit).any():
                continue
            closeup = self._found[i].closeup
            if closeup is None or (kept and (_least_iou(closeup.box, closeup.box, rivals) > limit).any()):
                continue
            if self.criteria.mask_nms_thresh < 1 and any(self._duplicates(i, rival) for rival in kept):
                continue
            boxes[len(kept)] = closeup.box
            kept.append(i)
        return [self._found[i] for i in kept]

    def _duplicates(self, i: int, rival: int) -> bool:
        same = self._same.get((i, rival))
        if same is None:
            limit = self.criteria.mask_nms_thresh
            same = self._same[i, rival] = self._found[i].seen.duplicates(self._found[rival].seen, limit)
        return same


def _bounds(masks: Tensor) -> np.ndarray:
    """Return first column, first row, last column, last row of masks (S, h, w): (S, 4); zeros if empty."""
    rows, columns = masks.any(dim=2), masks.any(dim=1)  # (S, h), (S, w)
    sides = []
    for taken in (columns, rows):
        count = taken.shape[1]
        numbers = torch.arange(count, device=masks.device)
        sides.append((torch.where(taken, numbers, count).amin(dim=1) % count, (numbers * taken).amax(dim=1)))
    (x0, x1), (y0, y1) = sides
    return torch.stack([x0, y0, x1, y1], dim=1).cpu().numpy()


def _least_iou(inner: np.ndarray, outer: np.ndarray, rivals: np.ndarray) -> np.ndarray:
    """Return the minimum IoU (N,) of boxes (N, 4) with any box that contains `inner` and lies in `outer`, (4,) each."""
    width = np.minimum(inner[2], rivals[:, 2]) - np.maximum(inner[0], rivals[:, 0])
    height = np.minimum(inner[3], rivals[:, 3]) - np.maximum(inner[1], rivals[:, 1])
    shared = width.clip(min=0) * height.clip(min=0)
    most = (outer[2] - outer[0]) * (outer[3] - outer[1])
    areas = (rivals[:, 2] - rivals[:, 0]) * (rivals[:, 3] - rivals[:, 1])
    union = most + areas - shared
    least: np.ndarray = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return least
