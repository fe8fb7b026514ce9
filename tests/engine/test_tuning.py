from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sam_widget.engine import tuning
from sam_widget.engine.judging import CAP, Clicks
from sam_widget.engine.taught import TaughtMask, TaughtPhoto
from sam_widget.engine.tuning import calibrate, split, tune, tuning_round, verdict
from sam_widget.errors import MaskError, ModelError, PromptError
from sam_widget.masks.runs import StoredMask
from sam_widget.model.calibration import Calibration
from sam_widget.model.zoo import load_model
from sam_widget.predictor.predictor import Predictor
from sam_widget.session.session import Session
from tests.engine.cells import draw, folder, rings


def clicks(counts: list[int]) -> Clicks:
    return Clicks(np.array(counts), np.ones(len(counts)), np.zeros((0, 2)))


def photos(count: int) -> list[TaughtPhoto]:
    found = []
    for seed in range(count):
        picture, masks = rings(seed)
        taught = tuple(TaughtMask(StoredMask(mask.copy())) for mask in masks)
        found.append(TaughtPhoto(f"{seed}.png", lambda picture=picture: picture, taught))
    return found


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
        taught = tuple(TaughtMask(StoredMask(mask)) for mask in noise)
        data.append(TaughtPhoto(str(seed), lambda picture=picture: picture, taught))
    result = tuning_round("tiny", data, steps=4, generic=photos(2))
    assert result.model is None
    assert "no fewer than by chance" in result.reason
    assert result.figures is not None
    assert result.figures.clicks[0] == CAP + 1
    session = Session(draw(0)[0])
    session.add_objects(draw(0)[1][0])
    assert tune("tiny", session) is None
    assert "1 photos with masks are too few" in str(recwarn.pop().message)


def test_the_verdict_asks_for_fewer_clicks_and_no_forgetting() -> None:
    generic = clicks([3] * 50)
    assert verdict(clicks([5] * 20), clicks([4] * 20), generic, generic) == ""
    assert "no fewer" in verdict(clicks([5] * 20), clicks([5] * 20), generic, generic)
    assert "no fewer" in verdict(clicks([5, 5, 5]), clicks([1, 8, 5]), generic, generic)
    assert "forget" in verdict(clicks([5] * 20), clicks([4] * 20), generic, clicks([3] * 46 + [4] * 4))
    assert "large enough" in verdict(clicks([]), clicks([]), generic, generic)


def test_photos_keep_their_side_when_others_are_added() -> None:
    few, many = photos(5), photos(12)
    assert all(photo.name in {p.name for p in few} for photo in split(few)[1])
    taught, held = split(many)
    assert len(held) == 2
    assert not {photo.name for photo in taught} & {photo.name for photo in held}
    assert [photo.name for photo in split(many[::-1])[1]] == [photo.name for photo in held]


def test_scores_that_are_off_are_corrected() -> None:
    rng = np.random.default_rng(0)
    true = rng.uniform(0.2, 0.9, 300)
    scored = np.stack([np.clip(true + 0.3 + 0.05 * rng.normal(size=300), 0, 1), true], 1)
    knots, (before, after) = calibrate(Clicks(np.zeros(0), np.zeros(0), scored))
    assert knots is not None
    Calibration(*knots)
    assert before > 0.2
    assert after < 0.12
    honest = np.stack([true, true], 1)
    assert calibrate(Clicks(np.zeros(0), np.zeros(0), honest))[0] is None
    assert calibrate(Clicks(np.zeros(0), np.zeros(0), scored[:10]))[0] is None


def test_bad_arguments_say_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="budget_s is 0"):
        tuning_round("tiny", photos(3), budget_s=0)
    with pytest.raises(PromptError, match="kind is 'all', expected one of decoder, tokens"):
        tuning_round("tiny", photos(3), kind="all")  # type: ignore[arg-type]
    with pytest.raises(MaskError, match="accept some objects first"):
        tune("tiny", {})
    base = load_model("tiny")
    weights = tuning.TunedWeights(tuning._tuning("tiny", base, "decoder"), {})
    weights.apply(base, name="x").save(tmp_path / "x.safetensors")
    with pytest.raises(ModelError, match="x was tuned before"):
        tuning_round(tmp_path / "x.safetensors", photos(3))


def test_a_round_can_be_cancelled() -> None:
    asked = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) > 3

    result = tuning_round(Predictor("tiny"), photos(3), cancelled=cancelled)
    assert (result.model, result.reason) == (None, "it was cancelled")
