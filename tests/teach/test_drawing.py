"""Drawing for panels."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from sam_widget.teach.drawing import SERIES, curves, dim, enlarged, heat, scatter, smoothed, star, tint


def test_a_mask_is_tinted_and_the_rest_is_the_photo() -> None:
    photo = np.full((4, 4, 3), 100, np.uint8)
    mask = np.eye(4, dtype=bool)
    shown = tint(photo, mask, (200, 0, 0), alpha=0.5)
    assert tuple(shown[0, 0]) == (150, 50, 50)
    assert (shown[~mask] == 100).all()
    assert (photo == 100).all()
    assert (dim(photo, mask)[~mask] == 40).all()


def test_heat_goes_from_dark_to_bright_and_is_grey_where_nothing_is_known() -> None:
    shown = heat(np.array([[0.0, 1.0, np.nan]]))
    assert shown[0, 0].sum() < shown[0, 1].sum()
    assert tuple(shown[0, 2]) == (128, 128, 128)
    assert enlarged(shown, 10, 30).shape == (10, 30, 3)


def test_points_of_a_chart_are_where_their_values_are() -> None:
    empty = scatter([])
    low, high = scatter([(0.1, 0.1, (255, 0, 0))]), scatter([(0.9, 0.9, (255, 0, 0))])

    def centre(chart: np.ndarray) -> np.ndarray:
        return np.argwhere((chart[..., 0] == 255) & (chart[..., 1] == 0)).mean(axis=0)

    assert (empty[..., 3] == 0).any(), "transparent, for light and dark pages"
    assert centre(low)[0] > centre(high)[0]
    assert centre(low)[1] < centre(high)[1]


def test_a_click_is_marked() -> None:
    picture = Image.new("RGB", (40, 40))
    star(ImageDraw.Draw(picture), 20, 20, label=0)
    assert picture.getpixel((20, 20)) == (255, 255, 255)
    assert picture.getpixel((20, 16)) == (213, 94, 0)


def test_a_curve_that_falls_is_drawn_from_the_top_left_to_the_bottom_right() -> None:
    chart = curves([list(np.linspace(1, 0, 50))], width=200, height=100)
    assert chart.shape == (100, 200, 4)
    rows, columns = np.nonzero((chart[..., :3] == SERIES[0]).all(axis=-1) & (chart[..., 3] == 255))
    assert rows[columns < 60].mean() < 40
    assert rows[columns > 180].mean() > 60
    assert (chart[0, 0] == 0).all(), "transparent, for dark themes"


def test_curves_without_values_are_empty_and_gaps_are_left_out() -> None:
    assert (curves([[], []]) == curves([[float("nan")]])).all()
    two = curves([[1.0, float("nan"), 1.0], [0.0, 0.0, 0.0]])
    for colour in SERIES[:2]:
        assert (two[..., :3] == colour).all(axis=-1).any()


def test_smoothing_averages_what_is_known_of_the_last_tenth() -> None:
    values = np.arange(20.0)
    assert smoothed(values)[[0, 1, 19]].tolist() == [0, 0.5, 18.5]
    values[19] = np.nan
    assert smoothed(values)[19] == 18
    assert np.isnan(smoothed(np.array([np.nan]))).all()
