"""How logits become the mask that is shown: where they are cut, and what is tidied up afterwards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sam_widget.errors import PromptError
from sam_widget.geometry import finite
from sam_widget.masks import box_from_mask

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class MaskSettings:
    """How a mask is made of logits. The defaults leave it as the model gives it.

    Attributes:
        threshold: Logit above which a pixel belongs to the mask, counted from the model's own threshold; a higher one
            makes the mask smaller.
        holes: Holes of up to this many pixels are filled.
        islands: Islands of up to this many pixels are dropped; the largest one stays.
        smoothing: Standard deviation, in pixels, of the Gaussian that the outline is smoothed with.

    Raises:
        PromptError: A value is not a finite number, or one other than the threshold is negative.
    """

    threshold: float = 0.0
    holes: int = 0
    islands: int = 0
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        """Check, and store plain Python numbers whatever number type was given."""
        object.__setattr__(self, "threshold", finite(self.threshold, "threshold of a mask"))
        for name in ("holes", "islands", "smoothing"):
            value = finite(getattr(self, name), name)
            if value < 0:
                msg = f"{name} is {value:g}, expected a number of pixels from 0 on."
                raise PromptError(msg)
            object.__setattr__(self, name, value if name == "smoothing" else int(value))

    @property
    def cleans(self) -> bool:
        """Whether anything is done to a mask after it is cut."""
        return bool(self.holes or self.islands or self.smoothing)


def clean(mask: Mask, settings: MaskSettings) -> Mask:
    """Smooth a (H, W) mask, drop its islands and fill its holes, as the settings say."""
    if not settings.cleans:
        return mask
    box = box_from_mask(mask)
    if box is None:
        return mask
    # Far enough around the mask that smoothing does not feel the crop, and that what is open to the outside stays open.
    x0, y0, x1, y1 = (int(side) for side in box.corners)
    margin = 1 + int(4 * settings.smoothing)
    around = (
        slice(max(0, y0 - margin), min(mask.shape[0], y1 + margin)),
        slice(max(0, x0 - margin), min(mask.shape[1], x1 + margin)),
    )
    cleaned = np.zeros_like(mask)
    part = drop_islands(smooth(mask[around], settings.smoothing), settings.islands)
    cleaned[around] = fill_holes(part, settings.holes)
    return cleaned


def smooth(mask: Mask, sigma: float) -> Mask:
    """Smooth the outline of a (H, W) mask: a Gaussian of `sigma` pixels, cut at one half."""
    if sigma <= 0:
        return mask
    from scipy.ndimage import gaussian_filter

    blurred = gaussian_filter(mask.astype(np.float32), sigma, mode="nearest", truncate=4.0)
    return np.asarray(blurred > 0.5)


def drop_islands(mask: Mask, area: int) -> Mask:
    """Drop the islands of up to `area` pixels from a (H, W) mask, but never the largest; diagonals connect."""
    if area <= 0:
        return mask
    from scipy.ndimage import label

    islands, count = label(mask, structure=np.ones((3, 3)))
    if count <= 1:
        return mask
    areas = np.bincount(islands.reshape(-1))
    areas[0] = 0
    kept = areas > area
    kept[areas.argmax()] = True
    return np.asarray(kept[islands])


def fill_holes(mask: Mask, area: int) -> Mask:
    """Fill the holes of up to `area` pixels in a (H, W) mask: background that the mask encloses, sides connecting."""
    if area <= 0:
        return mask
    from scipy.ndimage import label

    regions, count = label(~mask)
    if not count:
        return mask
    areas = np.bincount(regions.reshape(-1))
    filled = areas <= area
    filled[0] = False
    for edge in (regions[0], regions[-1], regions[:, 0], regions[:, -1]):
        filled[edge] = False  # Open to the outside, so no hole.
    return np.asarray(mask | filled[regions])
