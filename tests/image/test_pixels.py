"""Missing data takes no part in the range of the other values."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from sam_widget.errors import ImageError
from sam_widget.image.pixels import guess_nodata, window
from sam_widget.image.reading import read_values, to_rgb
from sam_widget.image.rendering import Rendering, SourceImage

RNG = np.random.default_rng(0)
HEIGHTS = RNG.normal(300, 20, (30, 40)).astype(np.float32)


def with_hole(value: float, values: Any = HEIGHTS) -> Any:
    result = values.copy()
    result[:7] = value
    return result


class TestMasks:
    @pytest.mark.parametrize("value", [-9999, 0, 1e30, np.nan, np.inf])
    @pytest.mark.parametrize("layout", ["HW", "HWC", "CHW"])
    def test_what_is_masked_does_not_count(self, value: float, layout: str) -> None:
        masked = np.ma.masked_array(with_hole(value), np.zeros(HEIGHTS.shape, bool))
        masked[:7] = np.ma.masked
        if layout != "HW":
            masked = np.ma.stack([masked] * 3, axis=2 if layout == "HWC" else 0)
        shown = to_rgb(masked)
        np.testing.assert_array_equal(shown[7:], to_rgb(HEIGHTS[7:]))
        assert not shown[:7].any()
        np.testing.assert_array_equal(SourceImage(masked).rgb, shown)

    def test_8_bit_numbers_keep_their_scale(self) -> None:
        values = RNG.integers(50, 200, (30, 40, 3), dtype=np.uint8)
        masked = np.ma.masked_array(values, values > 190)
        np.testing.assert_array_equal(to_rgb(masked), np.where(values > 190, 0, values))

    def test_nan_in_a_masked_array_is_missing_too(self) -> None:
        shown = to_rgb(np.ma.masked_equal(with_hole(np.nan), -1))
        np.testing.assert_array_equal(shown[7:], to_rgb(HEIGHTS[7:]))

    def test_without_any_data_there_is_no_image(self) -> None:
        with pytest.raises(ImageError, match="holds no data"):
            to_rgb(np.ma.masked_array(HEIGHTS, mask=True))

    def test_the_array_given_stays_as_it_is(self) -> None:
        masked = np.ma.masked_array(with_hole(-5.0), HEIGHTS > 300)
        before = masked.data.copy()
        read_values(masked)
        np.testing.assert_array_equal(masked.data, before)

    def test_filled_values_give_the_same_picture(self) -> None:
        """A session file keeps the values alone."""
        image = SourceImage(np.ma.masked_less(with_hole(-9999.0), 0))
        np.testing.assert_array_equal(SourceImage(image.values).rgb, image.rgb)


class TestXarray:
    @pytest.mark.parametrize("attributes", [{"_FillValue": -1.0}, {"nodata": -1}, {"nodatavals": (-1.0,)}, {}])
    def test_attributes_and_nan(self, attributes: dict[str, object]) -> None:
        xarray = pytest.importorskip("xarray")
        hole = with_hole(-1.0 if attributes else np.nan)
        shown = to_rgb(xarray.DataArray(hole, dims=("y", "x"), attrs=attributes))
        np.testing.assert_array_equal(shown[7:], to_rgb(HEIGHTS[7:]))


class TestGuesses:
    @pytest.mark.parametrize(
        "value", [-9999, -32768, float(np.finfo(np.float32).min), float(np.finfo(np.float32).max), 9.96921e36, 1e20]
    )
    def test_what_software_writes_for_no_data_is_taken_so_with_a_warning(self, value: float) -> None:
        with pytest.warns(UserWarning, match=r"taken to mean 'no data' in 280 of 1200 values"):
            shown = to_rgb(with_hole(value))
        np.testing.assert_array_equal(shown[7:], to_rgb(HEIGHTS[7:]))

    @pytest.mark.parametrize(
        "values",
        [
            np.linspace(-9999, 3000, 1000).reshape(20, 50),
            np.arange(-32768, 32768, dtype=np.int16).reshape(256, 256),
            with_hole(-500.0),
            np.full((4, 5), -9999.0),
            RNG.normal(0, 1e25, (20, 20)),
        ],
        ids=["a range that ends there", "all of int16", "another value", "nothing else", "large numbers"],
    )
    def test_numbers_that_may_be_meant_are_left_alone(self, values: Any) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert guess_nodata(values, "x") is values


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([3, 200], np.uint8), (0, 255)),
        (np.array([False, True]), (0, 1)),
        (np.array([0.2, 0.9]), (0, 1)),
        (np.array([3, 200], np.uint16), (0, 255)),
        (np.array([3, 4000], np.uint16), (3, 4000)),
        (np.array([3, 40000], np.uint16), (0, 65535)),
        (np.array([-3.0, 5.0]), (-3, 5)),
        (np.array([700, 700], np.uint16), (700, 701)),
    ],
)
def test_window(values: Any, expected: tuple[float, float]) -> None:
    assert window(values) == expected


class TestExtremes:
    """Ranges whose width, or what is divided by it, is more than floats hold."""

    @pytest.mark.parametrize(
        ("values", "red"),
        [
            ([-1e308, 1e308, 0.0], [0, 255, 128]),
            ([-1e-310, 1e-310, 0.0], [0, 255, 128]),
            ([1e17, 1e17, 1e17], [0, 0, 0]),
            ([1e308, 1e308, 1e308], [0, 0, 0]),
            ([-1.7e308, -1.7e308, -1.7e308], [0, 0, 0]),
        ],
    )
    @pytest.mark.filterwarnings("error")
    def test_the_whole_range_is_shown(self, values: list[float], red: list[int]) -> None:
        image = SourceImage(np.array([values]))
        assert image.rgb[0, :, 0].tolist() == red
        low, high = image.bulk
        assert min(values) <= low <= high <= max(values)
        # Shown as usual, by the way that takes a rendering.
        shown = image.paint(image.values, Rendering())[0, :, 0]
        assert np.abs(shown.astype(int) - red).max() <= 1
