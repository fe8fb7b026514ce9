from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sam_widget.engine import generic
from sam_widget.engine.acceptance import THRESHOLD
from sam_widget.engine.engine import DataEngine
from sam_widget.engine.simulated import SimulatedAnnotator
from sam_widget.errors import ModelError, PromptError, SessionError
from sam_widget.model.names import without_precision
from sam_widget.model.tuned import TunedWeights, Tuning
from sam_widget.model.zoo import load_model
from sam_widget.session.file.reader import Record
from tests.engine.cells import folder

# A coarse grid is enough for these photos.
COARSE = 6


@pytest.fixture
def annotator(tmp_path: Path) -> SimulatedAnnotator:
    return SimulatedAnnotator(folder(tmp_path / "photos", 8))


@pytest.fixture
def engine(tmp_path: Path, annotator: SimulatedAnnotator) -> Iterator[DataEngine]:
    opened = DataEngine(
        tmp_path / "photos", clock=annotator.clock, store=tmp_path / "store", who="ada", points_per_side=COARSE
    )
    yield opened
    opened.close()


def test_three_stages(engine: DataEngine, annotator: SimulatedAnnotator, tmp_path: Path) -> None:
    # Stage 1.
    assert engine.stage == 1
    assert "press Enter" in engine.advice
    with pytest.raises(SessionError, match="mark at least 3 photos as done"):
        engine.stage = 2
    with pytest.raises(SessionError, match="not known yet"):
        engine.prefill(0)
    assert engine.look_ahead() == 8
    for _ in range(5):
        photo = engine.next_photo()
        assert photo is not None
        assert engine.album.names[photo] not in engine.done
        assert annotator.annotate(engine, photo) == 5
    entries = engine.report().entries
    assert len(entries) == 25
    assert {entry.who for entry in entries} == {"ada"}
    assert all(entry.seconds and entry.clicks for entry in entries)
    assert engine.round_due

    # A round, kept short: refused or adopted, it is written down.
    result = engine.round(steps=2)
    assert [entry.adopted for entry in engine.report().rounds] == [result.model is not None]
    assert not engine.round_due

    # Stage 2.
    learned = engine.acceptance()
    assert learned is not None
    assert learned.expected >= 0.8
    engine.stage = 2
    photo = engine.next_photo()
    assert photo is not None
    filled = engine.prefill(photo)
    assert filled >= 1
    automatic = [entry for entry in engine.report().entries if entry.automatic]
    assert len(automatic) == filled
    assert all(entry.stage == 2 and entry.who == "" for entry in automatic)
    assert all(entry.probability is not None and entry.probability >= THRESHOLD for entry in automatic)
    assert engine.prefill(photo) == 0  # nothing twice
    annotator.annotate(engine, photo)
    (second,) = [figures for figures in engine.report().stages if figures.stage == 2]
    assert second.accepted is not None
    assert second.accepted >= 0.6

    # Stage 3.
    report = engine.automatic(crops=0)
    assert len(report.done) == 2
    assert len(engine.automatic(crops=0).skipped) == 2
    assert engine.start_check(4) == 4
    annotator.check(engine)
    assert engine.agreement is not None
    assert len(engine.agreement.ious) == 4
    assert engine.next_check() is None
    assert "complete" in engine.advice
    truth = [
        max((item.mask & mask).sum() / (item.mask | mask).sum() for mask in annotator.truth[name])
        for name in engine.album.names
        if name not in engine.done
        for item in Record.read(tmp_path / "photos" / f"{name}.sam").objects
    ]
    assert engine.agreement.above(0.75)[0] == pytest.approx(np.mean(np.array(truth) > 0.75), abs=0.5)


def test_a_corrected_mask_is_compared_with_what_it_was(engine: DataEngine, annotator: SimulatedAnnotator) -> None:
    for photo in range(4):
        annotator.annotate(engine, photo)
    engine.automatic(crops=0)
    engine.start_check(3)
    first = engine.next_check()
    assert first is not None
    engine.confirm(first[0])
    item = engine.next_check()
    assert item is not None
    session = engine.open(item[1])
    session.rename(item[2], "another name")
    assert engine.next_check() == item  # renaming corrects nothing
    session.edit(item[2])
    x, y, width, _ = next(one for one in session.objects if one.id == item[2]).stored.bounds
    session.brush([(x, y), (x + width, y)], radius=3)
    session.accept()
    last = engine.next_check()
    assert last is not None
    assert last[0] != item[0]
    session = engine.open(last[1])
    session.remove(last[2])
    assert engine.agreement is not None
    right, corrected, removed = engine.agreement.ious
    assert right == 1
    assert 0.3 < corrected < 1
    assert removed == 0
    with pytest.raises(SessionError, match="between 0 and 1"):
        engine.judge(0, 3)


def test_only_what_a_person_has_seen_is_taught(engine: DataEngine, annotator: SimulatedAnnotator) -> None:
    for photo in range(4):
        annotator.annotate(engine, photo)
    assert [len(photo.masks) for photo in engine.taught()] == [5] * 4
    assert engine.prefill(4) > 0
    assert len(engine.taught()) == 4
    engine.mark(4)
    assert len(engine.taught()) == 5


