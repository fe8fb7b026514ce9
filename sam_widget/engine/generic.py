"""The generic photos that a tuned model must not get worse on: scenes that come with the package."""

from __future__ import annotations

import functools
import io
import zipfile
from collections.abc import Sequence

import numpy as np
from PIL import Image

from sam_widget.engine.taught import TaughtMask, TaughtPhoto
from sam_widget.masks.runs import StoredMask
from sam_widget.model.config import SamConfig, TinyConfig
from sam_widget.model.zoo import WEIGHTS

PACK = WEIGHTS / "generic.zip"
# Regions of a scene that are used, largest first, and the shares of the scene between which they lie.
REGIONS = 8
SHARES = (0.004, 0.6)
# Scenes that are used, and those for a model that takes seconds for each.
ALL, FEW = 24, 8


@functools.cache
def generic_photos() -> tuple[TaughtPhoto, ...]:
    """Return the scenes, with the wholes and parts in each."""
    with zipfile.ZipFile(PACK) as archive:
        numbers = sorted(name.removesuffix(".jpg") for name in archive.namelist() if name.endswith(".jpg"))
        files = {name: archive.read(name) for name in archive.namelist()}

    def photo(number: str) -> TaughtPhoto:
        labels = np.array(Image.open(io.BytesIO(files[f"{number}.png"])))

        def read() -> np.ndarray:
            return np.array(Image.open(io.BytesIO(files[f"{number}.jpg"])))

        return TaughtPhoto(f"scene {number}", read, tuple(TaughtMask(mask) for mask in _regions(labels)))

    return tuple(photo(number) for number in numbers)


def _regions(labels: np.ndarray) -> list[StoredMask]:
    """Return wholes and parts, which the channels 2 and 1 of (H, W, 3) number."""
    found: list[np.ndarray] = []
    for level in (2, 1):
        plane = labels[..., level]
        for region, count in zip(*np.unique(plane, return_counts=True), strict=True):
            mask = plane == region
            if SHARES[0] * mask.size <= count <= SHARES[1] * mask.size and not any(
                (mask == one).all() for one in found
            ):
                found.append(mask)
    found.sort(key=lambda mask: -int(mask.sum()))
    return [StoredMask(mask) for mask in found[:REGIONS]]


def generic_sides(
    config: SamConfig, given: Sequence[TaughtPhoto] | None = None
) -> tuple[Sequence[TaughtPhoto], Sequence[TaughtPhoto]]:
    """Return scenes, or the photos given, to learn from and to judge by, which are different ones.

    Args:
        config: Sizes of the model, because large ones take seconds for each scene.
        given: Photos to use instead of the scenes.
    """
    photos = generic_photos()[: ALL if isinstance(config, TinyConfig) else FEW] if given is None else given
    return photos[::2], photos[1::2] or photos
