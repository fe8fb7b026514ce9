"""Steps of everything mode as lines of JSON, and back."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sam_widget.automatic.automatic import EverythingStep, MaskRecord
from sam_widget.automatic.lines import lines_of, steps_of
from sam_widget.errors import ModelError
from sam_widget.masks.runs import StoredMask

SIZE = (6, 9)


def record(number: int) -> MaskRecord:
    mask = np.zeros(SIZE, bool)
    mask[number, 1 : 3 + number] = True
    return MaskRecord(StoredMask(mask), 0.5 + number / 10, 0.9, ((number + 0.5, 1.5),), (0, 0, 9, 6))


A, B, C = map(record, (1, 2, 3))
STEPS = [EverythingStep(4, 12, (A, B)), EverythingStep(8, 12, (B,)), EverythingStep(12, 12, (C, B))]


def test_steps_survive_and_a_mask_is_sent_once() -> None:
    lines = list(lines_of(STEPS, SIZE))
    assert [len(json.loads(line)["added"]) for line in lines] == [2, 0, 1]
    found = list(steps_of(lines))
    assert [(step.done, step.total) for step in found] == [(4, 12), (8, 12), (12, 12)]
    for ours, theirs in zip(STEPS, found, strict=True):
        for a, b in zip(ours.records, theirs.records, strict=True):
            assert np.array_equal(a.mask, b.mask)
            assert (a.predicted_iou, a.stability_score, a.point_coords, a.crop_box) == (
                b.predicted_iou,
                b.stability_score,
                b.point_coords,
                b.crop_box,
            )
    assert found[0].records[1] is found[2].records[1], "the same mask is the same record"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([b'{"error": "the device has too little memory"}'], "too little memory"),
        ([b"<html>"], "cannot be read"),
        ([b'{"done": 4, "total": 4, "size": [6, 9], "standing": [0]}'], "cannot be read"),
        (
            [b'{"done": 1, "total": 1, "size": [6, 9], "standing": [0], "added": [{"id": 0, "runs": ""}]}'],
            "cannot be read",
        ),
        ([b'{"done": 4, "total": 12}'], "ended before everything"),
        ([], "ended before everything"),
    ],
)
def test_what_is_no_run_is_an_error(lines: list[bytes], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        list(steps_of(lines))
