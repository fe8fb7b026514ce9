"""Patterns of hidden patches."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import label

from sam_widget.errors import ModelError
from sam_widget.model.mae import MAE_TINY, MaskedAutoencoder
from sam_widget.teach.patch_patterns import Pattern, hide


@pytest.mark.parametrize("pattern", ["random", "block", "grid"])
@pytest.mark.parametrize("side", [8, 14, 16])
@pytest.mark.parametrize("ratio", [0.0, 0.3, 0.75, 0.95])
def test_as_many_are_hidden_as_in_the_authors_code(pattern: Pattern, side: int, ratio: float) -> None:
    hidden = hide(pattern, side=side, ratio=ratio, seed=3)
    assert hidden.shape == (side, side)
    assert (~hidden).sum() == int(side * side * (1 - ratio))
    assert (hidden == hide(pattern, side=side, ratio=ratio, seed=3)).all()


@pytest.mark.parametrize("pattern", ["random", "block", "grid"])
def test_another_seed_hides_other_patches(pattern: Pattern) -> None:
    seeds = [hide(pattern, side=16, ratio=0.75, seed=seed) for seed in range(4)]
    assert all((seeds[0] != other).any() for other in seeds[1:])


def test_a_random_pattern_is_the_one_that_the_model_draws(photo: np.ndarray) -> None:
    drawn = MaskedAutoencoder(MAE_TINY).eval().reconstruct(photo, seed=5).mask
    assert (drawn == hide("random", side=16, ratio=0.75, seed=5)).all()


def test_a_grid_keeps_one_of_four_and_blocks_are_large() -> None:
    grid = ~hide("grid", side=16, ratio=0.75, seed=0)
    rows, columns = np.nonzero(grid)
    assert set(np.diff(np.unique(rows))) == set(np.diff(np.unique(columns))) == {2}
    assert grid.reshape(8, 2, 8, 2).sum(axis=(1, 3)).tolist() == [[1] * 8] * 8

    pieces = {name: label(hide(name, side=16, ratio=0.5, seed=1))[1] for name in ("random", "block")}  # type: ignore[arg-type]
    assert pieces["block"] < pieces["random"]


def test_an_unknown_pattern_is_refused() -> None:
    with pytest.raises(ModelError, match=r"'stripes'.*random, block, grid"):
        hide("stripes", side=8, ratio=0.5, seed=0)  # type: ignore[arg-type]
