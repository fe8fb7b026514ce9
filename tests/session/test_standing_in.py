"""Another model answers while the session's own is out of reach."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from sam_widget.errors import ModelError, OutOfReachError
from sam_widget.model.config import SamConfig
from sam_widget.predictor.plain import PlainPrediction
from sam_widget.prompts.prompt import Prompt
from sam_widget.session import standing_in
from sam_widget.session.session import Session
from sam_widget.session.state import Answer, Candidate
from tests.session.test_fake_predictor import Sides
from tests.waiting import until

PHOTO = np.zeros((60, 80, 3), np.uint8)
GONE = "the server does not answer"


class Away(Sides):
    """Embeds once its server is there; it is asked by `embed`, and by `answer` if it decodes there, too."""

    def __init__(self, *, decodes: bool = False) -> None:
        self.there, self.decodes = threading.Event(), decodes
        self.error: Exception = OutOfReachError(GONE, "start it")
        self.asked = 0

    def embed(self, image: np.ndarray, *, keep: bool = True) -> tuple[int, int]:
        self.asked += 1
        self._ask()
        return super().embed(image, keep=keep)

    def answer(self, embedding: tuple[int, int], prompt: Prompt) -> PlainPrediction:
        if self.decodes:
            self._ask()
        return super().answer(embedding, prompt)

    def _ask(self) -> None:
        if not self.there.is_set():
            raise self.error


class Busy(Away):
    """Its server makes it wait."""

    def _ask(self) -> None:
        assert self.there.wait(30)


class Small(Sides):
    """The other model, whose logits have another size."""

    model = SimpleNamespace(name="small", weights_id="small-0")
    config = SamConfig(image_size=128)

    def answer(self, embedding: tuple[int, int], prompt: Prompt) -> PlainPrediction:
        found = super().answer(embedding, prompt)
        return PlainPrediction(found.scores, found.logits[:, ::2, ::2], embedding)


Opened = tuple[Session, Away, list[str | None]]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Opened]]:
    monkeypatch.setattr(standing_in, "PAUSES", (0.01,))
    sessions: list[Session] = []

    def open_(away: Away, **options: object) -> Opened:
        session = Session(PHOTO, model=away, **options)  # type: ignore[arg-type]
        told: list[str | None] = []
        session.stand_in(Small(), told.append)  # type: ignore[arg-type]
        sessions.append(session)
        return session, away, told

    yield open_
    for session in sessions:
        session.close()


def weights(candidate: Candidate | None) -> str:
    assert candidate is not None
    assert isinstance(candidate.answer, Answer)
    return candidate.answer.weights


def test_without_a_stand_in_it_is_an_error() -> None:
    session = Session(PHOTO, model=Away())
    with pytest.raises(OutOfReachError, match=f"{GONE}; start it"):
        session.click(30, 20)
    assert session.prompt.is_empty


def test_the_other_model_answers_meanwhile_and_the_own_one_again(opened: Callable[..., Opened], tmp_path: Path) -> None:
    session, away, told = opened(Away(), autosave=tmp_path / "it.sam")
    session.click(30, 20)
    assert weights(session.chosen) == "small-0"
    first = session.accept("first")
    session.click(50, 40)
    session.choose(1)
    assert told == [GONE]
    position = session.position

    away.there.set()
    until(lambda: told[-1] is None, what="the server is back")
    session.answer_again()
    assert weights(session.chosen) == "sides-0"
    assert session.state.chosen_index == 1, "what was chosen by hand stays chosen"
    assert session.position == position, "it is not an edit"
    assert session.objects == (first,)
    assert session.maker_of(first) == "small-0"
    second = session.accept("second")
    assert session.maker_of(second) is None
    session.undo()
    assert weights(session.chosen) == "sides-0"
    session.close()

    again = Session.load(tmp_path / "it.sam", model=Sides())
    assert again.maker_of(again.objects[0]) == "small-0"
    again.redo()
    assert again.maker_of(again.objects[1]) is None


def test_answers_wait_for_a_busy_server_as_long_as_patience_lasts(
    opened: Callable[..., Opened], monkeypatch: pytest.MonkeyPatch
) -> None:
    session, away, told = opened(Busy())
    threading.Timer(0.05, away.there.set).start()
    session.click(30, 20)
    assert (weights(session.chosen), told) == ("sides-0", [])

    monkeypatch.setattr(standing_in, "PATIENCE", 0.05)
    session, away, told = opened(Busy())
    session.click(30, 20)
    assert (weights(session.chosen), told) == ("small-0", [standing_in.BUSY])
    assert session.answering[0].model.name == "small"
    away.there.set()
    until(lambda: told[-1] is None, what="it is embedded")
    session.click(50, 40)
    assert weights(session.chosen) == "sides-0"
    assert away.asked == 1


def test_a_server_that_decodes_may_go_and_come_back(opened: Callable[..., Opened]) -> None:
    session, away, told = opened(Away(decodes=True))
    away.there.set()
    session.click(30, 20)
    assert weights(session.chosen) == "sides-0"
    away.there.clear()
    session.click(50, 40)
    assert weights(session.chosen) == "small-0"
    assert len(session.prompt.points) == 2
    away.there.set()
    until(lambda: told[-1] is None, what="the server is back")
    session.answer_again()
    assert weights(session.chosen) == "sides-0"
    assert told == [GONE, None]


def test_masks_of_one_model_can_be_changed_and_refined_by_the_other(opened: Callable[..., Opened]) -> None:
    session, away, told = opened(Away())
    session.click(30, 20)
    chosen = session.chosen
    assert chosen is not None
    assert chosen.logits is not None
    assert chosen.logits.shape == (32, 32)
    session.adjust(threshold=5.0)
    assert session.chosen is not None
    assert session.chosen.stored.area < chosen.stored.area
    session.refine()
    assert session.prompt.mask is not None
    assert session.prompt.mask.shape == (32, 32)
    away.there.set()
    until(lambda: told[-1] is None, what="the server is back")
    session.answer_again()
    assert weights(session.chosen) == "sides-0"
    session.refine()
    assert session.prompt.mask.shape == (64, 64)


def test_a_mask_of_the_one_model_reaches_the_other_in_its_own_size(opened: Callable[..., Opened]) -> None:
    session, away, told = opened(Away())
    seen: list[np.ndarray | None] = []
    answer = away.answer
    away.answer = lambda embedding, prompt: seen.append(prompt.mask) or answer(embedding, prompt)  # type: ignore[func-returns-value,method-assign]
    session.click(30, 20)
    session.refine()
    away.there.set()
    until(lambda: told[-1] is None, what="the server is back")
    session.answer_again()
    assert seen[-1] is not None
    assert seen[-1].shape == (64, 64)
    left = seen[-1][32] > 0
    assert left[:20].all()
    assert not left[28:].any()


def test_crops_are_embedded_by_whichever_can(opened: Callable[..., Opened]) -> None:
    session, away, told = opened(Away())
    session.sharpen((10, 10, 40, 40), margin=0)
    session.click(30, 20)
    assert weights(session.chosen) == "small-0"
    away.there.set()
    until(lambda: told[-1] is None, what="the server is back")
    session.answer_again()
    assert weights(session.chosen) == "sides-0"
    assert session.chosen is not None
    assert session.chosen.crop is not None


def test_a_server_that_refuses_says_why(opened: Callable[..., Opened]) -> None:
    away = Away()
    away.error = ModelError("the server runs another version")
    session, _, told = opened(away)
    session.click(30, 20)
    session.click(50, 40)
    assert told == ["the server runs another version"]
    assert weights(session.chosen) == "small-0"
    assert away.asked == 1, "it is not asked with every click"


def test_closing_ends_the_attempts(opened: Callable[..., Opened]) -> None:
    session, away, _ = opened(Away())
    before = threading.active_count()
    session.click(30, 20)
    session.close()
    until(lambda: threading.active_count() <= before, what="the thread has ended")
    asked = away.asked
    away.there.set()
    assert away.asked == asked
