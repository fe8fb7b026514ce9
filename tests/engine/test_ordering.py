from __future__ import annotations

import numpy as np

from sam_widget.engine.ordering import Outlook, most_instructive, outlook
from sam_widget.image.samples import sample
from sam_widget.predictor.predictor import Predictor


def place(angle: float) -> np.ndarray:
    return np.array([np.cos(angle), np.sin(angle)])


def test_the_photo_with_the_most_disagreement_comes_first() -> None:
    known = {0: Outlook(0.1, place(0)), 1: Outlook(0.5, place(0)), 2: Outlook(0.3, place(0))}
    assert most_instructive([0, 1, 2], known, []) == 1
    assert most_instructive([0, 2], known, [1]) == 2


def test_of_photos_that_disagree_alike_the_one_least_like_the_others_comes_first() -> None:
    known = {0: Outlook(0.3, place(0)), 1: Outlook(0.3, place(0.1)), 2: Outlook(0.3, place(1.5))}
    assert most_instructive([1, 2], known, [0]) == 2


def test_photos_nobody_has_looked_at_come_in_order() -> None:
    assert most_instructive([3, 4], {}, []) == 3
    assert most_instructive([3, 4], {4: Outlook(0.1, place(0))}, []) == 4
    assert most_instructive([], {}, [0]) is None


def test_a_photo_with_parts_disagrees_more_than_a_blank_one() -> None:
    predictor = Predictor("tiny")
    image = sample("coffee")
    busy = outlook(predictor.embed(image), predictor)
    assert 0 < busy.disagreement < 1
    assert np.linalg.norm(busy.place) > 0.99
    assert outlook(predictor.embed(image), predictor).disagreement == busy.disagreement
