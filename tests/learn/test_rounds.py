"""Which rounds of prompts a step has, and which of them it learns from."""

from __future__ import annotations

import numpy as np
import pytest

from sam_widget.learn.rounds import plan
from sam_widget.learn.train_config import TrainConfig

DRAWS = [(k + 0.5) / 400 for k in range(400)]


def test_rounds_follow_a_geometric_law() -> None:
    config = TrainConfig(rounds=8, rounds_mean=3.0)
    lasts = [plan(config, 0, draw, 0.5)[1] for draw in DRAWS]
    assert min(lasts) == 2
    assert max(lasts) == 8
    assert np.mean(lasts) == pytest.approx(3, abs=0.2)


@pytest.mark.parametrize(("step", "most"), [(0, 2), (500, 5), (1000, 11), (1999, 11)])
def test_rounds_grow_in_number_over_the_first_half_of_the_run(step: int, most: int) -> None:
    plans = [plan(TrainConfig(rounds=11, steps=2000), step, draw, 0.5) for draw in DRAWS]
    assert max(last for _, last, _ in plans) == pytest.approx(most, abs=1)
    assert all(last - first == 2 for first, last, _ in plans), "consecutive rounds that are learned from"
    firsts = [first for first, _, _ in plans]
    assert np.mean(firsts) <= max(firsts) / 2, "early rounds are learned from more often"


def test_two_rounds_add_the_mask_alone() -> None:
    config = TrainConfig(rounds=11, steps=100)
    for rest in DRAWS:
        _, _, (between, final) = plan(config, 100, 0.5, rest)
        assert 1 <= between < 11
        assert final == 10
