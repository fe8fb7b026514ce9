"""Measuring a model that is being trained, on scenes of the package."""

from __future__ import annotations

from sam_widget.learn.train import Trainer
from sam_widget.model.zoo import WEIGHTS
from sam_widget.teach.held_out import Judge
from sam_widget.teach.training_race import LESSON


def test_the_present_weights_are_measured() -> None:
    judge = Judge(scenes=(6,), objects=3)
    trainer = Trainer(LESSON, start=WEIGHTS / "tiny.safetensors")
    trained = judge.measure(trainer)
    assert judge.measure(trainer) == trained
    assert trained.oracle >= trained.one > 0.3
    assert trained.three > 0.6
    assert 0 < trained.agreement < 1
    for name, value in trainer.average.items():
        if name.startswith("mask_decoder"):
            value.zero_()
    broken = judge.measure(trainer)
    assert broken.oracle < trained.oracle
    assert broken.three < 0.5
