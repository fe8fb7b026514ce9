"""What views show of a data engine: its stage, advice and figures, as a message."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Literal

from sam_widget.engine.report import STAGES
from sam_widget.engine.tuning import LEAST_PHOTOS
from sam_widget.widget.panels import CheckData, EngineData, JobData, RoundData, StageData

if TYPE_CHECKING:
    from sam_widget.engine.engine import DataEngine
    from sam_widget.widget.engine_jobs import Job

# Masks whose seconds and clicks are shown.
MOST_SHOWN = 200
# Names of jobs, as they are shown.
TUNING, LEARNING, AUTOMATIC, FILLING, LOOKING = (
    "Tuning the model",
    "Learning what you accept",
    "Segmenting photos",
    "Filling in masks",
    "Looking at photos",
)
# What to do while they run.
MEANWHILE = {
    TUNING: "The model is learning from the masks you accepted. You can continue with this photo.",
    LEARNING: "What you accept is being learned from the photos that are done. You can continue meanwhile.",
    AUTOMATIC: "The other photos are being segmented. Masks are saved as they are found; Cancel keeps them.",
}

Button = Literal["done", "next", "tune", "run", "check", "right"]


def panel_of(engine: DataEngine, index: int, *, job: Job | None, pending: Collection[str], error: str) -> EngineData:
    """Return what views show.

    Args:
        engine: The engine.
        index: Index of the displayed photo.
        job: The job that is running.
        pending: Names of the jobs that are running or waiting.
        error: Why the last job failed; empty if it did not.
    """
    report, done, name = engine.report(), engine.done, engine.album.names[index]
    entries = report.entries
    by_hand = [entry for entry in entries if not entry.automatic and not entry.gone]
    second = next((figures for figures in report.stages if figures.stage == 2), None)
    check = _check(engine)
    return EngineData(
        stage=engine.stage,
        stages=[StageData(said.capitalize(), engine.hindrance(stage)) for stage, said in STAGES.items()],
        photos=len(engine.album.images),
        done=len(done),
        advice=next((said for one, said in MEANWHILE.items() if one in pending), engine.advice),
        buttons=list(_buttons(engine, index, pending, check)),
        seconds=[round(entry.seconds, 1) for entry in by_hand if entry.seconds is not None][-MOST_SHOWN:],
        clicks=[entry.clicks for entry in by_hand if entry.clicks is not None][-MOST_SHOWN:],
        rounds=[
            RoundData(one.number, one.adopted, one.reason, *one.figures.get("clicks", (None, None)))
            for one in report.rounds
        ],
        expected=_number(None if engine.learned is None else engine.learned.expected),
        accepted=None if second is None else _number(second.accepted),
        filled=[one.object for one in entries if one.photo == name and one.automatic and not one.gone]
        if name not in done
        else [],
        job=None if job is None else _job(job),
        error=error,
        check=check,
        current=_number(engine.seconds(index)),
    )


def _buttons(engine: DataEngine, index: int, pending: Collection[str], check: CheckData | None) -> Iterator[Button]:
    """Yield what can be done now, the best first."""
    done, names = engine.done, engine.album.names
    left = len(names) - len(done)
    if engine.stage < 3:
        if names[index] not in done:
            yield "done"
        elif left:
            yield "next"
        if len(done) > LEAST_PHOTOS and TUNING not in pending:
            yield "tune"
        return
    if check is not None and check.image is not None:
        yield "right" if check.image == index else "check"
        return
    if not set(names) <= done | engine.segmented and AUTOMATIC not in pending:
        yield "run"
    if check is None and engine.segmented and engine.unseen:
        yield "check"


def _check(engine: DataEngine) -> CheckData | None:
    agreement, item = engine.agreement, engine.next_check()
    if agreement is None:
        return None
    _, image, one = item or (None, None, None)
    return CheckData(len(agreement.ious), agreement.wanted, str(agreement), image, one)


def _job(job: Job) -> JobData:
    step = "" if job.step in {"", job.name} else f": {job.step[0].lower()}{job.step[1:]}"
    return JobData(f"{job.name}{step}", _number(job.share))


def _number(value: float | None) -> float | None:
    """Return a number that JSON has."""
    return None if value is None or not math.isfinite(value) else round(float(value), 3)
