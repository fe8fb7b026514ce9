"""Rounds of tuning in tests look at a few generic scenes only."""

from __future__ import annotations

import pytest

from sam_widget.engine import generic


@pytest.fixture(autouse=True)
def few_scenes(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if request.node.path.name != "test_generic.py":
        monkeypatch.setattr(generic, "ALL", 4)
