"""From numbers to colours."""

from __future__ import annotations

import numpy as np
import pytest

from sam_widget.errors import ImageError
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
