"""Features as colours."""

from __future__ import annotations

import numpy as np
import torch

from sam_widget.predictor.pca import pca_picture

NOISE = torch.randn(12, 6, 8, generator=torch.Generator().manual_seed(0))


def test_alike_features_look_alike_and_others_do_not() -> None:
    features = torch.zeros(12, 6, 8)
    features[:4, :, :4], features[4:, :, 4:] = 1, 3
    picture = np.asarray(pca_picture(features, cell=2))
    assert picture.shape == (12, 16, 3)
    left, right = picture[:, :8], picture[:, 8:]
    assert (left == left[0, 0]).all()
    assert (right == right[0, 0]).all()
    assert abs(int(left[0, 0, 0]) - int(right[0, 0, 0])) == 255, "the first component says which is which"


def test_the_picture_is_reproducible_and_uses_the_range() -> None:
    first, second = (np.asarray(pca_picture(NOISE, cell=1)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert (first.min(axis=(0, 1)) == 0).all()
    assert (first.max(axis=(0, 1)) == 255).all()


def test_features_of_fewer_than_three_components_have_a_picture() -> None:
    assert pca_picture(torch.ones(2, 3, 4), cell=1).size == (4, 3)
