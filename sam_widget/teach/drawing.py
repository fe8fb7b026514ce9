"""Drawing for panels, on NumPy arrays and Pillow pictures: tints, clicks, heat maps and charts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

RGB = np.ndarray
# Distinguishable for colour-blind readers (Okabe and Ito): subpart, part, whole, and the reader's own.
LEVELS = ((86, 180, 233), (0, 158, 115), (204, 121, 167))
YOURS = (230, 159, 0)
# Brightness of what is not shown.
DIM = 0.4
# Readable on white and on black.
GREY = (128, 128, 128, 255)


def tint(photo: RGB, mask: np.ndarray, colour: Sequence[int], *, alpha: float = 0.55) -> RGB:
    """Return a photo (H, W, 3) with a mask (H, W) bool in a colour."""
    shown = photo.copy()
    shown[mask] = (photo[mask] * (1 - alpha) + np.array(colour) * alpha).astype(np.uint8)
    return shown


def dim(photo: RGB, keep: np.ndarray) -> RGB:
    """Return a photo (H, W, 3), dark where `keep` (H, W) is false."""
    return np.where(keep[..., None], photo, (photo * DIM).astype(np.uint8))


def outline(mask: np.ndarray, *, width: int = 2) -> np.ndarray:
    """Return the pixels of a mask (H, W) bool along its border, about `width` pixels wide."""
    inner = mask
    for _ in range(width):
        padded = np.pad(inner, 1)
        inner = inner & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return np.asarray(mask & ~inner)


def star(pen: ImageDraw.ImageDraw, x: float, y: float, *, label: int = 1, radius: float = 7) -> None:
    """Mark a click at a position of the canvas: a plus for foreground, a minus for background."""
    colour = (0, 158, 115) if label else (213, 94, 0)
    pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colour, outline="white", width=2)
    pen.line([x - radius / 2, y, x + radius / 2, y], fill="white", width=2)
    if label:
        pen.line([x, y - radius / 2, x, y + radius / 2], fill="white", width=2)


def heat(values: np.ndarray, *, low: float | None = None, high: float | None = None, name: str = "viridis") -> RGB:
    """Return values (h, w) as colours (h, w, 3) uint8; grey where a value is NaN."""
    import matplotlib as mpl

    low = float(np.nanmin(values)) if low is None else low
    high = float(np.nanmax(values)) if high is None else high
    scaled = np.clip((values - low) / max(high - low, 1e-12), 0, 1)
    colours = mpl.colormaps[name](np.nan_to_num(scaled), bytes=True)[..., :3]
    return np.where(np.isnan(values)[..., None], np.uint8(128), colours)


def enlarged(cells: np.ndarray, height: int, width: int, *, smooth: bool = False) -> np.ndarray:
    """Return an array (h, w) or (h, w, 3) at another size."""
    method = Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(cells).resize((width, height), method))


def scatter(
    points: Sequence[tuple[float, float, Sequence[int]]], *, side: int = 280, marks: Sequence[str] = ()
) -> np.ndarray:
    """Return a chart of points in the unit square, with its diagonal: (side, side, 4) uint8, transparent.

    Args:
        points: x, y and colour of each.
        side: Of the chart, in pixels.
        marks: Texts to write next to the points, if given.
    """
    picture = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    pen = ImageDraw.Draw(picture)
    left, top, size = 34, 8, side - 52
    for tenth in range(0, 11, 2):
        at = tenth / 10 * size
        pen.line([left + at, top + size, left + at, top + size + 4], fill=GREY)
        pen.line([left - 4, top + size - at, left, top + size - at], fill=GREY)
        pen.text((left + at, top + size + 6), f"{tenth / 10:.1f}", fill=GREY, anchor="mt", font_size=11)
        pen.text((left - 6, top + size - at), f"{tenth / 10:.1f}", fill=GREY, anchor="rm", font_size=11)
    pen.rectangle([left, top, left + size, top + size], outline=GREY)
    pen.line([left, top + size, left + size, top], fill=GREY)
    for number, (x, y, colour) in enumerate(points):
        cx, cy = left + float(np.clip(x, 0, 1)) * size, top + size - float(np.clip(y, 0, 1)) * size
        pen.ellipse([cx - 5, cy - 5, cx + 5, cy + 5], fill=(*colour, 255), outline=GREY)
        if number < len(marks):
            pen.text((cx + 7, cy), marks[number], fill=GREY, anchor="lm", font_size=11)
    return np.asarray(picture)


def blend(photo: RGB, colours: RGB, *, seen: float = 0.3) -> RGB:
    """Return a photo (H, W, 3) in grey, under colours of the same shape."""
    grey = np.asarray(Image.fromarray(photo).convert("L"))[..., None]
    return (seen * grey + (1 - seen) * colours).astype(np.uint8)


def strip(vector: np.ndarray, *, rows: int = 4, cell: int = 8) -> RGB:
    """Return a vector as a block of coloured cells, row by row: blue is negative, red positive."""
    columns = -(-len(vector) // rows)
    padded = np.full(rows * columns, np.nan)
    padded[: len(vector)] = vector
    largest = max(float(np.abs(vector).max()), 1e-9)
    colours = heat(padded.reshape(rows, columns), low=-largest, high=largest, name="RdBu_r")
    return enlarged(colours, rows * cell, columns * cell)
