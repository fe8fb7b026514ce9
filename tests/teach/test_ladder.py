"""More clicks, a box, a mask prompt: what they do to ambiguity."""

from __future__ import annotations

import numpy as np
import pytest

import sam_widget as sw
from sam_widget.errors import MaskError
from sam_widget.predictor.predictor import Predictor
from sam_widget.teach.ladder import KINDS


def test_each_rung_is_the_models_answer_to_its_prompt(predictor: Predictor) -> None:
    flower = sw.teach.scene(14)
    panel = sw.teach.PromptLadder(flower.image, masks=flower.masks, target=6, model=predictor)
    rungs = {rung.kind: rung for rung in panel.rungs}
    assert tuple(rungs) == KINDS
    wanted = flower.masks[6]
    ys, xs = np.nonzero(wanted)
    answer = predictor.predict(predictor.embed(flower.image), box=(xs.min(), ys.min(), xs.max() + 1, ys.max() + 1))
    assert rungs["box"].scores == pytest.approx(answer.scores)
    assert rungs["box"].best == answer.best
    exact = [(mask & wanted).sum() / (mask | wanted).sum() for mask in answer.masks]
    assert rungs["box"].ious == pytest.approx(exact)

    # What the lesson says about this flower.
    assert rungs["click"].agreement < 0.6 < rungs["clicks"].agreement
    assert rungs["click"].ious[rungs["click"].best] < 0.5 < rungs["clicks"].ious[rungs["clicks"].best]
    assert abs(rungs["mask"].ious[rungs["mask"].best] - rungs["click"].ious[rungs["click"].best]) < 0.1


def test_another_object_redraws_all_rungs(predictor: Predictor) -> None:
    flower = sw.teach.scene(14)
    panel = sw.teach.PromptLadder(flower.image, masks=flower.masks, model=predictor)
    before = {kind: picture.pixels for kind, picture in panel.answers.items()}
    panel.choice.value = 6
    assert all((before[kind] != picture.pixels).any() for kind, picture in panel.answers.items())


def test_an_empty_mask_is_refused(photo: np.ndarray, predictor: Predictor) -> None:
    with pytest.raises(MaskError, match="with pixels in it"):
        sw.teach.PromptLadder(photo, masks=np.zeros((1, *photo.shape[:2]), bool), model=predictor)
