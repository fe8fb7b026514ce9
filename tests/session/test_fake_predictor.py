"""The torch line: a session works on anything that offers what `predictor.interface` asks for."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from sam_widget.errors import PromptError
from sam_widget.model.config import SamConfig
from sam_widget.predictor.plain import PlainPrediction, PlainPredictor
from sam_widget.prompts.prompt import Point, Prompt
from sam_widget.session.replay import replay
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


class Named(Sides):
    """Answers words too: "left" and "right" with a half of the image."""

    model = SimpleNamespace(name="named", weights_id="named-0")
    config = SamConfig(image_size=256, takes_words=True)

    def answer(self, embedding: tuple[int, int], prompt: Prompt) -> PlainPrediction:
        if not prompt.words:
            return super().answer(embedding, prompt)
        half = np.where(np.arange(64) < 32, 5, -5) * (1 if prompt.words == "left" else -1)
        return PlainPrediction(np.float32([0.7]), np.float32(np.broadcast_to(half, (1, 64, 64))), embedding)


PHOTO = np.zeros((60, 80, 3), np.uint8)


def test_words_and_a_click_are_recorded_undone_replayed_and_written_as_code(tmp_path: Path) -> None:
    session = Session(PHOTO, model=Named(), autosave=tmp_path / "named.sam")
    session.set_prompt(Prompt((Point(70, 30),), words="right"))
    assert session.chosen is not None
    assert session.chosen.mask[:, 40:].all()
    session.click(60, 20)
    assert session.prompt.words == "right", "a click is added to the words"
    item = session.accept("half")
    assert item.prompt.words == "right"
    session.undo()
    session.undo()
    assert len(session.prompt.points) == 1
    session.redo()
    session.redo()
    code = session.to_code()
    assert "words='right'" in code
    session.close()

    again = Session.load(tmp_path / "named.sam", model=Named())
    assert again.objects[0].prompt == item.prompt
    assert [state.prompt.words for state in again.timeline] == ["", "right", "right", ""]
    (row,) = replay(tmp_path / "named.sam", model=Named())
    assert row.iou == 1
    (row,) = replay(tmp_path / "named.sam", model=Sides())
    assert "sides takes no words with points and boxes, such as 'right'" in row.note


def test_a_model_without_words_refuses_them_and_nothing_changes() -> None:
    session = Session(PHOTO, model=Sides())
    session.click(30, 20)
    before = session.state
    with pytest.raises(PromptError, match=r"sides takes no words .* Session.find\('cat'\).*facebook/sam3"):
        session.set_prompt(Prompt((Point(30, 20),), words="cat"))
    assert session.state is before


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
