"""How an image, and logits of it, fit a model's input: sizes and weights in NumPy, without torch."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sam_widget.model.config import SamConfig


def fitted(config: SamConfig, height: int, width: int) -> tuple[int, int]:
    """Return height and width of an image in the model input: the longest side is its side, or both are."""
    if config.resize == "square":
        return config.image_size, config.image_size
    # As the reference's ResizeLongestSide rounds.
    scale = config.image_size / max(height, width)
    # Never zero: the reference rounds the short side of a very thin image to nothing and fails.
    return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))


def unpadded(config: SamConfig, logits: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
    """Return the part of (N, h, w) low-resolution logits that shows the image, without what pads it."""
    height, width = fitted(config, *image_size)
    ratio = config.image_size // config.mask_size
    return logits[..., : -(-height // ratio), : -(-width // ratio)]


def bilinear(lines: NDArray[np.float64], count: int, scale: float) -> NDArray[np.float64]:
    """Resize lines (n, h) to (count, h) like torch's `interpolate`; one output pixel covers `scale` input pixels."""
    at = np.maximum((np.arange(count) + 0.5) * scale - 0.5, 0)
    first = np.minimum(at.astype(np.intp), len(lines) - 1)
    part = (at - first)[:, None]
    made: NDArray[np.float64] = lines[first] * (1 - part) + lines[np.minimum(first + 1, len(lines) - 1)] * part
    return made


def bicubic(lines: NDArray[np.float64], count: int, scale: float) -> NDArray[np.float64]:
    """Resize lines like `bilinear`, by Keys' cubic convolution with a = -0.75, as in torch's `interpolate`."""
    at = (np.arange(count) + 0.5) * scale - 0.5
    first = np.floor(at).astype(np.intp)
    part = at - first
    made = np.zeros((count, lines.shape[1]))
    for tap in (-1, 0, 1, 2):
        away = np.abs(part - tap)
        near = (1.25 * away - 2.25) * away**2 + 1
        far = ((-0.75 * away + 3.75) * away - 6) * away + 3
        made += lines[np.clip(first + tap, 0, len(lines) - 1)] * np.where(away <= 1, near, far)[:, None]
    return made


def axes(
    size: tuple[int, int],
    *,
    logits: int,
    fitted: tuple[int, int],
    side: int,
    resize: Literal["longest side", "square"],
    mode: Literal["bilinear", "bicubic"],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weights by which square logits become an image's rows (H, h) and columns (W, w).

    Args:
        size: Height and width of the image.
        logits: Side of the logits.
        fitted: Height and width of the image in the model's input.
        side: Side of the model's input.
        resize: How the image is fitted to that input. With "longest side", the reference upsamples logits to the input,
            removes the padding, and resizes the rest to the image.
        mode: Interpolation of the logits of a stretched image.
    """
    lines = np.eye(logits)
    sides = []
    for length, inside in zip(size, fitted, strict=True):
        if resize == "square":
            sides.append((bilinear if mode == "bilinear" else bicubic)(lines, length, logits / length))
        else:
            enlarged = bilinear(lines, side, logits / side)[:inside]
            sides.append(bilinear(enlarged, length, inside / length))
    return sides[0], sides[1]
