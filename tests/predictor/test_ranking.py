"""A box does not select what is around the object in it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from sam_widget.predictor.predictor import Predictor
from sam_widget.predictor.ranking import best_of, is_inverse
from sam_widget.prompts.prompt import Box, Point, Prompt

BOX = (20.0, 20.0, 60.0, 60.0)


def mask(**parts: tuple[slice, slice]) -> np.ndarray:
    """Paint parts of an empty mask, (96, 96) bool, in order: those named `without` erase."""
    drawn = np.zeros((96, 96), bool)
    for name, part in parts.items():
        drawn[part] = not name.startswith("without")
    return drawn


whole = (slice(20, 60), slice(20, 60))
y, x = np.mgrid[:96, :96] + 0.5
SKY = mask(all=(slice(0, 60), slice(0, 96)), without=(slice(26, 60), slice(28, 52)))
RIM = mask(all=whole, without=(slice(24, 56), slice(24, 56)))
RING = np.abs(np.hypot(x - 40, y - 40) - 16) < 4
DISC = np.hypot(x - 40, y - 40) < 20
TWO_SIDES = mask(all=(slice(20, 60), slice(20, 28)), more=(slice(20, 28), slice(20, 60)))


@pytest.mark.parametrize(
    ("drawn", "inverse"),
    [(SKY, True), (RIM, True), (RING, False), (DISC, False), (TWO_SIDES, False), (mask(all=whole), False)],
    ids=["sky", "rim", "ring", "disc", "two sides", "all of the box"],
)
def test_what_is_around_a_box_is_told_from_what_is_in_it(drawn: np.ndarray, inverse: bool) -> None:
    assert is_inverse(drawn[None], BOX).tolist() == [inverse]


def test_boxes_that_are_tiny_or_outside_are_not_judged() -> None:
    assert not is_inverse(SKY[None], (20, 20, 24, 60)).any()
    assert not is_inverse(SKY[None], (200, 200, 300, 300)).any()


def test_a_worse_score_wins_over_an_inverse_and_the_best_of_inverses_over_none() -> None:
    scores = np.float32([0.5, 0.9, 0.7])
    assert best_of(scores, None) == 1
    assert best_of(scores, np.array([False, True, False])) == 2
    assert best_of(scores, np.array([True, True, True])) == 1


@pytest.fixture
def answering(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> Predictor:
    """A predictor whose decoder says: the sky with the highest score, and the disc with the next."""
    side = predictor.config.mask_size
    assert side == 96
    low = torch.from_numpy(np.stack([DISC, RING, SKY, DISC]).astype(np.float32) * 8 - 4)[None]

    def decode(*_args: Any) -> tuple[torch.Tensor, torch.Tensor]:
        return low, torch.tensor([[0.5, 0.4, 0.85, 0.8]])

    monkeypatch.setattr(predictor, "_decode", decode)
    return predictor


def test_predict_and_a_session_pass_over_the_inverse(answering: Predictor) -> None:
    from sam_widget.session.session import Session

    photo = np.random.default_rng(0).integers(0, 255, (192, 192, 3), np.uint8)
    embedding = answering.embed(photo)
    corners = tuple(2 * value for value in BOX)
    answer = answering.predict(embedding, box=corners)
    assert answer.scores.tolist() == pytest.approx([0.4, 0.85, 0.8])
    assert answer.best == 2
    assert answering.predict(embedding, points=[(80, 80)]).best == 1, "without a box, the score decides"
    said = Prompt([Point(80, 42)], boxes=[Box(*corners)])
    assert answering.answer(embedding, said).best == 1, "a click on it asks for it"
    away = Prompt([Point(80, 42, 0)], boxes=[Box(*corners)])
    assert answering.answer(embedding, away).best == 2
    session = Session(photo, model=answering)
    session.drag(*corners)
    assert session.state.chosen_index == 2
    session.sharpen((30, 30, 130, 130), margin=0)
    assert session.state.chosen_index == session.chosen.answer.best  # type: ignore[union-attr]
