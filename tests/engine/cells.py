"""A domain drawn for the tests: cells with a dark membrane and a nucleus, of which the annotator wants the whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from sam_widget.engine.taught import TaughtMask, TaughtPhoto
from sam_widget.masks.runs import StoredMask


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


Drawn = Callable[[int], tuple[np.ndarray, list[np.ndarray]]]


def folder(path: Path, count: int, *, drawn: Drawn = draw) -> dict[str, list[np.ndarray]]:
    """Draw pictures into a folder; returns the masks by file name."""
    path.mkdir(parents=True, exist_ok=True)
    truth = {}
    for seed in range(count):
        picture, masks = drawn(seed)
        name = f"cells-{seed:03d}.png"
        Image.fromarray(picture).save(path / name)
        truth[name] = masks
    return truth


def taught(count: int) -> list[TaughtPhoto]:
    """Return photos of `rings` with their masks, to tune on."""
    found = []
    for seed in range(count):
        picture, masks = rings(seed)
        learned = tuple(TaughtMask(StoredMask(mask.copy())) for mask in masks)
        found.append(TaughtPhoto(f"{seed}.png", lambda picture=picture: picture, learned))
    return found


def rings(seed: int, *, size: int = 192, count: int = 4) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return a picture of three discs in each other, and the mask of each middle one, which the annotator wants."""
    rng = np.random.default_rng(1000 + seed)
    y, x = np.mgrid[:size, :size] + 0.5
    picture = np.full((size, size, 3), rng.uniform(90, 130)) + rng.normal(0, 6, (size, size, 3))
    masks: list[np.ndarray] = []
    taken = np.zeros((size, size), bool)
    for _ in range(200):
        if len(masks) == count:
            break
        radius = rng.uniform(0.14, 0.2) * size
        cx, cy = rng.uniform(radius, size - radius, 2)
        away = np.hypot(x - cx, y - cy)
        if (taken & (away < radius * 1.1)).any():
            continue
        taken |= away < radius * 1.1
        for share, colour in ((1.0, (200, 190, 120)), (0.7, (90, 140, 200)), (0.35, (220, 90, 90))):
            picture[away < share * radius] = np.array(colour) + rng.uniform(-15, 15, 3)
        masks.append(away < 0.7 * radius)
    return picture.clip(0, 255).astype(np.uint8), masks
