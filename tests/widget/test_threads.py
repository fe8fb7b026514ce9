"""A decode leaves a core to what carries its answer, and nothing else slower."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from sam_widget.widget.sam_widget import SamWidget
from sam_widget.widget.threads import one_core_left
from tests.widget.test_sam_widget import View, prompt


def test_one_core_is_left_for_a_while() -> None:
    before = torch.get_num_threads()
    try:
        for threads, fewer in ((4, 3), (2, 1), (1, 1)):
            torch.set_num_threads(threads)
            with one_core_left():
                assert torch.get_num_threads() == fewer
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_a_thread_that_starts_meanwhile_keeps_all_cores() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    seen: list[int] = []
    try:
        with one_core_left():
            thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
            thread.start()
            thread.join(60)
        assert seen == [3]
    finally:
        torch.set_num_threads(before)


def test_answers_are_computed_so_and_all_cores_embed(photo: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads are counted by the thread that computes."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        widget = SamWidget(photo[:200])
        session, seen, opened = widget.session, [], threading.Event()
        answer = session.predictor.answer

        def counting(*arguments: object) -> object:
            seen.append(torch.get_num_threads())
            return answer(*arguments)  # type: ignore[arg-type]

        widget.observe(lambda change: change["new"]["status"] == "ready" and opened.set(), "state")
        if widget.state["status"] != "ready":
            assert opened.wait(60)
        monkeypatch.setattr(session.predictor, "answer", counting)
        view = View(widget)
        view.ask("predict", prompt=prompt((150, 120)))
        view.ask("preview", prompt=prompt((50, 120)))
        # The widget may also measure how long an answer takes, meanwhile.
        assert len(seen) >= 2
        assert set(seen) == {2}
        widget.click(10, 10)
        assert 3 in seen
        widget.close()
    finally:
        torch.set_num_threads(before)
