"""Masks at the image's size are those that torch's `interpolate` leads to, as pixels and as row runs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate

import sam_widget as sw
from sam_widget.masks.runs import runs_from_mask
from sam_widget.predictor.upsampling import Upscaling, upscaling

SIZES = [(1, 1), (1, 40), (33, 2), (100, 257), (300, 451), (700, 90), (1201, 640)]
WAYS = [("longest side", "bilinear"), ("square", "bilinear"), ("square", "bicubic")]


def prepared(size: tuple[int, int], side: int, resize: str, mode: str) -> tuple[Upscaling, tuple[int, int]]:
    scale = 4 * side / max(size)
    height, width = (max(1, int(length * scale + 0.5)) for length in size)
    fitted = (height, width) if resize == "longest side" else (4 * side, 4 * side)
    made = upscaling(size, logits=side, fitted=fitted, side=4 * side, resize=resize, mode=mode)  # type: ignore[arg-type]
    return made, fitted


def full_size(logits: Tensor, size: tuple[int, int], fitted: tuple[int, int], resize: str, mode: str) -> Tensor:
    """As the reference does it."""
    if resize == "square":
        return interpolate(logits[None], size, mode=mode, align_corners=False)[0]
    enlarged = interpolate(logits[None], scale_factor=4.0, mode="bilinear", align_corners=False)
    inside = enlarged[..., : fitted[0], : fitted[1]]
    return interpolate(inside, size, mode="bilinear", align_corners=False)[0]


def some_logits(side: int) -> Tensor:
    """Noise, blobs, and nothing at all."""
    generator = torch.Generator().manual_seed(side)
    noise, coarse = torch.randn(1, side, side, generator=generator), torch.randn(1, 1, 5, 5, generator=generator)
    blobs = interpolate(coarse, (side, side), mode="bicubic")[0] - 0.5
    return torch.cat([noise, blobs, torch.full((1, side, side), -3.0)])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("resize", "mode"), WAYS)
@pytest.mark.parametrize(("side", "level"), [(16, 0.0), (96, 0.3)])
def test_masks_are_the_references(size: tuple[int, int], resize: str, mode: str, side: int, level: float) -> None:
    logits = some_logits(side)
    enlarge, fitted = prepared(size, side, resize, mode)
    exact = full_size(logits, size, fitted, resize, mode)
    sure = ((exact - level).abs() > 1e-3).numpy()
    assert sure.mean() > 0.98
    masks = enlarge.masks(logits, level)
    np.testing.assert_array_equal(masks & sure, (exact > level).numpy() & sure)
    for k, one in enumerate(logits):
        stored = enlarge.stored(one, level)
        np.testing.assert_array_equal(stored.array & sure[k], masks[k] & sure[k])
        np.testing.assert_array_equal(stored.runs, runs_from_mask(stored.array))


def test_a_pixel_at_the_threshold_is_outside() -> None:
    enlarge, _ = prepared((64, 64), 16, "square", "bilinear")
    steps = torch.arange(16.0)[None].expand(16, 16) - 8  # It is 0 between the pixels 33 and 34, and at neither.
    for level in (0.0, 0.125, -0.375, 3.0):
        expected = full_size(steps[None], (64, 64), (64, 64), "square", "bilinear").numpy() > level
        np.testing.assert_array_equal(enlarge.masks(steps[None], level), expected)
        np.testing.assert_array_equal(enlarge.stored(steps, level).array, expected[0])
        np.testing.assert_array_equal(enlarge.stored(-steps, -level).array, enlarge.masks(-steps[None], -level)[0])


def test_a_mask_of_100_megapixels_is_kept_without_its_pixels(predictor: sw.Predictor, photo: np.ndarray) -> None:
    answer = predictor.predict(predictor.embed(photo), points=[(175, 130)])
    small, large = (predictor.binarize_one(answer.logits[0], size) for size in ((1000, 1000), (10_000, 10_000)))
    assert large.area / small.area == pytest.approx(100, rel=0.01)
    assert large.bounds == pytest.approx(np.multiply(small.bounds, 10), abs=20)


def test_row_runs_of_an_answer_are_its_masks(predictor: sw.Predictor, photo: np.ndarray) -> None:
    answer = predictor.predict(predictor.embed(photo), points=[(175, 130)])
    assert answer.masks is answer.masks, "they are made once"
    for mask, stored in zip(answer.masks, answer.stored, strict=True):
        assert (mask != stored.array).sum() <= 1
