"""Masks of another size: smaller ones for a thin line, and back."""

from __future__ import annotations

import numpy as np
from PIL import Image

from sam_widget.masks.runs import StoredMask


def halved(mask: StoredMask) -> StoredMask:
    """Return a mask of half the height and width, rounded up: the pixels of which at least half are covered."""
    height, width = mask.shape
    even = np.pad(mask.array, ((0, height % 2), (0, width % 2)), mode="edge").astype(np.uint8)
    covered = even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]
    return StoredMask(covered >= 2)


def enlarged(mask: StoredMask, size: tuple[int, int]) -> StoredMask:
    """Return a mask at a larger height and width, with smooth boundaries."""
    if mask.shape == size:
        return mask
    picture = Image.fromarray(np.where(mask.array, np.uint8(255), np.uint8(0)))
    return StoredMask(np.asarray(picture.resize((size[1], size[0]), Image.Resampling.BILINEAR)) >= 128)
