"""Shared fixtures, a small photo and the embedded model, and the settings of Hypothesis."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import Phase, settings

if TYPE_CHECKING:
    from sam_widget.predictor.predictor import Predictor

# The same examples in each run, and no limit on their time: a busy machine fails no test.
PHASES = (Phase.explicit, Phase.generate, Phase.shrink)
settings.register_profile("sam_widget", deadline=None, derandomize=True, max_examples=100, phases=PHASES)
settings.load_profile("sam_widget")


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    """A bundled photo: (300, 451, 3) uint8."""
    from sam_widget.image.samples import sample

    return sample("cat")


@pytest.fixture(scope="session")
def predictor() -> Predictor:
    """The embedded model."""
    from sam_widget.predictor.predictor import Predictor

    return Predictor("tiny")


@pytest.fixture
def coarse_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let searches of this process try a quarter of the points: for tests of who searches, not of what is found."""
    from sam_widget.automatic.finding import regions

    monkeypatch.setattr(regions, "POINTS", 8)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Keep the garbage collector from looking at what lives as long as the process: modules, and thousands of tests."""
    gc.collect()
    gc.freeze()
