"""A long history takes little memory and a small file, and going back shows exactly what was there."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import sam_widget as sw
from sam_widget.image.rendering import USUAL
from sam_widget.masks.runs import StoredMask
from sam_widget.model.config import SamConfig
from sam_widget.prompts.prompt import Prompt
from sam_widget.session import decoding
from sam_widget.session.history import NEAR
from sam_widget.session.state import Answer, SessionState

CLICKS = 300
SIDE = 96
# Bytes of logits that a session may keep, whatever the model: 2 MB.
LOGITS = 2**21


class Discs:
    """Answers with three discs around the newest point; counts how often it is asked."""

    model = SimpleNamespace(name="discs", weights_id="discs-0-float32")
    config = SamConfig()
    asked = 0

    def embed(self, image: np.ndarray, *, keep: bool = True) -> tuple[int, int]:  # noqa: ARG002
        return image.shape[0], image.shape[1]

    def has(self, image_hash: str) -> bool:  # noqa: ARG002
        return True

    def answer(self, embedding: tuple[int, int], prompt: Prompt) -> Any:
        self.asked += 1
        point = prompt.points[-1]
        y, x = np.mgrid[: embedding[0], : embedding[1]] + 0.5
        distance = np.hypot(x - point.x, y - point.y)
        low = np.linspace(-1, 1, SIDE * SIDE, dtype=np.float32).reshape(SIDE, SIDE) * np.float32(len(prompt.points))
        return SimpleNamespace(
            scores=np.float32([0.5, 0.9, 0.7]),
            logits=np.stack([low, low + 1, low + 2]),
            size=embedding,
            best=1,
            stored_mask=lambda index: StoredMask(distance < 30 * (index + 1)),
        )

    def binarize_one(self, logits: np.ndarray, image_size: tuple[int, int], *, threshold: float = 0.0) -> StoredMask:
        return StoredMask(np.full(image_size, bool(logits.mean() > threshold)))

    def mask_to_logits(self, mask: np.ndarray) -> np.ndarray:  # noqa: ARG002
        return np.zeros((SIDE, SIDE), np.float32)

    def unpad(self, logits: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:  # noqa: ARG002
        return logits


def clicked(path: Path | None, clicks: int = CLICKS) -> sw.Session:
    session = sw.Session(np.zeros((384, 512, 3), np.uint8), model=Discs(), autosave=path)
    rng = np.random.default_rng(0)
    for x, y in rng.uniform((0, 0), (512, 384), (clicks, 2)):
        session.click(x, y)
    return session


def held(session: sw.Session) -> int:
    """Bytes of all masks and logits that a session's history holds, and that its decoder keeps."""
    arrays: dict[int, int] = {}
    for state in session.timeline:
        for candidate in state.candidates:
            for mask in (candidate.stored, candidate.base):
                # What is in memory now: `runs` would unpack them.
                for part in (mask._runs, mask._packed):
                    arrays[id(part)] = getattr(part, "nbytes", None) or len(part or b"")
            if isinstance(candidate.answer, np.ndarray):
                arrays[id(candidate.answer)] = candidate.answer.nbytes
    return sum(arrays.values()) + sum(logits.nbytes for logits in session._decoder._recent.values())


def seen(state: SessionState) -> list[Any]:
    masks = [(c.mask.copy(), c.score, c.stability) for c in state.candidates]
    return [state.prompt, state.chosen_index, masks]


def assert_same(a: list[Any], b: list[Any]) -> None:
    assert a[:2] == b[:2]
    for (mask, *numbers), (other, *others) in zip(a[2], b[2], strict=True):
        np.testing.assert_array_equal(mask, other)
        assert numbers == others


def test_a_long_history_holds_few_bytes_in_memory_and_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "long.sam"
    session = clicked(path)
    # Three masks of 96 x 96 floats a click would be 33 MB. A process may grow by 40 MB in 1,200 clicks, and the file to
    # 15 MB, of which masks and logits are the part that is counted here.
    assert held(session) < LOGITS + CLICKS * 8_000
    session.close()
    size = path.stat().st_size
    assert size < CLICKS * 12_000
    loaded = sw.Session.load(path, model=Discs())
    assert held(loaded) < CLICKS * 8_000
    assert len(loaded.timeline) == CLICKS + 1
    assert loaded.prompt == session.prompt


