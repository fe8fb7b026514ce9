"""Masks as they travel: few bytes, nothing lost, and no bytes from outside do harm."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_widget.errors import SamWidgetError
from sam_widget.masks.codecs import rle_from_mask
from sam_widget.masks.runs import Mask, mask_from_runs, runs_from_mask
from sam_widget.masks.wire_codec import RunsError, pack_runs, unpack_runs
from sam_widget.predictor.predictor import Predictor
from tests.masks.examples import MASKS, disc

GOLDEN: list[dict[str, Any]] = json.loads(
    Path(__file__).with_name("golden").joinpath("packed_masks.json").read_text("utf-8")
)


def packed(mask: Mask) -> bytes:
    return pack_runs(runs_from_mask(mask), mask.shape[1])


def assert_survives(mask: Mask) -> None:
    runs = unpack_runs(packed(mask), *mask.shape)
    assert runs.dtype == np.uint32
    np.testing.assert_array_equal(runs, runs_from_mask(mask))


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())
def test_a_mask_survives(mask: Mask) -> None:
    assert_survives(mask)


def test_masks_of_every_kind_survive() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        height, width = rng.integers(1, 60, 2)
        # From specks to blobs, with rows that are empty and rows that are full.
        coarse = rng.random((height // 4 + 1, width // 4 + 1)) < rng.random()
        mask = np.kron(coarse, np.ones((4, 4), bool))[:height, :width] ^ (
            rng.random((height, width)) < rng.random() / 9
        )
        mask[rng.integers(height)] = rng.random() < 0.5
        assert_survives(mask)


def test_a_mask_without_pixels_is_no_bytes() -> None:
    assert packed(np.zeros((4, 5), bool)) == b""


def test_predicted_masks_take_less_room_than_coco_rle(photo: np.ndarray, predictor: Predictor) -> None:
    masks = predictor.predict(predictor.embed(photo), points=[(175, 130)]).masks
    ours = sum(len(packed(mask)) for mask in masks)
    assert ours < 0.8 * sum(len(rle_from_mask(mask)["counts"]) for mask in masks)


@pytest.mark.parametrize("record", GOLDEN, ids=lambda record: record["name"])
def test_what_was_packed_earlier_is_still_read(record: dict[str, Any]) -> None:
    """Compressors may differ from one build of Python to the next; what is read from their bytes may not."""
    shape = record["height"], record["width"]
    runs = unpack_runs(base64.b64decode(record["packed"]), *shape)
    assert runs.reshape(-1).tolist() == record["runs"]
    again = unpack_runs(pack_runs(runs, shape[1]), *shape)
    np.testing.assert_array_equal(again, runs)


def test_damaged_bytes_are_refused_or_are_some_mask() -> None:
    rng = np.random.default_rng(0)
    mask = disc(40, 50, 20, 22, 15) & ~disc(40, 50, 21, 20, 6)
    plain = bytearray(zlib.decompress(packed(mask), -15))
    refused = 0
    for k in range(2000):
        damaged = bytearray(plain if k % 2 else packed(mask))
        for _ in range(rng.integers(1, 4)):
            damaged[rng.integers(len(damaged))] = rng.integers(256)
        if rng.random() < 0.1:
            del damaged[rng.integers(len(damaged)) :]
        data = bytes(damaged)
        if k % 2:  # Past the compression, where most damage would end.
            deflate = zlib.compressobj(1, zlib.DEFLATED, -15)
            data = deflate.compress(data) + deflate.flush()
        try:
            mask_from_runs(unpack_runs(data, 40, 50), 40, 50)
        except RunsError:
            refused += 1
    assert refused > 1500


def test_a_bomb_is_not_unpacked() -> None:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = deflate.compress(bytes(50_000_000)) + deflate.flush()
    with pytest.raises(SamWidgetError, match="not the packed runs of a mask of 40 x 50"):
        unpack_runs(bomb, 40, 50)
