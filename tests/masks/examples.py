"""Small masks for tests of codecs: those of known difficulty, and a Hypothesis strategy for any others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def disc(height: int, width: int, x: float, y: float, radius: float) -> Mask:
    """Pixels whose centres lie within `radius` of (x, y)."""
    rows, columns = np.ogrid[:height, :width]
    return (columns + 0.5 - x) ** 2 + (rows + 0.5 - y) ** 2 < radius**2


RANDOM = np.random.default_rng(0)
MASKS = {
    "empty": np.zeros((5, 7), bool),
    "full": np.ones((5, 7), bool),
    "one pixel": np.eye(1, 1, dtype=bool),
    "first pixel": np.arange(35).reshape(5, 7) == 0,
    "last pixel": np.arange(35).reshape(5, 7) == 34,
    "over the end of a row": np.isin(np.arange(35).reshape(5, 7), range(5, 16)),
    "one column": np.ones((6, 1), bool),
    "one row": np.ones((1, 6), bool),
    "checkerboard": np.indices((6, 8)).sum(0) % 2 == 1,
    "ring": disc(40, 50, 20, 22, 15) & ~disc(40, 50, 21, 20, 6),
    "two parts": disc(40, 50, 10, 10, 8) | disc(40, 50, 40, 30, 9),
    "noise": RANDOM.random((31, 17)) < 0.5,
    "transposed": (RANDOM.random((17, 31)) < 0.3).T,
}


@st.composite
def masks(draw: st.DrawFn, *, most: int = 40) -> Mask:
    """Draw a mask of up to `most` x `most` pixels: blocks of one size, and specks on them."""
    height, width = draw(st.integers(1, most)), draw(st.integers(1, most))
    block = draw(st.sampled_from((1, 2, 4, 9)))
    blocks = draw(arrays(np.bool_, (-(-height // block), -(-width // block))))
    noise = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).random((height, width))
    specks = noise < draw(st.sampled_from((0, 0.02, 0.1, 0.5)))
    return np.kron(blocks, np.ones((block, block), np.bool_))[:height, :width] ^ specks


def every_mask(test: Callable[..., None]) -> Any:
    """Run a test on each of `MASKS` as its argument `mask`, and on masks that Hypothesis draws."""
    for mask in MASKS.values():
        test = example(mask=mask)(test)
    return given(mask=masks())(test)
