from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sam_widget.engine import judging, learner, tuning
from sam_widget.engine.judging import CAP
from sam_widget.engine.taught import TaughtMask, TaughtPhoto
from sam_widget.engine.tuning import tune, tuning_round
from sam_widget.errors import MaskError, ModelError, PromptError
from sam_widget.masks.runs import StoredMask
from sam_widget.model.zoo import load_model
from sam_widget.predictor.predictor import Predictor
from sam_widget.session.session import Session
from tests.engine.cells import draw, folder, rings, taught


def test_a_domain_it_gets_wrong_is_learned_and_the_model_loads_by_path(tmp_path: Path) -> None:
    truth = folder(tmp_path / "photos", 8, drawn=rings)
    others = folder(tmp_path / "others", 4)
    generic = {tmp_path / "others" / name: masks for name, masks in others.items()}
    model = tune("tiny", truth, images=tmp_path / "photos", steps=60, generic=generic)
    assert model is not None
    model.save(tmp_path / "rings.safetensors")
    picture, masks = rings(100)
    tuned = Session(picture, model=tmp_path / "rings.safetensors")
    plain = Session(picture)
    reached = {}
    for name, session in (("tuned", tuned), ("plain", plain)):
        ious = []
        for mask in masks:
            y, x = mask.nonzero()
            session.clear()
            (best, *_) = [session.click(float(x.mean()), float(y.mean()))]
            chosen = session.chosen
            assert best
            assert chosen is not None
            ious.append((chosen.mask & mask).sum() / (chosen.mask | mask).sum())
        reached[name] = float(np.mean(ious))
    assert reached["tuned"] > reached["plain"] + 0.1


def test_what_cannot_be_learned_is_refused(recwarn: pytest.WarningsRecorder) -> None:
    rng = np.random.default_rng(0)
    data = []
    for seed in range(5):
        picture, _ = draw(seed)
        noise = [rng.random(picture.shape[:2]) < 0.5 for _ in range(3)]  # masks that mean nothing
        learned = tuple(TaughtMask(StoredMask(mask)) for mask in noise)
        data.append(TaughtPhoto(str(seed), lambda picture=picture: picture, learned))
    result = tuning_round("tiny", data, steps=4, generic=taught(2))
    assert result.model is None
    assert "no fewer than by chance" in result.reason
    assert result.figures is not None
    assert result.figures.clicks[0] == CAP + 1
    session = Session(draw(0)[0])
    session.add_objects(draw(0)[1][0])
    assert tune("tiny", session) is None
    assert "1 photos with masks are too few" in str(recwarn.pop().message)


def test_bad_arguments_say_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="budget_s is 0"):
        tuning_round("tiny", taught(3), budget_s=0)
    with pytest.raises(PromptError, match="kind is 'all', expected one of decoder, tokens"):
        tuning_round("tiny", taught(3), kind="all")  # type: ignore[arg-type]
    with pytest.raises(MaskError, match="accept some objects first"):
        tune("tiny", {})
    base = load_model("tiny")
    weights = tuning.TunedWeights(tuning._tuning("tiny", base, "decoder"), {})
    weights.apply(base, name="x").save(tmp_path / "x.safetensors")
    with pytest.raises(ModelError, match="x was tuned before"):
        tuning_round(tmp_path / "x.safetensors", taught(3))


def test_a_round_can_be_cancelled() -> None:
    asked = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) > 3

    result = tuning_round(Predictor("tiny"), taught(3), cancelled=cancelled)
    assert (result.model, result.reason) == (None, "it was cancelled")


class Clock:
    """A clock on which decoding some masks takes four seconds and a step of learning one, as with a large decoder."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.steps = 0
        decode, step = judging.decode, learner.Learner.step

        def slow_decode(*args: Any, **options: Any) -> Any:
            self.now += 4
            return decode(*args, **options)

        def slow_step(learning: Any, *args: Any) -> float:
            self.now += 1
            self.steps += 1
            return step(learning, *args) if self.steps == 1 else 0.5

        monkeypatch.setattr(judging, "decode", slow_decode)
        monkeypatch.setattr(learner.Learner, "step", slow_step)
        for module in (judging, learner, tuning):
            monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.now))


def test_a_round_keeps_its_budget_whatever_judging_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    budget = 200
    clock = Clock(monkeypatch)
    result = tuning_round("tiny", taught(4), budget_s=budget, generic=taught(40))
    assert result.figures is not None
    assert result.figures.seconds <= 1.2 * budget  # the part that is being judged when the time is over is completed
    assert clock.steps >= tuning.LEARNING * budget


def test_a_result_that_depends_on_no_clock_judges_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    result = tuning_round("tiny", taught(5), budget_s=1, steps=3, generic=taught(2))
    assert result.figures is not None
    assert clock.steps == 3
    assert clock.now > 20
