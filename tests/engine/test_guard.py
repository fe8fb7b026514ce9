from __future__ import annotations

import numpy as np

from sam_widget.engine.guard import calibrate, split, verdict
from sam_widget.engine.judging import Clicks
from sam_widget.engine.taught import TaughtPhoto
from sam_widget.model.calibration import Calibration


def clicks(counts: list[int]) -> Clicks:
    return Clicks(np.array(counts), np.ones(len(counts)), np.zeros((0, 2)), (1,) * len(counts))


def photos(count: int) -> list[TaughtPhoto]:
    return [TaughtPhoto(f"{number}.png", lambda: np.zeros((4, 4, 3), np.uint8)) for number in range(count)]


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
