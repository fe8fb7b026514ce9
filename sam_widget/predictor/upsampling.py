"""Upsample low-resolution logits to masks at the image's size, without an array of floats at that size.

Upsampling is linear, separable and local: a pixel depends on two to four neighbouring logits per axis. A band of rows
is therefore a small matrix product, which stays in the CPU's cache until it is thresholded. Along a row, the logits are
piecewise linear between knots; if only the outline is needed, it suffices to evaluate the knots, and to compute where
the line between two of them crosses the threshold.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sam_widget.masks.measures import in_float32
from sam_widget.masks.runs import Mask, StoredMask, set_bits
from sam_widget.predictor.fitting import axes

# Number of pixels of one axis per matrix product; with more, the matrices would be mostly zero.
_BLOCK = 32
# Number of values computed at a time, so that they are still in the cache when they are thresholded.
_AT_ONCE = 1 << 17


class Upscaling:
    """The upsampling of logits (h, w) to masks (H, W)."""

    def __init__(self, rows: NDArray[np.float64], columns: NDArray[np.float64]) -> None:
        """Prepare the upsampling.

        Args:
            rows: (H, h), weight of each row of logits in each row of the image; see `fitting.axes`.
            columns: (W, w), the same for columns.
        """
        self.size = (len(rows), len(columns))
        # With non-negative weights, a value is positive only if one of the logits it depends on is.
        self._convex = bool(rows.min() >= 0 and columns.min() >= 0)
        self._rows, self._columns = _Bands(rows), _Bands(columns)
        self._knots = _knots(columns)
        self._at_knots = self._columns if len(self._knots) == len(columns) else _Bands(columns[self._knots])
        # From the pixel before the first knot to the one after the last.
        self._ends = np.concatenate(([-1], self._knots, [len(columns)]))

    def weights(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return the weights of rows (H, h) and of columns (W, w), in float32."""
        return self._rows.weights.to(device), self._columns.weights.to(device)

    def masks(self, logits: Tensor, level: float) -> Mask:
        """Return where upsampled logits (N, h, w) exceed a level: (N, H, W) bool."""
        level = in_float32(level)
        if logits.device.type != "cpu":
            rows, columns = self.weights(logits.device)
            cut = [(rows @ one @ columns.T > level).cpu().numpy() for one in logits.float()]
            return np.stack(cut)
        masks = np.zeros((len(logits), *self.size), np.bool_)
        for one, mask in zip(logits.float(), masks, strict=True):
            for top, left, values in self._strips(one, self._columns, level):
                band = mask[top : top + len(values), left : left + values.shape[1]]
                np.greater(values, level, out=band)
        return masks

    def stored(self, logits: Tensor, level: float) -> StoredMask:
        """Return the mask of logits (h, w) without building a pixel array.

        The result is the same as that of `masks`, except for pixels whose logit equals the level up to rounding.
        """
        width, level = self.size[1], in_float32(level)
        edges = [np.empty(0, np.int64)]
        for top, left, values in self._strips(logits.float().cpu(), self._at_knots, level):
            above = np.zeros((values.shape[0], values.shape[1] + 2), np.bool_)  # false outside
            np.greater(values, level, out=above[:, 1:-1])
            places = set_bits(above[:, 1:] != above[:, :-1])
            row, knot = np.divmod(places, values.shape[1] + 1)
            edges.append((row + top) * width + self._passed(values, row, knot, left, level))
        ends = np.concatenate(edges).reshape(-1, 2)  # alternating: on, off, on, off
        runs = np.stack((ends[:, 0], ends[:, 1] - ends[:, 0]), axis=1).astype(np.uint32)
        return StoredMask.of_runs(runs, self.size)

    def _passed(
        self, values: NDArray[np.float32], row: NDArray[np.intp], knot: NDArray[np.intp], left: int, level: float
    ) -> NDArray[np.int64]:
        """Return the first pixels, relative to `left`, after edges that lie before the given knots."""
        before, behind = self._ends[left + knot], self._ends[left + knot + 1]
        if self._at_knots is self._columns:
            return behind
        last = values.shape[1] - 1
        a, b = values[row, np.maximum(knot - 1, 0)] - level, values[row, np.minimum(knot, last)] - level
        fall = a - b
        fall[fall == 0] = 1  # at the image's border, where there is only one candidate pixel
        at = before + (behind - before) * (a.astype(np.float64) / fall)
        # A pixel exactly at the level is not above it.
        passed = np.where(a > 0, np.ceil(at), np.floor(at) + 1)
        found: NDArray[np.int64] = np.clip(passed, before + 1, behind).astype(np.int64)
        return found

    def _strips(self, logits: Tensor, columns: _Bands, level: float) -> Iterator[tuple[int, int, NDArray[np.float32]]]:
        """Upsample logits (h, w), band by band.

        Yields:
            The first row and the first column (or knot) of a band, and its logits. Omitted bands have no value above
            the level.
        """
        with torch.inference_mode():
            wide = columns.make(logits.T).T  # (h, W)
            left, right, bands = 0, wide.shape[1], range(len(self._rows.blocks))
            if self._convex:
                above: Mask = (wide > level).numpy()
                some = np.flatnonzero(above.any(axis=0))
                used = np.asarray(above.any(axis=1))
                seen = np.flatnonzero(used[self._rows.windows.numpy()].any(axis=1))
                if not len(seen):
                    return
                # Includes one more knot on either side, because the outline lies between knots.
                left, right = max(0, int(some[0]) - 1), min(right, int(some[-1]) + 2)
                bands = range(int(seen[0]), int(seen[-1]) + 1)
            wide = wide[:, left:right].contiguous()
            at_once = max(1, _AT_ONCE // (_BLOCK * (right - left)))
            for first in range(bands.start, bands.stop, at_once):
                values = self._rows.make(wide, first, min(first + at_once, bands.stop)).numpy()
                yield first * _BLOCK, left, values


class _Bands:
    """The weights of one axis, as products of small matrices.

    Attributes:
        weights: (pixels, logits) float32.
        blocks: (B, _BLOCK, K), the weights of `_BLOCK` pixels on K logits.
        windows: (B, K), indices of these logits.
    """

    def __init__(self, weights: NDArray[np.float64]) -> None:
        pixels, logits = weights.shape
        self.weights = torch.from_numpy(weights.astype(np.float32))
        reach = weights != 0
        first, last = reach.argmax(axis=1), logits - 1 - reach[:, ::-1].argmax(axis=1)
        tops = np.arange(0, pixels, _BLOCK)
        starts, ends = np.minimum.reduceat(first, tops), np.maximum.reduceat(last, tops) + 1
        size = int((ends - starts).max())
        windows = np.minimum(starts, logits - size)[:, None] + np.arange(size)
        padded = np.zeros((len(tops) * _BLOCK, logits), np.float32)
        padded[:pixels] = weights
        blocks = np.take_along_axis(padded.reshape(len(tops), _BLOCK, logits), windows[:, None, :], axis=2)
        self.blocks, self.windows = torch.from_numpy(blocks), torch.from_numpy(windows)

    def make(self, lines: Tensor, first: int = 0, end: int | None = None) -> Tensor:
        """Upsample lines (logits, n) in blocks `first` to `end`, end exclusive, or in all: (pixels, n)."""
        made = self.blocks[first:end] @ lines[self.windows[first:end]]
        return made.flatten(0, 1)[: len(self.weights) - first * _BLOCK]


def _knots(weights: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the pixels between which weights (pixels, logits) are linear, including the first and the last."""
    bends = np.abs(np.diff(weights, n=2, axis=0)).max(axis=1, initial=0) > 1e-9
    knots = np.ones(len(weights), np.bool_)
    knots[1:-1] = bends
    return np.flatnonzero(knots)


@lru_cache(maxsize=8)
def upscaling(
    size: tuple[int, int],
    *,
    logits: int,
    fitted: tuple[int, int],
    side: int,
    resize: Literal["longest side", "square"],
    mode: Literal["bilinear", "bicubic"],
) -> Upscaling:
    """Return the upsampling of square logits to masks of an image, prepared once per image size; see `fitting.axes`."""
    return Upscaling(*axes(size, logits=logits, fitted=fitted, side=side, resize=resize, mode=mode))
