"""Choose one of several instances by size or place: "largest dog", "left cup"."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import numpy as np

from sam_widget.automatic.finding.finder import Instance
from sam_widget.prompts.words import Order


def chosen_by_place(found: Sequence[Instance], orders: Mapping[str, Order]) -> list[Instance]:
    """Return the instances, of which those whose words ask for a size or place are reduced to the one that has it."""
    for word, order in orders.items():
        ours = [one for one in found if one.word == word]
        if ours:
            chosen = min(ours, key=functools.partial(_rank, order=order))
            found = [one for one in found if one.word != word or one is chosen]
    return list(found)


def _rank(instance: Instance, *, order: Order) -> float:
    """Return what is smallest for the instance that is meant."""
    height, width = instance.mask.shape
    rows, columns = np.nonzero(instance.mask)
    x, y = float(columns.mean()), float(rows.mean())
    ranks: dict[str, float] = {
        "largest": -instance.area,
        "smallest": instance.area,
        "left": x,
        "right": -x,
        "top": y,
        "bottom": -y,
        "centre": (x - width / 2) ** 2 + (y - height / 2) ** 2,
    }
    return ranks[order]
