"""The share of a region that has a colour with a name."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sam_widget.image.reading import RGB

# CIE L*, a*, b* of typical surfaces with each of the eleven basic colour terms; several where a term covers a range.
_TYPICAL: dict[str, tuple[tuple[float, float, float], ...]] = {
    "black": ((8, 0, 0), (18, 0, 0)),
    "white": ((97, 0, 0), (88, 0, 0)),
    "grey": ((35, 0, 0), (50, 0, 0), (65, 0, 0), (76, 0, 0)),
    "red": ((45, 62, 38), (33, 48, 28), (52, 70, 50)),
    "orange": ((65, 42, 65), (72, 28, 62)),
    "yellow": ((88, -6, 78), (78, 2, 68), (90, -8, 45)),
    "green": ((52, -45, 38), (35, -28, 24), (72, -38, 48), (60, -20, 25)),
    "blue": ((38, 12, -52), (55, -4, -40), (25, 8, -30), (72, -12, -25), (31, 35, -66), (32, 70, -100)),
    "purple": ((35, 42, -42), (50, 32, -32), (28, 28, -28), (45, 72, -66)),
    "pink": ((75, 32, 2), (65, 55, -2), (84, 18, 4)),
    "brown": ((38, 18, 26), (26, 12, 16), (50, 16, 30)),
}


def colour_shares(pixels: NDArray[np.uint8]) -> dict[str, float]:
    """Return the share of pixels (N, 3) RGB that is nearest to each of the eleven basic colour terms; sums to 1."""
    names = list(_TYPICAL)
    owners = np.array([names.index(name) for name, typical in _TYPICAL.items() for _ in typical])
    centres = np.array([place for typical in _TYPICAL.values() for place in typical])
    # Lightness says less about a colour's name than hue and chroma do.
    weights = np.array([0.5, 1, 1])
    distance = (((_lab(pixels)[:, None] - centres) * weights) ** 2).sum(2)
    counts = np.bincount(owners[distance.argmin(1)], minlength=len(names))
    return {name: int(count) / max(1, len(pixels)) for name, count in zip(names, counts, strict=True)}


def colours_under(image: RGB, mask: NDArray[np.bool_], *, samples: int = 2000) -> dict[str, float]:
    """Return `colour_shares` of an image (H, W, 3) under a mask (H, W), from evenly spread pixels."""
    pixels = image[mask]
    return colour_shares(pixels[:: max(1, len(pixels) // samples)])


def _lab(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Convert sRGB (N, 3) to CIE L*a*b* under D65 (CIE 15:2004)."""
    value = pixels / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    xyz = linear @ np.array([[0.4124, 0.2126, 0.0193], [0.3576, 0.7152, 0.1192], [0.1805, 0.0722, 0.9505]])
    ratio = xyz / np.array([0.95047, 1.0, 1.08883])
    f = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)
