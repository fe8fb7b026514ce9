"""A domain drawn for the tests: cells with a dark membrane and a nucleus, of which the annotator wants the whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter


def draw(seed: int, *, size: int = 192, cells: int = 5) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return a picture (size, size, 3) uint8 of cells that do not overlap, and the mask of each."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] + 0.5
    noise = Image.fromarray(rng.integers(0, 255, (size, size), np.uint8)).filter(ImageFilter.GaussianBlur(3))
    picture = 150 + 0.5 * (np.asarray(noise, np.float32)[..., None] - 128) + rng.uniform(-10, 10, 3)
    masks: list[np.ndarray] = []
    taken = np.zeros((size, size), bool)
    for _ in range(100):
        if len(masks) == cells:
            break
        cx, cy = rng.uniform(0.12, 0.88, 2) * size
        a, b = rng.uniform(0.07, 0.13, 2) * size
        turn = rng.uniform(0, np.pi)
        u = (x - cx) * np.cos(turn) + (y - cy) * np.sin(turn)
        v = (y - cy) * np.cos(turn) - (x - cx) * np.sin(turn)
        inside = (u / a) ** 2 + (v / b) ** 2
        mask = inside <= 1
        if (taken & (inside <= 1.5)).any():
            continue
        taken |= mask
        picture[mask] += rng.uniform(5, 20)
        picture[(inside <= 1) & (inside > 0.75)] -= 60
        picture[((u - 0.2 * a) / (0.4 * a)) ** 2 + (v / (0.4 * b)) ** 2 <= 1] -= 80
        masks.append(mask)
    return picture.clip(0, 255).astype(np.uint8), masks


def folder(path: Path, count: int, *, first: int = 0) -> dict[str, list[np.ndarray]]:
    """Draw pictures into a folder; returns the masks by file name."""
    path.mkdir(parents=True, exist_ok=True)
    truth = {}
    for seed in range(first, first + count):
        picture, masks = draw(seed)
        name = f"cells-{seed:03d}.png"
        Image.fromarray(picture).save(path / name)
        truth[name] = masks
    return truth
