from __future__ import annotations

import pytest
import torch

from sam_widget.errors import ModelError
from sam_widget.model.calibration import Calibration


def test_scores_are_mapped_between_the_knots_and_keep_their_order() -> None:
    calibrate = Calibration((0.0, 0.5, 1.0), (0.0, 0.2, 1.0))
    scores = torch.tensor([[0.0, 0.25, 0.5], [0.75, 0.9, 1.0]])
    mapped = calibrate(scores)
    torch.testing.assert_close(mapped, torch.tensor([[0.0, 0.1, 0.2], [0.6, 0.84, 1.0]]))
    assert bool((mapped.flatten().diff() > 0).all())


@pytest.mark.parametrize(
    ("before", "after"),
    [((0.0, 1.0), (0.5, 0.5)), ((0.0, 0.0), (0.0, 1.0)), ((0.0, 1.0), (0.0, 2.0)), ((0.5,), (0.5,)),
     ((0.0, 1.0), (0.0, float("nan")))],
)  # fmt: skip
def test_a_map_that_does_not_rise_is_refused(before: tuple[float, ...], after: tuple[float, ...]) -> None:
    with pytest.raises(ModelError, match="invalid calibration"):
        Calibration(before, after)
