"""Turn logits into masks: the threshold, and cleaning up afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from sam_widget.errors import PromptError
from sam_widget.masks.components import areas, between, regions, united
from sam_widget.masks.runs import Mask, StoredMask
from sam_widget.masks.windows import placed, within
from sam_widget.prompts.geometry import Box, finite

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# Radius of the Gaussian, in standard deviations.
_TRUNCATE = 4.0
# Largest standard deviation in pixels: the Gaussian's weights take memory, and beyond this nothing is left of a mask.
MOST_SMOOTHING = 1000
# Number of pixels of a side smoothed at a time.
_TILE = 128


@dataclass(frozen=True)
class MaskSettings:
    """How a mask is computed from logits. The defaults do not change the model's mask.

    Attributes:
        threshold: Logit above which a pixel belongs to the mask, relative to the model's own threshold; higher values
            make the mask smaller.
        holes: Holes of up to this many pixels are filled.
        islands: Islands of up to this many pixels are dropped; the largest one is always kept.
        smoothing: Standard deviation, in pixels, of the Gaussian that smooths the outline.
        specks: Whether holes and islands are also filled and dropped up to 0.3% of the mask's area, but no more than
            1/2000 of the image: 98 pixels of 512 x 384. Sessions do this by default.

    Raises:
        PromptError: A value is not a finite number, one other than the threshold is negative, or smoothing is above
            `MOST_SMOOTHING`.
    """

    threshold: float = 0.0
    holes: int = 0
    islands: int = 0
    smoothing: float = 0.0
    specks: bool = False

    def __post_init__(self) -> None:
        """Check, and store plain Python numbers whatever number type was given."""
        object.__setattr__(self, "threshold", finite(self.threshold, "threshold of a mask"))
        for name in ("holes", "islands", "smoothing"):
            value = finite(getattr(self, name), name)
            if value < 0:
                msg = f"{name} is {value:g}, expected a number of pixels of 0 or more."
                raise PromptError(msg)
            if name == "smoothing" and value > MOST_SMOOTHING:
                raise PromptError(f"smoothing is {value:g} pixels, expected {MOST_SMOOTHING} or less")
            object.__setattr__(self, name, value if name == "smoothing" else int(value))
        object.__setattr__(self, "specks", bool(self.specks))

    @property
    def cleans(self) -> bool:
        """Whether masks are changed after thresholding."""
        return bool(self.holes or self.islands or self.smoothing or self.specks)


# What a session begins with.
TIDY = MaskSettings(specks=True)
# The largest speck, as a part of the mask's area, and of the image's.
_SPECK = 0.003
_LARGEST_SPECK = 1 / 2000


def clean(mask: StoredMask, settings: MaskSettings) -> StoredMask:
    """Smooth a mask, drop its islands and fill its holes as in `settings`, in time proportional to its outline."""
    if not settings.cleans or not mask.area:
        return mask
    mask = smooth(mask, settings.smoothing)
    speck = 0
    if settings.specks:
        speck = int(min(_SPECK * mask.area, _LARGEST_SPECK * mask.shape[0] * mask.shape[1]))
    return fill_holes(drop_islands(mask, max(settings.islands, speck)), max(settings.holes, speck))


def smooth(mask: StoredMask, sigma: float) -> StoredMask:
    """Smooth the outline of a mask with a Gaussian of `sigma` pixels, thresholded at one half.

    Pixels farther from the outline than the Gaussian reaches are unchanged and not visited. Border pixels are repeated
    outside the image, so that a mask that fills the image does not shrink.
    """
    if sigma <= 0 or not mask.area:
        return mask
    height, width = mask.shape
    reach = _reach(sigma)
    side = max(_TILE, 2 * reach)
    x, y, wide, high = mask.bounds
    left, right = max(0, x - reach), min(width, x + wide + reach)
    found = [np.empty((0, 2), np.uint32)]
    for top in range(max(0, y - reach), min(height, y + high + reach), side):
        bottom = min(height, top + side)
        above, below = max(0, top - reach), min(height, bottom + reach)
        band = within(mask, Box(left, above, right, below))
        smoothed = StoredMask(_smooth_band(band, sigma, top - above, bottom - top, side))
        found.append(placed(smoothed, Box(left, top, right, bottom), mask.shape).runs)
    return StoredMask.of_runs(np.concatenate(found), mask.shape)


def _smooth_band(band: Mask, sigma: float, first: int, count: int, side: int) -> Mask:
    """Smooth `count` rows of a band (h, w), from row `first` on, `side` columns at a time: (count, w)."""
    reach, columns = _reach(sigma), band.shape[1]
    rows = _sums(sigma, first, count, len(band))
    some: Mask = np.any(band, axis=0)
    every: Mask = np.all(band, axis=0)
    smoothed = np.empty((count, columns), np.bool_)
    for left in range(0, columns, side):
        right = min(columns, left + side)
        seen = slice(max(0, left - reach), min(columns, right + reach))
        if every[seen].all() or not some[seen].any():
            smoothed[:, left:right] = every[left]
            continue
        across = _sums(sigma, left - seen.start, right - left, seen.stop - seen.start)
        summed = across @ (rows @ band[:, seen].astype(np.float32)).T
        np.greater(summed.T, 0.5, out=smoothed[:, left:right])
    return smoothed


def _reach(sigma: float) -> int:
    return int(_TRUNCATE * sigma + 0.5)


@lru_cache(maxsize=16)
def _sums(sigma: float, first: int, count: int, length: int) -> csr_array:
    """Return the smoothing weights of `count` pixels, starting at `first`, of a line of `length` pixels.

    As a product with a sparse matrix (count, length), smoothing is several times faster than a convolution, and unlike
    a dense product it does not wait for other threads.
    """
    from scipy.sparse import csr_array

    offsets = np.arange(-_reach(sigma), _reach(sigma) + 1)
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    pixels = np.arange(count)[:, None]
    # The last pixel of a line is repeated beyond its end.
    summed = (pixels + first + offsets).clip(0, length - 1)
    values = np.tile(weights / weights.sum(), count)
    starts = np.arange(count + 1) * len(offsets)
    sums = csr_array((values, summed.reshape(-1), starts), shape=(count, length))
    sums.sum_duplicates()
    return sums.astype(np.float32)


def drop_islands(mask: StoredMask, area: int) -> StoredMask:
    """Drop the islands of up to `area` pixels, 8-connected, from a mask, but never the largest."""
    if area <= 0 or not mask.area:
        return mask
    numbers = regions(mask.runs, mask.shape[1], diagonals=True)
    sizes = areas(numbers, mask.runs)
    kept = sizes > area
    kept[sizes.argmax()] = True
    return mask if kept.all() else StoredMask.of_runs(mask.runs[kept[numbers]], mask.shape)


def fill_holes(mask: StoredMask, area: int) -> StoredMask:
    """Fill the holes of up to `area` pixels in a mask: enclosed background, 4-connected."""
    height, width = mask.shape
    gaps = between(mask.runs, height, width) if area > 0 else mask.runs[:0]
    if not len(gaps):
        return mask
    numbers = regions(gaps, width, diagonals=False)
    filled = areas(numbers, gaps) <= area
    # Background that touches the border is not a hole.
    row, column = np.divmod(gaps[:, 0].astype(np.intp), width)
    filled[numbers[(row == 0) | (row == height - 1) | (column == 0) | (column + gaps[:, 1] == width)]] = False
    if not filled.any():
        return mask
    return StoredMask.of_runs(united(mask.runs, gaps[filled[numbers]], width), mask.shape)


def without_small_regions(mask: StoredMask, area: int, *, holes: bool) -> StoredMask:
    """Fill the holes, or drop the islands, of fewer than `area` pixels, 8-connected.

    From segment-anything, `utils/amg.py`, `remove_small_regions`: if all islands are small, the largest is kept, and
    background that is not enclosed also counts as a hole.

    Returns:
        The cleaned mask; the same object if no region is small.
    """
    height, width = mask.shape
    runs = between(mask.runs, height, width) if holes else mask.runs
    numbers = regions(runs, width, diagonals=True)
    sizes = areas(numbers, runs)
    small = sizes < area
    if not small.any():
        return mask
    if holes:
        return StoredMask.of_runs(united(mask.runs, runs[small[numbers]], width), mask.shape)
    if small.all():
        small[sizes.argmax()] = False
    return StoredMask.of_runs(runs[~small[numbers]], mask.shape)
