"""The colours that pixels are called."""

from __future__ import annotations

import numpy as np
import pytest

from sam_widget.image.colours import colour_shares, colours_under


@pytest.mark.parametrize(
    ("pixel", "name"),
    [
        ((0, 0, 0), "black"),
        ((255, 255, 255), "white"),
        ((128, 128, 128), "grey"),
        ((200, 20, 30), "red"),
        ((240, 130, 20), "orange"),
        ((250, 220, 30), "yellow"),
        ((30, 120, 40), "green"),
        ((110, 190, 90), "green"),
        ((30, 60, 180), "blue"),
        ((120, 170, 220), "blue"),
        ((110, 40, 140), "purple"),
        ((245, 170, 190), "pink"),
        ((110, 70, 40), "brown"),
    ],
)
def test_a_plain_colour_has_its_everyday_name(pixel: tuple[int, int, int], name: str) -> None:
    shares = colour_shares(np.array([pixel], np.uint8))
    assert shares[name] == 1
    assert sum(shares.values()) == pytest.approx(1)


def test_only_the_pixels_under_the_mask_count() -> None:
    image = np.zeros((10, 10, 3), np.uint8)
    image[:, 5:] = (200, 20, 30)
    mask = np.zeros((10, 10), bool)
    mask[:, 4:8] = True
    assert colours_under(image, mask)["red"] == 0.75
    assert colours_under(image, mask)["black"] == 0.25
