"""Which rounds a training step runs: plans follow their laws, and *twice* asks as the model answers."""

from __future__ import annotations

import numpy as np
import pytest

from sam_widget.learn.round_plans import Round, geometric, growing, twice

EVENLY = [(k + 0.5) / 400 for k in range(400)]


def test_rounds_follow_a_geometric_law() -> None:
    plans = [geometric(draw, 0.9, mean=3, rounds=8, learned_rounds=2, masked=True) for draw in EVENLY]
    lasts = [len(plan.rounds) for plan in plans]
    assert (min(lasts), max(lasts)) == (2, 8)
    assert np.mean(lasts) == pytest.approx(3, abs=0.2)
    assert all(plan.first == len(plan.rounds) - 2 for plan in plans)


def test_rounds_grow_over_the_first_half_of_a_run() -> None:
    lengths = [
        max(len(growing(draw, 0.5, progress=done, rounds=11, learned_rounds=2, masked=True).rounds) for draw in EVENLY)
        for done in (0.0, 0.25, 0.5, 1.0)
    ]
    assert lengths == [2, 6, 11, 11]


def test_two_rounds_bring_the_mask_alone_and_no_click() -> None:
    plan = growing(0.99, 0.3, progress=1, rounds=11, learned_rounds=2, masked=True)
    assert [turn for turn, planned in enumerate(plan.rounds) if not planned.clicks] == [4, 10]
    assert all(planned.masked == (turn > 0) for turn, planned in enumerate(plan.rounds))


def test_without_masks_every_round_brings_a_click() -> None:
    plan = growing(0.99, 0.3, progress=1, rounds=11, learned_rounds=2, masked=False)
    assert set(plan.rounds) == {Round(clicks=True, masked=False)}


def test_a_prompt_is_asked_without_a_mask_and_then_with_its_own_answer() -> None:
    plans = [twice(draw, mean=3, rounds=8) for draw in EVENLY]
    for plan in plans:
        assert plan.rounds[::2] == (Round(clicks=True, masked=False),) * (len(plan.rounds) // 2)
        assert plan.rounds[1::2] == (Round(clicks=False, masked=True),) * (len(plan.rounds) // 2)
        assert plan.first == len(plan.rounds) - 2
        assert plan.ambiguous == 2
    lengths = [len(plan.rounds) for plan in plans]
    assert (min(lengths), max(lengths)) == (2, 8)
    assert np.mean(lengths) == pytest.approx(3, abs=0.2)
