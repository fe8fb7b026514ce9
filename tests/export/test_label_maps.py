"""Label maps: which number, and which name."""

from __future__ import annotations

import numpy as np
import pytest

import sam_widget as sw
from tests.export.masks import masks_of


def test_label_map_has_the_later_object_on_top(shapes: sw.AnnotatedImage) -> None:
    numbers, names = sw.export.label_map(shapes)
    assert (numbers.dtype, numbers.shape, names) == (np.uint16, (60, 80), [item.label for item in shapes])
    np.testing.assert_array_equal(numbers == 6, masks_of(shapes)[5])
    np.testing.assert_array_equal(numbers == 2, masks_of(shapes)[1] & ~masks_of(shapes)[5] & ~masks_of(shapes)[2])
    kinds, names = sw.export.label_map(shapes, by="class")
    assert names == ["rest", "cat", "ring é", "corner", "dot"]
    np.testing.assert_array_equal(kinds == 2, np.isin(numbers, (2, 6)))
    with pytest.raises(sw.FormatError, match="'object' or 'class'"):
        sw.export.label_map(shapes, by="colour")  # type: ignore[arg-type]
    with pytest.raises(sw.FormatError, match="one image, but 2"):
        sw.export.label_map([shapes, shapes])
