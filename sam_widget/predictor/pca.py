"""Features as colours: their first three principal components as red, green and blue."""

from __future__ import annotations

import numpy as np
from PIL import Image
from torch import Tensor

# Side of a grid cell in the picture, in pixels.
CELL = 8


def pca_picture(features: Tensor, *, cell: int = CELL) -> Image.Image:
    """Return features (C, h, w) as an RGB picture of h * cell x w * cell pixels; similar features have similar colours.

    Each component is scaled from the 2nd to the 98th percentile; its sign is that of its largest weight, so that the
    picture is reproducible.
    """
    channels, height, width = features.shape
    cells = features.float().cpu().reshape(channels, -1).T.numpy()  # (h * w, C)
    centred = cells - cells.mean(axis=0)
    # There are many more cells than channels, so this takes a tenth of the time of a singular value decomposition.
    variances, vectors = np.linalg.eigh(centred.T @ centred)
    axes = vectors.T[::-1][:3][variances[::-1][:3] > 1e-9 * max(variances[-1], 1e-30)]
    axes = axes * np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, None]
    scores = np.zeros((len(cells), 3), np.float32)
    scores[:, : len(axes)] = centred @ axes.T
    low, high = np.percentile(scores, (2, 98), axis=0)
    colours = np.clip((scores - low) / np.maximum(high - low, 1e-12), 0, 1)
    picture = np.rint(colours * 255).astype(np.uint8).reshape(height, width, 3)
    return Image.fromarray(picture).resize((width * cell, height * cell), Image.Resampling.NEAREST)
