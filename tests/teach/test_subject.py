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
