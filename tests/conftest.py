"""What several tests need: a small photo and the embedded model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from sam_widget.predictor.predictor import Predictor


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