def test_a_large_models_logits_take_no_more(photo: np.ndarray, predictor: sw.Predictor) -> None:
    decoder = sw.Session(photo, model=predictor)._decoder
    for k in range(40):
        # Three masks of 256 x 256, as SAM's.
        decoder.keep(Answer(Prompt(), USUAL, None, 0, str(k)), np.full((3, 256, 256), k, np.float32))
        assert sum(logits.nbytes for logits in decoder._recent.values()) <= LOGITS
    assert [answer.weights for answer in decoder._recent] == ["38", "39"]


def test_a_click_costs_as_much_in_the_file_however_many_there_were(tmp_path: Path) -> None:
    session = clicked(tmp_path / "a.sam", 20)
    before = _documents(session)
    session.click(5, 5)
    early = _documents(session) - before
    for k in range(300):
        session.click(k, 10)
    before = _documents(session)
    session.click(5, 5)
    assert _documents(session) - before < 1.1 * early


def _documents(session: sw.Session) -> int:
    file = session._recorder._file  # type: ignore[union-attr]
    assert file is not None
    assert file._connection is not None
    return int(file._connection.execute("SELECT sum(length(json)) FROM documents").fetchone()[0])


@pytest.mark.parametrize("loaded", [False, True], ids=["in memory", "from a file"])
def test_fifty_undos_and_redos_show_what_was_there_bit_for_bit(
    photo: np.ndarray, predictor: sw.Predictor, tmp_path: Path, loaded: bool
) -> None:
    session = sw.Session(photo, model=predictor, autosave=tmp_path / "a.sam")
    rng = np.random.default_rng(0)
    then = [seen(session.state)]
    for k, (x, y) in enumerate(rng.uniform((0, 0), (451, 300), (40, 2))):
        session.click(x, y, label=int(k % 4 != 3))
        then.append(seen(session.state))
        if k % 4 == 1:
            session.choose((session.state.chosen_index + 1) % 3)  # type: ignore[operator]
            then.append(seen(session.state))
    assert len(then) == 51 > 3 * NEAR
    if loaded:
        session.close()
        session = sw.Session.load(tmp_path / "a.sam", model=predictor)
    for expected in reversed(then[:-1]):
        session.undo()
        assert_same(seen(session.state), expected)
    for expected in then[1:]:
        session.redo()
        assert_same(seen(session.state), expected)


def test_logits_that_were_let_go_are_decoded_again(
    photo: np.ndarray, predictor: sw.Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "MOST_LOGITS", 1)
    session = sw.Session(photo, model=predictor)
    session.click(150, 120)
    first = session.candidates
    logits = [np.array(c.logits) for c in first]
    session.adjust(threshold=1)
    wider = [c.mask.copy() for c in session.candidates]
    session.undo()
    session.click(60, 60)
    assert [isinstance(c.answer, Answer) for c in first] == [True] * 3
    assert first[0].answer not in session._decoder._recent
    for candidate, expected in zip(first, logits, strict=True):
        np.testing.assert_array_equal(candidate.logits, expected)
    session.undo()
    session.adjust(threshold=1)
    for candidate, expected in zip(session.candidates, wider, strict=True):
        np.testing.assert_array_equal(candidate.mask, expected)
    session.save(tmp_path / "a.sam")
    again = sw.Session.load(tmp_path / "a.sam", model=predictor)
    for candidate, expected in zip(again.candidates, logits, strict=True):
        np.testing.assert_array_equal(candidate.logits, expected)


def test_another_models_logits_are_not_made_up(tmp_path: Path) -> None:
    session = clicked(None, 3)
    session.save(tmp_path / "a.sam")
    other = Discs()
    other.model = SimpleNamespace(name="discs", weights_id="other-1-float32")
    with pytest.warns(UserWarning, match="other weights of 'discs'"):
        loaded = sw.Session.load(tmp_path / "a.sam", model=other)
    assert [c.logits for c in loaded.candidates] == [None] * 3
    area = loaded.candidates[0].stored.area
    loaded.adjust(threshold=5)
    assert loaded.candidates[0].stored.area == area
    again = sw.Session.load(tmp_path / "a.sam", model=Discs())
    assert again.candidates[0].logits is not None
