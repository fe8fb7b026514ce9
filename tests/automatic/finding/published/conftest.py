"""What the tests of published finders share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_widget.automatic.finding.published import outcome
from sam_widget.automatic.finding.published.catalogue import load_published
from sam_widget.predictor.predictor import Predictor
from tests.automatic.finding.published import models


@pytest.fixture
def image() -> np.ndarray:
    return models.picture()


@pytest.fixture(scope="session")
def tiny() -> Predictor:
    return Predictor("tiny")


@pytest.fixture(scope="session")
def finders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """Load the finder of one of `models.MODELS`, once."""

    @functools.cache
    def load(kind: str) -> Any:
        return load_published(models.saved(kind, tmp_path_factory.mktemp(kind)))

    return load


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "a-model"


@pytest.fixture
def duplicates_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random models find much the same everywhere; what they find is compared before duplicates are dropped."""
    monkeypatch.setattr(outcome, "DUPLICATE", 2.0)
