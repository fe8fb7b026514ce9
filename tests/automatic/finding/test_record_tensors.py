"""Masks of everything mode as tensors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sam_widget.automatic.automatic import MaskRecord
from sam_widget.automatic.finding.record_tensors import records_from_tensors, records_to_tensors
from sam_widget.errors import ModelError
from sam_widget.masks.runs import StoredMask

SHAPE = (20, 30)


def record(seed: int) -> MaskRecord:
    random = np.random.default_rng(seed)
    mask = random.random(SHAPE) > 0.5
    return MaskRecord(StoredMask(mask), 0.1 + seed / 7, 0.97, ((seed + 0.5, 3.25),), (1, 2, 3, 4))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_masks_come_back(count: int) -> None:
    records = [record(seed) for seed in range(count)]
    back = records_from_tensors(records_to_tensors(records), SHAPE)
    assert len(back) == count
    for one, other in zip(records, back, strict=True):
        assert np.array_equal(one.mask, other.mask)
        for name in ("predicted_iou", "stability_score", "point_coords", "crop_box"):
            assert getattr(one, name) == getattr(other, name)


@pytest.mark.parametrize("name", ["runs", "counts", "scores", "points", "crops"])
def test_tensors_that_do_not_fit_are_refused(name: str) -> None:
    tensors = records_to_tensors([record(1), record(2)])
    with pytest.raises(ModelError, match="not masks of an image of 30 x 20"):
        records_from_tensors({key: tensor for key, tensor in tensors.items() if key != name}, SHAPE)
    with pytest.raises(ModelError, match="not masks of an image of 30 x 20"):
        records_from_tensors(tensors | {name: tensors[name][:-1]}, SHAPE)


def test_masks_of_a_larger_image_are_refused() -> None:
    tensors = records_to_tensors([record(1)])
    tensors["runs"] = torch.full_like(tensors["runs"], -1)
    with pytest.raises(ModelError, match="do not fit a mask"):
        records_from_tensors(tensors, SHAPE)
