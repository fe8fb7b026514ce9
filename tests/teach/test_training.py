"""Panels that train in the background: time, Stop, interrupts and failures."""

from __future__ import annotations

import threading
import time

import pytest
import torch

from sam_widget.errors import MissingExtraError, SamWidgetError
from sam_widget.teach import training
from sam_widget.teach.training import TrainingPanel


class Counting(TrainingPanel):
    """Takes steps of a millisecond."""

    def __init__(self) -> None:
        super().__init__(seconds=1)
        self.values: list[float] = []
        self.threads: set[int] = set()
        self.fails = False
        self.finished = 0
        self.stepped = threading.Event()

    def _render(self) -> None:
        pass

    def _prepare(self) -> None:
        if self.fails:
            raise ValueError("no room")

    def _step(self) -> None:
        time.sleep(0.001)
        self.threads.add(torch.get_num_threads())
        self.values.append(1 / (len(self.values) + 1))
        self.stepped.set()

    def _look(self) -> None:
        pass

    def _curves(self) -> list[tuple[str, str, list[float]]]:
        return [("loss", "loss", self.values)]

    def _finish(self) -> None:
        self.finished += 1


def test_a_run_takes_its_time_and_a_further_one_continues() -> None:
    panel = Counting()
    before = panel.chart.pixels
    panel.run(0.05)
    first = panel.steps
    assert 0 < first == len(panel.values) <= 50
    assert panel.chart.pixels.shape != before.shape or (panel.chart.pixels != before).any()
    assert f"{first} steps" in panel.note.text
    panel.run(0.05)
    assert panel.steps > first
    assert panel.finished == 2
    assert panel.threads == {1}


def test_stop_ends_a_run_and_the_buttons_follow() -> None:
    panel = Counting()
    assert panel.stop_button.disabled
    panel.start(60)
    panel.start(60)  # has no effect
    assert panel.stepped.wait(10)
    assert panel.start_button.disabled
    assert not panel.stop_button.disabled
    panel.stop_button.click()
    panel.wait()
    assert not panel.running
    assert panel.finished == 1
    assert not panel.start_button.disabled
    assert panel.stop_button.disabled


def test_an_interrupted_wait_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    panel = Counting()
    panel.start(60)
    assert panel._thread is not None
    join, interrupted = panel._thread.join, iter([True])

    def joining() -> None:
        if next(interrupted, False):
            raise KeyboardInterrupt
        join(10)

    monkeypatch.setattr(panel._thread, "join", joining)
    panel.wait()
    assert not panel.running


def test_a_failure_is_shown_and_raised_by_wait() -> None:
    panel = Counting()
    panel.fails = True
    with pytest.raises(SamWidgetError, match="no room"):
        panel.run(1)
    assert panel.note.text == "no room"
    panel.fails = False
    panel.run(0.01)
    assert panel.steps


def test_without_opencv_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(module: str, extra: str) -> None:
        raise MissingExtraError(f"{module} {extra}")

    monkeypatch.setattr(training, "import_extra", missing)
    with pytest.raises(MissingExtraError, match="cv2 learn"):
        Counting()
