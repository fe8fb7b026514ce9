"""What panels are about."""

from __future__ import annotations

import numpy as np
import pytest

import sam_widget as sw
from sam_widget.errors import ImageError, ModelError
from sam_widget.predictor.interface import predictor_of
from sam_widget.predictor.predictor import Predictor
from sam_widget.teach.subject import Subject


def test_a_scene_has_exact_masks() -> None:
    car = sw.teach.scene(6)
    assert car.image.shape == (384, 384, 3)
    assert car.masks.shape[1:] == (384, 384)
    assert car.masks.any(axis=(1, 2)).all()
    with pytest.raises(ImageError, match="scene 99.*from 0 to 23"):
        sw.teach.scene(99)


def test_a_subject_embeds_its_photo_once(photo: np.ndarray, predictor: Predictor) -> None:
    subject = Subject(photo, predictor)
    assert subject.size == (451, 300)
    assert subject.embedding is subject.embedding
    assert Subject(photo, "tiny").predictor is predictor_of("tiny")


def test_a_predictor_without_tensors_is_refused(photo: np.ndarray, predictor: Predictor) -> None:
    class Elsewhere:
        model = predictor.model

        def embed(self) -> None: ...

    with pytest.raises(ModelError, match="tiny is not computed here"):
        Subject(photo, Elsewhere())  # type: ignore[arg-type]


def test_cells_are_where_they_are_in_the_photo(predictor: Predictor) -> None:
    # 384 x 200 for the model, which is 24 x 12.5 cells of 16.
    wide = Subject(np.zeros((400, 768, 3), np.uint8), predictor)
    assert wide.grid == (13, 24)
    assert wide.cell == (32, 32)
    assert wide.cell_at(767.9, 399.9) == (12, 23)
    assert wide.cell_at(33, 31) == (0, 1)
    colours = np.zeros((13, 24, 3), np.uint8)
    colours[12, 1] = 200
    spread = wide.spread(colours)
    assert spread.shape == wide.photo.shape
    rows, columns = np.nonzero(spread[..., 0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (384, 399, 32, 63)
