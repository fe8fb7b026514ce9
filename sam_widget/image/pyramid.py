"""A tiled image pyramid, from which views request tiles on demand.

Level 0 is the image itself; each further level is half the size of the previous one. The last level fits into one tile,
so a view shows the whole image immediately, and loads details of the visible part.
"""

from __future__ import annotations

import io
import threading

import numpy as np
from PIL import Image

from sam_widget.errors import ImageError
from sam_widget.image.pixels import Values
from sam_widget.image.rendering import USUAL, Rendering, SourceImage

# Side of a tile, in pixels of its level. The last level is one tile of any size.
TILE = 512
# The largest image that is sent as a single tile.
WHOLE = 2_000_000
# Number of rows halved at a time.
STRIP = 512


class Pyramid:
    """The levels of an image, each computed on first use and cached. Thread-safe."""

    def __init__(self, source: SourceImage) -> None:
        self.source = source
        self._rgb: list[Values] = [source.rgb]
        self._values: list[Values] = self._rgb if source.values is source.rgb else [source.values]
        self._growing = threading.Lock()
        width, height = source.size
        self.levels = 1
        while _shrunk(width, self.levels - 1) * _shrunk(height, self.levels - 1) > WHOLE:
            self.levels += 1

    def size(self, level: int) -> tuple[int, int]:
        """Return the width and height of a level, in its pixels."""
        width, height = self.source.size
        return _shrunk(width, level), _shrunk(height, level)

    def tile(self, level: int, column: int, row: int, rendering: Rendering = USUAL) -> Values:
        """Return one tile; those at the right and bottom edges may be smaller.

        Returns:
            (h, w, 3) uint8, or (h, w, 1) if all three channels would be equal.

        Raises:
            ImageError: The tile does not exist, or the rendering is invalid for this image.
        """
        rendering = self.source.check(rendering)
        if not 0 <= level < self.levels:
            raise ImageError(f"there is no level {level}; this image has 0 to {self.levels - 1}")
        width, height = self.size(level)
        side = max(width, height) if level == self.levels - 1 else TILE
        columns, rows = -(-width // side), -(-height // side)
        if not (0 <= column < columns and 0 <= row < rows):
            raise ImageError(f"level {level} has {columns} x {rows} tiles, none at column {column}, row {row}")
        usual = rendering == USUAL
        pixels = self._level(self._rgb if usual else self._values, level)
        crop = pixels[row * side : (row + 1) * side, column * side : (column + 1) * side]
        return crop if usual else self.source.paint(crop, rendering)

    def encoded(self, level: int, column: int, row: int, rendering: Rendering = USUAL) -> tuple[str, bytes]:
        """Return the encoding and bytes of one tile: PNG on level 0, JPEG on the others.

        Raises:
            ImageError: The tile does not exist, or the rendering is invalid for this image.
        """
        pixels = self.tile(level, column, row, rendering)
        picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else np.ascontiguousarray(pixels))
        buffer = io.BytesIO()
        if level == 0:
            picture.save(buffer, "PNG", compress_level=1)
        else:
            picture.save(buffer, "JPEG", quality=90, subsampling=0)
        return "image/png" if level == 0 else "image/jpeg", buffer.getvalue()

    def _level(self, made: list[Values], level: int) -> Values:
        with self._growing:
            while len(made) <= level:
                made.append(halved(made[-1]))
        return made[level]


def halved(pixels: Values) -> Values:
    """Return an image at half its size, rounded up; each pixel is the mean of up to 2 x 2 pixels.

    Args:
        pixels: (H, W, C).

    Returns:
        (ceil(H / 2), ceil(W / 2), C), of the same type.
    """
    height, width, channels = pixels.shape
    if pixels.dtype == np.uint8 and channels == 3:
        return np.asarray(Image.fromarray(pixels).reduce(2))
    # float32 represents the sum of four 16-bit integers exactly.
    narrow = pixels.dtype.itemsize <= (4 if pixels.dtype.kind == "f" else 2)
    wide = np.float32 if narrow else np.float64
    result = np.empty((-(-height // 2), -(-width // 2), channels), pixels.dtype)
    for top in range(0, height, STRIP):
        strip = pixels[top : top + STRIP]
        # At an odd edge the last row or column counts twice.
        strip = np.pad(strip, ((0, strip.shape[0] % 2), (0, width % 2), (0, 0)), mode="edge").astype(wide)
        mean = (strip[0::2, 0::2] + strip[1::2, 0::2] + strip[0::2, 1::2] + strip[1::2, 1::2]) / 4
        result[top // 2 : top // 2 + len(mean)] = mean if pixels.dtype.kind == "f" else np.rint(mean)
    return result


def _shrunk(length: int, level: int) -> int:
    """Return the side length at a level: halved and rounded up `level` times."""
    return -(-length >> level)
