"""Photos on which the model is good as it is: red discs, which the annotator wants, and blue squares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

# Pixels along each side of a photo, and of a cell of the grid in which shapes are.
SIZE, CELL = 192, 64


def draw(seed: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return a picture (192, 192, 3) uint8 with five discs and four squares, and the masks of the discs."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    picture = np.full((SIZE, SIZE, 3), 175.0) + rng.normal(0, 4, (SIZE, SIZE, 1))
    masks: list[np.ndarray] = []
    for place, cell in enumerate(rng.permutation(9)):
        cx, cy = CELL * (np.array([cell % 3, cell // 3]) + 0.5) + rng.uniform(-6, 6, 2)
        half = rng.uniform(15, 21)
        if place < 5:
            mask = (x - cx) ** 2 + (y - cy) ** 2 <= half**2
            picture[mask] = (190, 40, 40)
            masks.append(mask)
        else:
            picture[(abs(x - cx) <= half) & (abs(y - cy) <= half)] = (40, 60, 190)
    return np.asarray(
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.7))
    ), masks


def folder(path: Path, count: int) -> dict[str, list[np.ndarray]]:
    """Draw photos into a folder; returns the masks by file name."""
    path.mkdir(parents=True, exist_ok=True)
    truth = {}
    for seed in range(count):
        picture, masks = draw(seed)
        name = f"shapes-{seed}.png"
        Image.fromarray(picture).save(path / name)
        truth[name] = masks
    return truth
