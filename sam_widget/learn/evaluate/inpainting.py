"""Compare the reconstruction error of a masked autoencoder with two methods of inpainting.

All three fill the same masked patches of the same images: with the mean colour of the visible pixels, by linear
interpolation between them, and with the model. The measure is the mean squared error over masked pixels, with colours
between 0 and 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sam_widget.model.mae import MaskedAutoencoder, Reconstruction

METHODS = ("mean colour", "bilinear", "model")


@dataclass(frozen=True)
class Comparison:
    """Errors on one image.

    Attributes:
        name: Name of the image.
        errors: (seeds, 3) mean squared error of each of `METHODS` under each seed's mask.
    """

    name: str
    errors: np.ndarray


def mean_colour(image: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Fill hidden pixels (S, S) of an image (S, S, 3) with the mean of the others: (S, S, 3) float."""
    filled = image.astype(float)
    filled[hidden] = filled[~hidden].mean(0)
    return filled


def bilinear(image: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Fill hidden pixels (S, S) of an image (S, S, 3) by linear interpolation between the nearest visible ones.

    Linear on the triangles between visible pixels, the counterpart of bilinear interpolation for scattered pixels;
    outside their hull, nearest neighbour.
    """
    from scipy.interpolate import LinearNDInterpolator, NearestNDInterpolator
    from scipy.ndimage import binary_dilation

    filled = image.astype(float)
    # Only the rims of holes affect the result, and fewer points make fewer triangles.
    rims = binary_dilation(hidden, np.ones((3, 3), bool)) & ~hidden
    known, wanted = np.argwhere(rims), np.argwhere(hidden)
    values = LinearNDInterpolator(known, filled[rims])(wanted)
    outside = np.isnan(values).any(1)
    if outside.any():
        values[outside] = NearestNDInterpolator(known, filled[rims])(wanted[outside])
    filled[hidden] = values
    return filled


def compare(model: MaskedAutoencoder, images: Mapping[str, np.ndarray], *, seeds: Sequence[int]) -> list[Comparison]:
    """Measure all methods on the central squares of images (H, W, 3), under the masks of several seeds."""
    results = []
    for name, image in images.items():
        errors = []
        for seed in seeds:
            seen = model.reconstruct(image, seed=seed)
            hidden = hidden_pixels(seen)
            filled = (mean_colour(seen.original, hidden), bilinear(seen.original, hidden), seen.prediction)
            true = seen.original[hidden].astype(float)
            errors.append([np.mean((way[hidden] - true) ** 2) / 255**2 for way in filled])
        results.append(Comparison(name, np.array(errors)))
    return results


def hidden_pixels(seen: Reconstruction) -> np.ndarray:
    """Return which pixels of a reconstruction were masked: (S, S) bool."""
    patch = seen.original.shape[0] // seen.mask.shape[0]
    hidden: np.ndarray = seen.mask.repeat(patch, 0).repeat(patch, 1)
    return hidden


def table(results: Sequence[Comparison], *, detailed: bool = True) -> str:
    """Return a Markdown table of errors times 1000: one line per image (if `detailed`) and one for all of them."""
    rows = [[result.name, *result.errors.mean(0)] for result in results if detailed]
    rows.append([f"mean of {len(results)}", *np.mean([result.errors.mean(0) for result in results], axis=0)])
    lines = [["MSE x 1000", *METHODS, "won"], ["---"] * (len(METHODS) + 2)]
    every = [*([result] for result in results if detailed), results]
    for (name, *means), group in zip(rows, every, strict=True):
        errors = np.concatenate([result.errors for result in group])
        won = int((errors.argmin(1) == len(METHODS) - 1).sum())
        lines.append([str(name), *(f"{1000 * mean:.2f}" for mean in means), f"{won} of {len(errors)}"])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def sheet(model: MaskedAutoencoder, images: Mapping[str, np.ndarray], *, seed: int = 0, scale: int = 2) -> np.ndarray:
    """Draw each image as masked, bilinear, prediction, pasted and original, side by side: (H, W, 3) uint8."""
    rows = []
    for image in images.values():
        seen = model.reconstruct(image, seed=seed)
        between = bilinear(seen.original, hidden_pixels(seen)).round().clip(0, 255).astype(np.uint8)
        cells = (seen.masked, between, seen.prediction, seen.pasted, seen.original)
        row = np.concatenate([np.pad(cell, ((1, 1), (1, 1), (0, 0)), constant_values=255) for cell in cells], axis=1)
        rows.append(row.repeat(scale, 0).repeat(scale, 1))
    return np.concatenate(rows)
