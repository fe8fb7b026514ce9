"""The data engine as a widget: what views ask, background jobs, the three stages, closing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sam_widget as sw
from sam_widget.engine.engine import DataEngine
from sam_widget.engine.tuning import Round
from sam_widget.widget.engine import Engine
from sam_widget.widget.engine_panel import AUTOMATIC, LEARNING, TUNING
from sam_widget.widget.threads import LOW, low_priority
from tests.engine import shapes
from tests.waiting import until
from tests.widget.test_sam_widget import View

PHOTOS = 8
Truth = dict[str, list[np.ndarray]]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run threads at full priority: on a busy machine, those of low priority would hardly run."""
    monkeypatch.setattr("sam_widget.widget.engine_jobs.low_priority", lambda: None)


@pytest.fixture
def truth(tmp_path: Path) -> Truth:
    return shapes.folder(tmp_path / "photos", PHOTOS)


@pytest.fixture
def opened(tmp_path: Path, truth: Truth, predictor: sw.Predictor) -> Iterator[Callable[..., Engine]]:
    del truth
    made: list[Engine] = []

    def make(**options: Any) -> Engine:
        engine = Engine(tmp_path / "photos", model=predictor, who="me", budget_s=1, points_per_side=9, **options)
        made.append(engine)
        until(lambda: engine.state["status"] == "ready", what="the first photo is ready")
        return engine

    yield make
    for engine in made:
        engine.close()


def annotate(engine: Engine, truth: Truth, count: int) -> None:
    """Accept all discs of the next photos, and mark them as done."""
    for _ in range(count):
        for mask in truth[engine.name]:
            engine.add_objects(mask)
        engine._control.finish()


def at_rest(engine: Engine) -> None:
    jobs = engine._control.jobs
    pending = (TUNING, LEARNING, AUTOMATIC)
    until(lambda: not any(map(jobs.under_way, pending)), seconds=200, what="no job is running")
    until(lambda: engine.panel["job"] is None, seconds=200, what="the panel shows no job")


