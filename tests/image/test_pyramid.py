"""From a whole image to its tiles."""

from __future__ import annotations

import numpy as np
import pytest

from sam_widget.errors import ImageError
from sam_widget.image.pyramid import TILE, WHOLE, Pyramid, halved
from sam_widget.image.rendering import Rendering, SourceImage

RNG = np.random.default_rng(0)
SIXTEEN = RNG.integers(100, 60000, (40, 60), dtype=np.uint16)


class TestPyramid:
    def test_a_small_image_is_one_tile(self) -> None:
        image = SourceImage(SIXTEEN)
        pyramid = Pyramid(image)
        assert pyramid.levels == 1
        np.testing.assert_array_equal(pyramid.tile(0, 0, 0), image.rgb)

    def test_tiles_put_together_are_the_level(self) -> None:
        image = SourceImage(RNG.integers(0, 256, (1101, 3001, 3), dtype=np.uint8))
        pyramid = Pyramid(image)
        assert (pyramid.levels, pyramid.size(1)) == (2, (1501, 551))
        rows = [np.hstack([pyramid.tile(0, c, r) for c in range(6)]) for r in range(3)]
        np.testing.assert_array_equal(np.vstack(rows), image.rgb)
        assert pyramid.tile(0, 0, 0).shape == (TILE, TILE, 3)
        whole = pyramid.tile(1, 0, 0)
        assert whole.shape == (551, 1501, 3)
        assert whole[:, :, 0].size <= WHOLE

    def test_a_rendering_is_made_of_the_values_of_the_level(self) -> None:
        values = RNG.integers(0, 65536, (1100, 2000, 5), dtype=np.uint16)
        pyramid = Pyramid(SourceImage(values))
        tile = pyramid.tile(0, 1, 1, Rendering((4,), 0, 65535))
        np.testing.assert_array_equal(tile[..., 0], np.rint(values[512:1024, 512:1024, 4] / 257))
        coarse = pyramid.tile(1, 0, 0, Rendering((4,), 0, 65535))
        mean = values[..., 4].astype(float).reshape(550, 2, 1000, 2).mean((1, 3))
        assert abs(coarse[..., 0] - mean / 257).max() <= 1

    @pytest.mark.parametrize("place", [(-1, 0, 0), (2, 0, 0), (0, 6, 0), (0, 0, -1), (1, 0, 1)])
    def test_there_are_no_others(self, place: tuple[int, int, int]) -> None:
        pyramid = Pyramid(SourceImage(np.zeros((1101, 3001, 3), np.uint8)))
        with pytest.raises(ImageError, match="level"):
            pyramid.tile(*place)

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32, np.float64])
    @pytest.mark.parametrize("shape", [(6, 8, 1), (5, 7, 3), (1030, 3, 4)])
    def test_halving_takes_the_mean(self, dtype: type, shape: tuple[int, ...]) -> None:
        pixels = (RNG.random(shape) * 250).astype(dtype)
        half = halved(pixels)
        assert half.dtype == dtype
        assert half.shape == (-(-shape[0] // 2), -(-shape[1] // 2), shape[2])
        height, width = shape[0] // 2, shape[1] // 2
        mean = pixels[: 2 * height, : 2 * width].astype(float).reshape(height, 2, width, 2, -1).mean((1, 3))
        assert abs(half[:height, :width] - mean).max() <= 0.5 + 1e-4
        assert abs(half[-1, -1] - pixels[-1, -1].astype(float)).max() <= 250
