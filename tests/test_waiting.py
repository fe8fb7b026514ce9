"""The waits of the tests end."""

from __future__ import annotations

import pytest

from tests.waiting import at_most, until


def test_a_wait_ends_with_its_answer_or_its_limit() -> None:
    answers = iter([0, "", "there"])
    assert until(lambda: next(answers), what="an answer") == "there"
    with pytest.raises(AssertionError, match=r"a state that never comes: not within 0\.01 s"):
        until(lambda: False, seconds=0.01, what="a state that never comes")


def test_a_loop_ends_with_its_condition_or_its_turns() -> None:
    left = [1, 2, 3]
    assert [left.pop() for _ in at_most(3, lambda: left)] == [3, 2, 1]
    with pytest.raises(AssertionError, match="not done after 2 turns"):
        list(at_most(2, lambda: True))
