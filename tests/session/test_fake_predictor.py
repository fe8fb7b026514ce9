# ruff: noqa: ARG002  a fake takes what the interface gives it
"""The torch line: a session works on anything with the predictor's nine members."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from sam_widget.masks.runs import StoredMask
from sam_widget.model.config import SamConfig
from sam_widget.prompts.prompt import Prompt
from sam_widget.session.session import Session


class Fake:
    """Answers with squares around the first point."""

    model = SimpleNamespace(name="fake", weights_id="fake-0-float32")
    config = SamConfig()

    def embed(self, image: np.ndarray, *, keep: bool = True) -> tuple[int, int]:
        return image.shape[0], image.shape[1]

    def has(self, image_hash: str) -> bool:
        return True

    def answer(self, embedding: tuple[int, int], prompt: Prompt) -> Any:
        point, mask = prompt.points[0], np.zeros(embedding, bool)
        mask[int(point.y) - 5 : int(point.y) + 5, int(point.x) - 5 : int(point.x) + 5] = True
        return SimpleNamespace(
            scores=np.float32([0.5, 0.9]),
            logits=np.zeros((2, 8, 8), np.float32),
            size=embedding,
            best=1,
            stored_mask=lambda _index: StoredMask(mask),
        )

    def binarize_one(self, logits: np.ndarray, image_size: tuple[int, int], *, threshold: float = 0.0) -> StoredMask:
        return StoredMask(np.ones(image_size, bool))

    def mask_to_logits(self, mask: np.ndarray) -> np.ndarray:
        return np.zeros((8, 8), np.float32)

    def unpad(self, logits: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
        return logits


def test_a_session_works_on_a_fake_predictor() -> None:
    session = Session(np.zeros((60, 80, 3), np.uint8), model=Fake())
    session.click(30, 20)
    assert session.chosen is session.candidates[1]
    assert session.accept("square").area == 100
    session.undo()
    session.refine()
    session.adjust(threshold=1)
    assert session.chosen.stored.area == 60 * 80
    assert len(session.timeline) == 4
