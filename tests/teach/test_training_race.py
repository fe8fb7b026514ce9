"""Runs of training that differ in one thing."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from sam_widget.errors import ModelError, SamWidgetError
from sam_widget.teach import training, training_race
from sam_widget.teach.held_out import Judge
from sam_widget.teach.training_race import FROM_SCRATCH, LESSON, TrainingRace

CONFIG = dataclasses.replace(LESSON, scenes=4)


@pytest.fixture(autouse=True)
def few_scenes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "SCENES", 4)
    monkeypatch.setattr(training_race, "Judge", lambda: Judge(scenes=(6,), objects=2))


def take(race: TrainingRace, steps: int) -> None:
    """Train for a number of steps, whatever they take."""
    race._render()
    race._prepare()
    for _ in range(steps):
        race._step()
        race.steps += 1
    race._show()
    race._finish()


def test_runs_take_equal_steps_and_are_measured_on_scenes_they_never_saw() -> None:
    race = TrainingRace(["everything", "no_dice"], config=CONFIG)
    before = {name: picture.pixels for name, picture in race.answers.items()}
    take(race, 2)
    assert [(one.name, one.steps) for one in race.results] == [("everything", 2), ("no_dice", 2)]
    for one in race.results:
        assert all(0 <= value <= 1 for value in (one.one, one.three, one.oracle, one.off, one.agreement))
        assert one.oracle >= one.one
        assert (race.answers[one.name].pixels != before[one.name]).any()
        assert f"{one.three:.2f}" in race._says[one.name].text
        assert one.name in race.table()
    assert [trainer.config.dice for trainer in race.trainers.values()] == [1, 0]


def test_equal_runs_have_equal_results_and_another_start_does_not(tmp_path: Path) -> None:
    race = TrainingRace({"a": FROM_SCRATCH, "b": FROM_SCRATCH}, config=CONFIG)
    take(race, 2)
    first, second = (dataclasses.replace(one, name="") for one in race.results)
    assert first == second
    assert "a" in race._says["a"].text
    start = tmp_path / "start.safetensors"
    race.trainers["a"].export(start)
    config = dataclasses.replace(CONFIG, seed=1)
    other = TrainingRace(["mae", "scratch"], config=config, starts={"mae": start})
    other._prepare()
    weights = [trainer.average["image_encoder.blocks.0.mlp.fc1.weight"] for trainer in other.trainers.values()]
    trained = race.trainers["a"].average["image_encoder.blocks.0.mlp.fc1.weight"]
    assert np.allclose(weights[0], trained, atol=1e-3)
    assert not np.allclose(weights[1], trained, atol=1e-3)


def test_runs_are_switched_off_and_forgotten() -> None:
    race = TrainingRace(["everything", "no_minimum", "no_corrections"], config=CONFIG)
    race.checks["no_minimum"].value = False
    assert race._columns["no_minimum"].layout.display == "none"
    assert race._columns["everything"].layout.display is None
    take(race, 1)
    assert [*race.trainers] == ["everything", "no_corrections"]
    assert race.trainers["no_corrections"].config.rounds == 1
    race.checks["no_corrections"].value = False
    assert race.trainers == {}
    assert race.steps == 0
    race.checks["everything"].value = False
    with pytest.raises(SamWidgetError, match="Choose what to train"):
        race.run(0.1)


def test_an_unknown_run_is_refused() -> None:
    with pytest.raises(ModelError, match="'no_luck'.*everything"):
        TrainingRace(["no_luck"])


def test_runs_that_cannot_learn_from_the_same_images_are_refused() -> None:
    race = TrainingRace(["scratch", "no_dice"], config=CONFIG)
    with pytest.raises(SamWidgetError, match="different sizes"):
        race.run(0.1)
