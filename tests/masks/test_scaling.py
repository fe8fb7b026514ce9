from __future__ import annotations

import numpy as np
import pytest

from sam_widget.masks.runs import StoredMask
from sam_widget.masks.scaling import enlarged, halved


def disc(height: int, width: int) -> StoredMask:
    y, x = np.mgrid[:height, :width]
    return StoredMask((y - height / 2) ** 2 + (x - width / 2) ** 2 < (min(height, width) / 3) ** 2)


@pytest.mark.parametrize(("height", "width"), [(400, 600), (401, 601), (3000, 4000)])
def test_a_mask_that_was_halved_and_enlarged_is_nearly_the_same(height: int, width: int) -> None:
    mask = disc(height, width)
    small = halved(mask)
    assert small.shape == ((height + 1) // 2, (width + 1) // 2)
    back = enlarged(small, mask.shape)
    assert back.shape == mask.shape
    both = (mask.array & back.array).sum() / (mask.array | back.array).sum()
    assert both > 0.985


def test_a_mask_of_one_pixel_and_an_empty_one_can_be_halved() -> None:
    assert halved(StoredMask(np.ones((1, 1), bool))).array.tolist() == [[True]]
    assert not halved(StoredMask(np.zeros((3, 5), bool))).array.any()


def test_a_mask_of_the_right_size_stays_as_it_is() -> None:
    mask = disc(30, 40)
    assert enlarged(mask, (30, 40)) is mask
