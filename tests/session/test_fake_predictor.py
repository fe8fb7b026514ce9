"""The torch line: a session works on anything that offers what `predictor.interface` asks for."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from sam_widget.model.config import SamConfig
from sam_widget.predictor.plain import PlainPrediction, PlainPredictor
from sam_widget.prompts.prompt import Prompt
from sam_widget.session.session import Session


class Sides(PlainPredictor):
    """Answers with all that is left of the first point, and all that is above it."""

    model = SimpleNamespace(name="sides", weights_id="sides-0")
    config = SamConfig(image_size=256)

    def embed(self, image: np.ndarray, *, keep: bool = True) -> tuple[int, int]:  # noqa: ARG002  the session's word
        return image.shape[0], image.shape[1]

    def answer(self, embedding: tuple[int, int], prompt: Prompt) -> PlainPrediction:
        (height, width), point, cells = embedding, prompt.points[0], (np.arange(64) + 0.5) / 64
        sides = np.broadcast_arrays(point.x - cells * width, (point.y - cells * height)[:, None])
        return PlainPrediction(np.float32([0.9, 0.5]), np.float32(sides), embedding)


def test_a_session_works_on_a_fake_predictor() -> None:
    session = Session(np.zeros((60, 80, 3), np.uint8), model=Sides())
    session.click(30, 20)
    assert session.chosen is session.candidates[0]
    assert session.accept("left").area == 30 * 60
    session.undo()
    session.adjust(threshold=5)
    assert session.chosen.stored.area == 25 * 60
    session.refine()
    assert len(session.timeline) == 4
