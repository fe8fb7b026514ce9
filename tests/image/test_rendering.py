"""From numbers to colours, and from a whole image to its tiles."""

from __future__ import annotations

import numpy as np
import pytest

from sam_widget.errors import ImageError
from sam_widget.image.pyramid import TILE, WHOLE, Pyramid, halved
from sam_widget.image.reading import to_rgb
from sam_widget.image.rendering import USUAL, Rendering, SourceImage

RNG = np.random.default_rng(0)
SIXTEEN = RNG.integers(100, 60000, (40, 60), dtype=np.uint16)
MANY = RNG.integers(0, 4000, (6, 50, 70), dtype=np.int32)


class TestSourceImage:
    @pytest.mark.parametrize(
        "source",
        [
            RNG.integers(0, 256, (8, 9, 3), dtype=np.uint8),
            RNG.integers(0, 256, (8, 9, 4), dtype=np.uint8),
            SIXTEEN,
            SIXTEEN.astype(np.float32),
            SIXTEEN > 9000,
            RNG.normal(size=(3, 20, 30)),
        ],
        ids=lambda a: f"{a.dtype} {a.shape}",
    )
    def test_its_rgb_is_what_to_rgb_gives(self, source: np.ndarray) -> None:
        np.testing.assert_array_equal(SourceImage(source).rgb, to_rgb(source))

    def test_8_bit_colours_are_kept_once(self) -> None:
        image = SourceImage(np.zeros((4, 5, 3), np.uint8))
        assert image.values is image.rgb

    def test_the_array_given_may_change_later(self) -> None:
        array = SIXTEEN.copy()
        image = SourceImage(array)
        array[:] = 0
        np.testing.assert_array_equal(image.values[..., 0], SIXTEEN)

    def test_many_channels_are_taken_wherever_they_are(self) -> None:
        first, last = SourceImage(MANY), SourceImage(np.moveaxis(MANY, 0, 2))
        assert (first.channels, first.size) == (6, (70, 50))
        np.testing.assert_array_equal(first.values, last.values)
        np.testing.assert_array_equal(first.rgb, to_rgb(MANY[:3]))
        two = SourceImage(MANY[:2])
        np.testing.assert_array_equal(two.rgb, to_rgb(MANY[0]))

    def test_an_automatic_window_leaves_out_outliers(self) -> None:
        values = SIXTEEN.astype(np.float64)
        values[0, 0] = 1e9
        dark, bright = SourceImage(values).bulk
        assert 100 <= dark < 1000
        assert 59000 < bright < 60000


class TestRendering:
    @pytest.mark.parametrize("source", [SIXTEEN, SIXTEEN.astype(np.float32), MANY, np.zeros((5, 6, 4), np.uint8)])
    def test_the_usual_is_rgb_itself(self, source: np.ndarray) -> None:
        image = SourceImage(source)
        assert image.render(USUAL) is image.rgb
        black, white = image.window
        spelled_out = Rendering((0, 1, 2) if image.channels > 1 else (0,), black, white)
        assert image.check(spelled_out) == USUAL

    def test_black_white_and_gamma(self) -> None:
        image = SourceImage(SIXTEEN)
        shown = image.render(Rendering(black=1000, white=5000, gamma=2.0))
        expected = np.rint(255 * np.sqrt(np.clip((SIXTEEN - 1000.0) / 4000, 0, 1)))
        for channel in range(3):
            np.testing.assert_array_equal(shown[..., channel], expected)
        inverted = image.render(Rendering(black=5000, white=1000))
        np.testing.assert_array_equal(inverted, 255 - image.render(Rendering(black=1000, white=5000)))

    def test_a_table_and_the_formula_agree(self) -> None:
        rendering = Rendering(black=321, white=54321, gamma=0.7)
        tabled = SourceImage(SIXTEEN).render(rendering)
        np.testing.assert_array_equal(tabled, SourceImage(SIXTEEN.astype(np.float64)).render(rendering))

    def test_channels_are_picked_and_left_dark(self) -> None:
        image = SourceImage(MANY)
        shown = image.render(Rendering((5, -1, 3), 0, 4000))
        np.testing.assert_array_equal(shown[..., 0], np.rint(MANY[5] * (255 / 4000)))
        assert not shown[..., 1].any()
        np.testing.assert_array_equal(shown[..., 2], np.rint(MANY[3] * (255 / 4000)))

    @pytest.mark.parametrize(
        "wrong",
        [
            Rendering((6,)),
            Rendering((-2,)),
            Rendering((0, 1)),
            Rendering(black=3, white=3),
            Rendering(black=float("nan")),
            Rendering(gamma=0),
        ],
        ids=str,
    )
    def test_an_impossible_one_is_refused(self, wrong: Rendering) -> None:
        with pytest.raises(ImageError, match="expected"):
            SourceImage(MANY).render(wrong)


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