class Held:
    """Replaces a slow method of the engine by one that continues when it is told to, or cancelled."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str, result: Any = None) -> None:
        self.begun, self.go_on, self.cancelled = threading.Event(), threading.Event(), False

        def held(_engine: DataEngine, *_photo: Any, **options: Any) -> Any:
            options["progress"]("Learning", 0.5)
            self.begun.set()
            until(lambda: self.go_on.is_set() or options["cancelled"](), what="it may continue")
            self.cancelled = options["cancelled"]()
            if isinstance(result, Exception):
                raise result
            return result

        monkeypatch.setattr(DataEngine, name, held)


def test_done_goes_to_the_next_photo_and_the_panel_follows(opened: Callable[..., Engine], truth: Truth) -> None:
    engine = opened(tune=False)
    view = View(engine)
    assert engine.panel["stage"] == 1
    assert [stage["name"] for stage in engine.panel["stages"]] == [
        "Assisted-manual",
        "Semi-automatic",
        "Fully automatic",
    ]
    assert engine.panel["stages"][1]["hindrance"] == "Mark 3 more photos as done first."
    assert engine.panel["buttons"] == ["done"]
    assert "Press Done" in engine.panel["advice"] or "press Done" in engine.panel["advice"]

    first = engine.name
    ys, xs = np.nonzero(truth[first][0])
    prompt = {"points": [{"x": float(xs.mean()), "y": float(ys.mean()), "label": 1}]}
    view.ask("predict", prompt={**prompt, "boxes": [], "strokes": [], "mask": None})
    view.ask("accept", label="disc")
    until(lambda: engine.panel["clicks"] == [1], what="the panel counts the click")
    assert len(engine.panel["seconds"]) == 1
    assert engine.panel["current"] is not None

    assert view.ask("finish")["outcome"] == "done"
    assert engine.name != first
    assert engine.engine.done == {first}
    assert engine.panel["done"] == 1
    engine.go(first)
    assert engine.panel["buttons"] == ["next"]


def test_a_round_begins_by_itself_and_its_model_opens_the_next_photo(
    opened: Callable[..., Engine], truth: Truth, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch, "round", Round(None, "no better"))
    monkeypatch.setattr(DataEngine, "acceptance", lambda *_, **__: None)
    engine = opened()
    view = View(engine)
    annotate(engine, truth, 3)
    assert not held.begun.is_set()
    annotate(engine, truth, 1)
    assert held.begun.wait(60)
    until(lambda: engine.panel["job"] == {"what": f"{TUNING}: learning", "share": 0.5}, what="the panel shows the job")
    assert "tune" not in engine.panel["buttons"]
    assert "learning" in engine.panel["advice"]
    # The widget answers meanwhile.
    engine.click(90, 90)
    assert len(engine.candidates) == 3
    tuned = sw.Predictor(engine.session.predictor.model)
    engine.engine._current = tuned
    held.go_on.set()
    at_rest(engine)
    assert engine.session.predictor is not tuned
    view.ask("finish")
    assert engine.session.predictor is tuned


def test_a_job_is_cancelled_and_does_not_begin_again_at_once(
    opened: Callable[..., Engine], truth: Truth, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch, "round", Round(None, "cancelled"))
    monkeypatch.setattr(DataEngine, "acceptance", lambda *_, **__: None)
    engine = opened()
    view = View(engine)
    annotate(engine, truth, 4)
    assert held.begun.wait(60)
    assert view.ask("cancel_job")["outcome"] == "done"
    at_rest(engine)
    assert held.cancelled
    held.begun.clear()
    annotate(engine, truth, 1)
    assert not engine._control.jobs.under_way(TUNING)
    assert "tune" in engine.panel["buttons"]
    held.go_on.set()
    assert view.ask("tune")["outcome"] == "done"
    assert held.begun.wait(60)
    at_rest(engine)


def test_an_error_in_a_job_is_shown_and_the_widget_goes_on(
    opened: Callable[..., Engine], truth: Truth, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch, "round", RuntimeError("out of memory"))
    monkeypatch.setattr(DataEngine, "acceptance", lambda *_, **__: None)
    held.go_on.set()
    engine = opened(tune=False)
    view = View(engine)
    annotate(engine, truth, 4)
    view.ask("tune")
    until(lambda: engine.panel["error"] == "RuntimeError: out of memory", what="the panel shows the error")
    engine.click(90, 90)
    assert len(engine.candidates) == 3
    with pytest.raises(RuntimeError, match="out of memory"):
        engine.round()
    monkeypatch.setattr(DataEngine, "round", lambda *_, **__: Round(None, "no better"))
    assert engine.round(budget_s=1).reason == "no better"
    until(lambda: engine.panel["error"] == "", what="the error is forgotten")


def test_what_cannot_be_done_is_answered(opened: Callable[..., Engine]) -> None:
    view = View(engine := opened(tune=False))
    for kind, fields, message in (
        ("go_to_stage", {"stage": 2}, "stage 2 cannot begin yet: Mark 3 more photos"),
        ("go_to_stage", {"stage": 4}, "invalid stage 4"),
        ("start_check", {}, "stage 3 has made no masks"),
        ("right", {}, "press Check"),
    ):
        answer = view.ask(kind, **fields)
        assert answer["outcome"] == "error"
        assert message in answer["error"]
    assert engine.panel["stage"] == 1
    with pytest.raises(sw.SessionError, match="Mark 3 more photos"):
        engine.stage = 3
    with pytest.raises(sw.SessionError, match="stage 3 has made no masks"):
        engine.check()


def test_masks_are_filled_in_and_then_the_rest_is_segmented_and_checked(
    opened: Callable[..., Engine], truth: Truth
) -> None:
    engine = opened(tune=False)
    view = View(engine)
    annotate(engine, truth, 4)
    assert engine.panel["stages"][1]["hindrance"] == ""
    assert view.ask("go_to_stage", stage=2)["outcome"] == "done"
    until(lambda: engine.panel["stage"] == 2, seconds=200, what="stage 2 has begun")
    # Masks appear on the photo that is shown, and on the next one.
    until(lambda: engine.panel["filled"], seconds=200, what="masks are filled in")
    filled = engine.panel["filled"]
    assert [item.id for item in engine.objects] == filled
    assert engine.panel["expected"] > 0.5
    at_rest(engine)
    first = engine.name
    assert len(engine.engine.filled) == 2

    # One is rejected, in one edit that can be undone.
    view.ask("remove", objects=[filled[0]])
    until(lambda: engine.panel["filled"] == filled[1:], what="one is gone")
    engine.undo()
    until(lambda: engine.panel["filled"] == filled, what="it is back")
    view.ask("remove", objects=[filled[0]])
    view.ask("finish")
    assert engine.name != first
    assert engine.name in engine.engine.filled, "the next photo was filled in before it was shown"
    assert engine.panel["accepted"] == pytest.approx(1 - 1 / len(filled), abs=0.001)

    # The photos that are left are segmented, and what was made there is checked.
    engine.stage = 3
    assert engine.panel["buttons"] == ["run"]
    report = engine.automatic(crops=0)
    assert len(report.done) == 3
    until(lambda: engine.panel["buttons"] == ["check"], what="all are segmented, and can be checked")
    drawn = engine.check(2)
    assert drawn == 2
    assert engine.panel["check"]["object"] in [item.id for item in engine.objects]
    assert engine.panel["buttons"] == ["right"]
    view.ask("right")
    view.ask("right")
    assert engine.panel["check"]["done"] == 2
    assert engine.panel["check"]["sentence"].startswith("100% of 2 masks above IoU 0.90")


def test_a_correction_judges_a_mask_and_goes_on_to_the_next(
    opened: Callable[..., Engine], truth: Truth, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = opened(tune=False)
    masks = truth[engine.name]
    engine.add_objects(masks[0])
    engine.add_objects(masks[1])
    first, second = engine.objects
    items = [(engine.name, item.id, item.stored.packed, item.stored.shape) for item in (first, second)]
    monkeypatch.setattr(
        DataEngine, "start_check", lambda self, _count: (self._journal.start_check(items), len(items))[1]
    )
    assert engine.check() == 2
    assert engine.panel["check"]["object"] == first.id
    engine.remove(first.id)
    until(lambda: engine.panel["check"]["object"] == second.id, what="the next mask is shown")
    assert engine.panel["check"]["done"] == 1
    View(engine).ask("right")
    assert engine.panel["check"]["object"] is None
    assert engine.engine.agreement is not None
    assert engine.engine.agreement.ious == (0.0, 1.0)


def test_next_goes_to_the_photo_that_would_teach_most(opened: Callable[..., Engine], truth: Truth) -> None:
    engine = opened(tune=False)
    at_rest(engine)
    wanted = engine.engine.next_photo(besides=engine.index)
    assert wanted is not None
    engine.next()
    assert engine.index == wanted
    annotate(engine, truth, PHOTOS)
    assert len(engine.engine.done) == PHOTOS
    with pytest.raises(sw.SessionError, match="all other photos are done"):
        engine.next()
    assert engine.report().done == PHOTOS
    assert engine.advice == engine.panel["advice"]


def test_closing_ends_jobs_and_lets_the_folder_go(
    opened: Callable[..., Engine], truth: Truth, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch, "round")
    engine = opened(tune=False)
    annotate(engine, truth, 4)
    View(engine).ask("tune")
    assert held.begun.wait(60)
    engine.close()
    until(lambda: held.cancelled, what="the job has ended")
    until(
        lambda: not [one for one in threading.enumerate() if one.name == "sam_widget engine"],
        what="its thread has ended",
    )
    again = opened(tune=False)
    assert len(again.engine.done) == 4


def test_a_cell_that_is_run_again_takes_over_its_folder(opened: Callable[..., Engine], truth: Truth) -> None:
    before = opened(tune=False)
    annotate(before, truth, 1)
    after = opened(tune=False)
    assert before.engine.closed
    assert len(after.engine.done) == 1
    after.add_objects(truth[after.name][0])
    assert after.panel["current"] is not None


def test_a_refused_model_leaves_the_folder_free(tmp_path: Path, truth: Truth) -> None:
    del truth
    with pytest.raises(sw.ModelError):
        Engine(tmp_path / "photos", model="no such model")
    DataEngine(tmp_path / "photos").close()


@pytest.mark.skipif("sys.platform != 'linux'", reason="threads have priorities of their own on Linux")
def test_the_thread_of_jobs_lets_others_go_first() -> None:
    import os

    found: list[int] = []

    def run() -> None:
        low_priority()
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    thread = threading.Thread(target=run)
    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    thread.start()
    thread.join(60)
    assert found == [max(LOW, before)]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before
