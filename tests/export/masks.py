"""Masks for the tests of formats."""

from __future__ import annotations

import numpy as np

import sam_widget as sw

HEIGHT, WIDTH = 60, 80


def disc(x: float, y: float, radius: float) -> np.ndarray:
    """Pixels whose centres lie within `radius` of (x, y)."""
    rows, columns = np.ogrid[:HEIGHT, :WIDTH]
    return np.asarray((columns + 0.5 - x) ** 2 + (rows + 0.5 - y) ** 2 < radius**2)


def pixel(x: int, y: int) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y, x] = True
    return mask


def masks_of(source: object) -> np.ndarray:
    """The masks, (N, H, W)."""
    return np.array([item.mask for item in sw.export.annotations_of(source)])
