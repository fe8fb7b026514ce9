"""Readers see committed states only, whatever the model is doing in another thread."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

import sam_widget as sw
from sam_widget.session.state import SessionState

EDITS: dict[str, Callable[[sw.Session], object]] = {
    "click": lambda s: s.click(150, 120),
    "set_rendering": lambda s: s.set_rendering(sw.Rendering(gamma=2)),
    "sharpen": lambda s: s.sharpen((60, 50, 250, 230)),
    "sharpen later": lambda s: s.sharpen((60, 50, 250, 230), later=True),
    "lasso": lambda s: s.lasso([(95, 60), (290, 60), (290, 240)]),
    "move_point": lambda s: s.move_point(0, 180, 130),
    "refine": lambda s: s.refine(),
    "preview": lambda s: s.preview(sw.Prompt().with_point(60, 60)),
    "everything": lambda s: s.everything(points_per_side=4),
}


@pytest.mark.parametrize("name", EDITS)
def test_readers_see_committed_states_only(
    photo: np.ndarray, predictor: sw.Predictor, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    session = sw.Session(photo, model=predictor)
    session.click(170, 130)
    session.brush([(20, 20), (40, 20)], 5)
    seen: list[tuple[SessionState, int, bool, bool]] = []
    committed = [session.state]
    session.on_change(lambda: committed.append(session.state))

    def look() -> None:
        reader = threading.Thread(
            target=lambda: seen.append((session.state, session.position, session.can_undo, session.can_redo))
        )
        reader.start()
        reader.join(10)
        assert not reader.is_alive(), "reading waits for the model"

    def slow(work: Callable[..., object]) -> Callable[..., object]:
        return lambda *given, **options: (look(), work(*given, **options))[1]

    for method in ("embed", "answer", "masks_at"):
        monkeypatch.setattr(predictor, method, slow(getattr(predictor, method)))
    EDITS[name](session)
    assert seen, "the model was not asked"
    assert all(any(state is one for one in committed) for state, *_ in seen)
    assert {facts for _, *facts in seen for facts in [tuple(facts)]} == {(2, True, False)}
