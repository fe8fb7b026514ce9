"""Area, boxes, IoU, stability and suppression agree with the paper's code and torchvision."""

from __future__ import annotations

import numpy as np
import pytest

from sam_widget.errors import MaskError
from sam_widget.masks.measures import area, box_from_mask, iou, nms, stability_score
from sam_widget.prompts.geometry import Box
from tests.masks.examples import MASKS

RANDOM = np.random.default_rng(1)


class TestMeasures:
    def test_area_and_box(self) -> None:
        mask = np.zeros((10, 20), bool)
        mask[2:5, 8:17] = True
        assert area(mask) == 27
        assert box_from_mask(mask) == Box(8, 2, 17, 5)

    def test_box_of_extremes(self) -> None:
        assert box_from_mask(MASKS["empty"]) is None
        assert box_from_mask(MASKS["full"]) == Box(0, 0, 7, 5)
        assert box_from_mask(MASKS["last pixel"]) == Box(6, 4, 7, 5)

    def test_iou(self) -> None:
        a, b = np.array([[1, 1, 0, 0]], bool), np.array([[0, 1, 1, 0]], bool)
        empty = np.zeros((1, 4), bool)
        assert iou(a, b) == pytest.approx(1 / 3)
        assert iou(a, a) == 1
        assert iou(a, ~a) == 0
        assert iou(a, empty) == 0
        assert iou(empty, empty) == 1

    def test_iou_broadcasts(self) -> None:
        masks = RANDOM.random((5, 8, 9)) < 0.5
        pairs = iou(masks[:, None], masks)
        assert pairs.shape == (5, 5)
        np.testing.assert_array_equal(np.diag(pairs), np.ones(5))
        np.testing.assert_array_equal(pairs, pairs.T)
        np.testing.assert_array_equal(pairs[2], iou(masks[2], masks))
        np.testing.assert_array_equal(iou(masks, masks), np.ones(5))

    @pytest.mark.parametrize(
        ("a", "b"),
        [((4, 5), (5, 4)), ((4,), (4,)), ((2, 4, 5), (3, 4, 5)), ((1, 5), (4, 5))],
    )
    def test_iou_refuses(self, a: tuple[int, ...], b: tuple[int, ...]) -> None:
        with pytest.raises(MaskError, match="cannot compare"):
            iou(np.zeros(a, bool), np.zeros(b, bool))

    def test_stability_score_is_segment_anythings(self) -> None:
        torch = pytest.importorskip("torch")
        reference = pytest.importorskip("segment_anything.utils.amg").calculate_stability_score
        logits = RANDOM.normal(0, 3, (6, 32, 32)).astype(np.float32)
        for threshold, offset in ((0.0, 1.0), (0.5, 0.25)):
            expected = reference(torch.from_numpy(logits), threshold, offset).numpy()
            np.testing.assert_allclose(stability_score(logits, threshold, offset), expected, rtol=1e-6)
        assert stability_score(logits[0]).shape == ()

    def test_stability_score_of_nothing_is_zero(self) -> None:
        assert stability_score(np.full((4, 4), -9.0)) == 0
        assert stability_score(np.full((4, 4), 9.0)) == 1

    @pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7, 1.0])
    def test_nms_is_torchvisions(self, threshold: float) -> None:
        torch = pytest.importorskip("torch")
        reference = pytest.importorskip("torchvision.ops").nms
        corners = RANDOM.uniform(0, 100, (200, 2))
        boxes = np.hstack((corners, corners + RANDOM.uniform(1, 60, (200, 2)))).astype(np.float32)
        scores = RANDOM.permutation(200).astype(np.float32)
        expected = reference(torch.from_numpy(boxes), torch.from_numpy(scores), threshold).numpy()
        np.testing.assert_array_equal(nms(boxes, scores, threshold), expected)

    def test_nms_extremes(self) -> None:
        assert nms(np.zeros((0, 4)), [], 0.5).tolist() == []
        assert nms([(0, 0, 2, 2), (0, 0, 2, 2), (5, 5, 6, 6)], [0.5, 0.5, 0.9], 0.5).tolist() == [2, 0]
        with pytest.raises(MaskError, match="1 boxes but 2 scores"):
            nms([(0, 0, 1, 1)], [1, 2], 0.5)
