"""Map the values of an image to colours: choose channels, black and white points, and gamma.

A `SourceImage` keeps the original values (16-bit, float, any number of channels) next to the RGB that `to_rgb` returns;
a `Rendering` describes another way to display them. Whole images are rendered for the model, tiles for views.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sam_widget.errors import ImageError
from sam_widget.image.blocks import is_lazy
from sam_widget.image.pixels import RGB, STRIP, Pixels, Values, percentiles, unit, window
from sam_widget.image.provenance import Reference
from sam_widget.image.reading import image_hash, read_pixels, rgb_from_pixels
from sam_widget.image.sources import file_name

# An automatic window excludes the darkest and the brightest 0.1% of the pixels.
TAILS = (0.1, 99.9)
# Number of pixels sampled to find an automatic window.
SAMPLE = 1_000_000


@dataclass(frozen=True)
class Rendering:
    """How to display an image; the default is the same as `to_rgb`.

    Attributes:
        channels: Indices of the channels shown as red, green and blue, or of the one shown as grey; -1 leaves a colour
            dark. Empty for the default: the first three, or the first if there are fewer.
        black: The value shown as black; None for the default of `to_rgb`.
        white: The value shown as white; None for the default of `to_rgb`. If it is below `black`, the image is
            inverted.
        gamma: Gamma correction: above 1 brightens the midtones, below 1 darkens them.
    """

    channels: tuple[int, ...] = ()
    black: float | None = None
    white: float | None = None
    gamma: float = 1.0


# The rendering of `to_rgb`.
USUAL = Rendering()


class SourceImage:
    """An image in its original values and as RGB.

    Attributes:
        values: (H, W, C) of integers or floats, read-only.
        rgb: (H, W, 3) uint8, read-only: the result of `to_rgb`, which models see by default.
        reference: The origin of the image.
    """

    def __init__(self, source: Any) -> None:
        """Read an image.

        Args:
            source: Anything that `to_rgb` accepts, and arrays with any number of channels. Arrays are copied.

        Raises:
            ImageError: The source cannot be read as an image.
        """
        self.reference = Reference.of(source)
        pixels = read_pixels(source, any_channels=True)
        values = pixels.values
        if values.dtype.kind == "b":
            values = values.astype(np.uint8) * np.uint8(255)
        plain = values.dtype == np.uint8 and values.shape[2] == 3
        # Values that were read block by block share no memory with the source.
        owned = is_lazy(source)
        self.rgb: RGB
        if plain and owned:
            self.rgb = np.ascontiguousarray(values)
        else:
            self.rgb = rgb_from_pixels(Pixels(values, pixels.opacity))
        self.values: Values
        if plain:
            self.values = self.rgb
        else:
            self.values = np.ascontiguousarray(values) if owned else np.array(values, order="C")
        self.rgb.flags.writeable = False
        self.values.flags.writeable = False

    @classmethod
    def restored(cls, values: Values, rgb: RGB) -> SourceImage:
        """Return an image restored from stored values and RGB.

        Args:
            values: (H, W, C), the stored `SourceImage.values`.
            rgb: (H, W, 3) uint8, the stored `SourceImage.rgb`.

        Raises:
            ImageError: The sizes differ.
        """
        if values.shape[:2] != rgb.shape[:2]:
            raise ImageError(f"values of shape {values.shape} and a picture of {rgb.shape}; expected the same size")
        image = cls(rgb)
        image.values = np.array(values, order="C")
        image.values.flags.writeable = False
        return image

    @property
    def name(self) -> str | None:
        """File name of the image, or None."""
        return file_name(self.reference.path or self.reference.url)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, in pixels."""
        return self.values.shape[1], self.values.shape[0]

    @property
    def channels(self) -> int:
        """The number of channels to choose from."""
        return int(self.values.shape[2])

    @cached_property
    def hash(self) -> str:
        """A hash of the image's RGB content."""
        return image_hash(self.rgb)

    @cached_property
    def window(self) -> tuple[float, float]:
        """The values shown as black and white in `rgb`."""
        return window(self._colours)

    @cached_property
    def extent(self) -> tuple[float, float]:
        """The smallest and the largest value."""
        return float(self.values.min()), float(self.values.max())

    @cached_property
    def bulk(self) -> tuple[float, float]:
        """The range of nearly all values, without outliers: a useful window for display."""
        step = max(1, math.ceil(math.sqrt(self.values.size / SAMPLE)))
        return percentiles(self._colours[::step, ::step], TAILS)

    @property
    def _colours(self) -> Values:
        """The values of the default channels, without opacity."""
        return self.values[..., : len(self._usual)]

    @property
    def _usual(self) -> tuple[int, ...]:
        return (0, 1, 2) if self.channels >= 3 else (0,)

    def check(self, rendering: Rendering) -> Rendering:
        """Validate a rendering for this image, and return it with its defaults normalised.

        Raises:
            ImageError: The rendering is invalid for this image.
        """
        channels = () if rendering.channels == self._usual else rendering.channels
        if len(channels) not in (0, 1, 3) or any(not -1 <= index < self.channels for index in channels):
            raise ImageError(
                f"cannot show channels {rendering.channels} of an image with {self.channels}; expected one index or "
                f"three (red, green, blue), each from 0 to {self.channels - 1}, or -1 for none"
            )
        black, white = self.window
        black = black if rendering.black is None else float(rendering.black)
        white = white if rendering.white is None else float(rendering.white)
        if not (math.isfinite(black) and math.isfinite(white) and black != white):
            raise ImageError(f"black is {black:g} and white is {white:g}; expected two different numbers")
        if not 0.05 <= rendering.gamma <= 20:
            raise ImageError(f"gamma is {rendering.gamma:g}; expected a number from 0.05 to 20")
        return Rendering(
            channels,
            None if black == self.window[0] else black,
            None if white == self.window[1] else white,
            float(rendering.gamma),
        )

    def render(self, rendering: Rendering) -> RGB:
        """Return the whole image as RGB.

        Returns:
            (H, W, 3) uint8.

        Raises:
            ImageError: The rendering is invalid for this image.
        """
        rendering = self.check(rendering)
        if rendering == USUAL:
            return self.rgb
        result = np.empty_like(self.rgb)
        for top in range(0, len(result), STRIP):
            result[top : top + STRIP] = self.paint(self.values[top : top + STRIP], rendering)
        return result

    def crop(self, rendering: Rendering, box: tuple[int, int, int, int]) -> RGB:
        """Return a part of the image as RGB, as a model sees it; only that part is rendered.

        Args:
            rendering: How to display it.
            box: x0, y0, x1, y1 in whole pixels, inside the image.

        Returns:
            (y1 - y0, x1 - x0, 3) uint8.

        Raises:
            ImageError: The rendering is invalid for this image.
        """
        rendering = self.check(rendering)
        part = np.s_[box[1] : box[3], box[0] : box[2]]
        if rendering == USUAL:
            return np.ascontiguousarray(self.rgb[part])
        painted = self.paint(self.values[part], rendering)
        return np.ascontiguousarray(np.broadcast_to(painted, (*painted.shape[:2], 3)))

    def paint(self, values: Values, rendering: Rendering) -> RGB:
        """Render some of the image's values: a crop, or a smaller version.

        Args:
            values: (h, w, C).
            rendering: A rendering returned by `check`.

        Returns:
            (h, w, 3) uint8, or (h, w, 1) if all three channels would be equal.
        """
        picked = rendering.channels or self._usual
        black, white = self.window
        low = black if rendering.black is None else rendering.black
        high = white if rendering.white is None else rendering.white
        if values.dtype.kind == "u" and values.dtype.itemsize <= 2:
            # A lookup table computes each of at most 65,536 values only once.
            every = np.arange(np.iinfo(values.dtype).max + 1)
            table = _bend(every, low, high, rendering.gamma)
            shown = [None if index < 0 else table[values[..., index]] for index in picked]
        else:
            shown = [None if index < 0 else _bend(values[..., index], low, high, rendering.gamma) for index in picked]
        dark = np.zeros(values.shape[:2], np.uint8)
        return np.stack([dark if channel is None else channel for channel in shown], axis=-1)


def _bend(values: Values, low: float, high: float, gamma: float) -> NDArray[np.uint8]:
    """Map values to 0..255 so that `low` becomes 0 and `high` 255, with gamma correction in between."""
    shares = np.clip(unit(values, low, high), 0.0, 1.0)
    if gamma != 1:
        shares **= 1 / gamma
    return np.asarray(np.rint(shares * 255), dtype=np.uint8)
