"""Which patches of a picture are hidden: at random, in blocks, or on a grid, as in figure 6 of the MAE paper."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from sam_widget.errors import ModelError

Pattern = Literal["random", "block", "grid"]
# Blocks have at least this share of the patches, and sides in a ratio of up to 10 to 3, as in BEiT (arXiv 2106.08254).
SMALLEST, LONGEST = 0.06, 10 / 3


def hide(pattern: Pattern, *, side: int, ratio: float, seed: int) -> np.ndarray:
    """Return which patches of a grid are hidden: (side, side) bool.

    As in the authors' code, the number of visible patches is rounded down.

    Args:
        pattern: "random", each patch alone; "block", large rectangles; "grid", regularly spaced patches stay visible:
            one of four at a ratio of 0.75.
        side: Patches per row and column.
        ratio: Share of the patches to hide, 0 to 1.
        seed: Another seed hides other patches.

    Raises:
        ModelError: The pattern is unknown.
    """
    if pattern not in get_args(Pattern):
        raise ModelError(f"unknown pattern {pattern!r}; expected one of {', '.join(get_args(Pattern))}")
    visible = int(side * side * (1 - ratio))
    if pattern == "random":
        rank = _random(side, seed)
    elif pattern == "block":
        rank = _blocks(side, seed, hidden=side * side - visible)
    else:
        rank = np.roll(_regular(side), (seed // 2, seed), axis=(0, 1))
    # Visible are the patches of lowest rank.
    order = rank.ravel().argsort(kind="stable")
    hidden = np.ones(side * side, bool)
    hidden[order[:visible]] = False
    return hidden.reshape(side, side)


def _random(side: int, seed: int) -> np.ndarray:
    """Return the numbers that `MaskedAutoencoder.reconstruct` draws for a seed."""
    import torch

    noise = torch.rand(1, side * side, generator=torch.Generator().manual_seed(seed))
    return np.asarray(noise).reshape(side, side)


def _blocks(side: int, seed: int, *, hidden: int) -> np.ndarray:
    """Return 1 for patches in randomly placed rectangles, which cover at least `hidden` patches, 0 for others."""
    rng = np.random.default_rng(seed)
    rank = np.zeros((side, side))
    number = 0
    while (covered := int((rank > 0).sum())) < hidden:
        number += 1
        area = max(SMALLEST * side * side, rng.uniform(0, 1) * (hidden - covered))
        aspect = float(np.exp(rng.uniform(-np.log(LONGEST), np.log(LONGEST))))
        height, width = (
            int(np.clip(round(length), 1, side)) for length in ((area * aspect) ** 0.5, (area / aspect) ** 0.5)
        )
        top, left = int(rng.integers(side - height + 1)), int(rng.integers(side - width + 1))
        block = rank[top : top + height, left : left + width]
        # Earlier blocks are hidden first, so that only the last is cut off.
        block[block == 0] = 1 / number
    return rank


def _regular(side: int) -> np.ndarray:
    """Return the order of ordered dithering (Bayer, 1973): any first part of it is spread evenly."""
    order = np.zeros((1, 1))
    while len(order) < side:
        order = np.block([[4 * order, 4 * order + 2], [4 * order + 3, 4 * order + 1]])
    return order[:side, :side]
