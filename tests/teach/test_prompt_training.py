"""Promptable training in a panel."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from safetensors.torch import load_file

from sam_widget.teach import prompt_training, training
from sam_widget.teach.held_out import Judge
from sam_widget.teach.prompt_training import PromptTraining
from sam_widget.teach.training_race import FROM_SCRATCH, LESSON

CONFIG = dataclasses.replace(LESSON, **(FROM_SCRATCH | {"scenes": 4}))


@pytest.fixture(autouse=True)
def few_scenes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "SCENES", 4)
    monkeypatch.setattr(prompt_training, "Judge", lambda: Judge(scenes=(6,), objects=2))


def take(panel: PromptTraining, steps: int) -> None:
    """Train for a number of steps, whatever they take."""
    panel._render()
    panel._prepare()
    for _ in range(steps):
        panel._step()
        panel.steps += 1
    panel._show()
    panel._finish()


def test_it_learns_and_answers_change() -> None:
    panel = PromptTraining(config=CONFIG)
    assert [line.text for line in panel._says] == ["?", "?", "?"]
    take(panel, 1)
    first = [picture.pixels for picture in panel.answers]
    take(panel, 29)
    assert sum(panel.losses[-5:]) < sum(panel.losses[:5])
    assert len(panel.losses) == len(panel.chosen) == len(panel.oracle) == 30
    assert any((picture.pixels != before).any() for picture, before in zip(panel.answers, first, strict=True))
    assert panel.before is not None
    assert panel.after is not None
    assert panel.before != panel.after


def test_a_click_is_answered_by_the_present_model() -> None:
    panel = PromptTraining(config=CONFIG)
    panel.click(100, 100)  # before there is a model
    take(panel, 3)
    view, texts = panel.view.pixels, [line.text for line in panel._says]
    panel.click(300, 40)
    assert (panel.view.pixels != view).any()
    assert [line.text for line in panel._says] != texts
    assert sum("chosen" in line.text for line in panel._says) == 1


def test_the_weights_are_exported_and_forgotten(tmp_path: Path) -> None:
    panel = PromptTraining(config=CONFIG)
    take(panel, 2)
    path = panel.export(tmp_path / "mine.safetensors")
    assert panel.trainer is not None
    name = "mask_decoder.iou_token.weight"
    name = name if name in panel.trainer.average else next(iter(panel.trainer.average))
    assert (load_file(path)[name] == panel.trainer.average[name].half()).all()
    panel.reset()
    assert panel.trainer is None
    assert panel.losses == []
    assert panel.before is None
    assert panel._says[0].text == "?"