def test_an_adopted_model_is_used_from_then_on_and_after_a_restart(tmp_path: Path, engine: DataEngine) -> None:
    base = load_model("tiny")
    weights = TunedWeights(
        Tuning(base="tiny", base_weights=without_precision(base.weights_id), kind="decoder"),
        {"mask_decoder.score_of_certainty": base.state_dict()["mask_decoder.score_of_certainty"] + 1},
    )
    weights.save(engine.home / "round-1.safetensors")
    from sam_widget.engine.journal import RoundEntry

    engine._journal.keep_round(RoundEntry(1, 1, True, "better", {}, "round-1.safetensors", "x"))
    engine.close()
    again = DataEngine(tmp_path / "photos", store=tmp_path / "store")
    assert again.predictor.model.name == "round-1"
    assert again.predictor is not again.base
    assert again.open(0).predictor is again.predictor
    again.close()


def test_one_kernel_at_a_time_and_always_the_same_base(tmp_path: Path, engine: DataEngine) -> None:
    given = f"import sam_widget as sw; sw.DataEngine({str(tmp_path / 'photos')!r})"
    other_kernel = subprocess.run(
        [sys.executable, "-c", given], capture_output=True, text=True, timeout=120, check=False
    )
    assert "is open in another kernel" in other_kernel.stderr
    assert engine.base.model.name == "tiny"
    again = DataEngine(tmp_path / "photos", model=_renamed())  # a cell that is run again takes over
    assert engine.closed
    with pytest.raises(ModelError, match="started with 'tiny', not 'other'"):
        _ = again.base
    again.close()


def _renamed() -> object:
    model = load_model("tiny")
    model.name = "other"
    return model


def test_a_photo_that_cannot_be_read_is_passed_over(tmp_path: Path, annotator: SimulatedAnnotator) -> None:
    (tmp_path / "photos" / "a-broken.png").write_bytes(b"no picture")
    engine = DataEngine(tmp_path / "photos", clock=annotator.clock, store=tmp_path / "store", points_per_side=COARSE)
    assert engine.look_ahead() == 8
    assert engine.next_photo() != 0
    for photo in range(1, 5):
        annotator.annotate(engine, photo)
    report = engine.automatic(crops=0)
    assert len(report.done) == 4
    assert "a-broken.png" in str(report.failed[0])
    engine.close()


def _work(path: Path, store: Path, ready: multiprocessing.connection.Connection) -> None:
    """Continue with a folder, whatever was done before, and say what is accepted."""
    generic.ALL = 4
    annotator = SimulatedAnnotator(_truth(path))
    engine = DataEngine(path, clock=annotator.clock, store=store, points_per_side=6)
    for photo in range(4):
        annotator.annotate(engine, photo)
        ready.send([entry.object for entry in engine.report().entries if not entry.automatic and not entry.gone])
    engine.round(steps=3)
    engine.automatic(crops=0)
    ready.send("finished")


def _truth(path: Path) -> dict[str, list[np.ndarray]]:
    from tests.engine.cells import draw

    names = sorted(photo.name for photo in path.glob("*.png"))
    return {name: draw(seed)[1] for seed, name in enumerate(names)}


@pytest.mark.timeout(240)
def test_nothing_accepted_is_lost_when_it_is_killed(tmp_path: Path) -> None:
    folder(tmp_path / "photos", 6)
    spawn = multiprocessing.get_context("spawn")
    accepted: set[str] = set()
    delays = np.random.default_rng(0).uniform(0.1, 5, 2)
    for turn in range(3):
        ours, theirs = spawn.Pipe()
        process = spawn.Process(target=_work, args=(tmp_path / "photos", tmp_path / "store", theirs))
        process.start()
        while turn < 2 or process.is_alive() or ours.poll(0):
            # The first message says that everything is loaded; then it is killed at a random moment.
            if not ours.poll(60 if not accepted or turn == 2 else float(delays[turn])):
                break
            try:
                said = ours.recv()
            except EOFError:
                break
            if said == "finished":
                break
            accepted |= set(said)
            if turn < 2 and len(accepted) > 8 * (turn + 1) and not ours.poll(float(delays[turn])):
                break
        if turn < 2:
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
        process.join(60)
        there = {item.id for path in (tmp_path / "photos").glob("*.sam") for item in Record.read(path).objects}
        assert accepted <= there
    engine = DataEngine(tmp_path / "photos", store=tmp_path / "store")
    report = engine.report()
    assert report.done == 4
    assert {entry.object for entry in report.entries if not entry.gone} >= accepted
    assert any(entry.stage == 3 for entry in report.entries)
    engine.close()


def _clicks(tmp_path: Path, annotator: SimulatedAnnotator, points_per_side: int) -> int:
    """Annotate three photos, and return how many batches of clicks are decoded to learn what is accepted."""
    engine = DataEngine(
        tmp_path / "photos",
        clock=annotator.clock,
        store=tmp_path / "store",
        sessions=tmp_path / f"sessions-{points_per_side}",
        points_per_side=points_per_side,
    )
    for photo in range(3):
        annotator.annotate(engine, photo)
    decoded: list[int] = []
    engine.predictor.model.mask_decoder.register_forward_hook(lambda *_: decoded.append(1))
    engine.acceptance()
    engine.close()
    return len(decoded)


def test_a_grid_of_fewer_points_takes_fewer_clicks(tmp_path: Path, annotator: SimulatedAnnotator) -> None:
    assert 0 < _clicks(tmp_path, annotator, 4) < _clicks(tmp_path, annotator, 16)


@pytest.mark.parametrize("points_per_side", [0, -3, 2.5, "12"])
def test_a_grid_without_points_is_refused(tmp_path: Path, engine: DataEngine, points_per_side: object) -> None:
    with pytest.raises(PromptError, match="expected a whole number of at least 1"):
        DataEngine(tmp_path / "photos", points_per_side=points_per_side)  # type: ignore[arg-type]
    assert not engine.closed
