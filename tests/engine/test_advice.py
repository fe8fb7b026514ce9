from __future__ import annotations

from dataclasses import replace

import pytest

from sam_widget.engine.advice import Situation, advice

NOW = Situation(stage=1, photos=20, done=0, rounds=0, adopted=False, due=False, expected=None, filled=0, checked=None)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "press Enter to accept"),
        ({"done": 1}, "needs 3 more"),
        ({"done": 5, "due": True}, "press Tune"),
        ({"done": 5, "rounds": 1}, "no better than the model you have"),
        ({"done": 5, "rounds": 1, "adopted": True}, "Continue with this photo"),
        ({"done": 5, "rounds": 1, "adopted": True, "expected": 0.93}, "Stage 2 can begin: .* about 93%"),
        ({"done": 20}, "All photos are done"),
        ({"stage": 2, "done": 6}, "go to stage 3 for the other 14 photos"),
        ({"stage": 2, "done": 6, "due": True}, "another round"),
        ({"stage": 2, "done": 20}, "All photos are done"),
        ({"stage": 3, "done": 19}, "Press Run to segment the other 1 photo"),
        ({"stage": 3, "filled": 14}, "Press Check"),
        ({"stage": 3, "filled": 14, "checked": (3, 30)}, r"\(3 done\)"),
        ({"stage": 3, "filled": 14, "checked": (30, 30)}, "complete"),
    ],
)
def test_it_says_what_to_do_next(changes: dict[str, object], said: str) -> None:
    import re

    assert re.search(said, advice(replace(NOW, **changes)))  # type: ignore[arg-type]
