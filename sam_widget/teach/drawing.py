"""Drawing for panels, on NumPy arrays and Pillow pictures: tints, clicks, heat maps and charts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from PIL import Image, ImageDraw

RGB = np.ndarray
# Distinguishable for colour-blind readers (Okabe and Ito): subpart, part, whole, and the reader's own.
LEVELS = ((86, 180, 233), (0, 158, 115), (204, 121, 167))
YOURS = (230, 159, 0)
# Curves, distinguishable as above, and readable on white and on black.
SERIES = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0), (128, 128, 128))
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


@cache
def colour_map(name: str) -> RGB:
    """Return the 256 colours of one of Matplotlib's maps, (256, 3) uint8."""
    import matplotlib as mpl

    return np.asarray(mpl.colormaps[name](np.arange(256), bytes=True)[:, :3])


def heat(values: np.ndarray, *, low: float | None = None, high: float | None = None, name: str = "viridis") -> RGB:
    """Return values (h, w) as colours (h, w, 3) uint8; grey where a value is NaN."""
    low = float(np.nanmin(values)) if low is None else low
    high = float(np.nanmax(values)) if high is None else high
    scaled = np.clip((values - low) / max(high - low, 1e-12), 0, 1)
    colours = colour_map(name)[np.rint(255 * np.nan_to_num(scaled)).astype(np.uint8)]
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
    grey = Image.fromarray(photo).convert("L").convert("RGB")
    return np.asarray(Image.blend(grey, Image.fromarray(colours), 1 - seen))


def strip(vector: np.ndarray, *, rows: int = 4, cell: int = 8) -> RGB:
    """Return a vector as a block of coloured cells, row by row: blue is negative, red positive."""
    columns = -(-len(vector) // rows)
    padded = np.full(rows * columns, np.nan)
    padded[: len(vector)] = vector
    largest = max(float(np.abs(vector).max()), 1e-9)
    colours = heat(padded.reshape(rows, columns), low=-largest, high=largest, name="RdBu_r")
    return enlarged(colours, rows * cell, columns * cell)


def curves(series: Sequence[Sequence[float]], *, width: int = 380, height: int = 200) -> np.ndarray:
    """Return a chart of values per step, smoothed, on their raw values: (height, width, 4) uint8, transparent.

    Args:
        series: The values of each curve, which has the colour of its place in `SERIES`; NaN where a step has none.
        width: Of the chart, in pixels.
        height: Of the chart, in pixels.
    """
    picture = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    pen = ImageDraw.Draw(picture)
    left, top, right, bottom = 44, 8, width - 8, height - 24
    pen.rectangle([left, top, right, bottom], outline=GREY)
    known = [np.array(values, float) for values in series]
    shown = [smoothed(values) for values in known]
    every = np.concatenate([*shown, np.zeros(0)])
    if not np.isfinite(every).any():
        return np.asarray(picture)
    low, high = float(np.nanmin(every)), float(np.nanmax(every))
    low, high = low - 0.05 * (high - low) - 1e-6, high + 0.05 * (high - low) + 1e-6
    longest = max(len(values) for values in known)
    for share in (0.0, 0.5, 1.0):
        y = bottom - share * (bottom - top)
        pen.line([left - 4, y, left, y], fill=GREY)
        pen.text((left - 6, y), f"{low + share * (high - low):.2f}", fill=GREY, anchor="rm", font_size=11)
    pen.text((left, bottom + 6), "0", fill=GREY, anchor="mt", font_size=11)
    pen.text((right, bottom + 6), str(longest), fill=GREY, anchor="rt", font_size=11)

    def places(values: np.ndarray) -> list[tuple[float, float]]:
        at = np.flatnonzero(np.isfinite(values))
        x = left + (at + 1) / max(longest, 2) * (right - left)
        y = bottom - np.clip((values[at] - low) / (high - low), 0, 1) * (bottom - top)
        return [(float(a), float(b)) for a, b in zip(x, y, strict=True)]

    for number, (values, smooth) in enumerate(zip(known, shown, strict=True)):
        colour = SERIES[number % len(SERIES)]
        if len(series) == 1:
            for x, y in places(values):
                pen.ellipse([x - 1, y - 1, x + 1, y + 1], fill=(*colour, 90))
        pen.line(places(smooth), fill=(*colour, 255), width=2)
    return np.asarray(picture)


def smoothed(values: np.ndarray) -> np.ndarray:
    """Return the mean of each value and a tenth of the run before it, without NaN."""
    width = max(1, len(values) // 10)
    finite = np.isfinite(values)
    sums, counts = (np.concatenate([[0.0], np.cumsum(part)]) for part in (np.where(finite, values, 0.0), finite))
    first = np.maximum(np.arange(len(values)) + 1 - width, 0)
    last = np.arange(len(values)) + 1
    count = counts[last] - counts[first]
    means: np.ndarray = np.where(count > 0, (sums[last] - sums[first]) / np.maximum(count, 1), np.nan)
    return means
